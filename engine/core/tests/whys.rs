//! Why a user is in or out, against the naive evaluator: what is said to turn the answer does, and nothing smaller is found by chance.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use muster_engine::execute::{Audience, Feature, Outcome, Overlay};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use truth::engine;
use truth::generate::Rules;
use truth::naive::{LabelRules, Naive};
use truth::overlay;
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::table::Table;

const NOW: i64 = 1_795_168_800;

/// Random rows put beside each answer, to find a smaller change by chance.
const CHANCES: usize = 12;

fn answer(table: &Table, rule: &Rule, labels: &LabelRules) -> Option<bool> {
    Naive::new(table, NOW, labels).answers(rule)[0]
}

#[test]
fn the_change_turns_the_answer_and_chance_finds_no_smaller_one() {
    let (mut asked, mut changed, mut proven, mut missed) = (0, 0, 0, Vec::new());
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let options = Options { rows: 1 + rng.below(200), columns: 1 + rng.below(8), warehouse: false };
        let table = populate::table(&mut rng, options);
        let built = engine::build(&table, &mut rng).unwrap();
        let mut rules = Rules::new(&table, NOW, rng.fork());
        let labels = engine::labels(&rules.labels).prepared(&built.snapshot, NOW, &mut rng);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        for _ in 0..30 {
            let rule = rules.rule();
            if engine::too_large(&rule, &rules.labels) {
                continue;
            }
            let audience = Audience::new(&built.snapshot, &rule, &scope).unwrap();
            for overlaid in [false, false, true] {
                let row = rng.below(table.rows());
                let (id, mut user) = (table.user_ids[row], table.take(&[row]));
                let values = if overlaid { overlay::random(&mut rng, &mut user) } else { Vec::new() };
                let pairs = || values.iter().map(|(name, value)| (name.as_str(), value.clone()));
                let known = Overlay::new(&table.schema, pairs()).unwrap();
                let place = format!("seed {seed}: user {id} with {values:?}: {rule}");
                let why = audience.why(id, overlaid.then_some(&known)).unwrap().unwrap();
                let before = answer(&user, &rule, &rules.labels);
                assert_eq!(why.inside, before == Some(true), "{place}");
                let outcome = match before {
                    Some(true) => Outcome::True,
                    Some(false) => Outcome::False,
                    None => Outcome::Unknown,
                };
                assert_eq!(why.verdict.outcome, outcome, "{place}");
                asked += 1;
                proven += u32::from(why.smallest);
                if !why.change.is_empty() {
                    changed += 1;
                    let mut other = user.clone();
                    for change in &why.change {
                        overlay::apply(&mut other, &change.feature, &change.to);
                        // A snapshot does not keep which elements a list repeats, so a shorter one may look the same.
                        if !matches!(change.to, Feature::List(_)) {
                            assert_ne!(change.from, change.to, "{place}");
                        }
                    }
                    let after = answer(&other, &rule, &rules.labels);
                    assert_eq!(after == Some(true), !why.inside, "{place}: {:?}", why.change);
                    let told = why.change.iter().map(|change| (change.feature.as_str(), change.to.clone()));
                    let kept =
                        pairs().filter(|(name, _)| why.change.iter().all(|change| change.feature != *name));
                    let overlay = Overlay::new(&table.schema, kept.chain(told)).unwrap();
                    assert_eq!(audience.contains_with(id, &overlay).unwrap(), Some(!why.inside), "{place}");
                }
                for _ in 0..CHANCES {
                    let mut other = user.clone();
                    let drawn = overlay::random(&mut rng, &mut other);
                    let size = if why.change.is_empty() { usize::MAX } else { why.change.len() };
                    let turned = (answer(&other, &rule, &rules.labels) == Some(true)) != why.inside;
                    if why.smallest && turned && drawn.len() < size {
                        missed.push(format!("{place}: {drawn:?} instead of {:?}", why.change));
                    }
                }
            }
        }
    }
    println!("{asked} asked, {changed} with a change, {proven} proven, {} beaten by chance", missed.len());
    for missed in missed.iter().take(12) {
        println!("  {missed}");
    }
    assert!(asked > 4_000 && changed * 10 > asked * 6 && proven * 10 > asked * 9);
    assert!(missed.is_empty(), "{} of {asked} beaten by chance", missed.len());
}
