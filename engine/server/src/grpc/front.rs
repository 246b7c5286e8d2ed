//! What every gRPC call goes through: who asks, until when, how long it took, how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::status::status;
use crate::access::Access;
use crate::fault::{Fault, Result};
use crate::listen::Peer;
use crate::meters::{Meters, Method};
use crate::service::{Ask, Service};

/// The header in which gRPC gives a deadline.
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// The way to the service layer.
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    pub(super) access: Arc<Access>,
    pub(super) meters: Arc<Meters>,
}

impl Front {
    /// Answers a call.
    pub(super) async fn answer<Q, A, F>(
        &self,
        method: Method,
        request: Request<Q>,
        work: impl FnOnce(Arc<Service>, Ask, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A>>,
    {
        let begun = Instant::now();
        let (metadata, extensions, question) = request.into_parts();
        let peer = extensions.get::<Peer>();
        let result = match self.ask(&metadata, peer, begun) {
            Ok(ask) => work(Arc::clone(&self.service), ask, question).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &result {
            self.access.refused(fault.name(), fault, peer, &method);
        }
        let outcome = result.as_ref().map_or_else(Fault::name, |_| "OK");
        self.meters.ended(method, outcome, begun.elapsed());
        result.map(Response::new).map_err(status)
    }

    /// Lets a call pass that whoever may ask may make.
    pub(super) fn admit(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>();
        match self.access.caller(request.metadata().as_ref(), peer) {
            Ok(_) => Ok(request),
            Err(fault) => {
                self.access.refused(fault.name(), &fault, peer, &"reflection");
                Err(status(fault))
            }
        }
    }

    fn ask(&self, metadata: &MetadataMap, peer: Option<&Peer>, begun: Instant) -> Result<Ask> {
        let caller = self.access.caller(metadata.as_ref(), peer)?;
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        let given = text(TIMEOUT_HEADER).and_then(timeout);
        Ok(Ask { caller, deadline: self.service.deadline(begun, given), generation: 0, now: None })
    }
}

/// A timeout as gRPC writes it: digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = if digits.len() <= 8 { digits.parse().ok()? } else { return None };
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(timeout("100m"), Some(Duration::from_millis(100)));
        assert_eq!(timeout("2S"), Some(Duration::from_secs(2)));
        assert_eq!(timeout("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "m", "100", "-1S", "100000000n", "1x", "é"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
