//! Features and users.

use std::collections::BTreeMap;

use muster_engine::execute::Feature;
use muster_engine::value::Value as EngineValue;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use utoipa::ToSchema;

use super::Time;
use crate::fault::{Fault, Result};
use crate::service::{User, UsersPage};

/// A value of a feature: null, a boolean, a number, text, an array of these, or an object of these.
///
/// Whole numbers of more than 64 bits are text, and so are `nan`, `inf` and `-inf`, which JSON has no numbers for. Decimals, dates,
/// times, UUIDs and addresses are text as ClickHouse prints them, instants as RFC 3339 has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = serde_json::Value)]
pub(in super::super) struct Value(Json);

impl Value {
    /// A number, or text if JSON cannot say it.
    pub(super) fn number(number: f64) -> Self {
        Self(serde_json::Number::from_f64(number).map_or_else(|| Json::String(special(number)), Json::Number))
    }

    /// As JSON.
    pub(in super::super) fn into_json(self) -> Json {
        self.0
    }

    /// What a request says of the feature of this name.
    pub(super) fn feature(self, name: &str) -> Result<Feature> {
        Ok(match self.0 {
            Json::Array(elements) => Feature::List(
                elements.into_iter().map(|element| single(element, name)).collect::<Result<_>>()?,
            ),
            Json::Object(entries) => {
                let entry = |(key, value)| Ok((EngineValue::Text(key), single(value, name)?));
                Feature::Map(entries.into_iter().map(entry).collect::<Result<_>>()?)
            }
            one => Feature::Value(single(one, name)?),
        })
    }
}

fn single(value: Json, name: &str) -> Result<EngineValue> {
    Ok(match value {
        Json::Null => EngineValue::Null,
        Json::Bool(value) => EngineValue::Bool(value),
        Json::String(text) => EngineValue::Text(text),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => EngineValue::UInt(whole.into()),
            (None, Some(whole)) => EngineValue::Int(whole.into()),
            (None, None) => EngineValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(_) | Json::Object(_) => {
            let what = "a list or map inside a list or map is no feature's value";
            return Err(Fault::invalid(format!("overlay[{name:?}]"), what));
        }
    })
}

fn special(number: f64) -> String {
    let name = if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    name.to_owned()
}

impl From<EngineValue> for Value {
    fn from(value: EngineValue) -> Self {
        Self(match value {
            EngineValue::Null => Json::Null,
            EngineValue::Bool(value) => value.into(),
            EngineValue::Int(value) => {
                i64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from)
            }
            EngineValue::UInt(value) => {
                u64::try_from(value).map_or_else(|_| value.to_string().into(), Json::from)
            }
            EngineValue::Float(value) => return Self::number(value),
            EngineValue::Text(value) => value.into(),
        })
    }
}

impl From<Feature> for Value {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Value(one) | Feature::Length(one) => one.into(),
            Feature::List(elements) => {
                Self(elements.into_iter().map(|element| Self::from(element).0).collect())
            }
            Feature::Map(entries) => {
                let entry = |(key, value): (EngineValue, EngineValue)| (key.to_string(), Self::from(value).0);
                Self(Json::Object(entries.into_iter().map(entry).collect()))
            }
        }
    }
}

/// A user's features.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct UserAnswer {
    user_id: u64,
    /// By column, or by what was asked for.
    features: BTreeMap<String, Value>,
    /// Names of the enabled labels that hold.
    labels: Vec<String>,
    /// Whether the user opted out of targeting.
    opted_out: bool,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

pub(super) fn features(features: Vec<(String, Feature)>) -> BTreeMap<String, Value> {
    features.into_iter().map(|(name, feature)| (name, feature.into())).collect()
}

impl From<User> for UserAnswer {
    fn from(user: User) -> Self {
        Self {
            user_id: user.user_id,
            features: features(user.features),
            labels: user.labels,
            opted_out: user.opted_out,
            generation: user.origin.generation,
            as_of: Time::of(user.origin.as_of),
        }
    }
}

/// One feature of a user.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct FeatureAnswer {
    user_id: u64,
    /// The feature, as it was asked for.
    name: String,
    value: Value,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

impl FeatureAnswer {
    /// The first feature of a user of whom one was asked; the service layer gives as many as were asked for.
    pub(in super::super) fn of(user: User) -> Option<Self> {
        let (name, feature) = user.features.into_iter().next()?;
        Some(Self {
            user_id: user.user_id,
            name,
            value: feature.into(),
            generation: user.origin.generation,
            as_of: Time::of(user.origin.as_of),
        })
    }
}

/// Asks for the features of many users.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct FeaturesRequest {
    /// The users.
    #[schema(min_items = 1)]
    pub(in super::super) user_ids: Vec<u64>,
    /// Only these columns, keys of maps or lengths; all columns unless given.
    #[serde(default)]
    pub(in super::super) columns: Vec<String>,
    /// Of this generation; without it, the one in service.
    pub(in super::super) generation: Option<u64>,
}

/// Users with features.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct UsersAnswer {
    users: Vec<UserItem>,
    /// Users that were asked for by id and are not in the generation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<u64>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

/// A user of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct UserItem {
    user_id: u64,
    /// By column, or by what was asked for.
    features: BTreeMap<String, Value>,
    /// Whether the user opted out of targeting.
    opted_out: bool,
}

impl From<UsersPage> for UsersAnswer {
    fn from(page: UsersPage) -> Self {
        let item = |user: User| UserItem {
            user_id: user.user_id,
            features: features(user.features),
            opted_out: user.opted_out,
        };
        Self {
            users: page.users.into_iter().map(item).collect(),
            unknown: page.unknown,
            next_page_token: page.next_page_token,
            generation: page.origin.generation,
            as_of: Time::of(page.origin.as_of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_has_no_numbers_for_are_text() {
        let show = |value: EngineValue| serde_json::to_string(&Value::from(value)).unwrap();
        assert_eq!(show(EngineValue::UInt(u64::MAX.into())), "18446744073709551615");
        assert_eq!(show(EngineValue::UInt(u128::MAX)), "\"340282366920938463463374607431768211455\"");
        assert_eq!(show(EngineValue::Int(-5)), "-5");
        assert_eq!(show(EngineValue::Float(f64::NAN)), "\"nan\"");
        assert_eq!(show(EngineValue::Float(f64::NEG_INFINITY)), "\"-inf\"");
        assert_eq!(show(EngineValue::Float(0.1)), "0.1");
        assert_eq!(show(EngineValue::Null), "null");
    }
}
