//! Damaged snapshots: every answer is the right one or a typed error, and nothing panics, hangs or fills the memory.
//!
//! `MUSTER_R3_TRIALS` says how many trials (400 if unset); `MUSTER_R3_SEED` repeats the trial that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::diff::{ColumnOutcome, Diff};
use muster_engine::error::Error;
use muster_engine::format::manifest::Manifest;
use muster_engine::format::{DATA_FILE, MANIFEST_FILE};
use muster_engine::rule::ast::Rule;
use muster_engine::snapshot::{OpenOptions, Snapshot, Trust};
use muster_engine::storage::Bytes;
use truth::engine::{self, Query};
use truth::generate::Rules;
use truth::naive::Naive;
use truth::populate::{self, Options};
use truth::rng::Rng;

const NOW: i64 = 1_795_168_800;
/// A trial that takes longer hangs, for whoever waits for it.
const TRIAL_MAX: Duration = Duration::from_secs(20);

/// A sound snapshot as bytes, with questions and their right answers.
struct Subject {
    manifest: Vec<u8>,
    data: Vec<u8>,
    questions: Vec<Question>,
    sample: Vec<u64>,
    /// The snapshot itself, undamaged, to compare with.
    sound: Arc<Snapshot>,
}

struct Question {
    rule: Rule,
    members: Vec<u64>,
}

/// How one trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was not opened.
    RefusedOpen,
    /// Some question had an error for an answer.
    RefusedAnswer,
    /// The damage was in nothing that was asked for.
    AllRight,
    /// Only allowed where checksums are off.
    Wrong,
}

fn subjects() -> Vec<Subject> {
    // Enough columns for every type, on a few rows, one chunk and two.
    let mut subjects = Vec::new();
    for (seed, rows, columns) in
        [(1, 40, 60), (2, 700, 60), (3, 3000, 60), (4, 66_000, 24), (5, 1, 20), (6, 0, 20)]
    {
        let mut rng = Rng::new(seed);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let built = engine::build(&table, &mut rng).unwrap();
        let mut rules = Rules::new(&table, NOW, rng.fork());
        rules.labels.clear();
        let naive_labels = rules.labels.clone();
        let mut questions = Vec::new();
        for _ in 0..if rows > 10_000 { 12 } else { 30 } {
            let rule = rules.rule();
            let answers = Naive::new(&table, NOW, &naive_labels).answers(&rule);
            let users = table.user_ids.iter().zip(answers);
            let mut members: Vec<u64> =
                users.filter(|(_, answer)| *answer == Some(true)).map(|(&id, _)| id).collect();
            members.sort_unstable();
            questions.push(Question { rule, members });
        }
        subjects.push(Subject {
            manifest: std::fs::read(built.dir.path().join(MANIFEST_FILE)).unwrap(),
            data: std::fs::read(built.dir.path().join(DATA_FILE)).unwrap(),
            questions,
            sample: table.user_ids.iter().copied().take(3).collect(),
            sound: Arc::clone(&built.snapshot),
        });
    }
    subjects
}

/// Opens with checksums on and off, and asks everything.
#[test]
fn damaged_snapshots_give_the_right_answer_or_an_error() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let subjects = subjects();
    for subject in &subjects {
        let outcome = ask(subject, &subject.manifest, &subject.data, Mode::Checked);
        assert_eq!(outcome, Outcome::AllRight, "an undamaged snapshot answers rightly");
    }
    let (from, trials) = match number("MUSTER_R3_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("MUSTER_R3_TRIALS").unwrap_or(400)),
    };
    // A panic is caught and reported with its seed; its own message goes where it always goes.
    let mut outcomes: BTreeMap<(Mode, Outcome), u64> = BTreeMap::new();
    for seed in from..from + trials {
        let mut rng = Rng::new(seed);
        let subject = &subjects[rng.below(subjects.len())];
        let mode = *rng.pick(&[Mode::Checked, Mode::Trusted, Mode::Trusted, Mode::TrustedManifest]);
        let (mut manifest, mut data) = (subject.manifest.clone(), subject.data.clone());
        if mode == Mode::Checked && rng.one_in(20) {
            // Half a copy: the data is another snapshot's.
            data.clone_from(&subjects[rng.below(subjects.len())].data);
        }
        // With checksums on, either file; without, what they would have caught.
        let what = match mode {
            Mode::Checked if rng.one_in(4) => damage(&mut manifest, &mut rng),
            Mode::TrustedManifest => change_number(&mut manifest, &mut rng),
            _ => damage(&mut data, &mut rng),
        };
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| ask(subject, &manifest, &data, mode)));
        let Ok(outcome) = outcome else { panic!("MUSTER_R3_SEED={seed}: a panic, {mode:?}, {what}") };
        assert!(
            begun.elapsed() < TRIAL_MAX,
            "MUSTER_R3_SEED={seed}: {:?}, {mode:?}, {what}",
            begun.elapsed()
        );
        let right = mode != Mode::Checked || outcome != Outcome::Wrong;
        assert!(right, "MUSTER_R3_SEED={seed}: a wrong answer, {mode:?}, {what}");
        *outcomes.entry((mode, outcome)).or_default() += 1;
    }
    assert!(peak_memory_kib() < 4 << 20, "{} KiB at most", peak_memory_kib());
    println!("{trials} trials: {outcomes:?}");
}

/// The same through files, as a damaged disk would have them: mapping, truncation, absent files.
#[test]
fn damaged_files_give_the_right_answer_or_an_error() {
    let subjects = subjects();
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let subject = &subjects[rng.below(subjects.len())];
        let dir = tempfile::tempdir().unwrap();
        let (mut manifest, mut data) = (subject.manifest.clone(), subject.data.clone());
        let what = if rng.one_in(3) { damage(&mut manifest, &mut rng) } else { damage(&mut data, &mut rng) };
        std::fs::write(dir.path().join(MANIFEST_FILE), &manifest).unwrap();
        std::fs::write(dir.path().join(DATA_FILE), &data).unwrap();
        if rng.one_in(10) {
            std::fs::remove_file(dir.path().join(rng.pick::<&str>(&[MANIFEST_FILE, DATA_FILE]))).unwrap();
        }
        let outcome = match Snapshot::open(dir.path()) {
            Ok(snapshot) => ask_snapshot(subject, snapshot),
            Err(_) => Outcome::RefusedOpen,
        };
        assert_ne!(outcome, Outcome::Wrong, "seed {seed}: {what}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// As a server opens it.
    Checked,
    /// The data is believed without looking at its checksums.
    Trusted,
    /// The manifest too.
    TrustedManifest,
}

fn ask(subject: &Subject, manifest: &[u8], data: &[u8], mode: Mode) -> Outcome {
    let bytes = Bytes::from_slice(data);
    let snapshot = match mode {
        Mode::Checked => Snapshot::from_bytes(manifest, bytes, OpenOptions { trust: Trust::CheckOnUse }),
        Mode::Trusted => Snapshot::from_bytes(manifest, bytes, OpenOptions { trust: Trust::Verified }),
        Mode::TrustedManifest => {
            // Without its checksum, which is the last line.
            let json = &manifest[..manifest.len().saturating_sub(18)];
            Manifest::from_json(json).and_then(|manifest| {
                Snapshot::from_parts(manifest, bytes, OpenOptions { trust: Trust::Verified })
            })
        }
    };
    match snapshot {
        Ok(snapshot) => ask_snapshot(subject, snapshot),
        Err(error) => {
            assert_typed(&error);
            Outcome::RefusedOpen
        }
    }
}

fn ask_snapshot(subject: &Subject, snapshot: Snapshot) -> Outcome {
    let snapshot = Arc::new(snapshot);
    let mut outcome = Outcome::AllRight;
    let mut worse = |found: Outcome| outcome = outcome.max(found);
    for question in &subject.questions {
        match answer(&snapshot, question, &subject.sample) {
            Ok(true) => {}
            Ok(false) => worse(Outcome::Wrong),
            Err(_) => return if outcome == Outcome::Wrong { outcome } else { Outcome::RefusedAnswer },
        }
    }
    for pair in [(&snapshot, &subject.sound), (&subject.sound, &snapshot)] {
        match differs(pair) {
            Ok(false) => {}
            Ok(true) => worse(Outcome::Wrong),
            Err(_) => worse(Outcome::RefusedAnswer),
        }
    }
    // Whatever it finds.
    let _ = snapshot.verify(&|_| {});
    outcome
}

/// Whether count, members and membership are right; errors say no more than that they are errors.
fn answer(snapshot: &Arc<Snapshot>, question: &Question, sample: &[u64]) -> Result<bool, String> {
    let labels = std::collections::HashMap::new();
    let query = Query::new(snapshot, &question.rule, NOW, &labels)?;
    let count = query.count();
    let mut members = query.members(u64::MAX)?;
    members.sort_unstable();
    let mut right = count == question.members.len() as u64 && members == question.members;
    for &id in sample {
        right &= query.contains(id)? == Some(question.members.binary_search(&id).is_ok());
    }
    Ok(right)
}

/// Whether anything differs between a snapshot and itself.
fn differs((before, after): (&Arc<Snapshot>, &Arc<Snapshot>)) -> Result<bool, Error> {
    let diff = Diff::new(before, after)?;
    let users = diff.user_counts();
    let mut differs = users.both != u64::from(before.rows()) || users.added + users.gone > 0;
    for column in diff.column_names() {
        match diff.column(column)?.outcome {
            ColumnOutcome::Compared { changes, .. } => differs |= changes.total() > 0,
            _ => differs = true,
        }
    }
    Ok(differs)
}

fn assert_typed(error: &Error) {
    let typed = matches!(error, Error::Corrupt { .. } | Error::TooNew { .. });
    assert!(typed, "damage is reported as {error:?}");
}

/// Changes bytes in one of the ways disks, copies and people do; says which.
fn damage(bytes: &mut Vec<u8>, rng: &mut Rng) -> String {
    if bytes.is_empty() {
        bytes.push(1);
        return "one byte where there was none".into();
    }
    let at = rng.below(bytes.len());
    match rng.below(10) {
        0 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let more = 1 + rng.below(5000);
            bytes.extend((0..more).map(|_| rng.next() as u8));
            format!("{more} bytes more")
        }
        2 => {
            let end = (at + 1 + rng.skewed(1 << 16)).min(bytes.len());
            bytes[at..end].fill(0);
            format!("zeros in {at}..{end}")
        }
        3 => {
            let end = (at + 1 + rng.skewed(1 << 12)).min(bytes.len());
            bytes[at..end].fill_with(|| rng.next() as u8);
            format!("noise in {at}..{end}")
        }
        4 => {
            let length = (bytes.len() - at).min(1 + rng.skewed(1 << 14));
            let to = rng.below(bytes.len() - length + 1);
            bytes.copy_within(at..at + length, to);
            format!("{length} bytes of {at} again at {to}")
        }
        5 => {
            // A number that is far too large, where numbers are.
            let at = at / 4 * 4;
            let end = (at + 4).min(bytes.len());
            bytes[at..end].fill(0xff);
            format!("the largest number at {at}")
        }
        6 => {
            bytes[at] = bytes[at].wrapping_add(1);
            format!("one more at {at}")
        }
        _ => {
            let flips = 1 + rng.below(4);
            for _ in 0..flips {
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << rng.below(8);
            }
            format!("{flips} bits flipped")
        }
    }
}

/// Changes a number of a manifest, so that it still reads as one.
fn change_number(manifest: &mut [u8], rng: &mut Rng) -> String {
    let digits: Vec<usize> = (0..manifest.len()).filter(|&at| manifest[at].is_ascii_digit()).collect();
    let at = *rng.pick(&digits);
    manifest[at] = b'0' + rng.below(10) as u8;
    format!("another digit at {at}")
}

/// What the process held at most, where the system says so.
fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
