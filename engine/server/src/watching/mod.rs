//! One request as those see it who run the server: its id, its span, how it ended.
//!
//! gRPC and REST begin with [`Watcher::begin`] and end with [`Watched::ended`]. Membership is asked so often that it has no span of
//! its own and no id, unless its caller sent one, or everything is logged: then nothing is allocated for it here. What is logged at info
//! and above names no users: messages of faults, which may, are told at debug.

mod origin;

use std::sync::Arc;
use std::time::Instant;

use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::caller::Caller;
use crate::meters::{Meters, Method, OK};
use crate::sparing::Sparing;
use origin::Ids;

/// The header in which a caller gives its request an id, and hears it again.
pub(crate) const REQUEST_ID_HEADER: &str = "x-request-id";

/// How requests end that fail for a reason of ours: somebody who runs the server should know.
const OURS: [&str; 4] = ["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "INTERNAL"];

/// How a request ended that was not answered.
pub(crate) struct Failure<'a> {
    /// gRPC's name of how.
    pub(crate) code: &'static str,
    /// The part of the request that is wrong.
    pub(crate) field: Option<&'a str>,
    /// What is wrong, in words.
    pub(crate) what: &'a dyn std::fmt::Display,
}

/// Watches requests.
pub(crate) struct Watcher {
    meters: Arc<Meters>,
    ids: Ids,
    /// Failures that are the caller's, and those that are ours.
    theirs: Sparing,
    ours: Sparing,
}

/// A request that is watched.
pub(crate) struct Watched<'a> {
    watcher: &'a Watcher,
    method: Method,
    /// When it came.
    pub(crate) begun: Instant,
    /// Its span, which is none for most memberships.
    pub(crate) span: Span,
    /// Its id, to be told with the answer.
    pub(crate) id: Option<String>,
}

impl Watcher {
    /// A watcher that tells these meters.
    pub(crate) fn new(meters: Arc<Meters>) -> Self {
        Self { meters, ids: Ids::default(), theirs: Sparing::default(), ours: Sparing::default() }
    }

    /// The id of a request: the one that its caller gave, if it may be told back and logged, or a new one.
    pub(crate) fn id(&self, given: Option<&str>) -> String {
        given.filter(|id| origin::is_id(id)).map_or_else(|| self.ids.next(), str::to_owned)
    }

    /// A request has come. `header` tells what its headers say.
    pub(crate) fn begin<'h>(&self, method: Method, header: impl Fn(&str) -> Option<&'h str>) -> Watched<'_> {
        let begun = Instant::now();
        let given = header(REQUEST_ID_HEADER).filter(|id| origin::is_id(id));
        let parent = origin::parent(&header);
        let is_plain = method == Method::IsInSegment && given.is_none() && parent.is_none();
        if is_plain && !tracing::enabled!(tracing::Level::DEBUG) {
            return Watched { watcher: self, method, begun, span: Span::none(), id: None };
        }
        let id = self.id(given);
        let span = method.span(&id);
        if let Some(parent) = parent {
            span.record("trace_id", field::display(origin::trace_id(&parent)));
            // Where no spans are exported, there is nothing to tell the parent to.
            let _ = span.set_parent(parent);
        }
        let id = (!is_plain).then_some(id);
        Watched { watcher: self, method, begun, span, id }
    }
}

impl Watched<'_> {
    /// Now it is known who asks.
    pub(crate) fn caller(&self, caller: &Caller) {
        self.span.record("caller", &*caller.name);
    }

    /// It has ended: with an answer, or with a failure.
    pub(crate) fn ended(&self, failure: Option<&Failure<'_>>) {
        let took = self.begun.elapsed();
        let code = failure.as_ref().map_or(OK, |failure| failure.code);
        self.watcher.meters.ended(self.method, code, took);
        if failure.is_none() && self.span.is_disabled() {
            return;
        }
        self.span.record("code", code);
        self.span.in_scope(|| self.log(failure, took.as_micros() as u64));
    }

    fn log(&self, failure: Option<&Failure<'_>>, micros: u64) {
        let (method, request_id) = (self.method.name(), self.id.as_deref());
        let Some(&Failure { code, field, what }) = failure else {
            tracing::debug!(method, request_id, code = OK, micros, "answered");
            return;
        };
        let is_ours = OURS.contains(&code);
        if is_ours {
            // What went wrong here says nothing of users.
            self.span.set_status(opentelemetry::trace::Status::error(what.to_string()));
        }
        let sparing = if is_ours { &self.watcher.ours } else { &self.watcher.theirs };
        if let Some(held_back) = sparing.line() {
            let held_back = (held_back > 0).then_some(held_back);
            if is_ours {
                tracing::warn!(method, request_id, code, micros, held_back, "not answered: {what}");
            } else {
                tracing::info!(method, request_id, code, micros, held_back, field, "refused");
            }
        }
        tracing::debug!(method, request_id, code, micros, "refused: {what}");
    }
}
