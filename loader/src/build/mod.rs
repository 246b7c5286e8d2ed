//! A build: source -> columns -> snapshot writer -> gates -> published generation.
//!
//! The source is read twice: once for its ids, to find duplicate users, and once for everything. Reading, converting
//! and writing overlap; memory is a few batches plus what the writer is allowed.

mod duplicates;
mod ids;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{Field, SchemaRef};
use muster_engine::batch::{Batch, ColumnData};
use muster_engine::schema::{ColumnSchema, Schema};
use muster_engine::snapshot::{RowOrder, Snapshot, SnapshotWriter, Store, WriteOptions, Written};
use rayon::prelude::*;

use crate::columns::{ColumnOptions, JsonFindings, convert, plan};
use crate::config::{Config, nearest};
use crate::error::{LoadError, Result};
use crate::progress::Progress;
use crate::source::Source;
use duplicates::{Duplicates, Version};
use ids::user_ids;
use report::{Stopwatch, peak_memory_bytes};

pub use report::{BuildReport, ColumnReport, Phase};

/// The column that tells the newest row of a user unless another is named.
pub const DEFAULT_VERSION: &str = "data_update_time";

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The store's directory; made if it is not there.
    pub store: PathBuf,
    /// IANA zone in which dates and literals without a zone are read.
    pub time_zone: String,
    /// The key column.
    pub user_id: String,
    /// The column that tells the newest row of a user; `None` is [`DEFAULT_VERSION`] if there is such a column.
    pub version: Option<String>,
    /// What to record as the source's freshness, instead of what the source says.
    pub watermark: Option<String>,
    /// Columns that need saying something about.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// Memory for the snapshot writer.
    pub memory_bytes: usize,
    /// Whether a table without rows is published.
    pub allow_empty: bool,
    /// How rows are ordered.
    pub row_order: RowOrder,
    /// When the source was read, Unix seconds.
    pub as_of: i64,
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
            memory_bytes: (config.build.memory_mib << 20) as usize,
            allow_empty: config.build.allow_empty,
            row_order: config.build.row_order.clone(),
            as_of: jiff::Timestamp::now().as_second(),
        }
    }
}

/// Builds and publishes the next generation. On an error nothing is published and nothing is left behind.
pub fn build(source: &dyn Source, options: &BuildOptions, progress: &dyn Progress) -> Result<BuildReport> {
    let mut watch = Stopwatch::start();
    let table = Table::plan(&source.schema(), options)?;

    progress.begin("ids", None);
    let duplicates = duplicates::find(source, table.id_index, table.version.as_ref())?;
    progress.end();
    if duplicates.source_rows == 0 && !options.allow_empty {
        return Err(LoadError::Source(format!(
            "{} has no rows; set `allow_empty = true` in [build] to publish an empty table.",
            source.description()
        )));
    }
    watch.lap("ids");

    let store = Store::create(&options.store)?;
    let staging = store.stage()?;
    let write_options = WriteOptions {
        generation: staging.generation(),
        as_of: options.as_of,
        source_watermark: options.watermark.clone().or_else(|| source.watermark()),
        memory_bytes: options.memory_bytes,
        row_order: options.row_order.clone(),
    };
    let mut writer = SnapshotWriter::create(staging.dir(), table.schema.clone(), write_options)?;
    let read = table.read(source, &duplicates, &mut writer, progress)?;
    watch.lap("read");

    progress.begin("encode", Some(table.schema.columns.len() as u64));
    let written = writer.finish(&|_| progress.advance(1))?;
    progress.end();
    watch.lap("encode");

    let opened = Snapshot::open(staging.dir())?;
    if u64::from(opened.rows()) != read.rows {
        let (found, sent) = (opened.rows(), read.rows);
        return Err(LoadError::Source(format!(
            "the snapshot has {found} rows where {sent} were written; build again."
        )));
    }
    drop(opened);
    let generation = staging.generation();
    staging.publish()?;
    watch.lap("publish");

    Ok(BuildReport {
        source: source.description(),
        generation,
        rows: read.rows,
        bytes: written.bytes,
        duplicates_dropped: duplicates.source_rows - read.rows,
        seconds: watch.seconds(),
        peak_memory_bytes: peak_memory_bytes(),
        phases: watch.phases,
        row_order: written.row_order.clone(),
        columns: column_reports(&table.schema, &written, read.findings),
        skipped: table.skipped,
    })
}

fn column_reports(schema: &Schema, written: &Written, findings: Vec<JsonFindings>) -> Vec<ColumnReport> {
    let each = schema.columns.iter().zip(&written.columns).zip(findings);
    each.map(|((column, written), findings)| ColumnReport {
        name: column.name.clone(),
        ty: column.ty.to_string(),
        bytes: written.bytes,
        distinct: written.distinct,
        present: written.present,
        json: column.held_as.is_json().then_some(findings),
    })
    .collect()
}

/// What of a source becomes what.
struct Table {
    schema: Schema,
    /// The id column's position in the source's schema.
    id_index: usize,
    id_field: Field,
    version: Option<Version>,
    /// The id column, then the schema's columns: positions in the source's schema.
    indexes: Vec<usize>,
    skipped: Vec<String>,
}

/// What came out of reading.
struct Read {
    rows: u64,
    /// By column of the schema.
    findings: Vec<JsonFindings>,
}

impl Table {
    fn plan(source: &SchemaRef, options: &BuildOptions) -> Result<Self> {
        if jiff::tz::TimeZone::get(&options.time_zone).is_err() {
            let zone = &options.time_zone;
            return Err(LoadError::Config(format!(
                "the time zone {zone:?} is not known; use a name such as UTC."
            )));
        }
        let find = |name: &str, role: &str| {
            source.index_of(name).map_err(|_| {
                let names = source.fields().iter().map(|field| field.name().as_str());
                let hint =
                    nearest(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                LoadError::Config(format!("the source has no column `{name}`, which {role}{hint}"))
            })
        };
        let id_index = find(&options.user_id, "should hold the user ids")?;
        if options.columns.contains_key(&options.user_id) {
            let name = &options.user_id;
            return Err(LoadError::Config(format!("`{name}` is the key column; remove [columns.{name}].")));
        }
        for name in options.columns.keys() {
            find(name, "the configuration mentions")?;
        }
        let said = |field: &Field| options.columns.get(field.name()).cloned().unwrap_or_default();

        // Left out of the snapshot or not, a column can still tell the newest row.
        let version_at = |index: usize| -> Result<Option<Version>> {
            let said = ColumnOptions { skip: false, ..said(source.field(index)) };
            Ok(plan(source.field(index), &said)?.map(|column| Version { index, column }))
        };
        let version = match &options.version {
            Some(name) => version_at(find(name, "should tell the newest row of a user")?)?,
            // Nobody asked for this one: where it can't serve, duplicates are refused, if there are any.
            None => source.index_of(DEFAULT_VERSION).ok().and_then(|index| version_at(index).ok().flatten()),
        };

        let (mut columns, mut indexes, mut skipped) = (Vec::new(), vec![id_index], Vec::new());
        for (index, field) in source.fields().iter().enumerate().filter(|(index, _)| *index != id_index) {
            match plan(field, &said(field))? {
                Some(column) => {
                    columns.push(column);
                    indexes.push(index);
                }
                None => skipped.push(field.name().clone()),
            }
        }
        let schema =
            Schema { user_id: options.user_id.clone(), time_zone: options.time_zone.clone(), columns };
        Ok(Self { schema, id_index, id_field: source.field(id_index).clone(), version, indexes, skipped })
    }

    fn read(
        &self,
        source: &dyn Source,
        duplicates: &Duplicates,
        writer: &mut SnapshotWriter,
        progress: &dyn Progress,
    ) -> Result<Read> {
        progress.begin("read", Some(duplicates.source_rows));
        let mut findings = vec![JsonFindings::default(); self.schema.columns.len()];
        let (mut rows, mut position) = (0, 0);
        for batch in source.batches(&self.indexes)? {
            let mut batch = batch?;
            let mut ids = user_ids(&self.id_field, batch.column(0))?;
            let read = ids.len() as u64;
            if let Some(keep) = duplicates.keep(&ids, position) {
                batch = filtered(&batch, keep)?;
                ids = user_ids(&self.id_field, batch.column(0))?;
            }
            position += read;
            rows += ids.len() as u64;
            let converted: Vec<(ColumnData, JsonFindings)> = self
                .schema
                .columns
                .par_iter()
                .zip(&batch.columns()[1..])
                .map(|(column, array): (&ColumnSchema, _)| convert(column, array, &ids))
                .collect::<Result<_>>()?;
            drop(batch);
            let (columns, found): (Vec<_>, Vec<_>) = converted.into_iter().unzip();
            findings.iter_mut().zip(found).for_each(|(all, found)| all.add(found));
            writer.push(Batch { user_ids: ids, columns })?;
            progress.advance(read);
        }
        progress.end();
        if position != duplicates.source_rows {
            let first = duplicates.source_rows;
            return Err(LoadError::Source(format!(
                "{} had {first} rows at first and {position} when read again; it must not change during a build.",
                source.description()
            )));
        }
        Ok(Read { rows, findings })
    }
}

fn filtered(batch: &RecordBatch, keep: Vec<bool>) -> Result<RecordBatch> {
    arrow_select::filter::filter_record_batch(batch, &BooleanArray::from(keep))
        .map_err(|error| LoadError::Source(error.to_string()))
}
