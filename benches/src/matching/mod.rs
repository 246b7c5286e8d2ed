//! One user against many rules: the index, beside other ways to answer the same and the `a-tree` crate, in one run on the same rules
//! and users. Answers are compared before anything is timed.
//!
//! Users are drawn at random from the whole population, so most of what is known of one is not in the caches nearby; beside that
//! stand a thousand users who are asked about again and again, and users asked about after everything was driven out of the caches.

mod atree;
mod members;
mod targets;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use muster_engine::execute::{Batch, Feature, IndexedRule, Overlay, RuleIndex};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{RowSet, Snapshot, Store};
use muster_engine::value::Value;

use crate::data::Population;
use crate::measure::timed;
use crate::options::MatchOptions;
use crate::random::Random;
use crate::{labels, machine};

use atree::Tree;
use members::{ByRow, ByRule};

/// Users asked about one after the other.
const ASKED: usize = 100_000;
/// Users asked about again and again.
const HOT: usize = 1_000;
/// Users asked about with nothing of them in any cache.
const COLD: usize = 300;
/// Users for whom answers are compared, and whom the peer is asked about.
const COMPARED: usize = 2_000;
/// Rules that are told to who asks for a page.
const PAGE: usize = 10;
/// Larger than any cache.
const FLUSHED_BYTES: usize = 256 << 20;

/// Measures and prints.
pub(crate) fn run(options: &MatchOptions) -> Result<()> {
    std::fs::create_dir_all(&options.work)?;
    let (population, _) = Population::prepare(&options.work.canonicalize()?, options.users)?;
    let snapshot = Store::open(&population.store())?.current()?;
    println!("{}; {} users, one thread; microseconds a user\n", machine::processor(), snapshot.rows());
    let all: Vec<u64> = (0..snapshot.rows()).map(|row| snapshot.ids().id(row)).collect::<Result<_, _>>()?;
    let mut random = Random::new(3);
    let users: Vec<u64> = (0..ASKED).map(|_| *random.one(&all)).collect();
    println!("| rules | way | users | p50 | p99 | mean | rules told | build ms | MiB |");
    println!("| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for &count in &options.rules {
        let case = Case::new(&snapshot, count, &users)?;
        case.index_rows()?;
        case.peer()?;
        if !options.no_members {
            case.members()?;
        }
    }
    refresh(&snapshot)?;
    list(&snapshot, &users)
}

/// Rules, and the index of them.
struct Case<'a> {
    snapshot: &'a Arc<Snapshot>,
    users: &'a [u64],
    rules: Vec<(u64, Rule)>,
    index: RuleIndex,
    build_ms: f64,
}

impl<'a> Case<'a> {
    fn new(snapshot: &'a Arc<Snapshot>, count: usize, users: &'a [u64]) -> Result<Self> {
        let limits = Limits::default();
        let texts = targets::rules(count);
        let parse = |(key, text): (u64, &String)| {
            Ok((key, Rule::parse(text, &limits).with_context(|| text.clone())?))
        };
        let rules: Vec<(u64, Rule)> = (0..).zip(&texts).map(parse).collect::<Result<_>>()?;
        let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
        let put: Vec<IndexedRule> = rules.iter().map(|(key, rule)| indexed(*key, rule)).collect();
        // The first of all also reads what is common to all of them.
        drop(RuleIndex::new(snapshot, put.clone(), &scope)?);
        let (nanos, made) = timed(|| RuleIndex::new(snapshot, put, &scope));
        let (index, refused) = made?;
        ensure!(refused.is_empty(), "rules were refused: {refused:?}");
        Ok(Self { snapshot, users, rules, index, build_ms: nanos / 1e6 })
    }

    fn index_rows(&self) -> Result<()> {
        let mut keys = Vec::new();
        let mut ask = |user, limit| -> Result<usize> {
            self.index.matching(user, limit, &mut keys)?;
            Ok(keys.len())
        };
        let (facets, bytes) = self.index.tables();
        let mib = bytes as f64 / f64::from(1 << 20);
        let what = format!("index ({} conditions, {facets} tables)", self.index.conditions());
        let built = Some((self.build_ms, mib));
        self.row(&what, "any, all rules", &each(self.users, |user| ask(user, usize::MAX))?, built);
        let page = format!("any, first {PAGE}");
        self.row("index", &page, &each(self.users, |user| ask(user, PAGE))?, None);
        let hot: Vec<u64> = self.users[..HOT].repeat(ASKED / HOT);
        self.row("index", "hot, all rules", &each(&hot, |user| ask(user, usize::MAX))?, None);
        let mut flush = Flush::new();
        let mut cold = |user| {
            flush.flush();
            let begun = Instant::now();
            ask(user, usize::MAX).map(|told| (begun.elapsed().as_nanos() as f64, told))
        };
        let cold = self.users[..COLD].iter().map(|&user| cold(user)).collect::<Result<Vec<_>>>()?;
        self.row("index", "cold, all rules", &cold, None);
        self.overlaid()?;
        self.changing()
    }

    /// A balance that just changed.
    fn overlaid(&self) -> Result<()> {
        let value = Feature::Value(Value::Float(512.5));
        let overlay = Overlay::new(self.snapshot.schema(), [("balance_usd", value)])?;
        let mut keys = Vec::new();
        let times = each(self.users, |user| {
            self.index.matching_with(user, &overlay, usize::MAX, &mut keys)?;
            Ok(keys.len())
        })?;
        self.row("index, a value overlaid", "any, all rules", &times, None);
        Ok(())
    }

    /// One rule more, of which every condition is new.
    fn changing(&self) -> Result<()> {
        let limits = Limits::default();
        let mut millis = Vec::new();
        for at in 0..10 {
            let text =
                format!("balance_usd >= {at}.125 AND quest_completed > {at} AND NOT community_count = {at}");
            let rule = indexed(1_000_000 + at, &Rule::parse(&text, &limits)?);
            let (nanos, changed) = timed(|| self.index.changed(vec![rule], &[at], &NoLabels, &limits));
            ensure!(changed?.1.is_empty(), "a rule was refused");
            millis.push(nanos / 1e6);
        }
        millis.sort_by(f64::total_cmp);
        println!(
            "| {} | index, one rule changed | - | - | - | - | - | {:.2} | - |",
            self.rules.len(),
            millis[5]
        );
        Ok(())
    }

    fn peer(&self) -> Result<()> {
        let (nanos, tree) = timed(|| Tree::new(self.snapshot, &self.rules));
        let tree = tree?;
        let users = &self.users[..COMPARED];
        let events = users.iter().map(|&user| tree.event(self.snapshot, user)).collect::<Result<Vec<_>>>()?;
        let mut keys = Vec::new();
        for (&user, event) in users.iter().zip(&events) {
            self.index.matching(user, usize::MAX, &mut keys)?;
            keys.sort_unstable();
            let theirs = tree.matches(event)?;
            ensure!(keys == theirs, "user {user} meets {keys:?}, of a-tree {theirs:?}");
        }
        let places: Vec<u64> = (0..events.len() as u64).collect();
        let times = each(&places, |at| Ok(tree.count(&events[at as usize])))?;
        self.row(atree::NAME, "any, all rules, events made before", &times, Some((nanos / 1e6, f64::NAN)));
        Ok(())
    }

    /// The rows of each rule's members, and each row's rules.
    fn members(&self) -> Result<()> {
        let limits = Limits::default();
        let scope = Scope { now: self.snapshot.as_of(), labels: &NoLabels, limits: &limits };
        let rules: Vec<Rule> = self.rules.iter().map(|(_, rule)| rule.clone()).collect();
        let (nanos, by_rule) =
            timed(|| -> Result<ByRule> { ByRule::new(&Batch::new(self.snapshot, &rules, &scope)?) });
        let by_rule = by_rule?;
        self.compare(|row, keys| by_rule.matches(row, usize::MAX, keys))?;
        let mut keys = Vec::new();
        let mut ask = |user, limit| -> Result<usize> {
            let row = self.snapshot.row_of(user)?.context("an unknown user")?;
            by_rule.matches(row, limit, &mut keys);
            Ok(keys.len())
        };
        let built = (nanos / 1e6, by_rule.bytes() as f64 / f64::from(1 << 20));
        let times = each(self.users, |user| ask(user, usize::MAX))?;
        self.row("members of each rule, a bit each", "any, all rules", &times, Some(built));
        let page = format!("any, first {PAGE}");
        self.row("members of each rule", &page, &each(self.users, |user| ask(user, PAGE))?, None);
        let (nanos, by_row) = timed(|| ByRow::new(&by_rule, self.snapshot.rows()));
        self.compare(|row, keys| by_row.matches(row, keys))?;
        let built = (built.0 + nanos / 1e6, by_row.bytes() as f64 / f64::from(1 << 20));
        let times = each(self.users, |user| {
            let row = self.snapshot.row_of(user)?.context("an unknown user")?;
            by_row.matches(row, &mut keys);
            Ok(keys.len())
        })?;
        self.row("rules of each row, a list each", "any, all rules", &times, Some(built));
        Ok(())
    }

    /// Fails unless another way gives the same answers.
    fn compare(&self, other: impl Fn(u32, &mut Vec<u64>)) -> Result<()> {
        let (mut keys, mut theirs) = (Vec::new(), Vec::new());
        for &user in &self.users[..COMPARED] {
            let row = self.snapshot.row_of(user)?.context("an unknown user")?;
            self.index.matching(user, usize::MAX, &mut keys)?;
            other(row, &mut theirs);
            ensure!(keys == theirs, "user {user} meets {keys:?} by the index, {theirs:?} by its members");
        }
        Ok(())
    }

    /// A line of the table: the times in nanoseconds and how many rules were told; what making it took and takes.
    fn row(&self, way: &str, users: &str, times: &[(f64, usize)], built: Option<(f64, f64)>) {
        let mut sorted: Vec<f64> = times.iter().map(|time| time.0 / 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let told = times.iter().map(|time| time.1).sum::<usize>() as f64 / times.len() as f64;
        let shown = |value: f64| if value.is_nan() { "-".to_owned() } else { format!("{value:.1}") };
        let (ms, mib) = built.unwrap_or((f64::NAN, f64::NAN));
        println!(
            "| {} | {way} | {users} | {:.2} | {:.2} | {mean:.2} | {told:.1} | {} | {} |",
            self.rules.len(),
            at(0.5),
            at(0.99),
            shown(ms),
            shown(mib)
        );
    }
}

/// The rules whose keys are lower come first.
fn indexed(key: u64, rule: &Rule) -> IndexedRule {
    IndexedRule { key, priority: 0, rule: rule.clone(), except: Vec::new() }
}

/// How long each question takes, by itself, in nanoseconds, and what it tells.
fn each(users: &[u64], mut ask: impl FnMut(u64) -> Result<usize>) -> Result<Vec<(f64, usize)>> {
    for &user in &users[..users.len() / 10] {
        black_box(ask(user)?);
    }
    let mut times = Vec::with_capacity(users.len());
    for &user in users {
        let begun = Instant::now();
        let told = black_box(ask(user)?);
        times.push((begun.elapsed().as_nanos() as f64, told));
    }
    Ok(times)
}

/// Drives everything out of the caches.
struct Flush(Vec<u64>);

impl Flush {
    fn new() -> Self {
        Self(vec![1; FLUSHED_BYTES / 8])
    }

    fn flush(&mut self) {
        self.0.iter_mut().step_by(8).for_each(|word| *word = word.wrapping_add(1));
        black_box(&self.0);
    }
}

/// How long the rows of a list of users take to be found.
fn list(snapshot: &Snapshot, users: &[u64]) -> Result<()> {
    let (nanos, set) = timed(|| RowSet::of_users(snapshot, users));
    let set = set?;
    println!(
        "a list of {} users, {} of them different, made into rows in {:.1} ms: {} bytes",
        users.len(),
        set.len(),
        nanos / 1e6,
        set.bytes()
    );
    Ok(())
}

/// How long all labels take to be counted.
fn refresh(snapshot: &Arc<Snapshot>) -> Result<()> {
    let muster = crate::muster::Muster::new(Arc::clone(snapshot), std::collections::HashMap::new());
    let texts = labels::rules(labels::LABELS);
    let (nanos, counts) = timed(|| muster.counts(&texts));
    println!("\n{} labels counted from their texts in {:.2} s, all cores", counts?.len(), nanos / 1e9);
    Ok(())
}
