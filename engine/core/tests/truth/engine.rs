//! The engine under test: a table becomes a snapshot in a folder of its own.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use muster_engine::batch::{Keys, Values};
use muster_engine::error::Error;
use muster_engine::execute::{Audience, Outcome, count_many};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::{Labels, expand};
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnType, ScalarType};
use muster_engine::snapshot::{RowOrder, Shape, Snapshot, SnapshotWriter, WriteOptions};
use tempfile::TempDir;

use super::labels::Known;
use super::naive::LabelRules;
use super::rng::Rng;
use super::table::Table;

/// A snapshot that is removed when this is dropped.
pub struct Built {
    pub dir: TempDir,
    pub snapshot: Arc<Snapshot>,
}

/// Writes the table in random batches and opens what was written.
pub fn build(table: &Table, rng: &mut Rng) -> Result<Built, Error> {
    let dir = tempfile::tempdir().unwrap();
    // Now and then too little for anything, so that what spills is tested too.
    let memory_bytes = if rng.one_in(8) { 1 << 16 } else { 256 << 20 };
    let row_order = row_order(table, rng);
    let generation = 1 + rng.below(9) as u64;
    let options = WriteOptions { generation, memory_bytes, row_order, ..WriteOptions::default() };
    if rng.one_in(3) {
        write_in_pieces(table, rng, dir.path(), options)?;
    } else {
        let mut writer = SnapshotWriter::create(dir.path(), table.schema.clone(), options)?;
        for batch in table.batches(rng) {
            writer.push(batch)?;
        }
        writer.finish(&|_| {})?;
    }
    let snapshot = Arc::new(Snapshot::open(dir.path())?);
    Ok(Built { dir, snapshot })
}

/// The same table from two inputs, whose rows come in any order, some of them with older copies that have other values, the
/// second one also with users that the first does not know.
fn write_in_pieces(table: &Table, rng: &mut Rng, dir: &Path, options: WriteOptions) -> Result<(), Error> {
    let columns = &table.schema.columns;
    let input_of: Vec<usize> = columns.iter().map(|_| usize::from(rng.one_in(2))).collect();
    let inputs = if input_of.contains(&1) { 2 } else { 1 };
    let shape = Shape { input_of: input_of.clone(), ..Shape::default() };
    let mut writer = SnapshotWriter::with_shape(dir, table.schema.clone(), shape, options)?;
    for input in 0..inputs {
        let theirs = columns.iter().zip(&input_of).filter(|(_, of)| **of == input);
        let names: Vec<&str> = theirs.map(|(column, _)| column.name.as_str()).collect();
        // Each row's number, the number of the row that has its values, and its version.
        let mut rows: Vec<(usize, usize, Option<u64>)> =
            (0..table.rows()).map(|row| (row, row, Some(7))).collect();
        for _ in 0..rng.below(1 + table.rows() / 2) {
            let of = rng.below(table.rows());
            rows.push((of, rng.below(table.rows()), if rng.one_in(2) { Some(3) } else { None }));
        }
        rng.shuffle(&mut rows);
        let mut piece = table.select(&names).take(&rows.iter().map(|row| row.1).collect::<Vec<_>>());
        piece.user_ids = rows.iter().map(|row| table.user_ids[row.0]).collect();
        let mut at = 0;
        for mut batch in piece.batches(rng) {
            let here = &rows[at..at + batch.user_ids.len()];
            at += here.len();
            if input == 1 {
                // A user of another table in the place of an older copy.
                let known: HashSet<u64> = table.user_ids.iter().copied().collect();
                let ids = batch.user_ids.iter_mut().zip(here);
                for (id, _) in ids.filter(|(_, row)| row.2.is_none()) {
                    let stranger = !*id;
                    if !known.contains(&stranger) {
                        *id = stranger;
                    }
                }
            }
            let versions = Values {
                keys: Keys::Fixed8(here.iter().map(|row| row.2.unwrap_or(u64::MAX)).collect()),
                present: Some(here.iter().map(|row| row.2.is_some()).collect()),
            };
            writer.push_to(input, batch, Some(&versions))?;
        }
    }
    let written = writer.finish(&|_| {})?;
    assert_eq!(written.rows as usize, table.rows());
    Ok(())
}

/// Any order of rows: no answer may depend on it.
fn row_order(table: &Table, rng: &mut Rng) -> RowOrder {
    let columns = &table.schema.columns;
    match rng.below(4) {
        0 => RowOrder::Given,
        1 => RowOrder::Auto,
        _ => {
            // Wide values cannot be ordered by when they are sorted instead of looked up, as that variable wants it.
            let wide = std::env::var_os("MUSTER_INTERNED_VALUES").is_none();
            let sortable = |ty: &ColumnType| match ty {
                ColumnType::Scalar(ScalarType::Int { bits }) => wide || *bits <= 64,
                ColumnType::Scalar(ty) => matches!(ty, ScalarType::Bool | ScalarType::Float { .. }),
                ColumnType::Array(_) | ColumnType::Map(_) => true,
            };
            let names = columns.iter().filter(|column| sortable(&column.ty)).map(|column| &column.name);
            RowOrder::Columns(names.filter(|_| rng.one_in(3)).take(5).cloned().collect())
        }
    }
}

/// Labels as the engine takes them.
pub fn labels(rules: &LabelRules) -> Known {
    Known::new(rules)
}

/// Whether a rule with its labels replaced passes the limits.
pub fn too_large(rule: &Rule, rules: &LabelRules) -> bool {
    expand(rule, &labels(rules), &Limits::default()).is_err()
}

/// The counts of many rules, asked together.
pub fn counts(
    snapshot: &Arc<Snapshot>,
    rules: &[Rule],
    now: i64,
    labels: &dyn Labels,
) -> Result<Vec<u64>, String> {
    let limits = Limits::default();
    let scope = Scope { now, labels, limits: &limits };
    let counts = count_many(snapshot, rules, &scope).map_err(|error| error.to_string())?;
    counts.into_iter().map(|count| count.map_err(|error| error.to_string())).collect()
}

/// One rule asked of one snapshot; errors as text.
pub struct Query(Audience);

impl Query {
    pub fn new(snapshot: &Arc<Snapshot>, rule: &Rule, now: i64, labels: &dyn Labels) -> Result<Self, String> {
        let limits = Limits::default();
        let scope = Scope { now, labels, limits: &limits };
        Audience::new(snapshot, rule, &scope).map(Self).map_err(|error| error.to_string())
    }

    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// All members, read in pages of every size.
    pub fn members(&self, page: u64) -> Result<Vec<u64>, String> {
        let mut ids = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut members =
                self.0.members(token.as_deref()).map_err(|error| error.to_string())?.limit(page);
            for batch in &mut members {
                ids.extend(batch.map_err(|error| error.to_string())?);
            }
            token = members.token();
            if token.is_none() {
                return Ok(ids);
            }
        }
    }

    pub fn contains(&self, user_id: u64) -> Result<Option<bool>, String> {
        self.0.contains(user_id).map_err(|error| error.to_string())
    }

    pub fn contains_many(&self, user_ids: &[u64]) -> Result<Vec<Option<bool>>, String> {
        self.0.contains_many(user_ids).map_err(|error| error.to_string())
    }

    /// The outcome of the whole rule for a user, `None` for one that is unknown.
    #[allow(clippy::option_option)] // two questions: is there such a user, and what is the outcome
    pub fn verdict(&self, user_id: u64) -> Result<Option<Option<bool>>, String> {
        let verdict = self.0.check(user_id).map_err(|error| error.to_string())?;
        Ok(verdict.map(|verdict| match verdict.outcome {
            Outcome::True => Some(true),
            Outcome::False => Some(false),
            Outcome::Unknown => None,
        }))
    }
}
