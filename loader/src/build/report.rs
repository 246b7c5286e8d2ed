//! What a build says of itself.

use std::collections::HashMap;
use std::time::Instant;

use muster_engine::schema::Schema;
use muster_engine::snapshot::Written;
use serde::Serialize;

use super::{Input, Settled};
use crate::columns::JsonFindings;

/// What a build did.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The source.
    pub source: String,
    /// The generation that was published or held back.
    pub generation: u64,
    /// Users in it.
    pub rows: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// Rows left out because a newer row of the same user was there.
    pub duplicates_dropped: u64,
    /// Users of the source who were left out because they were erased.
    pub erased: u64,
    /// Wall time.
    pub seconds: f64,
    /// Most memory the process held while building, in bytes, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// The parts of the work, in order.
    pub phases: Vec<Phase>,
    /// The columns that rows are ordered by, the first one first; none if they are in the source's order.
    pub row_order: Vec<String>,
    /// The tables that were joined, the one that says which users there are first.
    pub inputs: Vec<InputReport>,
    /// The columns, in the schema's order.
    pub columns: Vec<ColumnReport>,
    /// Columns of the source that the configuration leaves out.
    pub skipped: Vec<String>,
    /// Published or held back, and why.
    #[serde(flatten)]
    pub settled: Settled,
}

/// A table that was read.
#[derive(Debug, Clone, Serialize)]
pub struct InputReport {
    /// What the configuration calls it.
    pub name: String,
    /// Where it is.
    pub source: String,
    /// Rows read.
    pub rows: u64,
    /// Rows left out because a newer row of the same user was there.
    pub older: u64,
    /// Rows left out because the first table does not have the user.
    pub strangers: u64,
    /// Users of the first table that this one does not have: its columns are NULL for them.
    pub missing: u64,
    /// Users left out because they were erased.
    pub erased: u64,
}

/// A part of the work.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Wall time.
    pub seconds: f64,
    /// Rows it went through.
    pub rows: u64,
    /// Bytes it read or wrote: in memory as the source delivered them, or of the data file.
    pub bytes: u64,
    /// Most memory the process held meanwhile, in bytes, where the system says.
    pub peak_memory_bytes: Option<u64>,
}

/// A column of the snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnReport {
    /// Its name.
    pub name: String,
    /// Its type, as rules see it.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bytes in the snapshot.
    pub bytes: u64,
    /// Distinct values, elements or keys.
    pub distinct: u64,
    /// Rows that are not NULL.
    pub present: u64,
    /// Wall time of encoding and writing it; columns are encoded side by side.
    pub seconds: f64,
    /// Most memory that was set aside for encoding it, in bytes.
    pub memory_bytes: u64,
    /// What was odd in its JSON, if it holds JSON.
    pub json: Option<JsonFindings>,
}

/// What a part of the work went through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

pub(super) fn inputs(inputs: &[Input<'_>], written: &Written) -> Vec<InputReport> {
    let each = inputs.iter().zip(&written.inputs);
    each.map(|(input, counts)| InputReport {
        name: input.name.to_owned(),
        source: input.source.description(),
        rows: counts.rows,
        older: counts.older,
        strangers: counts.strangers,
        missing: counts.missing,
        erased: counts.erased,
    })
    .collect()
}

pub(super) fn columns(
    schema: &Schema,
    written: &Written,
    findings: &mut HashMap<String, JsonFindings>,
) -> Vec<ColumnReport> {
    let each = schema.columns.iter().zip(&written.columns);
    each.map(|(column, written)| ColumnReport {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        bytes: written.bytes,
        distinct: written.distinct,
        present: written.present,
        seconds: written.encode_ms as f64 / 1e3,
        memory_bytes: written.memory_bytes,
        json: column.held_as.is_json().then(|| findings.remove(&column.name).unwrap_or_default()),
    })
    .collect()
}

/// Times phases.
pub(super) struct Stopwatch {
    started: Instant,
    lap: Instant,
    pub(super) phases: Vec<Phase>,
}

impl Stopwatch {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        forget_peak();
        Self { started: now, lap: now, phases: Vec::new() }
    }

    /// What happened since the last call was the phase `name`.
    pub(super) fn lap(&mut self, name: String, work: Work) {
        let seconds = self.lap.elapsed().as_secs_f64();
        let Work { rows, bytes } = work;
        self.phases.push(Phase { name, seconds, rows, bytes, peak_memory_bytes: peak_memory_bytes() });
        forget_peak();
        self.lap = Instant::now();
    }

    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(super) fn peak_memory_bytes(&self) -> Option<u64> {
        self.phases.iter().filter_map(|phase| phase.peak_memory_bytes).max()
    }
}

/// The process's peak resident memory since it was last forgotten, on Linux.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Starts a new peak, where the system can; elsewhere it is that of the process.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
