//! The OpenAPI document: made of the handlers and their wire types, with what holds for all of them added.

use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Built, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::front::{REQUEST_ID_HEADER, TIMEOUT_HEADER};
use super::problem::{Document, PROBLEM_JSON, Problem};
use super::{audience, audit, deliveries, export, labels, me, outside, store, users};
use crate::access::USER_HEADER;
use crate::fault::Fault;

/// Where the document is.
pub(super) const PATH: &str = "/api/openapi.json";

const ABOUT: &str = "Muster counts, lists and explains audiences: the users for whom a rule is true. A rule is a ClickHouse WHERE \
expression over the feature columns. Every refusal is a problem document (RFC 9457). Times are RFC 3339. Ids are whole numbers up to \
2^64 - 1. Unknown fields and parameters are refused.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Muster", description = ABOUT, version = env!("CARGO_PKG_VERSION"), license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    servers((url = "/", description = "This server.")),
    tags(
        (name = "audience", description = "How many users, who they are, and why."),
        (name = "users", description = "Users and their features."),
        (name = "store", description = "Columns, generations, the server's state."),
        (name = "labels", description = "Rules and lists of users under a name."),
        (name = "deliveries", description = "What is shown to whom, and when."),
        (name = "audit", description = "What was done, by whom and when. Needs the role approver."),
        (name = "me", description = "Who calls."),
        (name = "outside", description = "Health and measurements."),
    ),
    paths(
        audience::count, audience::preview, audience::profile, audience::explain, audience::overlap, audience::members,
        audience::rule, export::export, me::who_am_i,
        users::list, users::features, users::feature, users::batch, users::erase, users::opt_out, users::opt_in,
        store::schema, store::status, store::generations, store::generation, store::history, store::rollback, store::publish, store::discard, store::rebuild,
        audit::list, audit::export,
        labels::list, labels::create, labels::filter, labels::get, labels::update, labels::delete, labels::users,
        deliveries::list, deliveries::create, deliveries::active, deliveries::preview_reach, deliveries::get,
        deliveries::update, deliveries::delete, deliveries::submit, deliveries::approve, deliveries::reject,
        deliveries::cancel, deliveries::withdraw, deliveries::approvals, deliveries::reach,
        users::deliveries, users::deliveries_with, users::labels, users::labels_with,
        labels::refresh, labels::append, labels::replace, labels::uses, labels::counts, labels::preview,
        outside::healthz, outside::readyz, outside::metrics,
    ),
    components(schemas(Document)),
    modifiers(&Common),
)]
struct Description;

/// What holds for every operation.
struct Common;

impl Modify for Common {
    fn modify(&self, built: &mut Built) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of the server's file of tokens; not needed where tokens are off."))
            .build();
        let components = built.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        for (path, item) in &mut built.paths.paths {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                add_problems(operation);
                add_header(
                    operation,
                    REQUEST_ID_HEADER.as_str(),
                    &Type::String,
                    "Names the request, in the answer and in the log.",
                );
                if path.starts_with("/api/") {
                    add_header(
                        operation,
                        TIMEOUT_HEADER,
                        &Type::Integer,
                        "How long the caller waits, in milliseconds.",
                    );
                    add_header(operation, USER_HEADER, &Type::String, "Who calls, where tokens are off.");
                    operation.security = Some(vec![
                        SecurityRequirement::default(),
                        SecurityRequirement::new("token", [""; 0]),
                    ]);
                }
            }
        }
    }
}

fn add_problems(operation: &mut Operation) {
    for (statuses, what) in
        [("4XX", "The request was refused."), ("5XX", "The request could not be answered.")]
    {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description(what).content(PROBLEM_JSON, problem).build();
        operation.responses.responses.insert(statuses.to_owned(), response.into());
    }
}

fn add_header(operation: &mut Operation, name: &str, ty: &Type, what: &str) {
    let mut schema = ObjectBuilder::new().schema_type(ty.clone());
    if matches!(ty, Type::Integer) {
        schema = schema.minimum(Some(1));
    }
    let header = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(what))
        .schema(Some(schema));
    operation.parameters.get_or_insert_default().push(header.build().into());
}

/// The document.
pub(super) async fn document() -> Response {
    /// Made once: it is the same as long as the program runs.
    static DOCUMENT: LazyLock<Result<String, String>> =
        LazyLock::new(|| Description::openapi().to_json().map_err(|error| error.to_string()));
    match &*DOCUMENT {
        Ok(document) => ([(header::CONTENT_TYPE, "application/json")], document.as_str()).into_response(),
        Err(error) => {
            let what = format!("the description of the API cannot be written: {error}");
            Problem::from(Fault::Internal { what }).into_response()
        }
    }
}
