//! One generation, how it was judged, and what happened to the store.

use muster_engine::snapshot::{Event, EventKind, Record};
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;
use super::store::GenerationItem;
use crate::service::{Check, Happened, Judged, Report, Verdict};

/// A generation with all that is known of how it came about.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GenerationAnswer {
    #[serde(flatten)]
    item: GenerationItem,
    /// When and by whom it was published or held back; null if its folder does not say.
    record: Option<GenerationRecord>,
    /// How it was judged before that; null if nobody kept it.
    gates: Option<GateReport>,
}

impl From<Judged> for GenerationAnswer {
    fn from(judged: Judged) -> Self {
        Self {
            item: judged.listed.into(),
            record: judged.record.map(GenerationRecord::from),
            gates: judged.report.map(GateReport::from),
        }
    }
}

/// How a generation came to be published or held back.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GenerationRecord {
    /// What was done with it: `publish`, `accept` or `hold`.
    event: StoreEventKind,
    /// When.
    at: Time,
    /// The generation that was in service until then.
    previous: Option<u64>,
    /// Why it was held back, or published nevertheless.
    reason: Option<String>,
    /// By whom.
    user: String,
    /// On which machine.
    host: String,
}

impl From<Record> for GenerationRecord {
    fn from(record: Record) -> Self {
        Self {
            event: record.event.into(),
            at: Time::of(record.at),
            previous: record.previous,
            reason: record.reason,
            user: record.user,
            host: record.host,
        }
    }
}

/// How a build was judged before it was published.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GateReport {
    /// What it comes to.
    verdict: GateVerdict,
    /// The generation that it was compared with; null if there was none.
    compared_with: Option<u64>,
    /// Everything that was compared, worst first.
    checks: Vec<GateCheck>,
}

/// What a judgement comes to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GateVerdict {
    /// Nothing was compared: it was the first build, or the gates are off.
    Nothing,
    /// Nothing moved too far.
    Passed,
    /// Something moved too far.
    Failed,
    /// Something moved too far, and somebody accepted it.
    Waived,
}

/// One thing that was compared.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct GateCheck {
    /// The gate, as in the configuration: `in_service`, `rows`, `schema`, `null_rate`, `distinct`, `malformed_json` or `rule_counts`.
    name: String,
    /// Of what.
    what: GateOf,
    /// The column's or the rule's name; null where there is only one such thing.
    of: Option<String>,
    /// What it was: a count, a share of `null_rate` and `malformed_json`, or a type; null if there was nothing, or nothing to measure.
    before: Option<serde_json::Value>,
    /// What it is.
    after: Option<serde_json::Value>,
    /// By which share it moved, -0.4 for 40 % less; null if that has no limit, as from nothing to something, or is no number.
    moved: Option<f64>,
    /// By which share it may move.
    limit: Option<f64>,
    /// What it comes to.
    result: GateResult,
    /// What is wrong, or what the figures do not say.
    message: Option<String>,
}

/// What a check is about.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GateOf {
    /// The generation in service, which could not be read.
    Generation,
    /// The number of users.
    Rows,
    /// The columns and their types.
    Schema,
    /// A column.
    Column,
    /// The users of a rule, or of a label.
    Rule,
}

/// What a check comes to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum GateResult {
    /// It did not move too far.
    Passed,
    /// It did.
    Failed,
    /// It did, and somebody accepted it.
    Waived,
}

impl From<Report> for GateReport {
    fn from(report: Report) -> Self {
        let waived = report.verdict == Verdict::Waived;
        Self {
            verdict: match report.verdict {
                Verdict::Nothing => GateVerdict::Nothing,
                Verdict::Passed => GateVerdict::Passed,
                Verdict::Failed => GateVerdict::Failed,
                Verdict::Waived => GateVerdict::Waived,
            },
            compared_with: report.compared_with,
            checks: report.checks.into_iter().map(|check| GateCheck::of(check, waived)).collect(),
        }
    }
}

impl GateCheck {
    fn of(check: Check, waived: bool) -> Self {
        let what = match check.gate.as_str() {
            "in_service" => GateOf::Generation,
            "rows" => GateOf::Rows,
            "schema" if check.of.is_none() => GateOf::Schema,
            "rule_counts" => GateOf::Rule,
            _ => GateOf::Column,
        };
        let result = match (check.trips, waived) {
            (false, _) => GateResult::Passed,
            (true, false) => GateResult::Failed,
            (true, true) => GateResult::Waived,
        };
        let too_far = || match (check.change, check.allowed) {
            (Some(moved), Some(allowed)) => {
                Some(format!("it moved by {:+.1} %, and may by {:.1} %", moved * 100.0, allowed * 100.0))
            }
            (None, Some(_)) => Some("it moved from nothing to something".to_owned()),
            (_, None) => None,
        };
        let message = check.note.or_else(|| if check.trips { too_far() } else { None });
        Self {
            name: check.gate,
            what,
            of: check.of,
            before: check.before,
            after: check.after,
            moved: check.change,
            limit: check.allowed,
            result,
            message,
        }
    }
}

/// What happened to the store.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct HistoryAnswer {
    /// The newest first.
    events: Vec<StoreEvent>,
    /// Lines of the history that cannot be read, because their writer died.
    unreadable: u64,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

impl From<Happened> for HistoryAnswer {
    fn from(happened: Happened) -> Self {
        Self {
            events: happened.events.into_iter().map(StoreEvent::from).collect(),
            unreadable: happened.unreadable,
            next_page_token: happened.next_page_token,
        }
    }
}

/// Something that happened to a generation.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct StoreEvent {
    /// When.
    at: Time,
    /// What.
    event: StoreEventKind,
    /// To which generation.
    generation: u64,
    /// Which one was in service before, where that changed.
    before: Option<u64>,
    /// Why, if somebody said.
    reason: Option<String>,
    /// By whom.
    user: String,
    /// On which machine.
    host: String,
}

impl From<Event> for StoreEvent {
    fn from(event: Event) -> Self {
        Self {
            at: Time::of(event.at),
            event: event.event.into(),
            generation: event.generation,
            before: event.before,
            reason: event.reason,
            user: event.user,
            host: event.host,
        }
    }
}

/// What can happen to a generation.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StoreEventKind {
    /// It went into service.
    Publish,
    /// It went into service although it would have been held back.
    Accept,
    /// It was held back.
    Hold,
    /// Held back, it was removed by somebody.
    Discard,
    /// It was put into service instead of a newer or older one.
    Rollback,
    /// It was removed, because no more are kept.
    Collect,
    /// What a process left that died was removed.
    Clean,
    /// It was found in service, and its line was lost.
    Recover,
}

impl From<EventKind> for StoreEventKind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Publish => Self::Publish,
            EventKind::Accept => Self::Accept,
            EventKind::Hold => Self::Hold,
            EventKind::Discard => Self::Discard,
            EventKind::Rollback => Self::Rollback,
            EventKind::Collect => Self::Collect,
            EventKind::Clean => Self::Clean,
            EventKind::Recover => Self::Recover,
        }
    }
}
