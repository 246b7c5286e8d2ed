//! The peer: the same framework and messages, and nothing behind them.

use anyhow::Result;
use muster_proto::v1;
use muster_proto::v1::segments_server::{Segments, SegmentsServer};
use tonic::transport::Server;
use tonic::{Request, Response, Status};

struct Empty;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Segments for Empty {
    type MembersStream = tokio_stream::Empty<Result<v1::MembersResponse, Status>>;

    async fn count(&self, _: Request<v1::CountRequest>) -> Answer<v1::CountResponse> {
        Ok(Response::new(v1::CountResponse::default()))
    }
    async fn members(&self, _: Request<v1::MembersRequest>) -> Answer<Self::MembersStream> {
        Ok(Response::new(tokio_stream::empty()))
    }
    async fn is_in_segment(&self, _: Request<v1::IsInSegmentRequest>) -> Answer<v1::IsInSegmentResponse> {
        Ok(Response::new(v1::IsInSegmentResponse::default()))
    }
    async fn batch_is_in_segment(
        &self,
        _: Request<v1::BatchIsInSegmentRequest>,
    ) -> Answer<v1::BatchIsInSegmentResponse> {
        Ok(Response::new(v1::BatchIsInSegmentResponse::default()))
    }
    async fn preview(&self, _: Request<v1::PreviewRequest>) -> Answer<v1::PreviewResponse> {
        Ok(Response::new(v1::PreviewResponse::default()))
    }
    async fn profile(&self, _: Request<v1::ProfileRequest>) -> Answer<v1::ProfileResponse> {
        Ok(Response::new(v1::ProfileResponse::default()))
    }
    async fn explain(&self, _: Request<v1::ExplainRequest>) -> Answer<v1::ExplainResponse> {
        Ok(Response::new(v1::ExplainResponse::default()))
    }
    async fn overlap(&self, _: Request<v1::OverlapRequest>) -> Answer<v1::OverlapResponse> {
        Ok(Response::new(v1::OverlapResponse::default()))
    }
    async fn get_user(&self, _: Request<v1::GetUserRequest>) -> Answer<v1::GetUserResponse> {
        Ok(Response::new(v1::GetUserResponse::default()))
    }
}

/// Serves nothing at an address, until it is killed.
pub(crate) fn serve_empty(address: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::builder().add_service(SegmentsServer::new(Empty));
    Ok(runtime.block_on(server.serve(address.parse()?))?)
}
