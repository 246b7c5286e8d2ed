//! What a rule says, and who calls.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Time;
use crate::caller::{Caller, Role};
use crate::service::ReadRule;

/// A rule as it was understood.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RuleAnswer {
    /// Its canonical text.
    rule: String,
    /// The same as the tree of a query builder; null where a tree cannot say it.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    rules: Option<Box<RawValue>>,
    /// The ClickHouse `WHERE` condition that gives the same users in the source's table, with labels written out and `now()` as it is
    /// in this answer; null if there is none.
    sql: Option<String>,
    /// Why there is no SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql_problem: Option<String>,
    /// The columns that it looks at itself, by name; what its labels look at is theirs.
    columns: Vec<String>,
    /// The labels that it names itself.
    labels: Vec<String>,
    /// The generation that it was read with.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// What `now()` was.
    now: Time,
}

impl From<ReadRule> for RuleAnswer {
    fn from(read: ReadRule) -> Self {
        let (sql, sql_problem) = match read.sql {
            Ok(sql) => (Some(sql), None),
            Err(what) => (None, Some(what)),
        };
        Self {
            rule: read.text,
            rules: read.tree.and_then(|tree| RawValue::from_string(tree).ok()),
            sql,
            sql_problem,
            columns: read.columns,
            labels: read.labels,
            generation: read.origin.generation,
            as_of: Time::of(read.origin.as_of),
            now: Time::of(read.origin.now),
        }
    }
}

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct CallerAnswer {
    /// The name, as labels, deliveries and the audit have it.
    name: String,
    /// What this caller may do.
    role: CallerRole,
    /// Whether a token is asked for where this caller comes in.
    tokens: bool,
}

/// What a caller may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Role)]
#[serde(rename_all = "lowercase")]
enum CallerRole {
    /// Ask.
    Reader,
    /// Make and change labels and deliveries.
    Editor,
    /// Approve what others made.
    Approver,
    /// Rebuild, roll back, erase.
    Admin,
}

impl CallerAnswer {
    /// Of a caller.
    pub(in super::super) fn of(caller: &Caller, tokens: bool) -> Self {
        let role = match caller.role {
            Role::Reader => CallerRole::Reader,
            Role::Editor => CallerRole::Editor,
            Role::Approver => CallerRole::Approver,
            Role::Admin => CallerRole::Admin,
        };
        Self { name: caller.name.to_string(), role, tokens }
    }
}
