//! `muster.v1.Deliveries`: each call is read, asked of the service layer, and written.

use std::sync::Arc;

use muster_catalog::delivery::{
    Approval, ApprovalKind, Body, Content, Delivery, DeliveryFilter, Holdout, LabelRef, Status as Stands,
    Target, Verdict,
};
use muster_catalog::label::LabelKey;
use muster_proto::v1;
use muster_proto::v1::deliveries_server::Deliveries;
use tonic::{Request, Response, Status};

use super::convert::{instant, micros, micros_of, overlay, segment};
use super::front::Front;
use crate::fault::{Fault, Result as Answer};
use crate::meters::Method;
use crate::service::{ContentOf, DeliveryOf, ReachOf, Step, Stored};

/// The service.
pub(super) struct DeliveriesService {
    pub(super) front: Arc<Front>,
}

#[tonic::async_trait]
impl Deliveries for DeliveriesService {
    async fn create_delivery(
        &self,
        request: Request<v1::CreateDeliveryRequest>,
    ) -> Result<Response<v1::CreateDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored = service.create_delivery(&ask, given(request.delivery.as_ref())?).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::CreateDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn get_delivery(
        &self,
        request: Request<v1::GetDeliveryRequest>,
    ) -> Result<Response<v1::GetDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, _, request| async move {
                let stored = service.delivery(request.id).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::GetDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn list_deliveries(
        &self,
        request: Request<v1::ListDeliveriesRequest>,
    ) -> Result<Response<v1::ListDeliveriesResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, _, request| async move {
                let filter = DeliveryFilter {
                    status: status_of(request.status()),
                    search: request.search,
                    creator: Some(request.creator).filter(|creator| !creator.is_empty()),
                    waiting: request.waiting,
                    page_size: request.page_size,
                    page_token: request.page_token,
                };
                let page = service.deliveries(&filter).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListDeliveriesResponse {
                    deliveries: page.items.iter().map(told).collect(),
                    next_page_token: page.next_page_token.unwrap_or_default(),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn update_delivery(
        &self,
        request: Request<v1::UpdateDeliveryRequest>,
    ) -> Result<Response<v1::UpdateDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored = {
                    let delivery = request.delivery.as_ref();
                    let (id, version) = delivery.map_or((0, 0), |delivery| (delivery.id, delivery.version));
                    service.update_delivery(&ask, id, version, given(delivery)?, &request.comment).await?
                };
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::UpdateDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn delete_delivery(
        &self,
        request: Request<v1::DeleteDeliveryRequest>,
    ) -> Result<Response<v1::DeleteDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                service.delete_delivery(&ask, request.id, request.version).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::DeleteDeliveryResponse { generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn submit_delivery(
        &self,
        request: Request<v1::SubmitDeliveryRequest>,
    ) -> Result<Response<v1::SubmitDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored =
                    service.step(&ask, Step::Submit, request.id, request.version, &request.comment).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::SubmitDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn approve_delivery(
        &self,
        request: Request<v1::ApproveDeliveryRequest>,
    ) -> Result<Response<v1::ApproveDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored =
                    service.step(&ask, Step::Approve, request.id, request.version, &request.comment).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::ApproveDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn reject_delivery(
        &self,
        request: Request<v1::RejectDeliveryRequest>,
    ) -> Result<Response<v1::RejectDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored =
                    service.step(&ask, Step::Reject, request.id, request.version, &request.comment).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::RejectDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn cancel_delivery(
        &self,
        request: Request<v1::CancelDeliveryRequest>,
    ) -> Result<Response<v1::CancelDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored =
                    service.step(&ask, Step::Cancel, request.id, request.version, &request.comment).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::CancelDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn withdraw_delivery(
        &self,
        request: Request<v1::WithdrawDeliveryRequest>,
    ) -> Result<Response<v1::WithdrawDeliveryResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, ask, request| async move {
                let stored =
                    service.step(&ask, Step::Withdraw, request.id, request.version, &request.comment).await?;
                let (generation, as_of) = service.serving();
                let delivery = Some(told(&stored));
                Ok(v1::WithdrawDeliveryResponse { delivery, generation, as_of: as_of.and_then(instant) })
            })
            .await
    }

    async fn list_approvals(
        &self,
        request: Request<v1::ListApprovalsRequest>,
    ) -> Result<Response<v1::ListApprovalsResponse>, Status> {
        self.front
            .answer(Method::Deliveries, request, |service, _, request| async move {
                let approvals = service.approvals(request.id).await?;
                let (generation, as_of) = service.serving();
                Ok(v1::ListApprovalsResponse {
                    approvals: approvals.into_iter().map(approval).collect(),
                    generation,
                    as_of: as_of.and_then(instant),
                })
            })
            .await
    }

    async fn get_reach(
        &self,
        request: Request<v1::GetReachRequest>,
    ) -> Result<Response<v1::GetReachResponse>, Status> {
        self.front
            .answer(Method::Reach, request, |service, ask, request| async move {
                let of = match &request.of {
                    Some(v1::get_reach_request::Of::Id(id)) => ReachOf::Stored(*id),
                    Some(v1::get_reach_request::Of::Delivery(delivery)) => {
                        ReachOf::Written(Box::new(given(Some(delivery))?))
                    }
                    None => return Err(Fault::invalid("of", "it is missing; give id or delivery")),
                };
                let reach = service.reach(&ask, of).await?;
                Ok(v1::GetReachResponse {
                    target: reach.target,
                    reach: reach.reach,
                    universe: reach.origin.universe,
                    shared: reach.shared.iter().map(|(other, users)| shared(other, *users)).collect(),
                    generation: reach.origin.generation,
                    as_of: instant(reach.origin.as_of),
                })
            })
            .await
    }

    async fn match_deliveries(
        &self,
        request: Request<v1::MatchDeliveriesRequest>,
    ) -> Result<Response<v1::MatchDeliveriesResponse>, Status> {
        self.front
            .answer(Method::MatchDeliveries, request, |service, ask, request| async move {
                let overlay = overlay(request.overlay)?;
                let limit = request.limit as usize;
                let matched =
                    service.match_deliveries(&ask, request.user_id, &request.placement, limit, &overlay)?;
                let met = matched.met.into_iter();
                Ok(v1::MatchDeliveriesResponse {
                    deliveries: met.map(|delivery| told(&Stored::at(delivery, matched.now_us))).collect(),
                    known_user: matched.known_user,
                    generation: matched.origin.generation,
                    as_of: instant(matched.origin.as_of),
                    opted_out: matched.opted_out,
                })
            })
            .await
    }
}

/// What a delivery is to be. All of it is said: what is empty is to be empty.
fn given(delivery: Option<&v1::Delivery>) -> Answer<DeliveryOf<'_>> {
    let missing = || Fault::invalid("delivery", "it is missing; give the delivery");
    let delivery = delivery.ok_or_else(missing)?;
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let exclude = delivery.exclude.iter().enumerate().map(|(at, label)| match label {
        v1::LabelRef { id: 0, name } if name.is_empty() => {
            Err(Fault::invalid(format!("exclude[{at}]"), "it is empty; give the label's id or its name"))
        }
        v1::LabelRef { id: 0, name } => Ok(LabelKey::Name(name.clone())),
        v1::LabelRef { id, .. } => Ok(LabelKey::Id(*id)),
    });
    Ok(DeliveryOf {
        name: Some(delivery.name.clone()),
        target: Some(segment(delivery.target.as_ref(), || "target".to_owned())?),
        exclude: Some(exclude.collect::<Answer<_>>()?),
        holdout: Some(delivery.holdout.as_ref().map(holdout).transpose()?),
        content: ContentOf {
            is_task: match delivery.content_type() {
                v1::ContentType::Unspecified => None,
                v1::ContentType::OnchainTask => Some(true),
                v1::ContentType::Custom => Some(false),
            },
            content_id: text(&delivery.content_id),
            image: text(&delivery.custom_image),
            url: text(&delivery.custom_url),
        },
        start_us: delivery.start_time.as_ref().map(|at| micros_of(at, "start_time")).transpose()?,
        end_us: delivery.end_time.as_ref().map(|at| micros_of(at, "end_time")).transpose()?,
        priority: Some(delivery.priority),
        placement: Some(delivery.placement.clone()),
        daily_cap: Some(delivery.daily_cap),
        total_cap: Some(delivery.total_cap),
    })
}

fn holdout(holdout: &v1::Holdout) -> Answer<Holdout> {
    Holdout::of_percents(&holdout.salt, holdout.from_percent, holdout.to_percent).map_err(Fault::from)
}

/// A delivery as a message.
fn told(stored: &Stored) -> v1::Delivery {
    let Delivery { id, body, state: _, open, creator, version, created_us, updated_us, updated_by } =
        &*stored.delivery;
    v1::Delivery {
        id: *id,
        status: standing(stored.status).into(),
        version: *version,
        creator: creator.clone(),
        created: micros(*created_us),
        updated: micros(*updated_us),
        updated_by: updated_by.clone(),
        open: open.clone().map(approval).map(Box::new),
        ..of_body(body)
    }
}

/// What it shows to whom, when.
fn of_body(body: &Body) -> v1::Delivery {
    use v1::segment::By;
    let (by, target_label_id) = match &body.target {
        Target::Label(label) => (By::Label(label.name.clone()), label.id),
        Target::Rule(text) => (By::Rule(text.clone()), 0),
    };
    let (content_type, content_id, custom_image, custom_url) = match &body.content {
        Content::OnchainTask { content_id } => {
            (v1::ContentType::OnchainTask, content_id.clone(), String::new(), String::new())
        }
        Content::Custom { image, url } => {
            (v1::ContentType::Custom, String::new(), image.clone(), url.clone())
        }
    };
    let label = |label: &LabelRef| v1::LabelRef { id: label.id, name: label.name.clone() };
    v1::Delivery {
        name: body.name.clone(),
        target: Some(v1::Segment { by: Some(by) }),
        target_label_id,
        content_type: content_type.into(),
        content_id,
        custom_image,
        custom_url,
        start_time: micros(body.start_us),
        end_time: micros(body.end_us),
        priority: body.priority,
        placement: body.placement.clone(),
        exclude: body.exclude.iter().map(label).collect(),
        holdout: body.holdout.as_ref().map(|holdout| v1::Holdout {
            salt: holdout.salt.clone(),
            from_percent: f64::from(holdout.low) / 100.0,
            to_percent: f64::from(holdout.high) / 100.0,
        }),
        daily_cap: body.daily_cap,
        total_cap: body.total_cap,
        ..v1::Delivery::default()
    }
}

fn approval(approval: Approval) -> v1::Approval {
    let kind = match approval.kind {
        ApprovalKind::Create => v1::ApprovalKind::Create,
        ApprovalKind::Edit => v1::ApprovalKind::Edit,
        ApprovalKind::Cancel => v1::ApprovalKind::Cancel,
    };
    let decision = approval.decision.as_ref();
    let verdict = decision.map_or(v1::Verdict::Unspecified, |decision| match decision.verdict {
        Verdict::Approved => v1::Verdict::Approved,
        Verdict::Rejected => v1::Verdict::Rejected,
        Verdict::Withdrawn => v1::Verdict::Withdrawn,
    });
    v1::Approval {
        id: approval.id,
        kind: kind.into(),
        proposed: approval.body.as_ref().map(of_body).map(Box::new),
        requester: approval.requester,
        requested: micros(approval.requested_us),
        comment: approval.comment,
        verdict: verdict.into(),
        decided_by: decision.map_or_else(String::new, |decision| decision.by.clone()),
        decided: decision.and_then(|decision| micros(decision.at_us)),
        decision_comment: decision.map_or_else(String::new, |decision| decision.comment.clone()),
    }
}

fn shared(other: &Delivery, users: u64) -> v1::SharedReach {
    v1::SharedReach { id: other.id, name: other.body.name.clone(), priority: other.body.priority, users }
}

fn standing(status: Stands) -> v1::DeliveryStatus {
    match status {
        Stands::Draft => v1::DeliveryStatus::Draft,
        Stands::Pending => v1::DeliveryStatus::Pending,
        Stands::Upcoming => v1::DeliveryStatus::Upcoming,
        Stands::Ongoing => v1::DeliveryStatus::Ongoing,
        Stands::Ended => v1::DeliveryStatus::Ended,
        Stands::Unpass => v1::DeliveryStatus::Unpass,
        Stands::Expired => v1::DeliveryStatus::Expired,
        Stands::Canceled => v1::DeliveryStatus::Canceled,
    }
}

fn status_of(status: v1::DeliveryStatus) -> Option<Stands> {
    Stands::ALL.into_iter().find(|known| standing(*known) == status)
}
