//! `/api/v1/audit`: what was done, by whom and when.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json as Answer;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::{HeaderValue, header};
use muster_catalog::audit::AuditFilter;
use tokio_stream::wrappers::ReceiverStream;

use super::audience::NDJSON;
use super::front::{Front, RequestId};
use super::problem::Problem;
use super::read::Parameters;
use super::wire::AuditAnswer;
use crate::audit::AuditRecord;
use crate::fault::Fault;
use crate::service::Ask;

/// Records of a page at most.
const PAGE_MAX: u64 = 1_000;

/// Records of the audit, the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "list_audit",
    params(
        ("kind" = Option<String>, Query, description = "About this: `label`, `list`, `delivery`, `approval`, `import`, `generation`, `rebuild`, `token`, `erasure` or `server`."),
        ("id" = Option<u64>, Query, description = "About what has this number."),
        ("actor" = Option<String>, Query, description = "By this person."),
        ("from" = Option<super::wire::Time>, Query, description = "Not before this instant."),
        ("until" = Option<super::wire::Time>, Query, description = "Before this instant."),
        ("page_size" = Option<u64>, Query, description = "At most so many, 1,000 at most; 100 unless given.", minimum = 0, maximum = 1000),
        ("page_token" = Option<String>, Query, description = "next_page_token of the page before."),
    ),
    responses((status = 200, description = "A page of records.", body = AuditAnswer)),
)]
pub(super) async fn list(
    State(front): State<Arc<Front>>,
    ask: Ask,
    mut query: Parameters,
) -> Result<Answer<AuditAnswer>, Problem> {
    let of = filter(&mut query)?;
    let (size, token) = (query.number("page_size")?.unwrap_or_default(), query.text("page_token")?);
    query.end()?;
    if size > PAGE_MAX {
        let what = format!("{size} is more than the limit of {PAGE_MAX} a page");
        return Err(Fault::invalid("page_size", what).into());
    }
    let of = AuditFilter { page_size: size as u32, page_token: token.unwrap_or_default(), ..of };
    let page = front.service.audit(&ask, &of).await?;
    let records = page.items.into_iter().map(AuditRecord::from).collect();
    Ok(Answer(AuditAnswer { records, next_page_token: page.next_page_token }))
}

/// All records that match, the oldest first: a JSON object a line.
///
/// An export that cannot go on ends with a problem document as its last line; one that was cut goes on `after` its last line's `id`.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", operation_id = "export_audit",
    params(
        ("kind" = Option<String>, Query, description = "About this, as in a list."),
        ("id" = Option<u64>, Query, description = "About what has this number."),
        ("actor" = Option<String>, Query, description = "By this person."),
        ("from" = Option<super::wire::Time>, Query, description = "Not before this instant."),
        ("until" = Option<super::wire::Time>, Query, description = "Before this instant."),
        ("after" = Option<u64>, Query, description = "Goes on after the record of this number."),
    ),
    responses((status = 200, description = "The records.", body = AuditRecord, content_type = "application/x-ndjson")),
)]
pub(super) async fn export(
    State(front): State<Arc<Front>>,
    ask: Ask,
    id: RequestId,
    mut query: Parameters,
) -> Result<Response, Problem> {
    let of = filter(&mut query)?;
    let after = query.number("after")?;
    query.end()?;
    let pieces = ReceiverStream::new(front.service.export_audit(&ask, of, after)?);
    let pieces = pieces.map(move |piece| {
        let bytes = match piece {
            Ok(piece) => piece.lines.into_bytes(),
            Err(fault) => {
                let mut line = Problem::from(fault).line("/api/v1/audit/export", id.as_str());
                line.push(b'\n');
                line
            }
        };
        Ok::<_, Infallible>(Bytes::from(bytes))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    Ok(response)
}

/// Which records a query asks for.
fn filter(query: &mut Parameters) -> crate::fault::Result<AuditFilter> {
    let kind = query.text("kind")?;
    Ok(AuditFilter {
        kind: kind.map(|name| name.parse()).transpose()?,
        object_id: query.number("id")?,
        actor: query.text("actor")?,
        from_us: query.time("from")?.map(super::wire::Time::micros),
        until_us: query.time("until")?.map(super::wire::Time::micros),
        ..AuditFilter::default()
    })
}
