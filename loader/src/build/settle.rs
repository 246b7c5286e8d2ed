//! The end of a build: judged, published or held back, and what is not kept removed.

use std::sync::Arc;

use muster_engine::snapshot::{Collected, Keep, Snapshot, Staging};
use serde::Serialize;

use super::ColumnReport;
use crate::error::Result;
use crate::gates::{Before, GATES_FILE, Gates, Generation, Judged, Malformed, Verdict};

/// What became of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is in service.
    Published,
    /// It is in service although gates tripped, because somebody accepted that.
    Accepted,
    /// Gates tripped. It waits for a person; what was in service still is.
    Held,
}

/// How a build ended.
#[derive(Debug, Clone, Serialize)]
pub struct Settled {
    /// What became of it.
    pub outcome: Outcome,
    /// How it compares with the generation that was in service.
    pub gates: Verdict,
    /// Which generations were removed because no more are kept.
    pub collected: Collected,
    /// What went wrong without keeping the build from being settled.
    pub warnings: Vec<String>,
}

/// Compares the new snapshot with the one in service.
pub(super) fn judge(
    gates: &Gates,
    staging: &Staging,
    new: Snapshot,
    columns: &[ColumnReport],
) -> Result<Judged> {
    let json =
        |column: &ColumnReport| column.json.as_ref().map(|found| (column.name.clone(), found.malformed));
    let malformed_json: Malformed = columns.iter().filter_map(json).collect();
    let new = Generation { snapshot: Arc::new(new), malformed: Some(malformed_json.clone()) };
    let verdict = gates.judge(&Before::of(staging.store()), &new)?;
    Ok(Judged { malformed_json, verdict })
}

/// Publishes, or holds back.
pub(super) fn settle(staging: Staging, judged: Judged, accept: Option<&str>, keep: Keep) -> Result<Settled> {
    staging.write(GATES_FILE, &judged.to_bytes()?)?;
    let (holds, reason) = (judged.verdict.holds(), judged.verdict.reason());
    let (outcome, mut writer) = match accept {
        _ if !holds => (Outcome::Published, staging.publish(None)?),
        Some(accepted) => (Outcome::Accepted, staging.publish(Some(accepted))?),
        None => (Outcome::Held, staging.hold(&reason)?),
    };
    let mut warnings = Vec::new();
    // It is settled already; what can't be removed tonight is tried again tomorrow.
    let collected = writer.collect(keep).unwrap_or_else(|error| {
        warnings.push(error.to_string());
        Collected::default()
    });
    warnings.extend(writer.warnings().iter().chain(&collected.failed).cloned());
    Ok(Settled { outcome, gates: judged.verdict, collected, warnings })
}
