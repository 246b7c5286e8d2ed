//! What every gRPC call goes through: who asks, until when, how long it took, how it ended.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use super::status::status;
use crate::access::Access;
use crate::fault::Result;
use crate::listen::Peer;
use crate::meters::Method;
use crate::service::{Ask, Service};
use crate::watching::{Failure, REQUEST_ID_HEADER, Watched, Watcher};

/// The header in which gRPC gives a deadline.
const TIMEOUT_HEADER: &str = "grpc-timeout";

/// The way to the service layer.
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    pub(super) access: Arc<Access>,
    pub(super) watcher: Arc<Watcher>,
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
        let (metadata, extensions, question) = request.into_parts();
        let peer = extensions.get::<Peer>();
        let watched = self.watcher.begin(method, |name| text(&metadata, name));
        let result = match self.ask(&metadata, peer, &watched) {
            Ok(ask) => {
                let work = work(Arc::clone(&self.service), ask, question);
                work.instrument(watched.span.clone()).await
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &result {
            self.access.refused(fault.name(), fault, peer, &method);
        }
        let failure = result.as_ref().err().map(|fault| Failure {
            code: fault.name(),
            field: fault.field(),
            what: fault,
        });
        watched.ended(failure.as_ref());
        // An id is visible ASCII, so it is a header's value.
        let id = watched.id.as_deref().and_then(|id| id.parse::<AsciiMetadataValue>().ok());
        let told = |metadata: &mut MetadataMap| id.map(|id| metadata.insert(REQUEST_ID_HEADER, id));
        match result {
            Ok(answer) => {
                let mut response = Response::new(answer);
                told(response.metadata_mut());
                Ok(response)
            }
            Err(fault) => {
                let mut status = status(fault);
                told(status.metadata_mut());
                Err(status)
            }
        }
    }

    /// Lets a call pass that whoever may ask may make.
    pub(super) fn admit(&self, request: Request<()>) -> Result<Request<()>, Status> {
        let peer = request.extensions().get::<Peer>();
        match self.access.caller(request.metadata().as_ref(), peer) {
            Ok(_) => Ok(request),
            Err(fault) => {
                self.access.refused(fault.name(), &fault, peer, &"a call");
                Err(status(fault))
            }
        }
    }

    fn ask(&self, metadata: &MetadataMap, peer: Option<&Peer>, watched: &Watched<'_>) -> Result<Ask> {
        let caller = self.access.caller(metadata.as_ref(), peer)?;
        watched.caller(&caller);
        let given = text(metadata, TIMEOUT_HEADER).and_then(timeout);
        let deadline = self.service.deadline(watched.begun, given);
        let request = watched.id.as_deref().map(Arc::from);
        Ok(Ask { caller, deadline, generation: 0, now: None, span: watched.span.clone(), request })
    }
}

/// What a header says.
fn text<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    metadata.get(name).and_then(|value| value.to_str().ok())
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
