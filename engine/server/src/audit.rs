//! A record of the audit as JSON: the same over REST, in an export, and at the command line.

use jiff::Timestamp;
use muster_catalog::audit::Record;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;

/// A record of the audit: what was done, by whom, when.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditRecord {
    /// Its number; greater is later.
    pub id: u64,
    /// When, in RFC 3339.
    #[schema(format = DateTime, example = "2026-11-20T00:00:00Z")]
    pub at: String,
    /// By whom.
    pub actor: String,
    /// What it is about: `label`, `list`, `delivery`, `approval`, `import`, `generation`, `rebuild`, `token`, `erasure` or `server`.
    pub kind: &'static str,
    /// What was done, in a word.
    pub action: String,
    /// The number of what it was done to, if it has one.
    pub object_id: Option<u64>,
    /// The name of what it was done to; empty if it has none.
    pub object: String,
    /// How it was before.
    #[schema(value_type = Option<serde_json::Map<String, Json>>)]
    pub before: Option<Json>,
    /// How it was after.
    #[schema(value_type = Option<serde_json::Map<String, Json>>)]
    pub after: Option<Json>,
    /// What was said about it.
    pub comment: String,
    /// In which request.
    pub request: String,
}

impl From<Record> for AuditRecord {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            at: instant(record.at_us),
            actor: record.actor,
            kind: record.kind.name(),
            action: record.action,
            object_id: record.object_id,
            object: record.object,
            before: record.before,
            after: record.after,
            comment: record.comment,
            request: record.request,
        }
    }
}

/// Microseconds since 1970 as RFC 3339; what no calendar has is the nearest instant that one has.
fn instant(micros: i64) -> String {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(nearest).to_string()
}
