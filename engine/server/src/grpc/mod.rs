//! gRPC: `muster.v1` over the service layer, with health and reflection. Translates and nothing else.

mod admin;
mod audit;
mod convert;
mod deliveries;
mod effect;
mod front;
mod labels;
mod segments;
mod status;

use std::sync::Arc;

use muster_proto::v1::admin_server::AdminServer;
use muster_proto::v1::deliveries_server::DeliveriesServer;
use muster_proto::v1::labels_server::LabelsServer;
use muster_proto::v1::segments_server::SegmentsServer;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::Access;
use crate::service::Service;
use crate::watching::Watcher;
use admin::AdminService;
use deliveries::DeliveriesService;
use front::Front;
use labels::LabelsService;
use segments::SegmentsService;

/// The services whose health is told; without a name, that of the server.
const TOLD: [&str; 5] =
    ["", "muster.v1.Segments", "muster.v1.Admin", "muster.v1.Labels", "muster.v1.Deliveries"];

/// All services of the server.
pub(crate) fn routes(
    service: &Arc<Service>,
    access: &Arc<Access>,
    watcher: &Arc<Watcher>,
) -> (Routes, HealthReporter) {
    let front = || {
        Arc::new(Front {
            service: Arc::clone(service),
            access: Arc::clone(access),
            watcher: Arc::clone(watcher),
        })
    };
    let bytes = service.config.request_bytes;
    // A macro, because each server is a type of its own with the same methods.
    macro_rules! limited {
        ($server:expr) => {
            $server
                .max_decoding_message_size(bytes)
                .max_encoding_message_size(usize::MAX)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip)
        };
    }
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(muster_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    let routes = Routes::new(limited!(SegmentsServer::new(SegmentsService { front: front() })))
        .add_service(limited!(AdminServer::new(AdminService { front: front() })))
        .add_service(limited!(LabelsServer::new(LabelsService { front: front() })))
        .add_service(limited!(DeliveriesServer::new(DeliveriesService { front: front() })))
        .add_service(health);
    let routes = match reflection {
        Ok(reflection) => routes.add_service(admitted(front(), reflection)),
        Err(error) => {
            tracing::error!("reflection is off, the descriptors cannot be read: {error}");
            routes
        }
    };
    (routes, reporter)
}

/// A service for those who may ask, whatever they ask.
fn admitted<S>(
    front: Arc<Front>,
    service: S,
) -> InterceptedService<S, impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone> {
    InterceptedService::new(service, move |request| front.admit(request))
}

/// Tells the health service whether questions are answered.
pub(crate) async fn tell_health(reporter: &HealthReporter, ready: bool) {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in TOLD {
        reporter.set_service_status(name, status).await;
    }
}
