//! Matching against the naive evaluator: which of many rules one user meets is what each of them says of that user, in order, under
//! overlays, masks and changes of the rules.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet};

use muster_engine::execute::{Audience, IndexedRule, Overlay, RuleIndex, Standing};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Author, MaskChange, Store};
use truth::engine;
use truth::generate::Rules;
use truth::naive::{LabelRules, Naive};
use truth::overlay;
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::table::Table;

const NOW: i64 = 1_795_168_800;

fn populations() -> u64 {
    std::env::var("MUSTER_MATCHING_POPULATIONS").map_or(40, |text| text.parse().unwrap())
}

#[test]
fn users_meet_the_rules_that_the_naive_evaluator_says_they_do() {
    let (mut asked, mut told, mut turned) = (0, 0, 0);
    for seed in 0..populations() {
        let case = Case::new(seed);
        let mut rng = Rng::new(seed + 1_000_000);
        let mut users = case.check(&mut rng);
        asked += users.0;
        told += users.1;
        users = case.check_overlaid(&mut rng);
        asked += users.0;
        turned += users.1;
    }
    println!("{asked} users asked about, {told} rules told, {turned} answers turned by overlays");
    assert!(asked > populations() * 20 && told > asked && turned > populations());
}

/// This test program again, with kernels and encodings that ordinary data would not meet.
#[test]
fn every_kernel_and_encoding_matches_the_same() {
    if std::env::var("MUSTER_MATCHING_POPULATIONS").is_ok() {
        return;
    }
    let again = |with: &[(&str, &str)]| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "users_meet_the_rules_that_the_naive_evaluator_says_they_do", "--nocapture"])
            .env("MUSTER_MATCHING_POPULATIONS", "8")
            .envs(with.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("users asked about"), "{with:?} fails:\n{text}");
    };
    for containers in ["array", "bits", "runs"] {
        again(&[("MUSTER_CONTAINERS", containers), ("MUSTER_LEAF_VALUES", "5")]);
    }
    again(&[("MUSTER_KERNEL", "portable"), ("MUSTER_LEAF_VALUES", "256")]);
}

/// Rules over a population, some of which were put in or changed after the others.
struct Case {
    seed: u64,
    table: Table,
    index: RuleIndex,
    rules: BTreeMap<u64, IndexedRule>,
    labels: LabelRules,
    _built: engine::Built,
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let rows = if seed % 20 == 7 { 66_000 } else { 1 + rng.below(400) };
        let columns = 1 + rng.below(10);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let built = engine::build(&table, &mut rng).unwrap();
        let mut drawn = Rules::new(&table, NOW, rng.fork());
        let labels = engine::labels(&drawn.labels).prepared(&built.snapshot, NOW, &mut rng);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        let count = if rows > 1000 { 40 } else { 1 + rng.below(250) as u64 };
        let mut draw = |rng: &mut Rng| loop {
            let rule = if rng.one_in(3) {
                // Conditions that many rules have in common make tables.
                Rule::all((0..=rng.below(4)).map(|_| drawn.leaf()).collect())
            } else {
                drawn.rule()
            };
            if !engine::too_large(&rule, &drawn.labels) {
                return rule;
            }
        };
        let mut rules: BTreeMap<u64, IndexedRule> = BTreeMap::new();
        let mut put = Vec::new();
        for key in 0..count {
            // Now and then the rule of another, and one key twice.
            let rule = match rng.below(10) {
                0 if !put.is_empty() => rng.pick::<IndexedRule>(&put).rule.clone(),
                _ => draw(&mut rng),
            };
            let key = if rng.one_in(20) { rng.below(count as usize) as u64 } else { key };
            let except = excepted(&mut rng, &mut draw);
            put.push(IndexedRule { key, priority: rng.below(5) as i32 - 2, rule, except });
        }
        rules.extend(put.iter().map(|rule| (rule.key, rule.clone())));
        let (mut index, refused) = RuleIndex::new(&built.snapshot, put, &scope).unwrap();
        assert!(refused.is_empty(), "seed {seed}: {refused:?}");
        for _ in 0..rng.below(3) {
            let removed: Vec<u64> = (0..rng.below(5)).map(|_| rng.below(count as usize * 2) as u64).collect();
            let put: Vec<IndexedRule> = (0..rng.below(5))
                .map(|_| IndexedRule {
                    key: rng.below(count as usize * 2) as u64,
                    priority: i32::MAX - rng.below(2) as i32,
                    rule: draw(&mut rng),
                    except: excepted(&mut rng, &mut draw),
                })
                .collect();
            for key in &removed {
                rules.remove(key);
            }
            rules.extend(put.iter().map(|rule| (rule.key, rule.clone())));
            let (changed, refused) = index.changed(put, &removed, &labels, &limits).unwrap();
            assert!(refused.is_empty(), "seed {seed}: {refused:?}");
            index = changed;
        }
        assert_eq!(index.len(), rules.len());
        let labels = drawn.labels.clone();
        Self { seed, table, index, rules, labels, _built: built }
    }

    /// The keys of the rules that hold, in order.
    fn expected(&self, holds: impl Fn(&IndexedRule) -> bool) -> Vec<u64> {
        let mut met: Vec<&IndexedRule> = self.rules.values().filter(|rule| holds(rule)).collect();
        met.sort_by_key(|rule| (std::cmp::Reverse(rule.priority), rule.key));
        met.into_iter().map(|rule| rule.key).collect()
    }

    fn check(&self, rng: &mut Rng) -> (u64, u64) {
        let naive = Naive::new(&self.table, NOW, &self.labels);
        let answers: BTreeMap<u64, Vec<bool>> =
            self.rules.iter().map(|(key, rule)| (*key, answers(&naive, rule))).collect();
        let (mut keys, mut told) = (vec![7], 0);
        let asked = self.table.rows().min(60);
        for _ in 0..asked {
            let row = rng.below(self.table.rows());
            let wanted = self.expected(|rule| answers[&rule.key][row]);
            let limit = *rng.pick(&[usize::MAX, 1, 3, wanted.len()]);
            let user = self.table.user_ids[row];
            let standing = self.index.matching(user, limit, &mut keys).unwrap();
            assert_eq!(standing, Standing::Known);
            assert_eq!(
                keys,
                wanted[..limit.min(wanted.len())],
                "seed {}: user {user}, at most {limit}",
                self.seed
            );
            told += keys.len() as u64;
            let (none, some) = (Overlay::default(), |key: u64| key % 3 == 1);
            self.index.matching_among(user, &none, limit, some, &mut keys).unwrap();
            let wanted: Vec<u64> = wanted.into_iter().filter(|&key| some(key)).take(limit).collect();
            assert_eq!(keys, wanted, "seed {}: user {user}, at most {limit} of some", self.seed);
        }
        let nobody = rng.next();
        if !self.table.user_ids.contains(&nobody) {
            assert_eq!(self.index.matching(nobody, 5, &mut keys).unwrap(), Standing::Unknown);
            assert!(keys.is_empty());
        }
        (asked as u64, told)
    }

    fn check_overlaid(&self, rng: &mut Rng) -> (u64, u64) {
        let (mut keys, mut plain, mut turned) = (Vec::new(), Vec::new(), 0);
        for _ in 0..20 {
            let row = rng.below(self.table.rows());
            let (user, mut changed) = (self.table.user_ids[row], self.table.take(&[row]));
            let values = overlay::random(rng, &mut changed);
            let pairs = values.iter().map(|(name, value)| (name.as_str(), value.clone()));
            let overlay = Overlay::new(&self.table.schema, pairs).unwrap();
            let naive = Naive::new(&changed, NOW, &self.labels);
            let wanted = self.expected(|rule| answers(&naive, rule)[0]);
            let limit = *rng.pick(&[usize::MAX, 2]);
            self.index.matching_with(user, &overlay, limit, &mut keys).unwrap();
            let place = format!("seed {}: user {user} with {values:?}", self.seed);
            assert_eq!(keys, wanted[..limit.min(wanted.len())], "{place}");
            self.index.matching(user, limit, &mut plain).unwrap();
            turned += u64::from(plain != keys);
        }
        (20, turned)
    }
}

/// For each user, whether the rule is met: it is true, and nothing that it excepts is.
fn answers(naive: &Naive<'_>, rule: &IndexedRule) -> Vec<bool> {
    let mut met: Vec<bool> = naive.answers(&rule.rule).into_iter().map(|is| is == Some(true)).collect();
    for except in &rule.except {
        let excepted = naive.answers(except);
        met.iter_mut().zip(excepted).for_each(|(met, is)| *met &= is != Some(true));
    }
    met
}

/// Now and then something that a rule excepts.
fn excepted(rng: &mut Rng, draw: &mut impl FnMut(&mut Rng) -> Rule) -> Vec<Rule> {
    let count = if rng.one_in(4) { 1 + rng.below(2) } else { 0 };
    (0..count).map(|_| draw(rng)).collect()
}

#[test]
fn forward_and_reverse_agree() {
    for seed in 0..populations().min(10) {
        let case = Case::new(seed);
        let labels = engine::labels(&case.labels);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        let mut reverse: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        let mut keys = Vec::new();
        for &user in case.table.user_ids.iter().take(2_000) {
            case.index.matching(user, usize::MAX, &mut keys).unwrap();
            for &key in &keys {
                reverse.entry(key).or_default().insert(user);
            }
        }
        let asked: BTreeSet<u64> = case.table.user_ids.iter().take(2_000).copied().collect();
        for (key, rule) in &case.rules {
            let members = |rule: &Rule| -> BTreeSet<u64> {
                let audience = Audience::new(case.index.snapshot(), rule, &scope).unwrap();
                let members = audience.members(None).unwrap().flat_map(Result::unwrap);
                members.filter(|user| asked.contains(user)).collect()
            };
            let mut of = members(&rule.rule);
            for except in &rule.except {
                of = &of - &members(except);
            }
            assert_eq!(reverse.remove(key).unwrap_or_default(), of, "seed {seed}: {}", rule.rule);
        }
        assert!(reverse.is_empty());
    }
}

#[test]
fn who_was_erased_or_opted_out_meets_nothing() {
    let mut case = Case::new(3);
    while case.table.rows() < 3 {
        case = Case::new(case.seed + 1);
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path()).unwrap();
    let (erased, out) = (case.table.user_ids[0], case.table.user_ids[1]);
    let by = Author { user: "alice".into(), host: "here".into(), clock: || NOW };
    store.change_masks(&by, MaskChange::Erase, &[erased]).unwrap();
    store.change_masks(&by, MaskChange::OptOut, &[out]).unwrap();
    case.index.snapshot().apply_masks(&store.masks().unwrap()).unwrap();
    let always = IndexedRule { key: 9_999, priority: 0, rule: Rule::Const(true), except: Vec::new() };
    let limits = Limits::default();
    let labels = engine::labels(&case.labels);
    let (index, _) = case.index.changed(vec![always], &[], &labels, &limits).unwrap();
    let null = Overlay::new(&case.table.schema, []).unwrap();
    let mut keys = vec![1];
    for (user, standing) in [(erased, Standing::Unknown), (out, Standing::OptedOut)] {
        assert_eq!(index.matching(user, 9, &mut keys).unwrap(), standing);
        assert!(keys.is_empty());
        assert_eq!(index.matching_with(user, &null, 9, &mut keys).unwrap(), standing);
    }
    let known = case.table.user_ids[2];
    assert_eq!(index.matching(known, usize::MAX, &mut keys).unwrap(), Standing::Known);
    assert!(keys.contains(&9_999));
}

#[test]
fn a_rule_that_cannot_be_bound_is_told_and_stops_no_other() {
    let mut case = Case::new(4);
    case.rules.clear();
    let limits = Limits::default();
    let labels = engine::labels(&case.labels);
    let scope = Scope { now: NOW, labels: &labels, limits: &limits };
    let rule = |key, text: &str| IndexedRule {
        key,
        priority: 0,
        rule: Rule::parse(text, &limits).unwrap(),
        except: Vec::new(),
    };
    let put = vec![
        rule(1, "true"),
        rule(2, "no_such_column > 5 AND true"),
        rule(3, "label('no such label')"),
        rule(4, "NOT no_such_column"),
    ];
    let (index, refused) = RuleIndex::new(case.index.snapshot(), put, &scope).unwrap();
    let mut refused: Vec<(u64, String)> = refused.into_iter().map(|(key, e)| (key, e.to_string())).collect();
    refused.sort();
    assert_eq!(refused.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [2, 3, 4]);
    assert!(refused[0].1.contains("no_such_column") && refused[1].1.contains("no such label"), "{refused:?}");
    let mut keys = Vec::new();
    index.matching(case.table.user_ids[0], 9, &mut keys).unwrap();
    assert_eq!(keys, [1]);
}

#[test]
fn more_thresholds_than_a_table_has_classes_are_told_apart() {
    let table = truth::sample::two_chunks();
    let built = engine::build(&table, &mut Rng::new(1)).unwrap();
    let limits = Limits::default();
    let labels = engine::labels(&LabelRules::new());
    let scope = Scope { now: NOW, labels: &labels, limits: &limits };
    // The ids are a column of their own, and buckets have ten thousand values.
    let rules: Vec<IndexedRule> = (0..3_000)
        .map(|at| {
            let (low, high) = (at % 1500, at % 1500 + 1 + at % 7);
            let text = format!("bucket('x', {}, {}) AND dense", low as f64 / 100.0, high as f64 / 50.0);
            IndexedRule {
                key: at as u64,
                priority: 0,
                rule: Rule::parse(&text, &limits).unwrap(),
                except: Vec::new(),
            }
        })
        .collect();
    let (index, _) = RuleIndex::new(&built.snapshot, rules.clone(), &scope).unwrap();
    let audiences: Vec<Audience> =
        rules.iter().map(|rule| Audience::new(&built.snapshot, &rule.rule, &scope).unwrap()).collect();
    let mut keys = Vec::new();
    for &user in table.user_ids.iter().step_by(401) {
        index.matching(user, usize::MAX, &mut keys).unwrap();
        let holds = |at: &usize| audiences[*at].contains(user).unwrap() == Some(true);
        let wanted: Vec<u64> = (0..rules.len()).filter(holds).map(|at| at as u64).collect();
        assert_eq!(keys, wanted, "user {user}");
    }
}
