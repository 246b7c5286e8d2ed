//! Where a request comes from: the id that its caller gave it, or one of ours, and the trace that it is a part of.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// W3C's headers.
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";
/// An id that a caller gives may be this long.
const ID_BYTES_MAX: usize = 128;

/// Ids of requests: each is new, and no two servers give the same.
#[derive(Debug)]
pub(super) struct Ids {
    seed: u64,
    given: AtomicU64,
}

impl Default for Ids {
    fn default() -> Self {
        Self { seed: RandomState::new().build_hasher().finish(), given: AtomicU64::new(0) }
    }
}

impl Ids {
    pub(super) fn next(&self) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number:x}", self.seed)
    }
}

/// Whether an id may be told back and logged as it is: visible ASCII, not too long.
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The span of another program that a request is a part of, if its headers name one.
pub(super) fn parent<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Option<Context> {
    let named = header(TRACE_PARENT)?;
    let mut headers = HashMap::from([(TRACE_PARENT.to_owned(), named.to_owned())]);
    if let Some(state) = header(TRACE_STATE) {
        headers.insert(TRACE_STATE.to_owned(), state.to_owned());
    }
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    parent.span().span_context().is_valid().then_some(parent)
}

/// Its trace.
pub(super) fn trace_id(parent: &Context) -> opentelemetry::TraceId {
    parent.span().span_context().trace_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_callers_are_taken_if_they_can_be_logged() {
        for fine in ["1", "a-b/C:7", &"x".repeat(128)] {
            assert!(is_id(fine), "{fine}");
        }
        for wrong in ["", "a b", "a\nb", "é", &"x".repeat(129)] {
            assert!(!is_id(wrong), "{wrong}");
        }
    }

    #[test]
    fn no_two_servers_give_the_same_id() {
        let (one, other) = (Ids::default(), Ids::default());
        let given = [one.next(), one.next(), other.next(), other.next()];
        let distinct: std::collections::BTreeSet<_> = given.iter().collect();
        assert_eq!(distinct.len(), 4, "{given:?}");
        assert!(given.iter().all(|id| is_id(id)));
    }

    #[test]
    fn a_parent_is_what_w3c_says() {
        let of = |text: &'static str| parent(&|name: &str| (name == TRACE_PARENT).then_some(text));
        let parent = of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(trace_id(&parent).to_string(), "0af7651916cd43dd8448eb211c80319c");
        for wrong in ["", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            assert!(of(wrong).is_none(), "{wrong}");
        }
    }
}
