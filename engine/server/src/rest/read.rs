//! Reading requests: bodies, query parameters and paths, each strict, and each refusal a problem document.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use futures_util::StreamExt as _;
use http::header;
use http::request::Parts;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use super::front::Front;
use super::problem::Problem;
use super::wire::Time;
use crate::fault::{Fault, Result};
use crate::service::Ask;

/// A body of JSON: an object of known fields.
pub(super) struct Json<T>(pub(super) T);

/// The same, where no body at all means an object without fields.
pub(super) struct MaybeJson<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Front>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Arc<Front>) -> Result<Self, Problem> {
        let bytes = body(request, front, false).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<Front>> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, front: &Arc<Front>) -> Result<Self, Problem> {
        let bytes = body(request, front, true).await?;
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let Object(value) = serde_json::from_slice(bytes).map_err(|error| Problem::of_json(&error))?;
    Ok(value)
}

/// The bytes of a body, within the limit and the request's time.
async fn body(request: Request, front: &Front, may_be_empty: bool) -> Result<Vec<u8>, Problem> {
    let (mut parts, body) = request.into_parts();
    let ask = Ask::from_request_parts(&mut parts, front).await?;
    if let Some(query) = parts.uri.query().filter(|query| !query.is_empty()) {
        let what =
            format!("this takes a body and no query parameters, and got ?{query}; put them into the body");
        return Err(Fault::invalid("query", what).into());
    }
    let most = front.service.config.request_bytes;
    let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let told: Option<u64> = header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if told.is_some_and(|told| told > most as u64) {
        return Err(Problem::too_large(most));
    }
    let content_type = header(header::CONTENT_TYPE);
    let unsaid = may_be_empty && content_type.is_none();
    if !unsaid && !content_type.is_some_and(is_json) {
        return Err(Problem::media_type(content_type));
    }
    let mut bytes = Vec::with_capacity(told.unwrap_or_default() as usize);
    let receive = async {
        let mut frames = body.into_data_stream();
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|error| Problem::broken_body(&error.to_string()))?;
            if bytes.len() + frame.len() > most {
                return Err(Problem::too_large(most));
            }
            bytes.extend_from_slice(&frame);
        }
        Ok(())
    };
    match tokio::time::timeout_at(ask.deadline.into(), receive).await {
        Ok(received) => received?,
        Err(_) => return Err(Fault::Deadline.into()),
    }
    if unsaid && !bytes.is_empty() {
        return Err(Problem::media_type(None));
    }
    Ok(bytes)
}

/// Whether a content type is JSON's: `application/json`, or another kind of JSON, whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// A struct that is read from a JSON object only: what serde derives would also take an array, by position.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<T, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

/// The parameters after `?`. Each is taken by its name; what is left at the end is refused.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(given) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Fault::invalid("query", rejection.body_text()))?;
        Ok(Self { given, known: Vec::new() })
    }
}

impl Parameters {
    /// All values of a parameter.
    fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let (taken, left) = std::mem::take(&mut self.given).into_iter().partition(|(given, _)| given == name);
        self.given = left;
        Vec::into_iter(taken).map(|(_, value)| value).collect()
    }

    /// A parameter that is given once at most.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(Fault::invalid(name, format!("it is given {} times; give it once", values.len())));
        }
        Ok(values.pop())
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        self.text(name)?.map(|text| number(name, &text)).transpose()
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        let flag = |text: String| {
            let flag = text.parse::<bool>();
            flag.map_err(|_| Fault::invalid(name, format!("{text:?} is neither true nor false")))
        };
        self.text(name)?.map(flag).transpose()
    }

    /// An instant.
    pub(super) fn time(&mut self, name: &'static str) -> Result<Option<Time>> {
        let time = |text: String| text.parse().map_err(|what: String| Fault::invalid(name, what));
        self.text(name)?.map(time).transpose()
    }

    /// Several names: given several times, or with commas between them.
    pub(super) fn names(&mut self, name: &'static str) -> Vec<String> {
        self.all(name).iter().flat_map(|value| split(value)).collect()
    }

    /// Fails if a parameter was given that nobody took.
    pub(super) fn end(self) -> Result<()> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        let what = match &self.known[..] {
            [] => "there is no such parameter; this takes none".to_owned(),
            known => format!("there is no such parameter; there are {}", known.join(", ")),
        };
        Err(Fault::invalid(name, what))
    }
}

/// Splits at commas, but for those in quotes, as in `holdings['a,b']`.
fn split(names: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = names.split(|letter| {
        quoted ^= letter == '\'';
        letter == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect()
}

fn number(field: &str, text: &str) -> Result<u64> {
    // What `parse` takes besides digits would be another way to write the same.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| Fault::invalid(field, format!("{text:?} is no whole number from 0 to 2^64 - 1")))
}

/// The number in a path: of a user, a label, a delivery.
pub(super) struct Id(pub(super) u64);

/// A feature's name in a path.
pub(super) struct FeatureName(pub(super) String);

async fn of_path<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Problem> {
    let given = RawPathParams::from_request_parts(parts, state).await;
    let given = given.map_err(|rejection| Fault::invalid("path", rejection.body_text()))?;
    let found = given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.to_owned());
    Ok(found.unwrap_or_default())
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = of_path(parts, state, "id").await?;
        Ok(number("id", &text).map(Self)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for FeatureName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        of_path(parts, state, "name").await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_outside_quotes() {
        assert_eq!(split("country, balance_usd"), ["country", "balance_usd"]);
        assert_eq!(split("holdings['a,b'],x"), ["holdings['a,b']", "x"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(number("id", "18446744073709551615").unwrap(), u64::MAX);
        for wrong in ["", "+1", "-1", "18446744073709551616", "1.0", " 1", "x"] {
            assert!(number("id", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn json_is_told_by_its_type() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(json), "{json}");
        }
        for other in ["text/json", "application/jsonx", "application/x-www-form-urlencoded", ""] {
            assert!(!is_json(other), "{other}");
        }
    }
}
