//! `muster.v1.Admin`.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use muster_catalog::audit::AuditFilter;
use muster_engine::snapshot::MaskChange;
use muster_proto::v1;
use muster_proto::v1::admin_server::Admin;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::audit;
use super::convert::{clock, columns, instant, listed, rebuild};
use super::front::Front;
use super::status::status;
use crate::meters::Method;

/// The service.
pub(super) struct AdminService {
    pub(super) front: Arc<Front>,
}

type ExportAuditStream = Pin<Box<dyn Stream<Item = Result<v1::ExportAuditResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Admin for AdminService {
    type ExportAuditStream = ExportAuditStream;

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        self.front
            .answer(Method::Status, request, |service, ask, _| async move {
                let status = service.status(&ask);
                let origin = status.origin;
                Ok(v1::StatusResponse {
                    generation: origin.map_or(0, |origin| origin.generation),
                    as_of: origin.and_then(|origin| instant(origin.as_of)),
                    users: origin.map_or(0, |origin| origin.universe),
                    ready: origin.is_some(),
                    problem: status.problem.unwrap_or_default(),
                    started: clock(status.started),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    queued: status.load.waiting as u32,
                    running: status.load.running as u32,
                    rebuild: status.rebuild.map(rebuild),
                    erased: status.erased,
                    opted_out: status.opted_out,
                })
            })
            .await
    }

    async fn generations(
        &self,
        request: Request<v1::GenerationsRequest>,
    ) -> Result<Response<v1::GenerationsResponse>, Status> {
        self.front
            .answer(Method::Generations, request, |service, ask, _| async move {
                let generations = service.listed(&ask).await?;
                let origin = service.status(&ask).origin;
                Ok(v1::GenerationsResponse {
                    generations: generations.into_iter().map(listed).collect(),
                    generation: origin.map_or(0, |origin| origin.generation),
                    as_of: origin.and_then(|origin| instant(origin.as_of)),
                })
            })
            .await
    }

    async fn schema(
        &self,
        request: Request<v1::SchemaRequest>,
    ) -> Result<Response<v1::SchemaResponse>, Status> {
        self.front
            .answer(Method::Schema, request, |service, mut ask, request| async move {
                ask.generation = request.generation;
                let (schema, origin) = service.schema(&ask).await?;
                Ok(v1::SchemaResponse {
                    columns: columns(&schema),
                    user_id: schema.user_id,
                    time_zone: schema.time_zone,
                    generation: origin.generation,
                    as_of: instant(origin.as_of),
                })
            })
            .await
    }

    async fn rebuild(
        &self,
        request: Request<v1::RebuildRequest>,
    ) -> Result<Response<v1::RebuildResponse>, Status> {
        self.front
            .answer(Method::Rebuild, request, |service, ask, request| async move {
                let accept = (!request.accept.trim().is_empty()).then(|| request.accept.trim().to_owned());
                let status = service.rebuild(&ask, accept).await?;
                Ok(v1::RebuildResponse { rebuild: Some(rebuild(status)) })
            })
            .await
    }

    async fn rollback(
        &self,
        request: Request<v1::RollbackRequest>,
    ) -> Result<Response<v1::RollbackResponse>, Status> {
        self.front
            .answer(Method::Rollback, request, |service, ask, request| async move {
                let rolled = service.roll_back(&ask, request.generation).await?;
                Ok(v1::RollbackResponse {
                    generation: rolled.origin.generation,
                    as_of: instant(rolled.origin.as_of),
                    from_generation: rolled.from.unwrap_or_default(),
                })
            })
            .await
    }

    async fn publish(
        &self,
        request: Request<v1::PublishRequest>,
    ) -> Result<Response<v1::PublishResponse>, Status> {
        self.front
            .answer(Method::Publish, request, |service, ask, request| async move {
                let rolled = service.publish(&ask, request.generation, request.reason).await?;
                Ok(v1::PublishResponse {
                    generation: rolled.origin.generation,
                    as_of: instant(rolled.origin.as_of),
                })
            })
            .await
    }

    async fn discard(
        &self,
        request: Request<v1::DiscardRequest>,
    ) -> Result<Response<v1::DiscardResponse>, Status> {
        self.front
            .answer(Method::Discard, request, |service, ask, request| async move {
                let rolled = service.discard(&ask, request.generation).await?;
                Ok(v1::DiscardResponse {
                    generation: rolled.origin.generation,
                    as_of: instant(rolled.origin.as_of),
                })
            })
            .await
    }

    async fn erase(&self, request: Request<v1::EraseRequest>) -> Result<Response<v1::EraseResponse>, Status> {
        self.front
            .answer(Method::Erase, request, |service, ask, request| async move {
                let changed = service.change_masks(&ask, MaskChange::Erase, request.user_ids).await?;
                Ok(v1::EraseResponse {
                    newly_erased: changed.changed,
                    known_users: changed.known,
                    generation: changed.origin.map_or(0, |origin| origin.generation),
                    as_of: changed.origin.and_then(|origin| instant(origin.as_of)),
                })
            })
            .await
    }

    async fn opt_out(
        &self,
        request: Request<v1::OptOutRequest>,
    ) -> Result<Response<v1::OptOutResponse>, Status> {
        self.front
            .answer(Method::OptOut, request, |service, ask, request| async move {
                let changed = service.change_masks(&ask, MaskChange::OptOut, request.user_ids).await?;
                Ok(v1::OptOutResponse {
                    changed: changed.changed,
                    generation: changed.origin.map_or(0, |origin| origin.generation),
                    as_of: changed.origin.and_then(|origin| instant(origin.as_of)),
                })
            })
            .await
    }

    async fn opt_in(
        &self,
        request: Request<v1::OptInRequest>,
    ) -> Result<Response<v1::OptInResponse>, Status> {
        self.front
            .answer(Method::OptIn, request, |service, ask, request| async move {
                let changed = service.change_masks(&ask, MaskChange::OptIn, request.user_ids).await?;
                Ok(v1::OptInResponse {
                    changed: changed.changed,
                    generation: changed.origin.map_or(0, |origin| origin.generation),
                    as_of: changed.origin.and_then(|origin| instant(origin.as_of)),
                })
            })
            .await
    }

    async fn list_audit(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        self.front
            .answer(Method::Audit, request, |service, ask, request| async move {
                let filter = AuditFilter {
                    page_size: request.page_size,
                    page_token: request.page_token,
                    ..audit::filter(request.filter)?
                };
                let page = service.audit(&ask, &filter).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListAuditResponse {
                    records: page.items.into_iter().map(audit::told).collect(),
                    next_page_token: page.next_page_token.unwrap_or_default(),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn export_audit(
        &self,
        request: Request<v1::ExportAuditRequest>,
    ) -> Result<Response<ExportAuditStream>, Status> {
        self.front
            .answer(Method::Audit, request, |service, ask, request| async move {
                let after = (request.after_id > 0).then_some(request.after_id);
                let pieces = service.export_audit(&ask, audit::filter(request.filter)?, after)?;
                let stream = ReceiverStream::new(pieces).map(move |piece| {
                    let piece = piece.map_err(status)?;
                    let (generation, as_of) = service.serving();
                    Ok(v1::ExportAuditResponse {
                        lines: piece.lines,
                        last_id: piece.last_id,
                        generation,
                        as_of: as_of.and_then(instant),
                    })
                });
                Ok(stream.boxed())
            })
            .await
    }
}
