//! A build: inputs -> columns -> snapshot writer -> derived columns -> published generation.
//!
//! Each input is read once, in whatever order it comes. Reading, converting and writing overlap; memory is a few batches plus
//! what the writer is allowed.

mod ids;
mod read;
mod report;
mod settle;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use muster_engine::execute::Audience;
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Encoded, Flag, Keep, RowOrder, Snapshot, SnapshotWriter, Store, WriteOptions};
use serde::Deserialize;

use crate::author;
use crate::columns::{ColumnOptions, JsonFindings};
use crate::config::Config;
use crate::error::{LoadError, Result};
use crate::gates::{GateConfig, Gates};
use crate::progress::Progress;
use crate::source::Source;
use report::{Stopwatch, Work};
use table::{Derived, Table};

pub use report::{BuildReport, ColumnReport, InputReport, Phase};
pub use settle::{Outcome, Settled};

/// The column that tells the newest row of a user unless another is named.
pub const DEFAULT_VERSION: &str = "data_update_time";

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The store's directory; made if it is not there.
    pub store: PathBuf,
    /// IANA zone in which dates and literals without a zone are read.
    pub time_zone: String,
    /// The key column of the first input.
    pub user_id: String,
    /// The column that tells the newest row of a user; `None` is [`DEFAULT_VERSION`] if there is such a column.
    pub version: Option<String>,
    /// What to record as the source's freshness, instead of what the source says.
    pub watermark: Option<String>,
    /// Columns that need saying something about.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// Bool columns to make from others.
    pub derived: BTreeMap<String, DerivedColumn>,
    /// Memory for the snapshot writer.
    pub memory_bytes: usize,
    /// Whether a table without rows is published.
    pub allow_empty: bool,
    /// How rows are ordered.
    pub row_order: RowOrder,
    /// When the source was read, Unix seconds.
    pub as_of: i64,
    /// By what the result is compared with the generation in service.
    pub gates: GateConfig,
    /// Why the result is to be published even if it would be held back.
    pub accept: Option<String>,
    /// How many generations are kept.
    pub keep: Keep,
}

/// A Bool column that a rule over the others makes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DerivedColumn {
    /// Who is true.
    pub rule: String,
}

/// A table of users to read. The first of several says which users there are.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// What to call it.
    pub name: &'a str,
    /// Where it is.
    pub source: &'a dyn Source,
    /// Its key column.
    pub user_id: &'a str,
    /// The column that tells the newest row of a user; `None` is [`DEFAULT_VERSION`] if there is such a column.
    pub version: Option<&'a str>,
    /// The columns to take; `None` is all.
    pub columns: Option<&'a [String]>,
    /// Put before the names of its columns.
    pub prefix: &'a str,
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = self.source.description();
        f.debug_struct("Input").field("name", &self.name).field("source", &source).finish_non_exhaustive()
    }
}

impl From<&Config> for BuildOptions {
    fn from(config: &Config) -> Self {
        Self {
            store: config.store.clone(),
            time_zone: config.time_zone.clone(),
            user_id: config.source.user_id.clone(),
            version: config.source.version.clone(),
            watermark: config.source.watermark.clone(),
            columns: config.columns.clone(),
            derived: config.derived.clone(),
            memory_bytes: (config.build.memory_mib << 20) as usize,
            allow_empty: config.build.allow_empty,
            row_order: config.build.row_order.clone(),
            as_of: jiff::Timestamp::now().as_second(),
            gates: config.gates.clone(),
            accept: None,
            keep: config.keep,
        }
    }
}

/// Builds the next generation from one table: see [`build_joined`].
pub fn build(source: &dyn Source, options: &BuildOptions, progress: &dyn Progress) -> Result<BuildReport> {
    let input = Input {
        name: "source",
        source,
        user_id: &options.user_id,
        version: options.version.as_deref(),
        columns: None,
        prefix: "",
    };
    build_joined(&[input], options, progress)
}

/// Builds the next generation from tables that are joined by user on the first, compares it with the generation in service, and
/// publishes it or holds it back. On an error nothing is published and nothing is left behind.
pub fn build_joined(
    inputs: &[Input<'_>],
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<BuildReport> {
    let mut watch = Stopwatch::start();
    let gates = Gates::new(&options.gates)?;
    let table = Table::plan(inputs, options)?;
    // Before anything is read: of two builds at once, one is refused now, not in an hour.
    let store = Store::create(&options.store)?;
    let staging = store.write(&author::here(), "muster build")?.stage()?;
    let watermark = || inputs.iter().filter_map(|input| input.source.watermark()).min();
    let write_options = WriteOptions {
        generation: staging.generation(),
        as_of: options.as_of,
        source_watermark: options.watermark.clone().or_else(watermark),
        memory_bytes: options.memory_bytes,
        row_order: options.row_order.clone(),
    };
    let (schema, shape) = (table.schema.clone(), table.shape.clone());
    let mut writer = SnapshotWriter::with_shape(staging.dir(), schema, shape, write_options)?;
    let mut findings: HashMap<String, JsonFindings> = HashMap::new();
    for (at, (input, planned)) in inputs.iter().zip(&table.inputs).enumerate() {
        let read = planned.read(at, input, &mut writer, progress)?;
        if at == 0 && read.rows == 0 && !options.allow_empty {
            return Err(LoadError::Source(format!(
                "{} has no rows; set `allow_empty = true` in [build] to publish an empty table.",
                input.source.description()
            )));
        }
        findings.extend(planned.columns.iter().map(|column| column.name.clone()).zip(read.findings));
        watch.lap(read::phase(at, input), Work { rows: read.rows, bytes: read.bytes });
    }

    // As late as can be: who is erased from now on is masked in what is built.
    let masks = store.masks()?;
    writer.leave_out(masks.erased());
    for found in findings.values_mut() {
        found.examples.retain(|example| masks.erased_at(example.user_id).is_none());
    }
    progress.begin("encode", Some(table.schema.columns.len() as u64));
    let mut encoded = writer.encode(&|_| progress.advance(1))?;
    progress.end();
    let rows = encoded.rows();
    watch.lap("encode".to_owned(), Work { rows, bytes: encoded.bytes() });
    if !table.derived.is_empty() {
        derive(&mut encoded, &table.derived, options.as_of)?;
        watch.lap("derive".to_owned(), Work { rows, bytes: 0 });
    }
    let schema = encoded.schema().clone();
    let written = encoded.finish()?;

    let opened = Snapshot::open(staging.dir())?;
    if u64::from(opened.rows()) != written.rows {
        let (found, sent) = (opened.rows(), written.rows);
        return Err(LoadError::Source(format!(
            "the snapshot has {found} rows where {sent} were written; build again."
        )));
    }
    let generation = staging.generation();
    let columns = report::columns(&schema, &written, &mut findings);
    let judged = settle::judge(&gates, &staging, opened, &columns)?;
    watch.lap("gates".to_owned(), Work { rows, bytes: 0 });
    let settled = settle::settle(staging, judged, options.accept.as_deref(), options.keep)?;
    watch.lap("publish".to_owned(), Work { rows, bytes: written.bytes });

    Ok(BuildReport {
        source: inputs[0].source.description(),
        generation,
        rows: written.rows,
        bytes: written.bytes,
        erased: written.inputs.first().map_or(0, |input| input.erased),
        duplicates_dropped: written.inputs.iter().map(|input| input.older).sum(),
        seconds: watch.seconds(),
        peak_memory_bytes: watch.peak_memory_bytes(),
        phases: watch.phases,
        row_order: written.row_order.clone(),
        inputs: report::inputs(inputs, &written),
        columns,
        skipped: table.skipped,
        settled,
    })
}

/// Evaluates the rules of derived columns on what was written.
fn derive(encoded: &mut Encoded, derived: &[Derived], as_of: i64) -> Result<()> {
    encoded.derive(|snapshot: &Arc<Snapshot>| -> Result<Vec<Flag>> {
        let limits = Limits::default();
        let scope = Scope { now: as_of, labels: &NoLabels, limits: &limits };
        let flag = |Derived { name, rule }: &Derived| {
            let audience = Audience::new(snapshot, rule, &scope).map_err(|error| match error {
                QueryError::Rule(error) => LoadError::Config(format!("[derived.{name}]: {error}")),
                QueryError::Store(error) => error.into(),
            })?;
            Ok(Flag { name: name.clone(), rows: audience.rows()? })
        };
        derived.iter().map(flag).collect()
    })
}
