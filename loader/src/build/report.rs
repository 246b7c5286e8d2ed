//! What a build says of itself.

use std::time::Instant;

use serde::Serialize;

use crate::columns::JsonFindings;

/// What a build did.
#[derive(Debug, Clone, Serialize)]
pub struct BuildReport {
    /// The source.
    pub source: String,
    /// The generation that was published.
    pub generation: u64,
    /// Users in it.
    pub rows: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// Rows left out because a newer row of the same user was there.
    pub duplicates_dropped: u64,
    /// Wall time.
    pub seconds: f64,
    /// Most memory the process ever held, in bytes, where the system says.
    pub peak_memory_bytes: Option<u64>,
    /// The parts of the work, in order.
    pub phases: Vec<Phase>,
    /// The columns that rows are ordered by, the first one first; none if they are in the source's order.
    pub row_order: Vec<String>,
    /// The columns, in the schema's order.
    pub columns: Vec<ColumnReport>,
    /// Columns of the source that the configuration leaves out.
    pub skipped: Vec<String>,
}

/// A part of the work.
#[derive(Debug, Clone, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// Wall time.
    pub seconds: f64,
    /// Most memory the process held until its end, in bytes.
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
    /// What was odd in its JSON, if it holds JSON.
    pub json: Option<JsonFindings>,
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
        Self { started: now, lap: now, phases: Vec::new() }
    }

    /// What happened since the last call was the phase `name`.
    pub(super) fn lap(&mut self, name: &'static str) {
        let seconds = self.lap.elapsed().as_secs_f64();
        self.phases.push(Phase { name, seconds, peak_memory_bytes: peak_memory_bytes() });
        self.lap = Instant::now();
    }

    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// The process's peak resident memory, on Linux.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
