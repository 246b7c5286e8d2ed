//! Random rules on random populations: the engine against the naive evaluator, and every rule through its text and JSON.
//!
//! `MUSTER_R1_SECONDS` says how long (10 if unset), or `MUSTER_R1_PAIRS` how many pairs of rule and population;
//! `MUSTER_R1_SEED` repeats the one population that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::Schema;
use truth::engine::{self, Built, Query};
use truth::generate::Rules;
use truth::labels::Known;
use truth::naive::{LabelRules, Naive};
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::shrink::{describe, shrink, used};
use truth::table::Table;

/// Half hours around changes of clocks and of years, and an ordinary afternoon.
const NOWS: [i64; 5] = [1_795_168_800, 1_793_511_000, 1_772_955_000, 1_767_225_599, 1_709_164_800];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[test]
fn random_rules_answer_as_the_naive_evaluator_does() {
    if let Some(seed) = setting("MUSTER_R1_SEED") {
        println!("{} pairs of population {seed}", check_population(seed));
        return;
    }
    let pairs_wanted = setting("MUSTER_R1_PAIRS");
    let time = Duration::from_secs(setting("MUSTER_R1_SECONDS").unwrap_or(10));
    // Another start on every day, so that runs go on to look at new populations; a failure names its own.
    let start = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 * 1_000_000;
    let begun = Instant::now();
    let (next, pairs, failed) = (AtomicU64::new(start), AtomicU64::new(0), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _stop = StopOnPanic(&failed);
                let more = || match pairs_wanted {
                    Some(wanted) => pairs.load(Ordering::Relaxed) < wanted,
                    None => begun.elapsed() < time,
                };
                while more() && !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    pairs.fetch_add(check_population(seed), Ordering::Relaxed);
                }
            });
        }
    });
    let populations = next.into_inner() - start;
    println!(
        "{} pairs of rule and population, {populations} populations from seed {start}, {:.1} s",
        pairs.into_inner(),
        begun.elapsed().as_secs_f64()
    );
}

/// One failure is enough: the other threads end too.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Checks one population with many rules; returns how many.
fn check_population(seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let rows = populate::rows(&mut rng);
    let columns = 1 + rng.below(14);
    let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
    let built = engine::build(&table, &mut rng).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let now = *rng.pick(&NOWS);
    let count = match rows {
        0..3 => 40,
        3..100 => 400,
        100..1000 => 250,
        1000..10_000 => 60,
        _ => 12,
    };
    let mut rules = Rules::new(&table, now, rng.fork());
    let known = engine::labels(&rules.labels).prepared(&built.snapshot, now, &mut rng);
    let mut asked = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let rule = rules.rule();
        // Labels in labels may come to more conditions than a rule may have, which other tests look at.
        if engine::too_large(&rule, &rules.labels) {
            continue;
        }
        let case = Case { now, labels: &rules.labels, seed };
        if let Err(what) = case.check(&table, (&built, &known), &rule, &mut rng) {
            case.fail(&table, &rule, &what);
        }
        asked.push(rule);
    }
    check_together(&built, &asked, now, &known)
        .unwrap_or_else(|what| panic!("MUSTER_R1_SEED={seed} fails: {what}"));
    count
}

/// All rules in one pass count what each counts alone, which was right.
fn check_together(built: &Built, rules: &[Rule], now: i64, labels: &Known) -> Result<(), String> {
    let together = engine::counts(&built.snapshot, rules, now, labels)?;
    for (rule, count) in rules.iter().zip(together) {
        let alone = Query::new(&built.snapshot, rule, now, labels)?.count();
        if count != alone {
            return Err(format!("counts {count} beside {} other rules, {alone} alone: {rule}", rules.len()));
        }
    }
    Ok(())
}

/// This test program again, for a while, with the kernels and encodings that ordinary data on this machine would not meet.
#[test]
fn every_kernel_and_encoding_answers_the_same() {
    if setting("MUSTER_R1_SEED").is_some() || std::env::var("MUSTER_R1_AGAIN").is_ok() {
        return;
    }
    let seconds = setting("MUSTER_R1_SECONDS").unwrap_or(10).div_ceil(10).to_string();
    let again = |with: &[(&str, &str)]| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "random_rules_answer_as_the_naive_evaluator_does", "--nocapture"])
            .env_remove("MUSTER_R1_PAIRS")
            .env("MUSTER_R1_SECONDS", &seconds)
            .env("MUSTER_R1_AGAIN", "1")
            .envs(with.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("pairs of rule"), "{with:?} fails:\n{text}");
    };
    for kernel in ["portable", "avx2", "avx512"] {
        again(&[("MUSTER_KERNEL", kernel), ("MUSTER_STEP_ROWS", "7")]);
    }
    for containers in ["array", "bits", "runs"] {
        again(&[("MUSTER_CONTAINERS", containers), ("MUSTER_STEP_ROWS", "3"), ("MUSTER_LEAF_VALUES", "5")]);
    }
    for kernel in ["portable", "avx512"] {
        again(&[("MUSTER_KERNEL", kernel), ("MUSTER_STEP_ROWS", "1"), ("MUSTER_LEAF_VALUES", "256")]);
    }
    again(&[("MUSTER_CONTAINERS", "bits"), ("MUSTER_KERNEL", "portable"), ("MUSTER_LEAF_VALUES", "256")]);
    // Values that are sorted instead of looked up, and set aside in files a few at a time.
    for values in ["0", "3"] {
        again(&[("MUSTER_INTERNED_VALUES", values), ("MUSTER_SPOOL_VALUES", "5")]);
    }
}

struct Case<'a> {
    now: i64,
    labels: &'a LabelRules,
    seed: u64,
}

impl Case<'_> {
    fn check(
        &self,
        table: &Table,
        built: (&Built, &Known),
        rule: &Rule,
        rng: &mut Rng,
    ) -> Result<(), String> {
        round_trips(rule, &table.schema)?;
        let expected = Naive::new(table, self.now, self.labels).answers(rule);
        self.answers(table, built, rule, &expected, rng)?;
        let negated: Vec<_> = expected.iter().map(|answer| answer.map(|value| !value)).collect();
        self.answers(table, built, &Rule::Not(Box::new(rule.clone())), &negated, rng)
            .map_err(|what| format!("negated: {what}"))
    }

    fn answers(
        &self,
        table: &Table,
        (built, labels): (&Built, &Known),
        rule: &Rule,
        expected: &[Option<bool>],
        rng: &mut Rng,
    ) -> Result<(), String> {
        let query = Query::new(&built.snapshot, rule, self.now, labels)?;
        let users = || table.user_ids.iter().zip(expected);
        let inside: HashSet<u64> =
            users().filter(|&(_, &answer)| answer == Some(true)).map(|(&id, _)| id).collect();
        let count = query.count();
        if count != inside.len() as u64 {
            return Err(format!("counts {count}, there are {}", inside.len()));
        }
        let page = *rng.pick(&[1 + table.rows() as u64 / 3, 10_000, u64::MAX]);
        let listed = query.members(page)?;
        let members: HashSet<u64> = listed.iter().copied().collect();
        if members.len() != listed.len() {
            return Err(format!("lists {} members, {} of them different", listed.len(), members.len()));
        }
        if let Some(id) = members.symmetric_difference(&inside).next() {
            return Err(format!(
                "user {id}: listed is {}, not {}",
                members.contains(id),
                inside.contains(id)
            ));
        }
        if rng.one_in(4) {
            // Too few for looking up side by side, and enough.
            let most = *rng.pick(&[5, 3000]);
            let (asked, wanted): (Vec<u64>, Vec<Option<bool>>) =
                table.user_ids.iter().take(most).map(|id| (*id, Some(inside.contains(id)))).unzip();
            if query.contains_many(&asked)? != wanted {
                return Err(format!("of {} users asked at once some have another answer", asked.len()));
            }
        }
        for _ in 0..3.min(table.rows()) {
            let row = rng.below(table.rows());
            let id = table.user_ids[row];
            let member = query.contains(id)?;
            if member != Some(inside.contains(&id)) {
                return Err(format!("user {id}: member is {member:?}, not {}", inside.contains(&id)));
            }
            // Reasons take longer than all the rest.
            if !rng.one_in(8) {
                continue;
            }
            let verdict = query.verdict(id)?;
            if verdict != Some(expected[row]) {
                return Err(format!("user {id}: verdict is {verdict:?}, not {:?}", expected[row]));
            }
        }
        let unknown = rng.next();
        if !table.user_ids.contains(&unknown)
            && (query.contains(unknown)?, query.verdict(unknown)?) != (None, None)
        {
            return Err(format!("user {unknown} is unknown, and has an answer"));
        }
        Ok(())
    }

    fn fail(&self, table: &Table, rule: &Rule, what: &str) {
        let fails = |table: &Table, rule: &Rule| {
            let mut rng = Rng::new(self.seed);
            let Ok(built) = engine::build(table, &mut rng) else { return false };
            let known = engine::labels(self.labels).prepared(&built.snapshot, self.now, &mut rng);
            self.check(table, (&built, &known), rule, &mut rng).is_err()
        };
        let (table, rule) = shrink(table, rule, fails);
        let mut rng = Rng::new(self.seed);
        let again = engine::build(&table, &mut rng).map_err(|error| error.to_string());
        let again = again.and_then(|built| {
            let known = engine::labels(self.labels).prepared(&built.snapshot, self.now, &mut rng);
            self.check(&table, (&built, &known), &rule, &mut rng)
        });
        let expected = Naive::new(&table, self.now, self.labels).answers(&rule);
        panic!(
            "MUSTER_R1_SEED={} fails: {what}\nmade smaller: {again:?}\nrule: {rule}\n{rule:?}\nlabels: {}\n\
             now: {}\nexpected {:?}\n{}",
            self.seed,
            used(&rule, self.labels),
            self.now,
            &expected[..expected.len().min(5)],
            describe(&table)
        );
    }
}

/// Text and back is the same rule; JSON and back too, where JSON can say it.
fn round_trips(rule: &Rule, schema: &Schema) -> Result<(), String> {
    let limits = Limits::default();
    let text = rule.to_string();
    let back = Rule::parse(&text, &limits).map_err(|error| format!("its text {text} is refused: {error}"))?;
    if back != *rule {
        return Err(format!("its text {text} is read as {back:?}"));
    }
    if let Ok(json) = rule.to_json() {
        let json = json.to_string();
        let back = Rule::from_json(&json, schema, &limits)
            .map_err(|error| format!("its JSON {json} is refused: {error}"))?;
        if back != *rule {
            return Err(format!("its JSON {json} is read as {back:?}"));
        }
    }
    Ok(())
}
