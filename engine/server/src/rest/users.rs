//! `/api/v1/users`: who is in an audience, what is known of a user, and users who must not be in answers.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use muster_engine::snapshot::MaskChange;

use super::front::Front;
use super::problem::Problem;
use super::read::{FeatureName, Id, Json, MaybeJson, Parameters};
use super::wire::{
    ErasedAnswer, FeatureAnswer, FeaturesRequest, MatchRequest, MatchedDeliveries, MatchedLabels,
    OptedAnswer, SegmentParameters, Time, UserAnswer, UserIdsRequest, UsersAnswer,
};
use crate::fault::Fault;
use crate::service::{Ask, Changed, Page};

type Result<T> = std::result::Result<Answer<T>, Problem>;

/// The members of a segment, with features. Without a segment: everybody.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "list_users",
    params(
        ("rule" = Option<String>, Query, description = "Whom, as a rule's text. At most one of rule, rules, label and label_id is given."),
        ("rules" = Option<String>, Query, description = "Whom, as a rule's tree in JSON."),
        ("label" = Option<String>, Query, description = "Whom, as a label's name."),
        ("label_id" = Option<u64>, Query, description = "Whom, as a label's number."),
        ("columns" = Option<Vec<String>>, Query, description = "Columns, keys of maps or lengths, with commas between them or each on its own; all columns unless given."),
        ("page_size" = Option<u64>, Query, description = "At most so many users, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
        ("now" = Option<Time>, Query, description = "What now() means."),
        ("generation" = Option<u64>, Query, description = "Of this generation; without it, the one in service."),
    ),
    responses((status = 200, description = "A page of users.", body = UsersAnswer)),
)]
pub(super) async fn list(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    mut query: Parameters,
) -> Result<UsersAnswer> {
    let given = SegmentParameters {
        rule: query.text("rule")?,
        rules: query.text("rules")?,
        label: query.text("label")?,
        label_id: query.number("label_id")?,
    };
    let columns = query.names("columns");
    let page =
        Page { size: query.number("page_size")?.unwrap_or_default(), token: query.text("page_token")? };
    ask.now = query.time("now")?.map(Time::seconds);
    ask.generation = query.number("generation")?.unwrap_or_default();
    query.end()?;
    let of = given.segment()?;
    let users = front.service.users_page(&ask, of.segment, columns, page).await;
    Ok(Answer(users.map_err(|fault| of.place(fault))?.into()))
}

/// A user's features and labels.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/features", tag = "users", operation_id = "get_features",
    params(
        ("id" = u64, Path, description = "The user."),
        ("columns" = Option<Vec<String>>, Query, description = "Columns, keys of maps or lengths, with commas between them or each on its own; all columns unless given."),
        ("generation" = Option<u64>, Query, description = "Of this generation; without it, the one in service."),
    ),
    responses((status = 200, description = "The user.", body = UserAnswer)),
)]
pub(super) async fn features(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Id(user_id): Id,
    mut query: Parameters,
) -> Result<UserAnswer> {
    let columns = query.names("columns");
    ask.generation = query.number("generation")?.unwrap_or_default();
    query.end()?;
    Ok(Answer(front.service.user(&ask, user_id, columns).await?.into()))
}

/// One feature of a user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/features/{name}", tag = "users", operation_id = "get_feature",
    params(
        ("id" = u64, Path, description = "The user."),
        ("name" = String, Path, description = "A column, a key of a map as in holdings['USDT'], or a length as in length(chains)."),
        ("generation" = Option<u64>, Query, description = "Of this generation; without it, the one in service."),
    ),
    responses((status = 200, description = "The feature.", body = FeatureAnswer)),
)]
pub(super) async fn feature(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Id(user_id): Id,
    FeatureName(name): FeatureName,
    mut query: Parameters,
) -> Result<FeatureAnswer> {
    ask.generation = query.number("generation")?.unwrap_or_default();
    query.end()?;
    let user = front.service.user(&ask, user_id, vec![name]).await?;
    let missing = || Fault::Internal { what: "the feature was read and is not there".to_owned() };
    Ok(Answer(FeatureAnswer::of(user).ok_or_else(missing)?))
}

/// The features of many users.
#[utoipa::path(
    post, path = "/api/v1/users/batch/features", tag = "users", operation_id = "batch_features",
    request_body = FeaturesRequest,
    responses((status = 200, description = "The users that are there, in the order asked.", body = UsersAnswer)),
)]
pub(super) async fn batch(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<FeaturesRequest>,
) -> Result<UsersAnswer> {
    ask.generation = request.generation.unwrap_or_default();
    Ok(Answer(front.service.users(&ask, request.user_ids, request.columns).await?.into()))
}

/// Takes users out of every answer of every generation, for good. Durable when it is answered.
#[utoipa::path(
    post, path = "/api/v1/users/erase", tag = "users", operation_id = "erase",
    request_body = UserIdsRequest,
    responses((status = 200, description = "They are erased.", body = ErasedAnswer)),
)]
pub(super) async fn erase(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<UserIdsRequest>,
) -> Result<ErasedAnswer> {
    Ok(Answer(change(&front, &ask, MaskChange::Erase, request).await?.into()))
}

/// Takes users out of every answer that targets. Durable when it is answered.
#[utoipa::path(
    post, path = "/api/v1/users/opt-out", tag = "users", operation_id = "opt_out",
    request_body = UserIdsRequest,
    responses((status = 200, description = "They are left alone.", body = OptedAnswer)),
)]
pub(super) async fn opt_out(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<UserIdsRequest>,
) -> Result<OptedAnswer> {
    Ok(Answer(change(&front, &ask, MaskChange::OptOut, request).await?.into()))
}

/// Takes opting out back. Durable when it is answered.
#[utoipa::path(
    post, path = "/api/v1/users/opt-in", tag = "users", operation_id = "opt_in",
    request_body = UserIdsRequest,
    responses((status = 200, description = "They are targeted again.", body = OptedAnswer)),
)]
pub(super) async fn opt_in(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<UserIdsRequest>,
) -> Result<OptedAnswer> {
    Ok(Answer(change(&front, &ask, MaskChange::OptIn, request).await?.into()))
}

async fn change(
    front: &Front,
    ask: &Ask,
    change: MaskChange,
    request: UserIdsRequest,
) -> crate::fault::Result<Changed> {
    front.service.change_masks(ask, change, request.user_ids).await
}

/// What a user should see now.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/deliveries", tag = "users", operation_id = "match_deliveries",
    params(
        ("id" = u64, Path, description = "The user."),
        ("placement" = Option<String>, Query, description = "Where in the app; anywhere unless given."),
        ("limit" = Option<u64>, Query, description = "At most so many; all unless given."),
    ),
    responses((status = 200, description = "Deliveries, the greatest priority first.", body = MatchedDeliveries)),
)]
pub(super) async fn deliveries(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(user_id): Id,
    mut query: Parameters,
) -> Result<MatchedDeliveries> {
    let placement = query.text("placement")?.unwrap_or_default();
    let limit = query.number("limit")?.unwrap_or_default() as usize;
    query.end()?;
    Ok(Answer(front.service.match_deliveries(&ask, user_id, &placement, limit, &[])?.into()))
}

/// What a user should see now, with fresher values of the user's features.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/deliveries", tag = "users", operation_id = "match_deliveries_with",
    params(("id" = u64, Path, description = "The user.")),
    request_body = Option<MatchRequest>,
    responses((status = 200, description = "Deliveries, the greatest priority first.", body = MatchedDeliveries)),
)]
pub(super) async fn deliveries_with(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(user_id): Id,
    MaybeJson(mut request): MaybeJson<MatchRequest>,
) -> Result<MatchedDeliveries> {
    let (overlay, limit) = (request.overlay()?, request.limit);
    Ok(Answer(front.service.match_deliveries(&ask, user_id, &request.placement, limit, &overlay)?.into()))
}

/// Which labels hold for a user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}/labels", tag = "users", operation_id = "match_labels",
    params(
        ("id" = u64, Path, description = "The user."),
        ("limit" = Option<u64>, Query, description = "At most so many; all unless given."),
    ),
    responses((status = 200, description = "Labels, by number.", body = MatchedLabels)),
)]
pub(super) async fn labels(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(user_id): Id,
    mut query: Parameters,
) -> Result<MatchedLabels> {
    let limit = query.number("limit")?.unwrap_or_default() as usize;
    query.end()?;
    Ok(Answer(front.service.match_labels(&ask, user_id, limit, &[])?.into()))
}

/// Which labels hold for a user, with fresher values of the user's features.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/labels", tag = "users", operation_id = "match_labels_with",
    params(("id" = u64, Path, description = "The user.")),
    request_body = Option<MatchRequest>,
    responses((status = 200, description = "Labels, by number.", body = MatchedLabels)),
)]
pub(super) async fn labels_with(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(user_id): Id,
    MaybeJson(mut request): MaybeJson<MatchRequest>,
) -> Result<MatchedLabels> {
    let (overlay, limit) = (request.overlay()?, request.limit);
    Ok(Answer(front.service.match_labels(&ask, user_id, limit, &overlay)?.into()))
}
