//! The snapshot writer: typed columns in, batch by batch; a complete snapshot out.
//!
//! Batches are spooled per column, in memory up to a budget and then in files beside the snapshot. At the end columns are
//! encoded side by side and appended to `data.bin` as they are ready. Memory: the spools stay within half of
//! [`WriteOptions::memory_bytes`]; encoding takes at most 40 bytes per value of the columns in work, and columns wait for each other
//! so that these stay within the other half (one column is always let through). Text dictionaries are held in memory
//! while batches arrive: the distinct bytes of each text column and 12 bytes per distinct value. Another order of rows than the
//! given one takes 16 bytes a row (24 if ids do not arrive ascending) while it is made, before columns are encoded, and 4 then.

mod budget;
mod choose;
mod encode;
mod file;
mod ids;
mod intern;
mod list;
mod map;
mod reorder;
mod row_order;
mod scalar;
mod sort_key;
mod spool;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;
use serde::Serialize;

use crate::batch::{Batch, ColumnData};
use crate::error::{Error, Result};
use crate::format::manifest::{ColumnEntry, DataEntry, Manifest, RegionEntry};
use crate::format::{FORMAT, MANIFEST_FILE, ROWS_MAX};
use crate::schema::{ColumnType, Schema};

use budget::Budget;
use choose::Sample;
use encode::Region;
use file::DataWriter;
pub(super) use file::write_durably;
use ids::IdsBuilder;
use list::ListBuilder;
use map::MapBuilder;
use reorder::Order;
pub use row_order::RowOrder;
use scalar::ScalarBuilder;
use sort_key::SortKey;

/// What the writer is told besides the schema.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    /// Which generation this will be.
    pub generation: u64,
    /// When the source was read, in Unix seconds.
    pub as_of: i64,
    /// What the source said of its own freshness.
    pub source_watermark: Option<String>,
    /// Memory to stay within, in bytes; see the module's page for what that covers.
    pub memory_bytes: usize,
    /// In which order rows are numbered.
    pub row_order: RowOrder,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            generation: 1,
            as_of: 0,
            source_watermark: None,
            memory_bytes: 2 << 30,
            row_order: RowOrder::Given,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    /// Users.
    pub rows: u64,
    /// Size of the data file.
    pub bytes: u64,
    /// The columns that rows are ordered by, the first one first; none if they are in the order they came in.
    pub row_order: Vec<String>,
    /// By column, in the schema's order.
    pub columns: Vec<WrittenColumn>,
}

/// What was written for one column.
#[derive(Debug, Clone, Serialize)]
pub struct WrittenColumn {
    /// Name.
    pub name: String,
    /// Bytes in the data file.
    pub bytes: u64,
    /// Distinct values, elements or keys.
    pub distinct: u64,
    /// Rows that are not NULL.
    pub present: u64,
    /// Milliseconds it took to encode.
    pub encode_ms: u64,
}

/// Heard while columns are encoded.
#[derive(Debug, Clone)]
pub struct Progress<'a> {
    /// Columns that are done.
    pub done: usize,
    /// Columns in all.
    pub columns: usize,
    /// The one just done.
    pub column: &'a str,
}

/// Takes batches and writes one snapshot into an empty directory.
#[derive(Debug)]
pub struct SnapshotWriter {
    dir: PathBuf,
    schema: Schema,
    options: WriteOptions,
    rows: u64,
    ids: IdsBuilder,
    columns: Vec<Builder>,
}

#[derive(Debug)]
enum Builder {
    Scalar(ScalarBuilder),
    List(ListBuilder),
    Map(MapBuilder),
}

impl Builder {
    fn new(ty: &ColumnType) -> Self {
        match ty {
            ColumnType::Scalar(ty) => Self::Scalar(ScalarBuilder::new(ty)),
            ColumnType::Array(ty) => Self::List(ListBuilder::new(ty)),
            ColumnType::Map(_) => Self::Map(MapBuilder::default()),
        }
    }

    fn push(&mut self, first_row: u32, rows: usize, data: ColumnData) -> Result<(), String> {
        match (self, data) {
            (Self::Scalar(builder), ColumnData::Scalar(values)) => builder.push(rows, &values),
            (Self::List(builder), ColumnData::List { ends, elements, present }) => {
                builder.push(first_row, rows, &ends, &elements, present.as_deref())
            }
            (Self::Map(builder), ColumnData::Map { ends, keys, values, present }) => {
                builder.push(first_row, rows, &ends, &keys, &values, present.as_deref())
            }
            _ => Err("its data is not of the schema's kind (scalar, list or map)".to_owned()),
        }
    }

    fn buffered_bytes(&self) -> usize {
        match self {
            Self::Scalar(builder) => builder.buffered_bytes(),
            Self::List(builder) => builder.buffered_bytes(),
            Self::Map(builder) => builder.buffered_bytes(),
        }
    }

    fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        match self {
            Self::Scalar(builder) => builder.spill(dir, name),
            Self::List(builder) => builder.spill(dir, name),
            Self::Map(builder) => builder.spill(dir, name),
        }
    }

    /// Values to be encoded, for the memory estimate.
    fn values(&self) -> usize {
        match self {
            Self::Scalar(builder) => builder.values(),
            Self::List(builder) => builder.values(),
            Self::Map(builder) => builder.values(),
        }
    }

    /// The column as a key to sort rows by; `None` for texts of too many kinds. For sealed builders, as are the next two.
    fn sort_key(&self) -> Option<SortKey<'_>> {
        match self {
            Self::Scalar(builder) => builder.sort_key(),
            Self::List(builder) => Some(builder.sort_key()),
            Self::Map(builder) => Some(builder.sort_key()),
        }
    }

    /// Whether each value, or length, gets a bitmap.
    fn has_leaves(&self) -> bool {
        match self {
            Self::Scalar(builder) => builder.has_leaves(),
            Self::List(_) => true,
            Self::Map(_) => false,
        }
    }

    /// Which rows of a sample hold each list element or map key.
    fn holders(&self, sample: &Sample) -> Vec<Vec<u32>> {
        match self {
            Self::Scalar(_) => Vec::new(),
            Self::List(builder) => sample.holders(builder.elements()),
            Self::Map(builder) => sample.holders(builder.entries()),
        }
    }

    fn seal(&mut self) -> Result<()> {
        match self {
            Self::Scalar(builder) => builder.seal(),
            Self::List(builder) => builder.seal(),
            Self::Map(builder) => builder.seal(),
        }
    }

    fn finish(self, order: Order<'_>) -> Region {
        match self {
            Self::Scalar(builder) => builder.finish(order),
            Self::List(builder) => builder.finish(order),
            Self::Map(builder) => builder.finish(order),
        }
    }
}

impl SnapshotWriter {
    /// Starts a snapshot in a directory, which is made if it is not there.
    pub fn create(dir: &Path, schema: Schema, options: WriteOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let mut names = std::collections::HashSet::from([schema.user_id.as_str()]);
        if let Some(twice) = schema.columns.iter().find(|column| !names.insert(&column.name)) {
            return Err(Error::input(format!("column {} is there twice", twice.name)));
        }
        let columns = schema.columns.iter().map(|column| Builder::new(&column.ty)).collect();
        Ok(Self { dir: dir.to_owned(), schema, options, rows: 0, ids: IdsBuilder::default(), columns })
    }

    /// Adds rows. Their row numbers follow those of the rows before.
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        let rows = batch.user_ids.len();
        if batch.columns.len() != self.columns.len() {
            let (got, want) = (batch.columns.len(), self.columns.len());
            return Err(Error::input(format!("a batch has {got} columns, the schema {want}")));
        }
        if self.rows + rows as u64 > ROWS_MAX {
            return Err(Error::input(format!("more than {ROWS_MAX} users do not fit into one snapshot")));
        }
        let first_row = self.rows as u32;
        self.ids.push(&batch.user_ids);
        let schema = &self.schema;
        self.columns.par_iter_mut().zip(batch.columns).enumerate().try_for_each(
            |(index, (builder, data))| {
                builder.push(first_row, rows, data).map_err(|what| {
                    let name = &schema.columns[index].name;
                    Error::input(format!("column {name}: {what}"))
                })
            },
        )?;
        self.rows += rows as u64;
        self.spill_if_large()
    }

    fn spill_if_large(&mut self) -> Result<()> {
        let buffered: usize = self.columns.iter().map(Builder::buffered_bytes).sum();
        if buffered <= self.options.memory_bytes / 2 {
            return Ok(());
        }
        let (dir, columns) = (&self.dir, &mut self.columns);
        columns
            .par_iter_mut()
            .enumerate()
            .try_for_each(|(index, builder)| builder.spill(dir, &format!("spool-{index}")))
    }

    /// Encodes all columns and completes the snapshot; everything is on disk when this returns.
    pub fn finish(mut self, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Written> {
        self.columns.par_iter_mut().try_for_each(Builder::seal)?;
        let sorted = row_order::sorted(&self.options.row_order, &self.schema, &self.columns, self.ids.ids())?;
        let (row_order, permutation) =
            sorted.map_or((Vec::new(), None), |sorted| (sorted.by, Some(sorted.rows)));
        let order = Order::new(permutation.as_deref());
        let file = Mutex::new(DataWriter::create(&self.dir, self.options.generation, self.rows)?);
        let append = |bytes: &[u8]| -> Result<RegionEntry> {
            file.lock().unwrap_or_else(PoisonError::into_inner).append(bytes)
        };
        let ids = append(&self.ids.finish(order)?)?;
        let budget = Budget::new(self.options.memory_bytes / 2);
        let encode = |index: usize, builder: Builder| -> Result<(ColumnEntry, WrittenColumn)> {
            let name = self.schema.columns[index].name.clone();
            let _held = budget.take(builder.values().saturating_mul(40));
            let started = Instant::now();
            let region = builder.finish(order);
            let RegionEntry { at, bytes } = append(&region.bytes)?;
            let (distinct, present) = (region.distinct, region.present);
            let encode_ms = started.elapsed().as_millis() as u64;
            let written = WrittenColumn { name, bytes, distinct, present, encode_ms };
            Ok((ColumnEntry { at, bytes, distinct, present }, written))
        };
        let names = &self.schema.columns;
        let written = in_parallel(self.columns, &encode, &|index, done, columns| {
            progress(Progress { done, columns, column: &names[index].name });
        })?;
        let data = file.into_inner().unwrap_or_else(PoisonError::into_inner).finish()?;
        let (entries, columns) = written.into_iter().unzip();
        let bytes = data.bytes;
        write_manifest(&self.dir, self.schema, &self.options, self.rows, data, ids, entries)?;
        Ok(Written { rows: self.rows, bytes, row_order, columns })
    }
}

/// Runs `work` on each builder, a thread per core. Own threads rather than the pool's, because a column waits for memory
/// while it holds a thread, and its inner sorts use the pool.
fn in_parallel<T: Send>(
    builders: Vec<Builder>,
    work: &(dyn Fn(usize, Builder) -> Result<T> + Sync),
    done: &(dyn Fn(usize, usize, usize) + Sync),
) -> Result<Vec<T>> {
    let count = builders.len();
    let queue = Mutex::new(builders.into_iter().enumerate());
    let results = Mutex::new((Vec::with_capacity(count), 0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, builder)) = next else { break };
                    let result = work(index, builder);
                    let failed = result.is_err();
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.0.push((index, result));
                    results.1 += 1;
                    done(index, results.1, count);
                    if failed {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
                    }
                }
            });
        }
    });
    let (mut results, _) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn write_manifest(
    dir: &Path,
    schema: Schema,
    options: &WriteOptions,
    rows: u64,
    data: DataEntry,
    ids: RegionEntry,
    columns: Vec<ColumnEntry>,
) -> Result<()> {
    let manifest = Manifest {
        format: FORMAT,
        oldest_reader: FORMAT,
        generation: options.generation,
        as_of: options.as_of,
        written_by: concat!("muster ", env!("CARGO_PKG_VERSION")).to_owned(),
        source_watermark: options.source_watermark.clone(),
        rows,
        schema,
        data,
        ids,
        columns,
    };
    file::write_durably(&dir.join(MANIFEST_FILE), &manifest.to_bytes()?)
}
