//! The snapshot writer: typed columns in, batch by batch; a complete snapshot out.
//!
//! Columns may come from several inputs, each with rows of its own, which are joined by user at the end; of several rows of one
//! user the newest counts. Until then everything is set aside in the order it came, narrow, in memory up to half of
//! [`WriteOptions::memory_bytes`] and then in files that have no name, so that they are gone when the process is. At the end rows are
//! numbered, and columns encoded side by side, the largest first, and appended to `data.bin` as they are ready.
//!
//! Memory while columns are encoded: at most 40 bytes per value of the columns in work, and columns wait for each other so that
//! these stay within the other half (one column is always let through). Besides that 16 bytes a row while rows are numbered and 8
//! afterwards, and 16 bytes a row of an input whose ids do not ascend or which is joined.

mod bits;
mod budget;
mod builder;
mod choose;
mod dictionary;
mod encode;
mod file;
mod finish;
mod ids;
mod input;
mod intern;
mod list;
mod map;
mod place;
mod region;
mod row_order;
mod scalar;
mod sort;
mod sort_key;
mod spool;
mod steps;
mod texts;
mod values;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use crate::batch::{Batch, Values};
use crate::error::{Error, Result};
use crate::format::ROWS_MAX;
use crate::schema::Schema;

use builder::Builder;
pub(super) use file::write_durably;
pub use finish::{Encoded, Flag};
use input::Input;
pub use input::InputCounts;
pub use row_order::RowOrder;

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
    /// By input, what became of its rows.
    pub inputs: Vec<InputCounts>,
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
    /// Milliseconds it took to encode and write.
    pub encode_ms: u64,
    /// Memory that was set aside for encoding it.
    pub memory_bytes: u64,
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
    shape: Shape,
    inputs: Vec<Input>,
    columns: Vec<Builder>,
    /// Users to leave out, ascending.
    erased: Vec<u64>,
}

/// Which columns come from which input, and which are only looked at.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// The input of each column; empty if there is one input.
    pub input_of: Vec<usize>,
    /// Whether each column is wanted only until [`Encoded::derive`] is done; empty if none is.
    pub aside: Vec<bool>,
}

impl Shape {
    fn input(&self, column: usize) -> usize {
        self.input_of.get(column).copied().unwrap_or(0)
    }

    fn aside(&self, column: usize) -> bool {
        self.aside.get(column).copied().unwrap_or(false)
    }
}

impl SnapshotWriter {
    /// Starts a snapshot of one input in a directory, which is made if it is not there.
    pub fn create(dir: &Path, schema: Schema, options: WriteOptions) -> Result<Self> {
        Self::with_shape(dir, schema, Shape::default(), options)
    }

    /// Starts a snapshot of columns from several inputs.
    pub fn with_shape(dir: &Path, schema: Schema, shape: Shape, options: WriteOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let mut names = std::collections::HashSet::from([schema.user_id.as_str()]);
        if let Some(twice) = schema.columns.iter().find(|column| !names.insert(&column.name)) {
            return Err(Error::input(format!("column {} is there twice", twice.name)));
        }
        let columns = schema.columns.iter().map(|column| Builder::new(&column.ty)).collect();
        let inputs = shape.input_of.iter().max().map_or(1, |last| last + 1);
        let inputs = (0..inputs).map(|_| Input::default()).collect();
        let erased = Vec::new();
        Ok(Self { dir: dir.to_owned(), schema, options, shape, inputs, columns, erased })
    }

    /// Leaves the rows of these users out, whichever input they come from.
    pub fn leave_out(&mut self, users: impl IntoIterator<Item = u64>) {
        self.erased.extend(users);
        self.erased.sort_unstable();
        self.erased.dedup();
    }

    /// So many rows are to come from an input; a hint.
    pub fn expect_rows(&mut self, input: usize, rows: u64) {
        self.inputs[input].ids.reserve_exact(rows.min(ROWS_MAX) as usize);
    }

    /// Adds rows of the only input. Their row numbers follow those of the rows before.
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        self.push_to(0, batch, None)
    }

    /// Adds rows of an input: the columns that come from it, in the schema's order, and which of several rows of a user is the
    /// newest.
    pub fn push_to(&mut self, input: usize, batch: Batch, versions: Option<&Values>) -> Result<()> {
        let rows = batch.user_ids.len();
        let shape = &self.shape;
        let theirs = self.columns.iter_mut().enumerate().filter(|(column, _)| shape.input(*column) == input);
        let builders: Vec<(usize, &mut Builder)> = theirs.collect();
        if batch.columns.len() != builders.len() {
            let (got, want) = (batch.columns.len(), builders.len());
            return Err(Error::input(format!("a batch has {got} columns, the schema {want}")));
        }
        let known = &mut self.inputs[input];
        if (known.ids.len() + rows) as u64 > ROWS_MAX {
            return Err(Error::input(format!("more than {ROWS_MAX} users do not fit into one snapshot")));
        }
        let first_row = known.ids.len() as u32;
        known.push(&batch.user_ids, versions)?;
        let schema = &self.schema;
        builders.into_par_iter().zip(batch.columns).try_for_each(|((index, builder), data)| {
            builder.push(first_row, rows, data).map_err(|what| {
                let name = &schema.columns[index].name;
                Error::input(format!("column {name}: {what}"))
            })
        })?;
        self.spill_if_large()
    }

    fn spill_if_large(&mut self) -> Result<()> {
        let columns: usize = self.columns.iter().map(Builder::buffered_bytes).sum();
        let buffered = columns + self.inputs.iter().map(Input::buffered_bytes).sum::<usize>();
        if buffered <= self.options.memory_bytes / 2 {
            return Ok(());
        }
        let (dir, columns) = (&self.dir, &mut self.columns);
        for (index, input) in self.inputs.iter_mut().enumerate() {
            input.spill(dir, &format!("versions-{index}"))?;
        }
        columns
            .par_iter_mut()
            .enumerate()
            .try_for_each(|(index, builder)| builder.spill(dir, &format!("spool-{index}")))
    }

    /// Encodes all columns and completes the snapshot; everything is on disk when this returns.
    pub fn finish(self, progress: &(dyn Fn(Progress<'_>) + Sync)) -> Result<Written> {
        self.encode(progress)?.finish()
    }
}
