//! What operators see and ask: the server's state, generations, users who must not be in answers.

use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use super::standing::{LabelsStanding, WriteBackStanding};
use crate::rebuild::{RebuildState, RebuildStatus};
use crate::service::{Changed, Columns, Listed, ListedState, Rolled, Status};

/// The columns of a generation.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SchemaAnswer {
    /// The name of the user's id in rules.
    user_id: String,
    /// The zone in which days and times without a zone are read.
    time_zone: String,
    /// The columns, as the source had them.
    columns: Vec<SchemaColumn>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct SchemaColumn {
    /// Its name.
    name: String,
    /// Its type in the words of ClickHouse.
    #[serde(rename = "type")]
    ty: String,
    /// What it holds, in few words: enough to choose how a value of it is asked for.
    kind: ColumnKind,
    /// Whether a user may have no value.
    nullable: bool,
    /// How many distinct values it has; of an array elements, of a map keys.
    distinct: u64,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ColumnKind {
    /// true or false
    Bool,
    /// A number.
    Number,
    /// Text, or a name of an enumeration.
    Text,
    /// An instant.
    Time,
    /// A day.
    Date,
    /// A list of values.
    Array,
    /// Numbers by key.
    Map,
    /// Something else: a UUID, an address.
    Other,
}

impl ColumnKind {
    fn of(ty: &ColumnType) -> Self {
        match ty {
            ColumnType::Array(_) => Self::Array,
            ColumnType::Map(_) => Self::Map,
            ColumnType::Scalar(ScalarType::Bool) => Self::Bool,
            ColumnType::Scalar(ScalarType::String | ScalarType::Enum) => Self::Text,
            ColumnType::Scalar(ScalarType::Date) => Self::Date,
            ColumnType::Scalar(ty) if ty.is_time() => Self::Time,
            ColumnType::Scalar(ty) if ty.is_number() => Self::Number,
            ColumnType::Scalar(_) => Self::Other,
        }
    }
}

impl From<Columns> for SchemaAnswer {
    fn from(columns: Columns) -> Self {
        let Columns { schema, distinct, origin } = columns;
        let column = |(column, distinct): (ColumnSchema, u64)| SchemaColumn {
            ty: column.ty.to_string(),
            kind: ColumnKind::of(&column.ty),
            name: column.name,
            nullable: column.nullable,
            distinct,
        };
        Self {
            user_id: schema.user_id,
            time_zone: schema.time_zone,
            columns: schema.columns.into_iter().zip(distinct).map(column).collect(),
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
        }
    }
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StatusAnswer {
    /// Whether questions are answered.
    ready: bool,
    /// Why not, or what is wrong although they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// The generation in service; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// When its source was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Time>,
    /// Users in it that are not erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<u64>,
    /// Since when the server runs.
    started: Time,
    /// Version of the server.
    version: &'static str,
    /// Heavy questions that wait.
    queued: u64,
    /// Heavy questions that run.
    running: u64,
    /// The rebuild that runs or ran last; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rebuild: Option<RebuildProgress>,
    /// Erased users that the rebuilds have not left out yet.
    erased: u64,
    /// Users who opted out of targeting.
    opted_out: u64,
    /// How counting the labels goes in the generation in service; absent without a catalog or a generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<LabelsStanding>,
    /// How writing members of labels goes; absent where they are not written anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_back: Option<WriteBackStanding>,
}

impl From<Status> for StatusAnswer {
    fn from(status: Status) -> Self {
        Self {
            ready: status.origin.is_some(),
            problem: status.problem,
            generation: status.origin.map(|origin| origin.generation),
            as_of: status.origin.map(|origin| Time::of(origin.as_of)),
            users: status.origin.map(|origin| origin.universe),
            started: status.started.into(),
            version: env!("CARGO_PKG_VERSION"),
            queued: status.load.waiting as u64,
            running: status.load.running as u64,
            rebuild: status.rebuild.map(RebuildProgress::from),
            erased: status.erased,
            opted_out: status.opted_out,
            labels: status.labels.map(LabelsStanding::from),
            write_back: status.write_back.map(WriteBackStanding::from),
        }
    }
}

/// Whether questions are answered.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Readiness {
    /// They are; otherwise the answer is a problem.
    pub(in super::super) ready: bool,
    /// The generation in service.
    pub(in super::super) generation: u64,
    /// What keeps a newer one from being served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) problem: Option<String>,
}

/// How a rebuild goes or went.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RebuildProgress {
    /// How it stands.
    state: RebuildStands,
    /// When it began.
    started: Time,
    /// When it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Time>,
    /// The generation it made, if it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// Why it failed or was held back.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Which phase it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    /// How much of the phase is done, in the unit of the phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    /// How much there is to do in this phase, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// How a rebuild stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = RebuildState)]
#[serde(rename_all = "lowercase")]
enum RebuildStands {
    /// It runs.
    Running,
    /// It published a generation.
    Published,
    /// The gates held its generation back.
    Held,
    /// It failed.
    Failed,
}

impl From<RebuildStatus> for RebuildProgress {
    fn from(status: RebuildStatus) -> Self {
        let state = match status.state {
            RebuildState::Running => RebuildStands::Running,
            RebuildState::Published => RebuildStands::Published,
            RebuildState::Held => RebuildStands::Held,
            RebuildState::Failed => RebuildStands::Failed,
        };
        let phase = status.phase.as_ref();
        Self {
            state,
            started: status.started.into(),
            ended: status.ended.map(Time::from),
            generation: status.generation,
            done: phase.map(|phase| phase.done),
            total: phase.and_then(|phase| phase.total),
            phase: phase.map(|phase| phase.name.to_string()),
            problem: status.problem,
        }
    }
}

/// The generations of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GenerationsAnswer {
    /// Ascending.
    pub(in super::super) generations: Vec<GenerationItem>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) next_page_token: Option<String>,
    /// The generation in service; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) generation: Option<u64>,
    /// When its source was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) as_of: Option<Time>,
}

/// A generation of the store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Generation)]
pub(in super::super) struct GenerationItem {
    /// Its number.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// Users in it, the erased ones included.
    users: u64,
    /// What became of it.
    state: GenerationStands,
    /// Whether it answers what names no generation.
    in_service: bool,
    /// Bytes on disk.
    bytes: u64,
    /// Why it is held back, or the reason for which it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What became of a generation.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = GenerationState)]
#[serde(rename_all = "lowercase")]
enum GenerationStands {
    /// It can be asked.
    Published,
    /// The gates held it back, until a person decides.
    Held,
}

impl From<Listed> for GenerationItem {
    fn from(listed: Listed) -> Self {
        Self {
            generation: listed.generation,
            as_of: Time::of(listed.as_of),
            users: listed.users,
            state: match listed.state {
                ListedState::Published => GenerationStands::Published,
                ListedState::Held => GenerationStands::Held,
            },
            in_service: listed.in_service,
            bytes: listed.bytes,
            reason: listed.reason,
        }
    }
}

/// Asks for an earlier generation.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RollbackRequest {
    /// Which; without it, the one before.
    pub(in super::super) generation: Option<u64>,
}

/// Asks to publish what was held back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PublishRequest {
    /// Which generation.
    pub(in super::super) generation: u64,
    /// Why, which is recorded.
    pub(in super::super) reason: String,
}

/// Asks to remove what was held back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DiscardRequest {
    /// Which generation.
    pub(in super::super) generation: u64,
}

/// Asks for a rebuild.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RebuildRequest {
    /// Publish although gates would hold it back, for this reason, which is recorded.
    pub(in super::super) accept: Option<String>,
}

/// A rebuild has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RebuildAnswer {
    /// How it stands; `GET /api/v1/status` tells how it goes on.
    pub(in super::super) rebuild: RebuildProgress,
}

/// What is in service now.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct InServiceAnswer {
    /// The generation now in service.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// What was in service before; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    from_generation: Option<u64>,
}

impl From<Rolled> for InServiceAnswer {
    fn from(rolled: Rolled) -> Self {
        Self {
            generation: rolled.origin.generation,
            as_of: Time::of(rolled.origin.as_of),
            from_generation: rolled.from,
        }
    }
}

/// Names users.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct UserIdsRequest {
    /// Their ids, known or not.
    #[schema(min_items = 1)]
    pub(in super::super) user_ids: Vec<u64>,
}

/// Users are erased.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ErasedAnswer {
    /// How many were not erased before.
    newly_erased: u64,
    /// How many of them are in the generation in service.
    known_users: u64,
    /// The generation in service; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// When its source was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Time>,
}

impl From<Changed> for ErasedAnswer {
    fn from(changed: Changed) -> Self {
        Self {
            newly_erased: changed.changed,
            known_users: changed.known,
            generation: changed.origin.map(|origin| origin.generation),
            as_of: changed.origin.map(|origin| Time::of(origin.as_of)),
        }
    }
}

/// Users opted out or in.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct OptedAnswer {
    /// For how many that changed something.
    changed: u64,
    /// The generation in service; absent if there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    /// When its source was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Time>,
}

impl From<Changed> for OptedAnswer {
    fn from(changed: Changed) -> Self {
        Self {
            changed: changed.changed,
            generation: changed.origin.map(|origin| origin.generation),
            as_of: changed.origin.map(|origin| Time::of(origin.as_of)),
        }
    }
}
