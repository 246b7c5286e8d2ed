//! Snapshots written by the first program of each format version, with their answers: they are read for ever, and never written
//! again.
//!
//! `data/golden/vN/answers.tsv` has a line per rule: sample, count, sum of the members' ids modulo 2^64, rule.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_engine::format::FORMAT;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, SnapshotWriter, WriteOptions};
use truth::engine::Query;
use truth::naive::{LabelRules, Naive};
use truth::rng::Rng;
use truth::sample::{self, NOW};
use truth::table::Table;

/// Every form over every type.
const EVERY_TYPE: &str = include_str!("truth/sample_rules.txt");
const TWO_CHUNKS: [&str; 10] = [
    "dense",
    "NOT sparse",
    "runs AND dense AND NOT sparse",
    "all AND score IS NULL",
    "score BETWEEN 17 AND 17 OR score > 398",
    "score <= 200 AND country IN ('US', 'JP')",
    "at_least(2, dense, sparse, runs, score < 40, country LIKE 'C_')",
    "user_id BETWEEN 196000 AND 197000",
    "bucket('exp-42', 0, 10) AND NOT (score >= 100)",
    "score != 5 OR sparse",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn golden() -> PathBuf {
    repository().join("data/golden").join(format!("v{FORMAT}"))
}

/// The sample's rules; lines that start with `#` are remarks.
fn samples() -> [(&'static str, Table, Vec<&'static str>); 2] {
    let rules = EVERY_TYPE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    [("every_type", sample::every_type(), rules), ("two_chunks", sample::two_chunks(), TWO_CHUNKS.to_vec())]
}

fn parse(rule: &str) -> Rule {
    Rule::parse(rule, &Limits::default()).unwrap_or_else(|error| panic!("{rule}: {error}"))
}

fn answer(snapshot: &Arc<Snapshot>, rule: &str) -> (u64, u64) {
    let query = Query::new(snapshot, &parse(rule), NOW, &HashMap::new());
    let query = query.unwrap_or_else(|error| panic!("{rule}: {error}"));
    let members = query.members(u64::MAX).unwrap();
    assert_eq!(members.len() as u64, query.count(), "{rule}");
    (query.count(), members.iter().fold(0, |sum: u64, &id| sum.wrapping_add(id)))
}

fn expected(table: &Table, rule: &str) -> (u64, u64) {
    let labels = LabelRules::new();
    let answers = Naive::new(table, NOW, &labels).answers(&parse(rule));
    let users = table.user_ids.iter().zip(answers).filter(|(_, answer)| *answer == Some(true));
    users.fold((0, 0), |(count, sum): (u64, u64), (&id, _)| (count + 1, sum.wrapping_add(id)))
}

#[test]
fn golden_snapshots_of_every_version_give_their_answers() {
    let mut versions = 0;
    for version in std::fs::read_dir(repository().join("data/golden")).unwrap() {
        let version = version.unwrap().path();
        if !version.is_dir() {
            continue;
        }
        let answers = std::fs::read_to_string(version.join("answers.tsv")).unwrap();
        let mut snapshots: HashMap<&str, Arc<Snapshot>> = HashMap::new();
        for line in answers.lines() {
            let [name, count, sum, rule] = line.splitn(4, '\t').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let snapshot = snapshots.entry(name).or_insert_with(|| {
                let snapshot = Snapshot::open(&version.join(name)).unwrap();
                snapshot.verify(&|_| {}).unwrap();
                Arc::new(snapshot)
            });
            let wanted = (count.parse().unwrap(), sum.parse().unwrap());
            assert_eq!(answer(snapshot, rule), wanted, "{}: {rule}", version.display());
        }
        assert_eq!(snapshots.len(), 2, "{}", version.display());
        versions += 1;
    }
    assert_eq!(versions, FORMAT, "a golden snapshot for each format version");
}

/// What is written today answers the same, whatever the naive evaluator and the engine have become.
#[test]
fn the_samples_give_the_golden_answers_when_written_anew() {
    let answers = std::fs::read_to_string(golden().join("answers.tsv")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, table, rules) in samples() {
        write(&table, &dir.path().join(name));
        let snapshot = Arc::new(Snapshot::open(&dir.path().join(name)).unwrap());
        for rule in rules {
            let (count, sum) = answer(&snapshot, rule);
            assert_eq!((count, sum), expected(&table, rule), "{name}: {rule}");
            let line = format!("{name}\t{count}\t{sum}\t{rule}");
            assert!(answers.lines().any(|other| other == line), "not in answers.tsv: {line}");
        }
    }
}

fn write(table: &Table, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let options = WriteOptions {
        generation: 7,
        as_of: NOW,
        source_watermark: Some("sample".into()),
        ..WriteOptions::default()
    };
    let mut writer = SnapshotWriter::create(dir, table.schema.clone(), options).unwrap();
    for batch in table.batches(&mut Rng::new(7)) {
        writer.push(batch).unwrap();
    }
    writer.finish(&|_| {}).unwrap();
}

/// Writes the fuzzer's sample anew, and the golden snapshots of this format version if there are none yet.
#[test]
#[ignore = "writes files of the repository; set MUSTER_WRITE_SAMPLES to want that"]
fn write_samples() {
    if std::env::var_os("MUSTER_WRITE_SAMPLES").is_none() {
        return;
    }
    write_seeds(&repository().join("fuzz/seeds"));
    if golden().exists() {
        // What was written once is what must be read for ever.
        return;
    }
    let mut answers = String::new();
    for (name, table, rules) in samples() {
        write(&table, &golden().join(name));
        for rule in rules {
            let (count, sum) = expected(&table, rule);
            writeln!(answers, "{name}\t{count}\t{sum}\t{rule}").unwrap();
        }
    }
    std::fs::write(golden().join("answers.tsv"), answers).unwrap();
}

fn write_seeds(seeds: &Path) {
    for folder in ["sample", "snapshot_bytes", "manifest"] {
        let _ = std::fs::remove_dir_all(seeds.join(folder));
        std::fs::create_dir_all(seeds.join(folder)).unwrap();
    }
    // Small, or a fuzzer takes for ever; yet with every layout.
    let few = ["flag", "maybe", "f64", "u64", "i128", "country", "wallet", "active_chains", "counts"];
    let sample = seeds.join("sample");
    write(&sample::every_type().select(&few), &sample);
    std::fs::copy(sample.join("data.bin"), seeds.join("snapshot_bytes/sample")).unwrap();
    let manifest = std::fs::read(sample.join("manifest.json")).unwrap();
    std::fs::write(seeds.join("manifest/sample"), &manifest).unwrap();
    // Without its checksum, so that changes are read.
    std::fs::write(seeds.join("manifest/json"), &manifest[..manifest.len() - 18]).unwrap();
}
