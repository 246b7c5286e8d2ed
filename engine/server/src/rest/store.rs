//! `/api/v1/schema`, `/status` and `/generations`: what operators look at and decide.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;

use super::front::Front;
use super::problem::Problem;
use super::read::{Id, Json, MaybeJson, Parameters};
use super::wire::{
    DiscardRequest, GenerationAnswer, GenerationsAnswer, HistoryAnswer, InServiceAnswer, PublishRequest,
    RebuildAnswer, RebuildRequest, RollbackRequest, SchemaAnswer, StatusAnswer, Time,
};
use crate::service::{Ask, Page, generations_page};

type Result<T> = std::result::Result<Answer<T>, Problem>;

/// The columns of a generation.
#[utoipa::path(
    get, path = "/api/v1/schema", tag = "store", operation_id = "schema",
    params(("generation" = Option<u64>, Query, description = "Of this generation; without it, the one in service.")),
    responses((status = 200, description = "The columns.", body = SchemaAnswer)),
)]
pub(super) async fn schema(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    mut query: Parameters,
) -> Result<SchemaAnswer> {
    ask.generation = query.number("generation")?.unwrap_or_default();
    query.end()?;
    Ok(Answer(front.service.columns(&ask).await?.into()))
}

/// What the server is doing.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "store", operation_id = "status",
    responses((status = 200, description = "How the server is.", body = StatusAnswer)),
)]
pub(super) async fn status(
    State(front): State<Arc<Front>>,
    ask: Ask,
    query: Parameters,
) -> Result<StatusAnswer> {
    query.end()?;
    Ok(Answer(front.service.status(&ask).into()))
}

/// The generations of the store.
#[utoipa::path(
    get, path = "/api/v1/generations", tag = "store", operation_id = "list_generations",
    params(
        ("page_size" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
    ),
    responses((status = 200, description = "A page of generations.", body = GenerationsAnswer)),
)]
pub(super) async fn generations(
    State(front): State<Arc<Front>>,
    ask: Ask,
    mut query: Parameters,
) -> Result<GenerationsAnswer> {
    let page =
        Page { size: query.number("page_size")?.unwrap_or_default(), token: query.text("page_token")? };
    query.end()?;
    let listed = front.service.listed(&ask).await?;
    let (listed, next_page_token) = generations_page(&page, listed, |listed| listed.generation)?;
    let origin = front.service.status(&ask).origin;
    Ok(Answer(GenerationsAnswer {
        generations: listed.into_iter().map(Into::into).collect(),
        next_page_token,
        generation: origin.map(|origin| origin.generation),
        as_of: origin.map(|origin| Time::of(origin.as_of)),
    }))
}

/// A generation, how it was judged before it was published or held back, and who did that.
#[utoipa::path(
    get, path = "/api/v1/generations/{id}", tag = "store", operation_id = "get_generation",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "The generation.", body = GenerationAnswer)),
)]
pub(super) async fn generation(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(number): Id,
    query: Parameters,
) -> Result<GenerationAnswer> {
    query.end()?;
    Ok(Answer(front.service.judged(&ask, number).await?.into()))
}

/// What happened to the store: what was published, held back, accepted, rolled back and removed, by whom, when and why.
#[utoipa::path(
    get, path = "/api/v1/generations/history", tag = "store", operation_id = "store_history",
    params(
        ("page_size" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
    ),
    responses((status = 200, description = "A page of events, the newest first.", body = HistoryAnswer)),
)]
pub(super) async fn history(
    State(front): State<Arc<Front>>,
    ask: Ask,
    mut query: Parameters,
) -> Result<HistoryAnswer> {
    let page =
        Page { size: query.number("page_size")?.unwrap_or_default(), token: query.text("page_token")? };
    query.end()?;
    Ok(Answer(front.service.happened(&ask, page).await?.into()))
}

/// Puts an earlier generation into service.
#[utoipa::path(
    post, path = "/api/v1/generations/rollback", tag = "store", operation_id = "rollback",
    request_body = Option<RollbackRequest>,
    responses((status = 200, description = "What is in service now.", body = InServiceAnswer)),
)]
pub(super) async fn rollback(
    State(front): State<Arc<Front>>,
    ask: Ask,
    MaybeJson(request): MaybeJson<RollbackRequest>,
) -> Result<InServiceAnswer> {
    Ok(Answer(front.service.roll_back(&ask, request.generation.unwrap_or_default()).await?.into()))
}

/// Publishes a generation that the gates held back.
#[utoipa::path(
    post, path = "/api/v1/generations/publish", tag = "store", operation_id = "publish",
    request_body = PublishRequest,
    responses((status = 200, description = "What is in service now.", body = InServiceAnswer)),
)]
pub(super) async fn publish(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<PublishRequest>,
) -> Result<InServiceAnswer> {
    Ok(Answer(front.service.publish(&ask, request.generation, request.reason).await?.into()))
}

/// Removes a generation that the gates held back.
#[utoipa::path(
    post, path = "/api/v1/generations/discard", tag = "store", operation_id = "discard",
    request_body = DiscardRequest,
    responses((status = 200, description = "What is in service.", body = InServiceAnswer)),
)]
pub(super) async fn discard(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<DiscardRequest>,
) -> Result<InServiceAnswer> {
    Ok(Answer(front.service.discard(&ask, request.generation).await?.into()))
}

/// Starts a rebuild and returns at once; the status tells how it goes.
#[utoipa::path(
    post, path = "/api/v1/generations/rebuild", tag = "store", operation_id = "rebuild",
    request_body = Option<RebuildRequest>,
    responses((status = 200, description = "It has begun.", body = RebuildAnswer)),
)]
pub(super) async fn rebuild(
    State(front): State<Arc<Front>>,
    ask: Ask,
    MaybeJson(request): MaybeJson<RebuildRequest>,
) -> Result<RebuildAnswer> {
    let accept = request.accept.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let status = front.service.rebuild(&ask, accept).await?;
    Ok(Answer(RebuildAnswer { rebuild: status.into() }))
}
