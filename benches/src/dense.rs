//! The worst case for a bitmap engine: a rule of ten dense flags, beside streaming the same bytes once.
//!
//! The snapshot is written directly: flags only, each set for four users in five, at random.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::format::{DATA_FILE, FORMAT};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Snapshot, SnapshotWriter, WriteOptions};
use muster_engine::storage::Bytes;
use rayon::prelude::*;

use crate::measure::{Repeats, repeat, timed};
use crate::muster::{self, Muster};
use crate::random::Random;
use crate::results::Results;
use crate::run::Pools;
use crate::stream::ones;

/// Terms of the rule.
const FLAGS: usize = 10;
/// Rows written together.
const BATCH_ROWS: u64 = 1 << 20;
const REPEATS: Repeats = Repeats::new(10, 200, 3_000);

/// Counts the rule and streams its bytes, alone and on all threads.
pub(crate) fn run(work: &Path, users: u64, pools: &Pools, results: &mut Results) -> Result<()> {
    let dir = work.join(format!("flags-{users}"));
    prepare(&dir, users)?;
    let muster = Muster::new(Arc::new(Snapshot::open(&dir)?), std::collections::HashMap::new());
    let rule = (0..FLAGS).map(|flag| format!("flag_{flag}")).collect::<Vec<_>>().join(" AND ");
    let audience = muster.audience(&rule)?;
    let plan = audience.plan();
    let operand_bytes: u64 = (0..plan.len()).map(|node| plan.node(node).bytes).sum();

    let file = Bytes::map(&dir.join(DATA_FILE))?;
    let file = file.as_slice();
    // Columns come last in the file, so these are operands, or as good as.
    let mapped = &file[file.len().saturating_sub(operand_bytes as usize)..];
    let heap = mapped.to_vec();

    let at = ("dense", users);
    results.know(&format!("rule/dense/{FLAGS} flags"), &rule);
    results.add(at, "rule", (muster::NAME, 0), "count", audience.count() as f64);
    results.add(at, "rule", (muster::NAME, 0), "bytes", operand_bytes as f64);
    for (threads, pool) in pools.each() {
        let repeats = pools.repeats(REPEATS);
        let mut time = |case: &str, who: &str, work: &(dyn Fn() -> u64 + Sync)| -> Result<()> {
            let samples = pool.install(|| repeat(repeats, || Ok(timed(work).0)))?;
            results.add(at, case, (who, threads), "count_ns", samples.median());
            Ok(())
        };
        time("rule", muster::NAME, &|| audience.count())?;
        time("mapped", "stream", &|| ones(mapped))?;
        time("heap", "stream", &|| ones(&heap))?;
    }
    Ok(())
}

fn prepare(dir: &Path, users: u64) -> Result<()> {
    let done = dir.with_extension("done");
    let made_of = format!("format {FORMAT} users {users} flags {FLAGS}");
    if fs::read_to_string(&done).is_ok_and(|text| text == made_of) && Snapshot::open(dir).is_ok() {
        return Ok(());
    }
    eprintln!("writing {FLAGS} flags of {users} users");
    let _ = fs::remove_dir_all(dir);
    let columns = (0..FLAGS).map(|flag| ColumnSchema {
        name: format!("flag_{flag}"),
        ty: ColumnType::Scalar(ScalarType::Bool),
        nullable: false,
        held_as: HeldAs::Native,
    });
    let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: columns.collect() };
    let mut writer = SnapshotWriter::create(dir, schema, WriteOptions::default())?;
    for from in (0..users).step_by(BATCH_ROWS as usize) {
        let to = users.min(from + BATCH_ROWS);
        let columns = (0..FLAGS as u64).into_par_iter().map(|flag| {
            let mut random = Random::new(flag << 40 | from);
            let flags = (from..to).map(|_| random.below(5) > 0).collect();
            ColumnData::Scalar(Values { keys: Keys::Bool(flags), present: None })
        });
        writer.push(Batch { user_ids: (from + 1..=to).collect(), columns: columns.collect() })?;
    }
    writer.finish(&|_| {})?;
    Ok(fs::write(done, made_of)?)
}
