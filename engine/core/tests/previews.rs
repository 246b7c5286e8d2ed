//! Previews against plain counting: every part's users, and the whole rule without it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use muster_engine::execute::{Audience, Outline, PreviewNode, preview};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::limits::Limits;
use serde_json::{Value as Json, json};
use truth::engine;
use truth::generate::Rules;
use truth::naive::Naive;
use truth::populate::{self, Options};
use truth::rng::Rng;

const NOW: i64 = 1_795_168_800;

#[test]
fn every_part_has_the_users_it_has_alone_and_the_effect_it_has_in_the_whole() {
    let mut parts = 0;
    for seed in 0..80 {
        let mut rng = Rng::new(seed);
        let rows = if seed == 7 { 66_000 } else { rng.below(400) };
        let columns = 1 + rng.below(10);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: false });
        let built = engine::build(&table, &mut rng).unwrap();
        let mut rules = Rules::new(&table, NOW, rng.fork());
        let labels = engine::labels(&rules.labels).prepared(&built.snapshot, NOW, &mut rng);
        let limits = Limits::default();
        let scope = Scope { now: NOW, labels: &labels, limits: &limits };
        for _ in 0..if rows > 1000 { 4 } else { 25 } {
            let rule = rules.rule();
            if engine::too_large(&rule, &rules.labels) {
                continue;
            }
            let drawn = regrouped(rule.to_json().unwrap(), &mut rng);
            let outlines =
                [Outline::of(&rule), Outline::from_json_value(&drawn, &table.schema, &limits).unwrap()];
            for outline in outlines {
                let naive = Naive::new(&table, NOW, &rules.labels);
                let count =
                    |rule: &Rule| naive.answers(rule).into_iter().filter(|a| *a == Some(true)).count() as u64;
                let found = preview(&built.snapshot, &outline, &scope).unwrap();
                let whole = Audience::new(&built.snapshot, &outline.rule(), &scope).unwrap().count();
                let place = format!("seed {seed}: {}", outline.rule());
                assert_eq!((found.count, found.root.without), (whole, None), "{place}");
                let mut case = Case { count: &count, outline: &outline, whole, place: &place, parts: 0 };
                case.check(&outline, &found.root, &mut Vec::new());
                parts += case.parts;
            }
        }
    }
    assert!(parts > 5_000, "{parts} parts");
}

struct Case<'a> {
    count: &'a dyn Fn(&Rule) -> u64,
    outline: &'a Outline,
    whole: u64,
    place: &'a str,
    parts: usize,
}

impl Case<'_> {
    fn check(&mut self, part: &Outline, found: &PreviewNode, path: &mut Vec<usize>) {
        self.parts += 1;
        let place = format!("{}: at {path:?}", self.place);
        assert_eq!(found.rule, part.rule().to_string(), "{place}");
        assert_eq!(found.count, (self.count)(&part.rule()), "{place}");
        let without =
            self.outline.without(path).map(|rest| (self.count)(&rest.rule()) as i64 - self.whole as i64);
        assert_eq!(found.without, without, "{place}: without it");
        assert_eq!(found.parts.len(), part.parts().len(), "{place}");
        for (at, (part, found)) in part.parts().iter().zip(&found.parts).enumerate() {
            path.push(at);
            self.check(part, found, path);
            path.pop();
        }
    }
}

/// The same tree with groups around some of its nodes, as people leave them behind.
fn regrouped(mut node: Json, rng: &mut Rng) -> Json {
    if let Some(rules) = node.get_mut("rules").and_then(Json::as_array_mut) {
        for rule in rules.iter_mut() {
            *rule = regrouped(rule.take(), rng);
        }
    }
    match rng.below(8) {
        0 => json!({"combinator": "and", "not": rng.one_in(2), "rules": [node]}),
        1 => json!({"combinator": "or", "not": rng.one_in(2), "rules": [node]}),
        2 => json!({"combinator": "at_least", "k": 1, "not": rng.one_in(3), "rules": [node]}),
        _ => node,
    }
}

#[test]
fn groups_of_one_and_groups_in_groups_keep_their_places() {
    let mut rng = Rng::new(5);
    let table = populate::table(&mut rng, Options { rows: 50, columns: 3, warehouse: false });
    let built = engine::build(&table, &mut rng).unwrap();
    let condition = json!({"field": table.schema.user_id, "operator": ">", "value": 0});
    let one = json!({"combinator": "and", "rules": [condition]});
    let tree = json!({"combinator": "and", "rules": [one, condition, {"combinator": "and", "rules": [condition, one]}]});
    let limits = Limits::default();
    let outline = Outline::from_json_value(&tree, &table.schema, &limits).unwrap();
    let scope = Scope { now: NOW, labels: &muster_engine::rule::labels::NoLabels, limits: &limits };
    let found = preview(&built.snapshot, &outline, &scope).unwrap();
    let shape: Vec<usize> = found.root.parts.iter().map(|part| part.parts.len()).collect();
    assert_eq!((shape, found.root.parts[2].parts[1].parts.len()), (vec![1, 0, 2], 1));
}

#[test]
fn a_rule_of_more_parts_than_have_effects_is_counted() {
    let mut rng = Rng::new(6);
    let table = populate::table(&mut rng, Options { rows: 200, columns: 2, warehouse: false });
    let built = engine::build(&table, &mut rng).unwrap();
    let mut rules = Rules::new(&table, NOW, rng.fork());
    rules.labels.clear();
    let leaves: Vec<Rule> =
        (0..3000).map(|_| rules.leaf()).filter(|rule| !rule.to_string().contains("label(")).collect();
    let outline = Outline::of(&Rule::any(leaves));
    let limits = Limits::default();
    let scope = Scope { now: NOW, labels: &muster_engine::rule::labels::NoLabels, limits: &limits };
    let found = preview(&built.snapshot, &outline, &scope).unwrap();
    assert!(found.root.parts.len() > 2_000 && found.root.parts.iter().all(|part| part.without.is_none()));
    assert_eq!(found.count, Audience::new(&built.snapshot, &outline.rule(), &scope).unwrap().count());
    let smaller = Outline::of(&Rule::any(outline.parts()[..1500].iter().map(Outline::rule).collect()));
    let found = preview(&built.snapshot, &smaller, &scope).unwrap();
    assert!(found.root.parts.iter().all(|part| part.without.is_some()));
}
