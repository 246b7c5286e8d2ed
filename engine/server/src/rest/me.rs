//! `/api/v1/me`: who calls, for a console that shows what this caller may do.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json as Answer};

use super::front::Front;
use super::problem::Problem;
use super::read::Parameters;
use super::wire::CallerAnswer;
use crate::listen::Peer;
use crate::service::Ask;

/// Who calls, and what they may do.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "me", operation_id = "who_am_i",
    responses((status = 200, description = "The caller.", body = CallerAnswer)),
)]
pub(super) async fn who_am_i(
    State(front): State<Arc<Front>>,
    ask: Ask,
    peer: Option<Extension<Peer>>,
    query: Parameters,
) -> Result<Answer<CallerAnswer>, Problem> {
    query.end()?;
    let local = peer.is_some_and(|Extension(peer)| peer.is_local());
    Ok(Answer(CallerAnswer::of(&ask.caller, front.access.needs_token(local))))
}
