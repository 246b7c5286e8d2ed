//! Outside `/api`: health for those who run the server, measurements for Prometheus.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header;

use super::front::Front;
use super::problem::Problem;
use super::wire::Readiness;

/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process is alive.
#[utoipa::path(
    get, path = "/healthz", tag = "outside", operation_id = "healthz",
    responses((status = 200, description = "The process is alive.", body = String, content_type = "text/plain")),
)]
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Whether questions are answered: 503 until a generation is in service, and why.
#[utoipa::path(
    get, path = "/readyz", tag = "outside", operation_id = "readyz",
    responses((status = 200, description = "Questions are answered.", body = Readiness)),
)]
pub(super) async fn readyz(State(front): State<Arc<Front>>) -> Result<Answer<Readiness>, Problem> {
    let generations = &front.service.generations;
    let generation = generations.serving()?.number();
    let problem = generations.problem().map(|problem| problem.to_string());
    Ok(Answer(Readiness { ready: true, generation, problem }))
}

/// What is measured, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "outside", operation_id = "metrics",
    responses((status = 200, description = "Measurements in Prometheus' text format.", body = String, content_type = "text/plain")),
)]
pub(super) async fn metrics(State(front): State<Arc<Front>>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS)], front.meters.render()).into_response()
}
