//! `muster.v1.Labels` and `muster.v1.Deliveries`: they need a catalog, and this server has none yet.

use muster_proto::v1;
use muster_proto::v1::deliveries_server::Deliveries;
use muster_proto::v1::labels_server::Labels;
use tonic::{Request, Response, Status, Streaming};

use super::status::status;
use crate::fault::Fault;

/// Both services.
pub(super) struct Waiting;

fn no_catalog() -> Status {
    status(Fault::no_catalog())
}

#[tonic::async_trait]
impl Labels for Waiting {
    async fn create_label(
        &self,
        _: Request<v1::CreateLabelRequest>,
    ) -> Result<Response<v1::CreateLabelResponse>, Status> {
        Err(no_catalog())
    }
    async fn get_label(
        &self,
        _: Request<v1::GetLabelRequest>,
    ) -> Result<Response<v1::GetLabelResponse>, Status> {
        Err(no_catalog())
    }
    async fn list_labels(
        &self,
        _: Request<v1::ListLabelsRequest>,
    ) -> Result<Response<v1::ListLabelsResponse>, Status> {
        Err(no_catalog())
    }
    async fn update_label(
        &self,
        _: Request<v1::UpdateLabelRequest>,
    ) -> Result<Response<v1::UpdateLabelResponse>, Status> {
        Err(no_catalog())
    }
    async fn delete_label(
        &self,
        _: Request<v1::DeleteLabelRequest>,
    ) -> Result<Response<v1::DeleteLabelResponse>, Status> {
        Err(no_catalog())
    }
    async fn upload_list(
        &self,
        _: Request<Streaming<v1::UploadListRequest>>,
    ) -> Result<Response<v1::UploadListResponse>, Status> {
        Err(no_catalog())
    }
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
