//! `muster.v1.Deliveries`, which nobody serves yet.

use muster_proto::v1;
use muster_proto::v1::deliveries_server::Deliveries;
use tonic::{Request, Response, Status};

use super::status::status;
use crate::fault::Fault;

/// The service.
pub(super) struct Waiting;

fn no_catalog() -> Status {
    status(Fault::no_catalog())
}

#[tonic::async_trait]
impl Deliveries for Waiting {
    async fn create_delivery(
        &self,
        _: Request<v1::CreateDeliveryRequest>,
    ) -> Result<Response<v1::CreateDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn get_delivery(
        &self,
        _: Request<v1::GetDeliveryRequest>,
    ) -> Result<Response<v1::GetDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn list_deliveries(
        &self,
        _: Request<v1::ListDeliveriesRequest>,
    ) -> Result<Response<v1::ListDeliveriesResponse>, Status> {
        Err(no_catalog())
    }
    async fn submit_delivery(
        &self,
        _: Request<v1::SubmitDeliveryRequest>,
    ) -> Result<Response<v1::SubmitDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn approve_delivery(
        &self,
        _: Request<v1::ApproveDeliveryRequest>,
    ) -> Result<Response<v1::ApproveDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn reject_delivery(
        &self,
        _: Request<v1::RejectDeliveryRequest>,
    ) -> Result<Response<v1::RejectDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn cancel_delivery(
        &self,
        _: Request<v1::CancelDeliveryRequest>,
    ) -> Result<Response<v1::CancelDeliveryResponse>, Status> {
        Err(no_catalog())
    }
    async fn match_deliveries(
        &self,
        _: Request<v1::MatchDeliveriesRequest>,
    ) -> Result<Response<v1::MatchDeliveriesResponse>, Status> {
        Err(no_catalog())
    }
}
