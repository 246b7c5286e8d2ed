//! REST: JSON over the service layer, described by OpenAPI. Translates and nothing else.
//!
//! A request passes `front`, which names it, asks who calls and until when, and measures it; `read` takes it apart; a handler asks
//! the service layer; `wire` holds what is read and written. Every refusal, whoever found its reason, is a `problem`.

mod audience;
mod audit;
mod console;
mod deliveries;
mod export;
mod front;
mod labels;
mod me;
mod openapi;
mod outside;
mod problem;
mod read;
mod store;
mod users;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::access::Access;
use crate::meters::{Meters, Method};
use crate::service::Service;
use crate::watching::Watcher;
use front::Front;
use problem::Problem;

/// Everything that HTTP serves.
pub(crate) fn router(
    service: &Arc<Service>,
    access: &Arc<Access>,
    meters: &Arc<Meters>,
    watcher: &Arc<Watcher>,
) -> Router {
    let front = Arc::new(Front {
        service: Arc::clone(service),
        access: Arc::clone(access),
        meters: Arc::clone(meters),
        watcher: Arc::clone(watcher),
    });
    let finish = from_fn_with_state(Arc::clone(&front), front::finish);
    Router::new()
        .nest("/api/v1", api(&front))
        .route(openapi::PATH, get(openapi::document))
        .route("/healthz", get(outside::healthz))
        .route("/readyz", get(outside::readyz))
        .route("/metrics", get(outside::metrics))
        .route("/", get(console::page))
        .fallback(console::page)
        .method_not_allowed_fallback(no_method)
        .layer(finish)
        .with_state(front)
}

/// The paths that need a caller.
fn api(front: &Arc<Front>) -> Router<Arc<Front>> {
    // What is measured is inside of what tells that a method is not there: such a request is none of ours.
    let of = |method: Method, routes: MethodRouter<Arc<Front>>| {
        routes.route_layer(from_fn_with_state((Arc::clone(front), method), front::measure))
    };
    let of_labels = |routes| of(Method::Labels, routes);
    let of_deliveries = |routes| of(Method::Deliveries, routes);
    Router::new()
        .route("/audience/count", of(Method::Count, post(audience::count)))
        .route("/audience/preview", of(Method::Preview, post(audience::preview)))
        .route("/audience/profile", of(Method::Profile, post(audience::profile)))
        .route("/audience/explain", of(Method::Explain, post(audience::explain)))
        .route("/audience/overlap", of(Method::Overlap, post(audience::overlap)))
        .route("/audience/members", of(Method::Members, post(audience::members)))
        .route("/audience/rule", of(Method::ReadRule, post(audience::rule)))
        .route("/audience/export", of(Method::Export, post(export::export)))
        .route("/me", of(Method::WhoAmI, get(me::who_am_i)))
        .route("/users", of(Method::Members, get(users::list)))
        .route("/users/{id}/features", of(Method::GetUser, get(users::features)))
        .route("/users/{id}/features/{name}", of(Method::GetUser, get(users::feature)))
        .route("/users/batch/features", of(Method::GetUser, post(users::batch)))
        .route("/users/erase", of(Method::Erase, post(users::erase)))
        .route("/users/opt-out", of(Method::OptOut, post(users::opt_out)))
        .route("/users/opt-in", of(Method::OptIn, post(users::opt_in)))
        .route("/schema", of(Method::Schema, get(store::schema)))
        .route("/status", of(Method::Status, get(store::status)))
        .route("/generations", of(Method::Generations, get(store::generations)))
        .route("/generations/{id}", of(Method::Generations, get(store::generation)))
        .route("/generations/history", of(Method::Generations, get(store::history)))
        .route("/generations/rollback", of(Method::Rollback, post(store::rollback)))
        .route("/generations/publish", of(Method::Publish, post(store::publish)))
        .route("/generations/discard", of(Method::Discard, post(store::discard)))
        .route("/generations/rebuild", of(Method::Rebuild, post(store::rebuild)))
        .route("/audit", of(Method::Audit, get(audit::list)))
        .route("/audit/export", of(Method::Audit, get(audit::export)))
        .route("/labels", of_labels(get(labels::list).post(labels::create)))
        .route("/labels/filter", of_labels(post(labels::filter)))
        .route("/labels/refresh", of_labels(post(labels::refresh)))
        .route("/labels/{id}", of_labels(get(labels::get).put(labels::update).delete(labels::delete)))
        .route("/labels/{id}/users", of_labels(get(labels::users).post(labels::append).put(labels::replace)))
        .route("/labels/{id}/preview", of_labels(post(labels::preview)))
        .route("/labels/{id}/uses", of_labels(get(labels::uses)))
        .route("/labels/{id}/counts", of_labels(get(labels::counts)))
        .route("/deliveries", of_deliveries(get(deliveries::list).post(deliveries::create)))
        .route("/deliveries/active", of_deliveries(get(deliveries::active)))
        .route("/deliveries/reach", of(Method::Reach, post(deliveries::preview_reach)))
        .route(
            "/deliveries/{id}",
            of_deliveries(get(deliveries::get).put(deliveries::update).delete(deliveries::delete)),
        )
        .route("/deliveries/{id}/submit", of_deliveries(post(deliveries::submit)))
        .route("/deliveries/{id}/approve", of_deliveries(post(deliveries::approve)))
        .route("/deliveries/{id}/reject", of_deliveries(post(deliveries::reject)))
        .route("/deliveries/{id}/cancel", of_deliveries(post(deliveries::cancel)))
        .route("/deliveries/{id}/withdraw", of_deliveries(post(deliveries::withdraw)))
        .route("/deliveries/{id}/approvals", of_deliveries(get(deliveries::approvals)))
        .route("/deliveries/{id}/reach", of(Method::Reach, get(deliveries::reach)))
        .route(
            "/users/{id}/deliveries",
            of(Method::MatchDeliveries, get(users::deliveries).post(users::deliveries_with)),
        )
        .route("/users/{id}/labels", of(Method::MatchLabels, get(users::labels).post(users::labels_with)))
}

async fn no_method(request: Request) -> Problem {
    Problem::no_method(request.method(), request.uri().path())
}
