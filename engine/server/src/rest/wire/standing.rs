//! How the server's own work goes: counting labels, writing their members elsewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::service::{LabelsProgress, Stands, WriteBackProgress};

/// How a piece of work stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WorkState {
    /// It has not begun.
    Waiting,
    /// It runs.
    Running,
    /// It is done.
    Done,
    /// It failed, and is tried again.
    Failed,
}

impl From<Stands> for WorkState {
    fn from(stands: Stands) -> Self {
        match stands {
            Stands::Waiting => Self::Waiting,
            Stands::Running => Self::Running,
            Stands::Done => Self::Done,
            Stands::Failed => Self::Failed,
        }
    }
}

/// How counting labels goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelsProgress)]
pub(in super::super) struct LabelsStanding {
    /// In which generation.
    generation: u64,
    /// How it stands.
    state: WorkState,
    /// Labels that are counted as they are now, those too that could not be.
    counted: u64,
    /// Labels that can be used.
    of: u64,
    /// Labels that could not be counted; `failed` in a list of labels finds them.
    failed: u64,
    /// When the last round began: with a generation all labels are counted, with a change those that mean something else.
    started: Option<Time>,
    /// When it ended.
    ended: Option<Time>,
    /// Why it failed.
    problem: Option<String>,
}

impl From<LabelsProgress> for LabelsStanding {
    fn from(progress: LabelsProgress) -> Self {
        Self {
            generation: progress.generation,
            state: progress.stands.into(),
            counted: progress.counted,
            of: progress.of,
            failed: progress.failed,
            started: progress.started.map(Time::from),
            ended: progress.ended.map(Time::from),
            problem: progress.problem,
        }
    }
}

/// Asks for something that needs no more words: an object without fields, or no body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NothingRequest {}

/// Labels are counted again.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RefreshAnswer {
    /// How it stands; `GET /api/v1/status` tells how it goes on.
    pub(in super::super) labels: LabelsStanding,
}

/// How writing members of labels elsewhere goes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WriteBackProgress)]
pub(in super::super) struct WriteBackStanding {
    /// Of which generation; 0 before the first time.
    generation: u64,
    /// How it stands.
    state: WorkState,
    /// When it began.
    started: Option<Time>,
    /// When it ended.
    ended: Option<Time>,
    /// Labels that were written the last time.
    written: u64,
    /// Labels that were there as they are.
    unchanged: u64,
    /// Labels that are not there any more.
    removed: u64,
    /// Labels that could not be written.
    failed: u64,
    /// Users that were written.
    users: u64,
    /// Why it failed, or why not all of it is there.
    problem: Option<String>,
}

impl From<WriteBackProgress> for WriteBackStanding {
    fn from(progress: WriteBackProgress) -> Self {
        let report = progress.report.unwrap_or_default();
        Self {
            generation: progress.generation,
            state: progress.stands.into(),
            started: progress.started.map(Time::from),
            ended: progress.ended.map(Time::from),
            written: report.written,
            unchanged: report.unchanged,
            removed: report.removed,
            failed: report.failed.len() as u64,
            users: report.users,
            problem: progress.problem,
        }
    }
}
