//! What is measured besides counts of rules: opening, one user at a time, sizes.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use muster_engine::snapshot::Store;

use crate::data::{Population, bytes_below};
use crate::leaves::Leaves;
use crate::measure::{Repeats, repeat, timed};
use crate::muster::{self, Muster};
use crate::random::Random;
use crate::results::Results;
use crate::run::Pools;

/// What a fresh process is asked first.
const FIRST: &str = "has_poh AND NOT bot_warning AND balance_usd >= 100";
/// What users are checked against, one by one: five leaves, four of which most users pass.
const FIVE_LEAVES: &str = "email_bound AND NOT bot_warning AND balance_usd >= 10 \
                           AND has(active_chains, 'ethereum') AND last_active_time >= now() - INTERVAL 30 DAY";
const OPEN: Repeats = Repeats::new(10, 30, 5_000);
const CHECK: Repeats = Repeats::new(5, 50, 3_000);
/// Users checked in one go.
const CHECKED: usize = 100_000;

/// Opens the store and counts in a process that has just begun, over and over.
pub(crate) fn opening(population: &Population, pools: &Pools, results: &mut Results) -> Result<()> {
    let at = ("opening", population.users);
    let me = std::env::current_exe()?;
    let mut inside = Vec::new();
    let outside = repeat(pools.repeats(OPEN), || {
        let begun = Instant::now();
        let output = Command::new(&me).arg("first-count").arg(population.store()).arg(FIRST).output()?;
        let nanos = begun.elapsed().as_nanos() as f64;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = String::from_utf8(output.stdout)?;
        inside.push(told.trim().parse::<f64>().with_context(|| told.clone())?);
        Ok(nanos)
    })?;
    inside.sort_by(f64::total_cmp);
    results.know("rule/opening/open and count", FIRST);
    results.add(at, "open and count", (muster::NAME, 1), "request_ns", inside[inside.len() / 2]);
    results.add(at, "whole process", (muster::NAME, 1), "request_ns", outside.median());
    Ok(())
}

/// The child's work: opens, counts, tells its nanoseconds.
pub(crate) fn first_count(store: &std::path::Path, rule: &str) -> Result<()> {
    let (nanos, count) =
        timed(|| Muster::open(store, std::collections::HashMap::new()).and_then(|muster| muster.count(rule)));
    ensure!(count? > 0, "nobody is counted, so nothing was read");
    println!("{nanos}");
    Ok(())
}

/// Checks random users of the snapshot against a rule, on one thread.
pub(crate) fn membership(
    muster: &Muster,
    leaves: &Leaves,
    pools: &Pools,
    results: &mut Results,
) -> Result<()> {
    let mut random = Random::new(5);
    let users: Vec<u64> = (0..CHECKED).map(|_| *random.one(leaves.ids())).collect();
    let audience = muster.audience(FIVE_LEAVES)?;
    let check = || -> Result<u64> {
        let mut inside = 0;
        for &user in &users {
            inside += u64::from(audience.contains(user)? == Some(true));
        }
        Ok(inside)
    };
    let samples = pools.one().install(|| {
        repeat(pools.repeats(CHECK), || {
            let (nanos, inside) = timed(check);
            inside.map(|_| nanos)
        })
    })?;
    let together = || audience.contains_many(&users);
    let in_batches = pools.one().install(|| {
        repeat(pools.repeats(CHECK), || {
            let (nanos, answers) = timed(together);
            answers.map(|_| nanos).map_err(Into::into)
        })
    })?;
    let found = together()?.iter().filter(|answer| **answer == Some(true)).count() as u64;
    ensure!(found == check()?, "one by one and together, users are in another audience");
    let at = ("membership", muster.users());
    results.add(
        at,
        "five leaves, many users a call",
        (muster::NAME, 1),
        "checks_per_second",
        CHECKED as f64 / in_batches.median() * 1e9,
    );
    results.know("rule/membership/five leaves", FIVE_LEAVES);
    results.add(
        at,
        "five leaves",
        (muster::NAME, 1),
        "checks_per_second",
        CHECKED as f64 / samples.median() * 1e9,
    );
    results.add(at, "five leaves", (muster::NAME, 1), "share_inside", check()? as f64 / CHECKED as f64);
    Ok(())
}

/// What the snapshot takes on disk, and the Parquet files.
pub(crate) fn sizes(population: &Population, results: &mut Results) -> Result<()> {
    let store = Store::open(&population.store())?;
    let generation = store.current_generation()?.context("the store has no generation in service")?;
    let at = ("sizes", population.users);
    let snapshot = bytes_below(&store.generation_dir(generation))?;
    results.add(at, "on disk", (muster::NAME, 0), "bytes", snapshot as f64);
    results.add(at, "on disk", ("parquet", 0), "bytes", bytes_below(&population.features())? as f64);
    Ok(())
}
