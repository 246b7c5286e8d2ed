//! Problem documents (RFC 9457): every refusal of REST is one, whoever found the reason, and is written in one place.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use muster_catalog::Current;
use serde::Serialize;
use utoipa::ToSchema;

use super::wire::{DeliveryBody, LabelBody};
use crate::fault::Fault;
use crate::service::{Stored, now_us};
use crate::watching::Failure;

/// The media type of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Where in a rule's text or in a JSON body something is wrong.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Position {
    /// Line, from 1.
    line: u64,
    /// Column, from 1: characters of a rule, bytes of a body.
    column: u64,
    /// Bytes before it; of rules only.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

/// Why a request was refused, as RFC 9457 has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// Which kind of problem, for programs: `urn:muster:problem:` and a name.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words, always the same ones.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What was wrong this time, where, and what to do.
    detail: String,
    /// The path that was asked.
    instance: String,
    /// The request, as in the header `x-request-id` and in the log.
    request_id: String,
    /// The part of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Where in the rule's text, or in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
    /// Where in the rule's tree, a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The nearest thing that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The limit that was passed, by its name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<String>,
    /// When it is worth trying again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// What was to be changed, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    current: Option<serde_json::Value>,
    /// What is counted.
    #[serde(skip)]
    outcome: &'static str,
}

/// A kind of problem: its name, its title, its status.
struct Kind(&'static str, &'static str, StatusCode);

const BAD_RULE: Kind = Kind("bad_rule", "The rule cannot be used", StatusCode::BAD_REQUEST);
const INVALID: Kind = Kind("invalid_request", "The request makes no sense", StatusCode::BAD_REQUEST);
const MALFORMED: Kind = Kind("malformed_body", "The body cannot be read", StatusCode::BAD_REQUEST);
const UNAUTHENTICATED: Kind = Kind("unauthenticated", "It is not known who asks", StatusCode::UNAUTHORIZED);
const DENIED: Kind = Kind("denied", "The caller may not do this", StatusCode::FORBIDDEN);
const NOT_FOUND: Kind = Kind("not_found", "There is no such thing", StatusCode::NOT_FOUND);
const NO_PATH: Kind = Kind("no_such_path", "There is no such path", StatusCode::NOT_FOUND);
const NO_METHOD: Kind =
    Kind("method_not_allowed", "The path has other methods", StatusCode::METHOD_NOT_ALLOWED);
const PRECONDITION: Kind = Kind("precondition", "Something is in the way", StatusCode::CONFLICT);
const TAKEN: Kind = Kind("already_exists", "The name is taken", StatusCode::CONFLICT);
const CONFLICT: Kind = Kind("conflict", "It was changed in the meantime", StatusCode::CONFLICT);
const TOO_LARGE: Kind = Kind("too_large", "The body is too large", StatusCode::PAYLOAD_TOO_LARGE);
const MEDIA_TYPE: Kind =
    Kind("media_type", "The body is of another type", StatusCode::UNSUPPORTED_MEDIA_TYPE);
const EXHAUSTED: Kind = Kind("exhausted", "Too much at a time", StatusCode::TOO_MANY_REQUESTS);
const INTERNAL: Kind = Kind("internal", "The server failed", StatusCode::INTERNAL_SERVER_ERROR);
const UNIMPLEMENTED: Kind = Kind("unimplemented", "This server cannot do that", StatusCode::NOT_IMPLEMENTED);
const UNAVAILABLE: Kind = Kind("unavailable", "Nothing can be answered now", StatusCode::SERVICE_UNAVAILABLE);
const DEADLINE: Kind = Kind("deadline", "The time given was over", StatusCode::GATEWAY_TIMEOUT);

/// A refusal. It becomes bytes when the path and the request's id are known.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Document>);

impl Problem {
    fn new(Kind(name, title, status): Kind, outcome: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            kind: format!("urn:muster:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            instance: String::new(),
            request_id: String::new(),
            field: None,
            position: None,
            pointer: None,
            hint: None,
            limit: None,
            retry_after_ms: None,
            current: None,
            outcome,
        }))
    }

    /// A path that is not served.
    pub(super) fn no_path(path: &str) -> Self {
        let detail = format!("there is no path {path}; /api/openapi.json lists what there is");
        Self::new(NO_PATH, "NOT_FOUND", detail)
    }

    /// A method that a path does not have.
    pub(super) fn no_method(method: &http::Method, path: &str) -> Self {
        let detail = format!("{path} is not served for {method}; the header Allow lists the methods it has");
        Self::new(NO_METHOD, "INVALID_ARGUMENT", detail)
    }

    /// A body of another type than JSON.
    pub(super) fn media_type(found: Option<&str>) -> Self {
        let found = found.map_or("the body has no Content-Type".to_owned(), |found| {
            format!("the body's Content-Type is {found:?}")
        });
        let detail = format!("{found}; send JSON, with `Content-Type: application/json`");
        Self::new(MEDIA_TYPE, "INVALID_ARGUMENT", detail)
    }

    /// A body of more bytes than are read.
    pub(super) fn too_large(most: usize) -> Self {
        let limit = "serve.request_bytes";
        let detail = format!(
            "the body is larger than the limit of {most} bytes (`{limit}` in the configuration); send less at a time"
        );
        let mut problem = Self::new(TOO_LARGE, "INVALID_ARGUMENT", detail);
        problem.0.limit = Some(limit.to_owned());
        problem
    }

    /// A body that ended early or could not be received.
    pub(super) fn broken_body(what: &str) -> Self {
        Self::new(MALFORMED, "INVALID_ARGUMENT", format!("the body did not arrive whole: {what}"))
    }

    /// A body that is not JSON, or not what this endpoint takes.
    pub(super) fn of_json(error: &serde_json::Error) -> Self {
        let kind = if error.is_data() { INVALID } else { MALFORMED };
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or(&message);
        let place = format!("at line {}, column {}", error.line(), error.column());
        let detail = if error.is_data() {
            format!("the body is not what is asked for: {what} {place}")
        } else {
            format!("the body is not JSON: {what} {place}")
        };
        let mut problem = Self::new(kind, "INVALID_ARGUMENT", detail);
        problem.0.position =
            Some(Position { line: error.line() as u64, column: error.column() as u64, offset: None });
        problem
    }

    /// What was wrong this time.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is counted.
    pub(super) fn outcome(&self) -> &'static str {
        self.0.outcome
    }

    /// What is counted and logged of it.
    pub(super) fn failure(&self) -> Failure<'_> {
        Failure { code: self.0.outcome, field: self.0.field.as_deref(), what: &self.0.detail }
    }

    /// The document as one line of JSON.
    pub(super) fn line(&mut self, instance: &str, request_id: &str) -> Vec<u8> {
        instance.clone_into(&mut self.0.instance);
        request_id.clone_into(&mut self.0.request_id);
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    /// Makes a response of this problem: the headers that are there stay.
    pub(super) fn write(mut self, response: &mut Response, instance: &str, request_id: &str) {
        *response.body_mut() = Body::from(self.line(instance, request_id));
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(wait_ms) = self.0.retry_after_ms {
            // The header counts whole seconds; the document is more exact.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000).max(1)));
        }
        if self.0.status == StatusCode::UNAUTHORIZED.as_u16() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A record as the API shows it.
fn current_of(current: Current) -> Option<serde_json::Value> {
    match current {
        Current::Label(label) => serde_json::to_value(LabelBody::from(label)).ok(),
        Current::Delivery(delivery) => {
            let stored = Stored::at(delivery, now_us());
            serde_json::to_value(DeliveryBody::from(&stored)).ok()
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (outcome, detail) = (fault.name(), fault.to_string());
        let of = |kind| Self::new(kind, outcome, detail);
        match fault {
            Fault::Rule { field, error } => {
                let mut problem = of(BAD_RULE);
                let document = &mut problem.0;
                document.field = Some(field);
                document.position = error.position().map(|at| Position {
                    line: at.line.into(),
                    column: at.column.into(),
                    offset: Some(at.offset.into()),
                });
                document.pointer = error.pointer().map(ToOwned::to_owned);
                document.limit = error.limit.map(ToOwned::to_owned);
                document.hint = error.hint;
                problem
            }
            Fault::Invalid { field, .. } => {
                let mut problem = of(INVALID);
                problem.0.field = Some(field);
                problem
            }
            Fault::Exhausted { retry_after, .. } => {
                let mut problem = of(EXHAUSTED);
                problem.0.retry_after_ms = Some(retry_after.as_millis() as u64);
                problem
            }
            Fault::NotFound { .. } => of(NOT_FOUND),
            Fault::Deadline => of(DEADLINE),
            // Nobody reads it: whoever asked has gone, or the server ends.
            Fault::Cancelled | Fault::Unavailable { .. } => of(UNAVAILABLE),
            Fault::Unauthenticated { .. } => of(UNAUTHENTICATED),
            Fault::Denied { .. } => of(DENIED),
            Fault::Precondition { .. } => of(PRECONDITION),
            Fault::Taken { .. } => of(TAKEN),
            Fault::Conflict { current, .. } => {
                let mut problem = of(CONFLICT);
                problem.0.current = current_of(*current);
                problem
            }
            Fault::Unimplemented { .. } => of(UNIMPLEMENTED),
            Fault::Internal { .. } => of(INTERNAL),
        }
    }
}
