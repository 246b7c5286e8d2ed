//! `/api/v1/audience`: how many, who, and why.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json as Answer;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use tokio_stream::wrappers::ReceiverStream;

use super::front::{Front, RequestId};
use super::problem::Problem;
use super::read::Json;
use super::wire::{
    AudienceRequest, CountAnswer, ExplainAnswer, ExplainRequest, MembersPage, MembersRequest, OverlapAnswer,
    OverlapRequest, PreviewAnswer, ProfileAnswer, ProfileRequest, RuleAnswer,
};
use crate::fault::Fault;
use crate::service::Ask;

/// The media type of a stream of JSON documents, one a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

type Result<T> = std::result::Result<Answer<T>, Problem>;

/// How many users a segment has.
#[utoipa::path(
    post, path = "/api/v1/audience/count", tag = "audience", operation_id = "count",
    request_body = AudienceRequest,
    responses((status = 200, description = "The count.", body = CountAnswer)),
)]
pub(super) async fn count(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<AudienceRequest>,
) -> Result<CountAnswer> {
    request.fix(&mut ask);
    let of = request.segment()?;
    let count = front.service.count(&ask, of.segment).await.map_err(|fault| of.place(fault))?;
    Ok(Answer(count.into()))
}

/// The counts of a rule and of each of its parts, and what each condition costs.
#[utoipa::path(
    post, path = "/api/v1/audience/preview", tag = "audience", operation_id = "preview",
    request_body = AudienceRequest,
    responses((status = 200, description = "The rule with its counts.", body = PreviewAnswer)),
)]
pub(super) async fn preview(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<AudienceRequest>,
) -> Result<PreviewAnswer> {
    request.fix(&mut ask);
    let of = request.segment()?;
    let previewed = front.service.preview(&ask, of.segment).await.map_err(|fault| of.place(fault))?;
    Ok(Answer(previewed.into()))
}

/// What a rule says: its text and its tree, each made from the other, the SQL that it is, the columns and labels that it names. Nothing
/// is counted.
#[utoipa::path(
    post, path = "/api/v1/audience/rule", tag = "audience", operation_id = "read_rule",
    request_body = AudienceRequest,
    responses((status = 200, description = "The rule as it was understood.", body = RuleAnswer)),
)]
pub(super) async fn rule(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<AudienceRequest>,
) -> Result<RuleAnswer> {
    request.fix(&mut ask);
    let of = request.segment()?;
    let read = front.service.read_rule(&ask, of.segment).await.map_err(|fault| of.place(fault))?;
    Ok(Answer(read.into()))
}

/// An audience by the values of some columns.
#[utoipa::path(
    post, path = "/api/v1/audience/profile", tag = "audience", operation_id = "profile",
    request_body = ProfileRequest,
    responses((status = 200, description = "The audience by columns.", body = ProfileAnswer)),
)]
pub(super) async fn profile(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<ProfileRequest>,
) -> Result<ProfileAnswer> {
    request.fix(&mut ask);
    let of = request.segment()?;
    let profile = front.service.profile(&ask, of.segment, request.of()).await;
    Ok(Answer(profile.map_err(|fault| of.place(fault))?.into()))
}

/// How many users each two of some segments share.
#[utoipa::path(
    post, path = "/api/v1/audience/overlap", tag = "audience", operation_id = "overlap",
    request_body = OverlapRequest,
    responses((status = 200, description = "Users in both of each two.", body = OverlapAnswer)),
)]
pub(super) async fn overlap(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(request): Json<OverlapRequest>,
) -> Result<OverlapAnswer> {
    request.fix(&mut ask);
    Ok(Answer(front.service.overlap(&ask, request.segments()).await?.into()))
}

/// Who the members are: a page, or with `Accept: application/x-ndjson` a stream.
///
/// A stream has a page a line, each with where to go on; it is whole when its last line has no `next_page_token`. If it cannot go
/// on, its last line is a problem document.
#[utoipa::path(
    post, path = "/api/v1/audience/members", tag = "audience", operation_id = "members",
    request_body = MembersRequest,
    responses((status = 200, description = "Members.", content(
        (MembersPage = "application/json"),
        (MembersPage = "application/x-ndjson"),
    ))),
)]
pub(super) async fn members(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    id: RequestId,
    headers: HeaderMap,
    Json(request): Json<MembersRequest>,
) -> std::result::Result<Response, Problem> {
    request.fix(&mut ask);
    let of = request.segment()?;
    if !wants_stream(&headers) {
        let page = front.service.members_page(&ask, of.segment, request.page()?).await;
        let page: MembersPage = page.map_err(|fault| of.place(fault))?.into();
        return Ok(Answer(page).into_response());
    }
    let batches = front.service.members(ask, of.segment, request.stream()?).await;
    let batches = ReceiverStream::new(batches.map_err(|fault| of.place(fault))?);
    let lines = batches.map(move |batch| Ok::<_, Infallible>(line(batch, &id)));
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

fn line(batch: crate::fault::Result<crate::service::MembersBatch>, id: &RequestId) -> Bytes {
    let refused = |fault| Problem::from(fault).line("/api/v1/audience/members", id.as_str());
    let mut line = match batch {
        Ok(batch) => serde_json::to_vec(&MembersPage::from(batch)).unwrap_or_else(|error| {
            refused(Fault::Internal { what: format!("the page cannot be written: {error}") })
        }),
        Err(fault) => refused(fault),
    };
    line.push(b'\n');
    line.into()
}

/// Whether a stream is asked for by name; who takes anything gets a page.
fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(NDJSON))
}

/// Why a user is in a segment or not, and the smallest change that would turn it.
#[utoipa::path(
    post, path = "/api/v1/audience/explain", tag = "audience", operation_id = "explain",
    request_body = ExplainRequest,
    responses((status = 200, description = "Why.", body = ExplainAnswer)),
)]
pub(super) async fn explain(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    Json(mut request): Json<ExplainRequest>,
) -> Result<ExplainAnswer> {
    request.fix(&mut ask);
    let overlay = request.overlay()?;
    let of = request.segment()?;
    let explained = front.service.explain(&ask, request.user_id, of.segment, overlay).await;
    Ok(Answer(explained.map_err(|fault| of.place(fault))?.into()))
}
