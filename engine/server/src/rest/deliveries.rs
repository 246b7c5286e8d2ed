//! `/api/v1/deliveries`: what is shown to whom, when, and who agreed to it.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;

use super::front::Front;
use super::problem::Problem;
use super::read::{Id, Json, MaybeJson, Parameters};
use super::wire::{
    ApprovalsAnswer, DeliveriesAnswer, DeliveriesOf, DeliveryBody, DeliveryRequest, ReachAnswer, StepRequest,
};
use crate::service::{Ask, ReachOf, Step};

type Result<T> = std::result::Result<Answer<T>, Problem>;

/// Deliveries, page by page.
#[utoipa::path(
    get, path = "/api/v1/deliveries", tag = "deliveries", operation_id = "list_deliveries",
    params(
        ("status" = Option<String>, Query, description = "Those that stand like this: `draft`, `pending`, `upcoming`, `ongoing`, `ended`, `unpass`, `expired` or `canceled`."),
        ("search" = Option<String>, Query, description = "With this in the name."),
        ("creator" = Option<String>, Query, description = "Made by this person."),
        ("waiting" = Option<bool>, Query, description = "Only those for which something waits for approval."),
        ("page_size" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
    ),
    responses((status = 200, description = "A page of deliveries, the newest first.", body = DeliveriesAnswer)),
)]
pub(super) async fn list(
    State(front): State<Arc<Front>>,
    _: Ask,
    mut query: Parameters,
) -> Result<DeliveriesAnswer> {
    let of = DeliveriesOf {
        status: query.text("status")?,
        search: query.text("search")?,
        creator: query.text("creator")?,
        waiting: query.text("waiting")?,
        page_size: query.number("page_size")?,
        page_token: query.text("page_token")?,
    };
    query.end()?;
    let page = front.service.deliveries(&of.filter()?).await?;
    let deliveries = page.items.iter().map(Into::into).collect();
    Ok(Answer(DeliveriesAnswer { deliveries, next_page_token: page.next_page_token }))
}

/// All deliveries that are shown now, the greatest priority first.
#[utoipa::path(
    get, path = "/api/v1/deliveries/active", tag = "deliveries", operation_id = "active_deliveries",
    responses((status = 200, description = "All of them on one page.", body = DeliveriesAnswer)),
)]
pub(super) async fn active(
    State(front): State<Arc<Front>>,
    _: Ask,
    query: Parameters,
) -> Result<DeliveriesAnswer> {
    query.end()?;
    let deliveries = front.service.active_deliveries()?.iter().map(Into::into).collect();
    Ok(Answer(DeliveriesAnswer { deliveries, next_page_token: None }))
}

/// Makes a draft.
#[utoipa::path(
    post, path = "/api/v1/deliveries", tag = "deliveries", operation_id = "create_delivery",
    request_body = DeliveryRequest,
    responses((status = 201, description = "The draft.", body = DeliveryBody)),
)]
pub(super) async fn create(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<DeliveryRequest>,
) -> std::result::Result<(StatusCode, Answer<DeliveryBody>), Problem> {
    let made = front.service.create_delivery(&ask, request.of()?).await?;
    Ok((StatusCode::CREATED, Answer((&made).into())))
}

/// A delivery.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{id}", tag = "deliveries", operation_id = "get_delivery",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "The delivery.", body = DeliveryBody)),
)]
pub(super) async fn get(
    State(front): State<Arc<Front>>,
    _: Ask,
    Id(id): Id,
    query: Parameters,
) -> Result<DeliveryBody> {
    query.end()?;
    Ok(Answer((&front.service.delivery(id).await?).into()))
}

/// Changes a draft or a rejected delivery at once. Of a live one the change is asked for: it goes on as it is until another person
/// approves.
#[utoipa::path(
    put, path = "/api/v1/deliveries/{id}", tag = "deliveries", operation_id = "update_delivery",
    params(("id" = u64, Path, description = "Its number.")),
    request_body = DeliveryRequest,
    responses((status = 200, description = "The delivery.", body = DeliveryBody)),
)]
pub(super) async fn update(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    Json(request): Json<DeliveryRequest>,
) -> Result<DeliveryBody> {
    let (version, comment) = (request.version(), request.comment());
    let changed = front.service.update_delivery(&ask, id, version, request.of()?, comment).await?;
    Ok(Answer((&changed).into()))
}

/// Removes a draft or a rejected delivery.
#[utoipa::path(
    delete, path = "/api/v1/deliveries/{id}", tag = "deliveries", operation_id = "delete_delivery",
    params(
        ("id" = u64, Path, description = "Its number."),
        ("version" = Option<u64>, Query, description = "The version that was seen; any unless given."),
    ),
    responses((status = 204, description = "It is removed.")),
)]
pub(super) async fn delete(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    mut query: Parameters,
) -> std::result::Result<StatusCode, Problem> {
    let version = query.number("version")?.unwrap_or_default();
    query.end()?;
    front.service.delete_delivery(&ask, id, version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Defines an operation that takes a delivery a step further.
macro_rules! steps {
    ($($(#[$about:meta])* $name:ident $step:ident $path:literal $id:literal;)*) => {
        $(
            $(#[$about])*
            #[utoipa::path(
                post, path = $path, tag = "deliveries", operation_id = $id,
                params(("id" = u64, Path, description = "Its number.")),
                request_body = Option<StepRequest>,
                responses((status = 200, description = "The delivery after that.", body = DeliveryBody)),
            )]
            pub(super) async fn $name(
                State(front): State<Arc<Front>>,
                ask: Ask,
                Id(id): Id,
                MaybeJson(request): MaybeJson<StepRequest>,
            ) -> Result<DeliveryBody> {
                let version = request.version.unwrap_or_default();
                let after = front.service.step(&ask, Step::$step, id, version, &request.comment).await?;
                Ok(Answer((&after).into()))
            }
        )*
    };
}

steps! {
    /// Asks for approval.
    submit Submit "/api/v1/deliveries/{id}/submit" "submit_delivery";
    /// Approves what another person asked for.
    approve Approve "/api/v1/deliveries/{id}/approve" "approve_delivery";
    /// Refuses what another person asked for.
    reject Reject "/api/v1/deliveries/{id}/reject" "reject_delivery";
    /// Asks to end a live delivery before its time.
    cancel Cancel "/api/v1/deliveries/{id}/cancel" "cancel_delivery";
    /// Takes back what one asked for oneself.
    withdraw Withdraw "/api/v1/deliveries/{id}/withdraw" "withdraw_delivery";
}

/// What was asked for about a delivery, and what was decided.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{id}/approvals", tag = "deliveries", operation_id = "list_approvals",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "The oldest first.", body = ApprovalsAnswer)),
)]
pub(super) async fn approvals(
    State(front): State<Arc<Front>>,
    _: Ask,
    Id(id): Id,
    query: Parameters,
) -> Result<ApprovalsAnswer> {
    query.end()?;
    let approvals = front.service.approvals(id).await?.iter().map(Into::into).collect();
    Ok(Answer(ApprovalsAnswer { approvals }))
}

/// Whom a stored delivery reaches.
#[utoipa::path(
    get, path = "/api/v1/deliveries/{id}/reach", tag = "deliveries", operation_id = "get_reach",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "How many users, and who else reaches them.", body = ReachAnswer)),
)]
pub(super) async fn reach(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    query: Parameters,
) -> Result<ReachAnswer> {
    query.end()?;
    Ok(Answer(front.service.reach(&ask, ReachOf::Stored(id)).await?.into()))
}

/// Whom a delivery would reach that is being written: only its target, exclusions, holdout, times and placement matter.
#[utoipa::path(
    post, path = "/api/v1/deliveries/reach", tag = "deliveries", operation_id = "preview_reach",
    request_body = DeliveryRequest,
    responses((status = 200, description = "How many users, and who else reaches them.", body = ReachAnswer)),
)]
pub(super) async fn preview_reach(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<DeliveryRequest>,
) -> Result<ReachAnswer> {
    let of = ReachOf::Written(Box::new(request.of()?));
    Ok(Answer(front.service.reach(&ask, of).await?.into()))
}
