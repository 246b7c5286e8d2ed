//! What is measured: how long each method takes and how it ends, and how the server is. Prometheus reads it at `/metrics`.
//!
//! Everything that requests touch is an atomic of a place that is known beforehand: an end is three additions, nothing is
//! allocated, formatted or locked, and memory stays what it was at the start however many requests there are. All else is asked
//! of the server when somebody reads. Each server has its own, so several in one process do not mix.

mod histogram;
mod process;
mod render;
mod tallies;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::listen::Tally;
use crate::service::Service;
use histogram::Histogram;

pub(crate) use tallies::Tallies;

/// Defines the methods with the names that they are measured by.
macro_rules! methods {
    ($($name:ident),* $(,)?) => {
        /// The methods that are measured, of gRPC and REST alike.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub(crate) enum Method {
            $($name),*
        }

        impl Method {
            const ALL: &[Self] = &[$(Self::$name),*];

            /// As it is in the contract.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),*
                }
            }

            /// The span of a request of it. A span's name is told where it is made, so each has a place of its own.
            pub(crate) fn span(self, request_id: &str) -> tracing::Span {
                use tracing::field::Empty;
                match self {
                    $(Self::$name => tracing::info_span!(
                        stringify!($name),
                        otel.kind = "server",
                        request_id,
                        trace_id = Empty,
                        caller = Empty,
                        generation = Empty,
                        code = Empty,
                    )),*
                }
            }
        }
    };
}

methods! {
    Count,
    Members,
    IsInSegment,
    BatchIsInSegment,
    Preview,
    Profile,
    Explain,
    Overlap,
    ReadRule,
    Export,
    GetUser,
    Status,
    Generations,
    Schema,
    Rebuild,
    Rollback,
    Publish,
    Discard,
    Erase,
    OptOut,
    OptIn,
    Labels,
    MatchLabels,
    Deliveries,
    MatchDeliveries,
    Reach,
    Audit,
    WhoAmI,
}

/// How a request that was answered ended.
pub(crate) const OK: &str = "OK";

/// How requests end, by gRPC's names of it. What is none of the others is the last.
const CODES: [&str; 15] = [
    OK,
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "CANCELLED",
    "UNAVAILABLE",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "FAILED_PRECONDITION",
    "UNIMPLEMENTED",
    "INTERNAL",
    "ABORTED",
    "ALREADY_EXISTS",
    "UNKNOWN",
];

/// What is measured.
pub(crate) struct Meters {
    methods: Box<[Measured]>,
    /// Connections of gRPC and of HTTP.
    connections: [Arc<Tally>; 2],
    service: Arc<Service>,
}

/// One method. Threads that end different methods do not take the cache line from each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Measured {
    ends: [AtomicU64; CODES.len()],
    took: Histogram,
}

impl Meters {
    /// Nothing has been measured yet.
    pub(crate) fn new(service: Arc<Service>, connections: [Arc<Tally>; 2]) -> Self {
        let methods = Method::ALL.iter().map(|_| Measured::default()).collect();
        Self { methods, connections, service }
    }

    /// A request has ended: so, after so long.
    pub(crate) fn ended(&self, method: Method, outcome: &'static str, took: Duration) {
        let measured = &self.methods[method as usize];
        // Nearly all of them, and the first that is compared.
        let code = CODES.iter().position(|&code| code == outcome).unwrap_or(CODES.len() - 1);
        measured.ends[code].fetch_add(1, Ordering::Relaxed);
        measured.took.add(took);
    }
}

#[cfg(test)]
mod tests;
