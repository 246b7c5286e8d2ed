//! The engine under test: a table becomes a snapshot in a folder of its own.

use std::collections::HashMap;
use std::sync::Arc;

use muster_engine::error::Result;
use muster_engine::rule::ast::Rule;
use muster_engine::snapshot::{Snapshot, SnapshotWriter, WriteOptions};
use tempfile::TempDir;

use super::naive::LabelRules;
use super::rng::Rng;
use super::table::Table;

/// A snapshot that is removed when this is dropped.
pub struct Built {
    pub dir: TempDir,
    pub snapshot: Arc<Snapshot>,
}

/// Writes the table in random batches and opens what was written.
pub fn build(table: &Table, rng: &mut Rng) -> Result<Built> {
    let dir = tempfile::tempdir().unwrap();
    // Now and then too little for anything, so that what spills is tested too.
    let memory_bytes = if rng.one_in(8) { 1 << 16 } else { 256 << 20 };
    let options =
        WriteOptions { generation: 1 + rng.below(9) as u64, memory_bytes, ..WriteOptions::default() };
    let mut writer = SnapshotWriter::create(dir.path(), table.schema.clone(), options)?;
    for batch in table.batches(rng) {
        writer.push(batch)?;
    }
    writer.finish(&|_| {})?;
    let snapshot = Arc::new(Snapshot::open(dir.path())?);
    Ok(Built { dir, snapshot })
}

/// Labels as the engine takes them.
pub fn labels(rules: &LabelRules) -> HashMap<String, Rule> {
    rules.iter().map(|(name, rule)| (name.clone(), rule.clone())).collect()
}
