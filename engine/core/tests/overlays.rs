//! Overlays against the naive evaluator: a user with some values replaced is answered as a table is in which the row has them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use muster_engine::execute::{Audience, Overlay};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use truth::engine;
use truth::generate::Rules;
use truth::naive::Naive;
use truth::overlay::{self, depends_on_identity};
use truth::populate::{self, Options};
use truth::rng::Rng;

const NOW: i64 = 1_795_168_800;
const POPULATIONS: u64 = 60;
const RULES: usize = 40;
const OVERLAYS: usize = 8;

#[test]
fn an_overlaid_row_is_answered_as_a_row_with_these_values() {
    let (mut asked, mut turned) = (0, 0);
    for seed in 0..POPULATIONS {
        let mut rng = Rng::new(seed);
        let options = Options { rows: 1 + rng.below(300), columns: 1 + rng.below(12), warehouse: false };
        let table = populate::table(&mut rng, options);
        let built = engine::build(&table, &mut rng).unwrap();
        let mut rules = Rules::new(&table, NOW, rng.fork());
        for _ in 0..RULES {
            let rule = rules.rule();
            if engine::too_large(&rule, &rules.labels) {
                continue;
            }
            let labels = engine::labels(&rules.labels).prepared(&built.snapshot, NOW, &mut rng);
            let limits = Limits::default();
            let scope = Scope { now: NOW, labels: &labels, limits: &limits };
            for rule in [rule.clone(), Rule::Not(Box::new(rule))] {
                let audience = Audience::new(&built.snapshot, &rule, &scope).unwrap();
                let before = Naive::new(&table, NOW, &rules.labels).answers(&rule);
                for _ in 0..OVERLAYS {
                    let row = rng.below(table.rows());
                    let (id, mut changed) = (table.user_ids[row], table.take(&[row]));
                    let overlaid = overlay::random(&mut rng, &mut changed);
                    let overlay = Overlay::new(
                        &table.schema,
                        overlaid.iter().map(|(name, value)| (name.as_str(), value.clone())),
                    );
                    let overlay =
                        overlay.unwrap_or_else(|error| panic!("seed {seed}: {overlaid:?}: {error}"));
                    let found = audience.contains_with(id, &overlay).unwrap();
                    let wanted = Naive::new(&changed, NOW, &rules.labels).answers(&rule)[0] == Some(true);
                    assert_eq!(found, Some(wanted), "seed {seed}: user {id} with {overlaid:?}: {rule}");
                    asked += 1;
                    turned += u32::from(wanted != (before[row] == Some(true)));
                }
                let row = rng.below(table.rows());
                let (id, nothing) = (table.user_ids[row], Overlay::default());
                assert_eq!(
                    audience.contains_with(id, &nothing).unwrap(),
                    audience.contains(id).unwrap(),
                    "seed {seed}: user {id} with nothing overlaid: {rule}"
                );
            }
        }
    }
    assert!(asked > 30_000 && turned > 1_000, "{asked} asked, of whom {turned} changed sides");
}

#[test]
fn a_user_with_all_features_of_another_is_answered_as_the_other_is() {
    let mut asked = 0;
    for seed in 1000..1000 + POPULATIONS {
        let mut rng = Rng::new(seed);
        let options = Options { rows: 2 + rng.below(300), columns: 1 + rng.below(12), warehouse: false };
        let table = populate::table(&mut rng, options);
        let built = engine::build(&table, &mut rng).unwrap();
        let mut rules = Rules::new(&table, NOW, rng.fork());
        let labels = engine::labels(&rules.labels).prepared(&built.snapshot, NOW, &mut rng);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        for _ in 0..RULES {
            let rule = rules.rule();
            if engine::too_large(&rule, &rules.labels) || depends_on_identity(&rule, &table, &rules.labels) {
                continue;
            }
            let audience = Audience::new(&built.snapshot, &rule, &scope).unwrap();
            for _ in 0..OVERLAYS {
                let (one, other) = (rng.below(table.rows()), rng.below(table.rows()));
                let Some(features) = overlay::all_of(&table, other) else { continue };
                let pairs = features.iter().map(|(name, value)| (name.as_str(), value.clone()));
                let overlay = Overlay::new(&table.schema, pairs).unwrap();
                let (one, other) = (table.user_ids[one], table.user_ids[other]);
                assert_eq!(
                    audience.contains_with(one, &overlay).unwrap(),
                    audience.contains(other).unwrap(),
                    "seed {seed}: user {one} as user {other}: {rule}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 5_000, "{asked} asked");
}

#[test]
fn an_unknown_user_stays_unknown_and_a_strange_overlay_is_refused() {
    let mut rng = Rng::new(3);
    let options = Options { rows: 10, columns: 4, warehouse: false };
    let (table, other) = (populate::table(&mut rng, options), populate::table(&mut rng, options));
    let built = engine::build(&table, &mut rng).unwrap();
    let limits = Limits::default();
    let labels = engine::labels(&truth::naive::LabelRules::new());
    let scope = Scope { now: NOW, labels: &labels, limits: &limits };
    let audience = Audience::new(&built.snapshot, &Rule::Const(true), &scope).unwrap();
    let nobody = (0..u64::MAX).find(|id| !table.user_ids.contains(id)).unwrap();
    assert_eq!(audience.contains_with(nobody, &Overlay::default()).unwrap(), None);
    let name = other.schema.columns[0].name.as_str();
    let null = muster_engine::execute::Feature::Value(muster_engine::value::Value::Null);
    assert_ne!(other.schema.columns[0], table.schema.columns[0], "another seed is needed");
    let strange = Overlay::new(&other.schema, [(name, null)]).unwrap();
    let error = audience.contains_with(table.user_ids[0], &strange).unwrap_err().to_string();
    assert!(error.contains("another generation"), "{error}");
}
