//! Membership allocates nothing that the framework does not: counted beside a service of the same framework that answers without a look.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod fixture;

use std::alloc::System;
use std::net::SocketAddr;

use fixture::{AS_OF, FIRST_ID, Running, config, store};
use muster_proto::v1;
use muster_proto::v1::segment::By;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_proto::v1::segments_server::{Segments, SegmentsServer};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Calls that are counted, after as many that are not.
const CALLS: u64 = 4_000;

/// Answers what the real one does, and looks at nothing.
struct Empty;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Segments for Empty {
    type MembersStream = tokio_stream::Empty<Result<v1::MembersResponse, Status>>;

    async fn is_in_segment(&self, _: Request<v1::IsInSegmentRequest>) -> Answer<v1::IsInSegmentResponse> {
        let as_of = Some(prost_types::Timestamp { seconds: AS_OF, nanos: 0 });
        let in_segment = vec![true];
        let answer =
            v1::IsInSegmentResponse { in_segment, known_user: true, generation: 1, as_of, opted_out: false };
        Ok(Response::new(answer))
    }
    async fn count(&self, _: Request<v1::CountRequest>) -> Answer<v1::CountResponse> {
        Err(Status::unimplemented(""))
    }
    async fn members(&self, _: Request<v1::MembersRequest>) -> Answer<Self::MembersStream> {
        Err(Status::unimplemented(""))
    }
    async fn batch_is_in_segment(
        &self,
        _: Request<v1::BatchIsInSegmentRequest>,
    ) -> Answer<v1::BatchIsInSegmentResponse> {
        Err(Status::unimplemented(""))
    }
    async fn preview(&self, _: Request<v1::PreviewRequest>) -> Answer<v1::PreviewResponse> {
        Err(Status::unimplemented(""))
    }
    async fn profile(&self, _: Request<v1::ProfileRequest>) -> Answer<v1::ProfileResponse> {
        Err(Status::unimplemented(""))
    }
    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Answer<v1::ExplainResponse> {
        Err(Status::unimplemented(""))
    }
    async fn overlap(&self, _: Request<v1::OverlapRequest>) -> Answer<v1::OverlapResponse> {
        Err(Status::unimplemented(""))
    }
    async fn get_user(&self, _: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        Err(Status::unimplemented(""))
    }
}

/// Allocations of the whole process for each call, client and server.
async fn a_call(at: SocketAddr) -> f64 {
    let channel = Channel::from_shared(format!("http://{at}")).unwrap().connect().await.unwrap();
    let mut client = SegmentsClient::new(channel);
    let rule = || v1::Segment { by: Some(By::Rule("has_poh AND balance_usd >= 100".to_owned())) };
    let mut ask = async || {
        let request = v1::IsInSegmentRequest {
            user_id: FIRST_ID + 300,
            segments: vec![rule()],
            ..v1::IsInSegmentRequest::default()
        };
        let answer = client.is_in_segment(request).await.unwrap().into_inner();
        assert_eq!(answer.in_segment, [true]);
        assert!(answer.known_user);
    };
    for _ in 0..CALLS {
        ask().await;
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..CALLS {
        ask().await;
    }
    let told = region.change();
    (told.allocations + told.reallocations) as f64 / CALLS as f64
}

#[test]
fn membership_allocates_nothing_that_the_framework_does_not() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 1, false);
    let ours = {
        let mut config = config();
        // Nobody looks for new generations meanwhile.
        config.follow_ms = 3_600_000;
        let server = Running::over(dir.path(), config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            ready(server.http).await;
            a_call(server.grpc).await
        })
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let empty = runtime.block_on(async {
        let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        tokio::spawn(Server::builder().add_service(SegmentsServer::new(Empty)).serve(at));
        while tokio::net::TcpStream::connect(at).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        a_call(at).await
    });
    println!("allocations a call, client and server: {ours:.2}, of an empty service {empty:.2}");
    assert!(ours <= empty + 0.5, "{ours:.2} allocations a call, an empty service makes {empty:.2}");
}

async fn ready(http: SocketAddr) {
    let ready = format!("http://{http}/readyz");
    while ureq::get(&ready).call().is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
