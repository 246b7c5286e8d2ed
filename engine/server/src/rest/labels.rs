//! `/api/v1/labels`: rules and lists of users under a name.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Request, State};
use futures_util::StreamExt as _;
use http::StatusCode;
use muster_catalog::label::{Label, LabelKey};
use muster_catalog::list::{IdReader, UploadMode};

use super::front::Front;
use super::problem::Problem;
use super::read::{Id, Json, MaybeJson, Parameters};
use super::wire::{
    EffectAnswer, EffectRequest, LabelBody, LabelCountsAnswer, LabelRequest, LabelSortBy, LabelUsesAnswer,
    LabelsAnswer, LabelsRequest, MembersPage, NothingRequest, RefreshAnswer, UploadAnswer,
};
use crate::fault::Fault;
use crate::service::{Ask, Page, Segment};

type Result<T> = std::result::Result<Answer<T>, Problem>;

/// Labels, page by page.
#[utoipa::path(
    get, path = "/api/v1/labels", tag = "labels", operation_id = "list_labels",
    params(
        ("search" = Option<String>, Query, description = "With this in the name or the description."),
        ("status" = Option<String>, Query, description = "`enabled` or `disabled` ones."),
        ("creator" = Option<String>, Query, description = "Made by this person."),
        ("is_list" = Option<bool>, Query, description = "Lists, or rules."),
        ("private" = Option<bool>, Query, description = "Private ones, or shared ones."),
        ("predefined" = Option<bool>, Query, description = "Those that the system made, or those that people made."),
        ("failed" = Option<bool>, Query, description = "Those that could not be counted the last time, or the others."),
        ("sort" = Option<LabelSortBy>, Query, description = "By what; by name unless given."),
        ("descending" = Option<bool>, Query, description = "The greatest first."),
        ("history" = Option<u32>, Query, description = "With so many of the last counts of each, 100 at most; none unless given.", minimum = 0, maximum = 100),
        ("page_size" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
    ),
    responses((status = 200, description = "A page of labels, in the order asked for.", body = LabelsAnswer)),
)]
pub(super) async fn list(
    State(front): State<Arc<Front>>,
    ask: Ask,
    mut query: Parameters,
) -> Result<LabelsAnswer> {
    let request = LabelsRequest::of_query(&mut query)?;
    query.end()?;
    page(&front, &ask, request).await
}

/// Labels that match.
#[utoipa::path(
    post, path = "/api/v1/labels/filter", tag = "labels", operation_id = "filter_labels",
    request_body = Option<LabelsRequest>,
    responses((status = 200, description = "A page of labels, in the order asked for.", body = LabelsAnswer)),
)]
pub(super) async fn filter(
    State(front): State<Arc<Front>>,
    ask: Ask,
    MaybeJson(request): MaybeJson<LabelsRequest>,
) -> Result<LabelsAnswer> {
    page(&front, &ask, request).await
}

async fn page(front: &Front, ask: &Ask, request: LabelsRequest) -> Result<LabelsAnswer> {
    let history = request.history()?;
    let found = front.service.labels(ask, &request.filter()?).await?;
    let mut recent = front.service.recent_counts(&found.items, history).await?;
    let with_recent = |label: Label| {
        let recent = (history > 0).then(|| recent.remove(&label.id).unwrap_or_default());
        LabelBody::from(label).with_recent(recent)
    };
    let labels = found.items.into_iter().map(with_recent).collect();
    Ok(Answer(LabelsAnswer { labels, next_page_token: found.next_page_token }))
}

/// Counts all labels again in the generation in service. Returns at once; the status tells how it goes.
#[utoipa::path(
    post, path = "/api/v1/labels/refresh", tag = "labels", operation_id = "refresh_labels",
    request_body = Option<NothingRequest>,
    responses((status = 200, description = "They will be counted.", body = RefreshAnswer)),
)]
pub(super) async fn refresh(
    State(front): State<Arc<Front>>,
    ask: Ask,
    MaybeJson(NothingRequest {}): MaybeJson<NothingRequest>,
) -> Result<RefreshAnswer> {
    Ok(Answer(RefreshAnswer { labels: front.service.refresh_all_labels(&ask)?.into() }))
}

/// Makes a label: of a rule, or without one an empty list.
#[utoipa::path(
    post, path = "/api/v1/labels", tag = "labels", operation_id = "create_label",
    request_body = LabelRequest,
    responses((status = 201, description = "The label.", body = LabelBody)),
)]
pub(super) async fn create(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Json(request): Json<LabelRequest>,
) -> std::result::Result<(StatusCode, Answer<LabelBody>), Problem> {
    let made = front.service.create_label(&ask, request.of()?).await?;
    Ok((StatusCode::CREATED, Answer(made.into())))
}

/// A label.
#[utoipa::path(
    get, path = "/api/v1/labels/{id}", tag = "labels", operation_id = "get_label",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "The label.", body = LabelBody)),
)]
pub(super) async fn get(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    query: Parameters,
) -> Result<LabelBody> {
    query.end()?;
    Ok(Answer(front.service.label(&ask, &LabelKey::Id(id)).await?.into()))
}

/// Changes a label. What is not given stays.
#[utoipa::path(
    put, path = "/api/v1/labels/{id}", tag = "labels", operation_id = "update_label",
    params(("id" = u64, Path, description = "Its number.")),
    request_body = LabelRequest,
    responses((status = 200, description = "The label.", body = LabelBody)),
)]
pub(super) async fn update(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    Json(request): Json<LabelRequest>,
) -> Result<LabelBody> {
    let key = LabelKey::Id(id);
    Ok(Answer(front.service.update_label(&ask, &key, request.version(), request.of()?).await?.into()))
}

/// What saving a change of a label would do to its count, and to all that depends on it. Nothing is stored.
#[utoipa::path(
    post, path = "/api/v1/labels/{id}/preview", tag = "labels", operation_id = "preview_label",
    params(("id" = u64, Path, description = "Its number.")),
    request_body = EffectRequest,
    responses((status = 200, description = "Counts as they are and as they would be.", body = EffectAnswer)),
)]
pub(super) async fn preview(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Id(id): Id,
    Json(request): Json<EffectRequest>,
) -> Result<EffectAnswer> {
    request.fix(&mut ask);
    Ok(Answer(front.service.preview_label(&ask, id, request.version(), request.of()?).await?.into()))
}

/// Removes a label that nothing uses.
#[utoipa::path(
    delete, path = "/api/v1/labels/{id}", tag = "labels", operation_id = "delete_label",
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
    front.service.delete_label(&ask, &LabelKey::Id(id), version).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The users of a label.
#[utoipa::path(
    get, path = "/api/v1/labels/{id}/users", tag = "labels", operation_id = "label_users",
    params(
        ("id" = u64, Path, description = "Its number."),
        ("page_size" = Option<u64>, Query, description = "At most so many ids, 65,536 at most; 1,000 unless given.", minimum = 0, maximum = 65536),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
        ("generation" = Option<u64>, Query, description = "Of this generation; without it, the one in service."),
    ),
    responses((status = 200, description = "A page of ids.", body = MembersPage)),
)]
pub(super) async fn users(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Id(id): Id,
    mut query: Parameters,
) -> Result<MembersPage> {
    let page =
        Page { size: query.number("page_size")?.unwrap_or_default(), token: query.text("page_token")? };
    ask.generation = query.number("generation")?.unwrap_or_default();
    query.end()?;
    front.service.shelf()?;
    Ok(Answer(front.service.members_page(&ask, Segment::LabelId(id), page).await?.into()))
}

/// What uses a label.
#[utoipa::path(
    get, path = "/api/v1/labels/{id}/uses", tag = "labels", operation_id = "label_uses",
    params(("id" = u64, Path, description = "Its number.")),
    responses((status = 200, description = "Labels and deliveries.", body = LabelUsesAnswer)),
)]
pub(super) async fn uses(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    query: Parameters,
) -> Result<LabelUsesAnswer> {
    query.end()?;
    Ok(Answer(front.service.label_uses(&ask, &LabelKey::Id(id)).await?.into()))
}

/// What a label counted, generation by generation.
#[utoipa::path(
    get, path = "/api/v1/labels/{id}/counts", tag = "labels", operation_id = "label_counts",
    params(
        ("id" = u64, Path, description = "Its number."),
        ("limit" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
    ),
    responses((status = 200, description = "The newest generation first.", body = LabelCountsAnswer)),
)]
pub(super) async fn counts(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    mut query: Parameters,
) -> Result<LabelCountsAnswer> {
    let limit = query.number("limit")?.unwrap_or_default();
    query.end()?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let counts = front.service.label_counts(&ask, &LabelKey::Id(id), limit).await?;
    Ok(Answer(LabelCountsAnswer { counts: counts.into_iter().map(Into::into).collect() }))
}

/// Adds users to a list: ids one a line, or a table with the ids in its first column.
#[utoipa::path(
    post, path = "/api/v1/labels/{id}/users", tag = "labels", operation_id = "append_users",
    params(("id" = u64, Path, description = "Its number.")),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "The list after that.", body = UploadAnswer)),
)]
pub(super) async fn append(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    request: Request,
) -> Result<UploadAnswer> {
    upload(&front, &ask, id, UploadMode::Append, request).await
}

/// Replaces the users of a list: ids one a line, or a table with the ids in its first column.
#[utoipa::path(
    put, path = "/api/v1/labels/{id}/users", tag = "labels", operation_id = "replace_users",
    params(("id" = u64, Path, description = "Its number.")),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "The list after that.", body = UploadAnswer)),
)]
pub(super) async fn replace(
    State(front): State<Arc<Front>>,
    ask: Ask,
    Id(id): Id,
    request: Request,
) -> Result<UploadAnswer> {
    upload(&front, &ask, id, UploadMode::Replace, request).await
}

/// Reads a file of ids piece by piece: it may be larger than other requests, and is never held whole.
async fn upload(
    front: &Front,
    ask: &Ask,
    id: u64,
    mode: UploadMode,
    request: Request,
) -> Result<UploadAnswer> {
    let mut upload = front.service.begin_upload(ask, mode)?;
    let (mut reader, mut ids) = (IdReader::new(), Vec::new());
    let mut pieces = request.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::broken_body(&error.to_string()))?;
        reader.feed(&piece, &mut ids);
        upload.push(&ids).map_err(Fault::from)?;
        ids.clear();
    }
    let read = reader.finish(&mut ids);
    upload.push(&ids).map_err(Fault::from)?;
    let done = front.service.finish_upload(ask, &LabelKey::Id(id), upload, "").await?;
    Ok(Answer(UploadAnswer {
        label: done.label.into(),
        added: done.added,
        removed: done.removed,
        unknown: done.unknown,
        lines: read.lines,
        ids: read.ids,
        bad: read.bad,
        first_bad: read.first_bad.into_iter().map(Into::into).collect(),
    }))
}
