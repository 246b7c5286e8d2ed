//! The guard against regressions: instructions, not wall time.
//!
//! It runs itself under valgrind's callgrind, over a small population that is always the same, with one and with eleven
//! counts of a rule; the difference is ten counts, start-up left out. valgrind knows no AVX-512, so what is counted is the
//! path of processors without it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use muster_engine::format::FORMAT;
use muster_loader::progress::NoProgress;
use muster_loader::synth::{SynthOptions, synth};

use crate::data::build_into;
use crate::muster::Muster;
use crate::options::GuardOptions;

/// Recorded counts, a rule a line: instructions of one count, the rule.
const RECORDED: &str = "guard.tsv";
const USERS: u64 = 200_000;
/// Counts under valgrind: few, and so many more.
const FEW: u32 = 1;
const MORE: u32 = 10;
/// More than this beyond what is recorded is a regression.
const TOLERANCE: f64 = 0.05;

const HEADING: &str =
    "# Instructions that one count takes, from the text of the rule on, with 200,000 users on one thread.
# Written by `cargo run --release -p muster-benches -- guard --record`.
";

/// One rule of each way that a chunk is evaluated.
const RULES: [&str; 8] = [
    "has_poh AND NOT bot_warning",
    "twitter_bound AND email_bound AND discord_bound AND NOT telegram_bound",
    "has_binance_kyc OR has_okx_kyc OR has_coinbase_kyc OR has_bybit_kyc",
    "at_least(2, has_zkme, has_babt, has_binance_kyc, has_okx_kyc)",
    "last_active_time >= now() - INTERVAL 7 DAY AND email_bound",
    "balance_usd BETWEEN 1000 AND 1100 AND NOT bot_warning",
    "country IN ('US', 'GB', 'DE') AND has(active_chains, 'ethereum')",
    "total_tx_value_usd > balance_usd AND has_poh",
];

/// Counts instructions and compares, or records.
pub(crate) fn guard(options: &GuardOptions) -> Result<()> {
    ensure!(
        Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()),
        "the guard counts instructions with valgrind; install it, as in apt-get install valgrind"
    );
    let store = prepared(&options.work)?;
    let mut counted = Vec::with_capacity(RULES.len());
    for rule in RULES {
        let (few, more) = (instructions(&store, rule, FEW)?, instructions(&store, rule, FEW + MORE)?);
        let each = more.saturating_sub(few) / u64::from(MORE);
        println!("{each:>12}  {rule}");
        counted.push((rule, each));
    }
    if options.record {
        let lines: Vec<String> = counted.iter().map(|(rule, each)| format!("{each}\t{rule}\n")).collect();
        let path = recorded_path();
        return fs::write(&path, HEADING.to_owned() + &lines.concat())
            .with_context(|| format!("cannot write {}", path.display()));
    }
    compare(&counted, &recorded()?)
}

fn compare(counted: &[(&str, u64)], recorded: &HashMap<String, u64>) -> Result<()> {
    let mut worse = Vec::new();
    for &(rule, now) in counted {
        let Some(&before) = recorded.get(rule) else {
            bail!("benches/{RECORDED} does not know '{rule}'; run the guard with --record");
        };
        let change = now as f64 / before as f64 - 1.0;
        if change > TOLERANCE {
            worse.push(format!("  {:+.1} %, {before} to {now} instructions: {rule}", change * 100.0));
        } else if change < -TOLERANCE {
            println!("{:+.1} %: {rule}; record it, so that it stays", change * 100.0);
        }
    }
    ensure!(
        worse.is_empty(),
        "counting takes more than it did:\n{}\nIf that is meant, run `cargo run --release -p muster-benches -- guard \
         --record` and commit benches/{RECORDED}.",
        worse.join("\n")
    );
    Ok(())
}

fn recorded_path() -> PathBuf {
    Path::new("benches").join(RECORDED)
}

fn recorded() -> Result<HashMap<String, u64>> {
    let path = recorded_path();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; the guard runs in the top folder", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (count, rule) = line.split_once('\t').with_context(|| format!("{RECORDED}: {line}"))?;
            Ok((rule.to_owned(), count.parse()?))
        })
        .collect()
}

/// The store, made in a process of its own if it is not there.
fn prepared(work: &Path) -> Result<PathBuf> {
    let (store, done) = (work.join("store"), work.join("store.done"));
    let made_of = format!("format {FORMAT} users {USERS} muster {}", env!("CARGO_PKG_VERSION"));
    if fs::read_to_string(&done).is_ok_and(|text| text == made_of)
        && Muster::open(&store, HashMap::new()).is_ok()
    {
        return Ok(store);
    }
    let _ = fs::remove_dir_all(work);
    fs::create_dir_all(work).with_context(|| format!("cannot make {}", work.display()))?;
    let status = Command::new(std::env::current_exe()?).arg("guard-prepare").arg(work).status()?;
    ensure!(status.success(), "the guard's store could not be made");
    fs::write(done, made_of)?;
    Ok(store)
}

/// Makes the guard's population and store.
pub(crate) fn prepare(home: &Path) -> Result<()> {
    let features = home.join("features");
    synth(&SynthOptions::new(USERS, &features), &NoProgress)?;
    build_into(&features, &home.join("store"))?;
    Ok(())
}

/// What runs under valgrind.
pub(crate) fn work(store: &Path, rule: &str, times: u32) -> Result<()> {
    let muster = Muster::open(store, HashMap::new())?;
    for _ in 0..times {
        std::hint::black_box(muster.count(rule)?);
    }
    Ok(())
}

fn instructions(store: &Path, rule: &str, times: u32) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg("guard-work")
        .arg(store)
        .args([rule, &times.to_string()])
        .env("RAYON_NUM_THREADS", "1")
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "valgrind: {told}");
    let line = told.lines().find_map(|line| line.split("Collected :").nth(1));
    let line = line.with_context(|| format!("valgrind told no count: {told}"))?;
    Ok(line.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_worse_by_more_than_the_tolerance_fails() {
        let recorded = HashMap::from([("a".to_owned(), 1_000)]);
        assert!(compare(&[("a", 1_049)], &recorded).is_ok());
        assert!(compare(&[("a", 500)], &recorded).is_ok());
        assert!(compare(&[("a", 1_051)], &recorded).is_err());
        assert!(compare(&[("b", 1)], &recorded).is_err());
    }
}
