//! What every REST request goes through: its id, who asks, until when, how long it took, how it ended.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tracing::Instrument as _;

use super::problem::Problem;
use crate::access::Access;
use crate::fault::{Fault, Result};
use crate::listen::Peer;
use crate::meters::{Meters, Method};
use crate::service::{Ask, Service};
use crate::watching::{self, Watched, Watcher};

/// The header in which a caller says how long it waits, in milliseconds.
pub(super) const TIMEOUT_HEADER: &str = "x-muster-timeout-ms";
/// The header that names a request, given by the caller or made.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static(watching::REQUEST_ID_HEADER);

/// The way to the service layer.
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    pub(super) access: Arc<Access>,
    pub(super) meters: Arc<Meters>,
    pub(super) watcher: Arc<Watcher>,
}

impl Front {
    fn ask(&self, headers: &HeaderMap, peer: Option<&Peer>, watched: &Watched<'_>) -> Result<Ask> {
        let caller = self.access.caller(headers, peer)?;
        let given = headers.get(TIMEOUT_HEADER).map(timeout).transpose()?;
        watched.caller(&caller);
        let deadline = self.service.deadline(watched.begun, given);
        let request = watched.id.as_deref().map(Arc::from);
        Ok(Ask { caller, deadline, generation: 0, now: None, span: watched.span.clone(), request })
    }
}

fn timeout(value: &HeaderValue) -> Result<Duration> {
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| {
        Fault::invalid(TIMEOUT_HEADER, "it is no whole number of milliseconds from 1 on; give one, as 2000")
    })
}

/// Answers a request of a method: the caller is known before anything of the request is read.
pub(super) async fn measure(
    State((front, method)): State<(Arc<Front>, Method)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    // The request has its id already: one that was given, or one of ours.
    let header = |name: &str| match (name, &id) {
        (watching::REQUEST_ID_HEADER, Some(id)) => Some(id.as_str()),
        _ => request.headers().get(name).and_then(|value| value.to_str().ok()),
    };
    let watched = front.watcher.begin(method, header);
    let peer = request.extensions().get::<Peer>().cloned();
    let response = match front.ask(request.headers(), peer.as_ref(), &watched) {
        Ok(ask) => {
            request.extensions_mut().insert(ask);
            next.run(request).instrument(watched.span.clone()).await
        }
        Err(fault) => Problem::from(fault).into_response(),
    };
    let problem = response.extensions().get::<Problem>();
    if let Some(problem) = problem {
        front.access.refused(problem.outcome(), &problem.detail(), peer.as_ref(), &method);
    }
    watched.ended(problem.map(Problem::failure).as_ref());
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let ask = parts.extensions.get::<Self>().cloned();
        ask.ok_or_else(|| Fault::Internal { what: "this path was not told who asks".to_owned() }.into())
    }
}

/// Names every request, and writes the problem if there is one: the last to touch an answer.
pub(super) async fn finish(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID_HEADER).and_then(|id| id.to_str().ok());
    // An id is visible ASCII, so it is a header's value.
    let id = HeaderValue::try_from(front.watcher.id(given)).unwrap_or(HeaderValue::from_static("0"));
    let id = RequestId(id);
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.write(&mut response, &path, id.as_str());
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID_HEADER, id.0);
    // What an answer says holds for this caller and this moment, but for the console's files.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The id of a request.
#[derive(Debug, Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// As text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let id = parts.extensions.get::<Self>().cloned();
        Ok(id.unwrap_or(Self(HeaderValue::from_static(""))))
    }
}
