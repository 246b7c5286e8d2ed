//! The second half of writing: rows are numbered, columns encoded, flags derived from them, and the manifest written.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::bits::RowBits;
use super::budget::Budget;
use super::builder::Builder;
use super::dictionary::Scratch;
use super::encode::encode_bits;
use super::file::{DataWriter, write_durably};
use super::ids::encode_ids;
use super::input::{InputCounts, Joined, join};
use super::region::RegionOut;
use super::{Progress, Shape, SnapshotWriter, WriteOptions, Written, WrittenColumn, row_order};
use crate::error::{Error, Result};
use crate::format::manifest::{ColumnEntry, DataEntry, Manifest, RegionEntry};
use crate::format::records::ColumnRecord;
use crate::format::{DATA_FILE, FORMAT, MANIFEST_FILE};
use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use crate::snapshot::{OpenOptions, Snapshot};
use crate::storage::Bytes;

/// Bytes per value that a column may take while it is encoded.
const ENCODE_BYTES: usize = 40;

/// A snapshot whose columns are written, but which is not complete: flags can still be derived from what is there.
#[derive(Debug)]
pub struct Encoded {
    dir: PathBuf,
    schema: Schema,
    options: WriteOptions,
    rows: u64,
    row_order: Vec<String>,
    inputs: Vec<InputCounts>,
    file: DataWriter,
    /// End of what stays when columns that were only looked at are taken away.
    kept_end: u64,
    ids: RegionEntry,
    /// By column, and whether it is only looked at.
    columns: Vec<(ColumnEntry, WrittenColumn, bool)>,
}

/// A Bool column that is derived from others: true for these rows, ascending, and false for all others.
#[derive(Debug, Clone)]
pub struct Flag {
    /// Its name; a column of this name is replaced.
    pub name: String,
    /// Its rows.
    pub rows: Vec<u32>,
}

impl SnapshotWriter {
    /// Numbers the rows and encodes all columns.
    pub fn encode(self, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Encoded> {
        let Self { dir, schema, options, shape, inputs, columns, erased } = self;
        let Joined { ids, mut places, counts } = join(inputs, &erased)?;
        let rows = ids.len() as u64;
        let of_column = |column: usize| &places[shape.input(column)];
        let sorted = row_order::sorted(&options.row_order, &schema, &columns, &of_column, &ids)?;
        let (row_order, moved) = sorted.map_or((Vec::new(), None), |sorted| (sorted.by, Some(sorted.places)));
        if let Some(moved) = &moved {
            places = places.into_iter().map(|places| places.then(moved)).collect();
        }
        let mut file = DataWriter::create(&dir, options.generation, rows)?;
        let ids = file.append(encode_ids(ids, moved.as_deref())?)?;
        drop(moved);
        let file = Mutex::new(file);
        let budget = Budget::new(options.memory_bytes / 2);
        let encode = |index: usize, builder: Builder| -> Result<(ColumnEntry, WrittenColumn, bool)> {
            let name = schema.columns[index].name.clone();
            let memory = builder.values().saturating_mul(ENCODE_BYTES);
            let _held = budget.take(memory);
            let started = Instant::now();
            let keep = options.memory_bytes / 8;
            let scratch = Scratch { dir: dir.clone(), name: format!("column-{index}"), keep };
            let region = builder.finish(&places[shape.input(index)], &scratch)?;
            let (distinct, present) = (region.distinct, region.present);
            let RegionEntry { at, bytes } =
                file.lock().unwrap_or_else(PoisonError::into_inner).append(region.bytes)?;
            let encode_ms = started.elapsed().as_millis() as u64;
            let memory_bytes = memory as u64;
            let written = WrittenColumn { name, bytes, distinct, present, encode_ms, memory_bytes };
            Ok((ColumnEntry { at, bytes, distinct, present }, written, shape.aside(index)))
        };
        let (kept, aside) = in_turn(columns, &shape);
        let all = kept.len() + aside.len();
        let heard = |index: usize, done: usize| {
            progress(Progress { done, columns: all, column: &schema.columns[index].name });
        };
        let before = kept.len();
        let mut columns = in_parallel(kept, &encode, &heard)?;
        let kept_end = file.lock().unwrap_or_else(PoisonError::into_inner).end();
        columns.extend(in_parallel(aside, &encode, &|index, done| heard(index, before + done))?);
        columns.sort_by_key(|(index, _)| *index);
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let file = file.into_inner().unwrap_or_else(PoisonError::into_inner);
        let inputs = counts;
        Ok(Encoded { dir, schema, options, rows, row_order, inputs, file, kept_end, ids, columns })
    }
}

/// A column with its place in the schema.
type Placed = (usize, Builder);

/// The columns that stay and those that are only looked at, with their places; the largest first, so that no large one is left
/// for last, when it would be alone.
fn in_turn(columns: Vec<Builder>, shape: &Shape) -> (Vec<Placed>, Vec<Placed>) {
    let mut columns: Vec<Placed> = columns.into_iter().enumerate().collect();
    columns.sort_by_key(|(_, builder)| std::cmp::Reverse(builder.values()));
    columns.into_iter().partition(|(index, _)| !shape.aside(*index))
}

/// Runs `work` on each builder, a thread per core. Own threads rather than the pool's, because a column waits for memory
/// while it holds a thread, and its inner sorts use the pool.
fn in_parallel<T: Send>(
    builders: Vec<Placed>,
    work: &(dyn Fn(usize, Builder) -> Result<T> + Sync),
    done: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<(usize, T)>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(builders.len());
    let results = Mutex::new((Vec::with_capacity(builders.len()), 0));
    let queue = Mutex::new(builders.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, builder)) = next else { break };
                    let result = work(index, builder);
                    let failed = result.is_err();
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.0.push(result.map(|result| (index, result)));
                    results.1 += 1;
                    done(index, results.1);
                    if failed {
                        queue.lock().unwrap_or_else(PoisonError::into_inner).by_ref().for_each(drop);
                    }
                }
            });
        }
    });
    let (results, _) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().collect()
}

impl Encoded {
    /// Adds Bool columns that `f` finds by asking the snapshot as it is so far. Columns that were only looked at are taken
    /// away. What `f` is given must not outlive it.
    pub fn derive<E: From<Error>>(
        &mut self,
        f: impl FnOnce(&Arc<Snapshot>) -> Result<Vec<Flag>, E>,
    ) -> Result<(), E> {
        let snapshot = Arc::new(self.open()?);
        let flags = f(&snapshot)?;
        if Arc::into_inner(snapshot).is_none() {
            // Its file is about to be cut.
            return Err(Error::input("the snapshot that flags are derived from is still in use").into());
        }
        self.file.reopen(self.kept_end)?;
        for Flag { name, rows } in flags {
            self.put_flag(name, &rows)?;
        }
        let aside: Vec<bool> = self.columns.iter().map(|column| column.2).collect();
        let mut stay = aside.iter();
        self.columns.retain(|_| stay.next() == Some(&false));
        let mut stay = aside.iter();
        self.schema.columns.retain(|_| stay.next() == Some(&false));
        Ok(())
    }

    /// Users.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of data so far.
    pub fn bytes(&self) -> u64 {
        self.file.end()
    }

    /// The table's shape, derived columns included once they are.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    fn open(&mut self) -> Result<Snapshot> {
        let data = self.file.close()?;
        let bytes = Bytes::map(&self.dir.join(DATA_FILE))?;
        Snapshot::from_parts(self.manifest(data), bytes, OpenOptions::default())
    }

    fn put_flag(&mut self, name: String, rows: &[u32]) -> Result<()> {
        let started = Instant::now();
        let table_rows = self.rows as u32;
        let mut present = RowBits::default();
        present.extend(self.rows as usize, None);
        let mut truths = RowBits::none(self.rows as usize);
        for &row in rows {
            truths.set(row);
        }
        let mut out = RegionOut::default();
        let at = out.reserve(size_of::<ColumnRecord>());
        let record = encode_bits(&mut out, table_rows, &present, &truths);
        out.fill(at, &record);
        let RegionEntry { at, bytes } = self.file.append(out)?;
        let trues = rows.len() as u64;
        let distinct = u64::from(trues > 0) + u64::from(trues < self.rows);
        let encode_ms = started.elapsed().as_millis() as u64;
        let entry = ColumnEntry { at, bytes, distinct, present: self.rows };
        let memory_bytes = self.rows / 4;
        let written = WrittenColumn {
            name: name.clone(),
            bytes,
            distinct,
            present: self.rows,
            encode_ms,
            memory_bytes,
        };
        let ty = ColumnType::Scalar(ScalarType::Bool);
        let column = ColumnSchema { name, ty, nullable: false, held_as: HeldAs::Native };
        let known = self.schema.columns.iter().position(|known| known.name == column.name);
        if let Some(at) = known {
            self.columns[at] = (entry, written, false);
            self.schema.columns[at] = column;
        } else {
            self.columns.push((entry, written, false));
            self.schema.columns.push(column);
        }
        Ok(())
    }

    fn manifest(&self, data: DataEntry) -> Manifest {
        Manifest {
            format: FORMAT,
            oldest_reader: FORMAT,
            generation: self.options.generation,
            as_of: self.options.as_of,
            written_by: concat!("muster ", env!("CARGO_PKG_VERSION")).to_owned(),
            source_watermark: self.options.source_watermark.clone(),
            rows: self.rows,
            schema: self.schema.clone(),
            data,
            ids: self.ids,
            columns: self.columns.iter().map(|(entry, _, _)| *entry).collect(),
        }
    }

    /// Completes the snapshot; everything is on disk when this returns.
    pub fn finish(mut self) -> Result<Written> {
        let data = self.file.close()?;
        let manifest = self.manifest(data);
        self.file.sync()?;
        write_durably(&self.dir.join(MANIFEST_FILE), &manifest.to_bytes()?)?;
        Ok(Written {
            rows: self.rows,
            bytes: manifest.data.bytes,
            row_order: self.row_order,
            inputs: self.inputs,
            columns: self.columns.into_iter().map(|(_, written, _)| written).collect(),
        })
    }
}
