//! Random rules on random tables against a real ClickHouse: the rendered SQL, and the rule's own text where it is meant to
//! run as it stands, give the users that the engine and the naive evaluator give.
//!
//! `MUSTER_R2_RULES` says how many rules (200 if unset); `MUSTER_R2_SEED` repeats the table that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
mod clickhouse;
#[path = "../../engine/core/tests/truth/mod.rs"]
mod truth;

use std::collections::BTreeMap;

use clickhouse::ClickHouse;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{self, SqlOptions};
use truth::engine;
use truth::generate::Rules;
use truth::naive::{LabelRules, Naive};
use truth::populate::{self, Options};
use truth::rng::Rng;
use truth::shrink::{describe, shrink, used};
use truth::table::Table;
use truth::{verbatim, warehouse};

const NOWS: [i64; 3] = [1_795_168_800, 1_772_955_000, 1_709_164_800];
/// Rules in one query.
const TOGETHER: usize = 25;

#[test]
#[ignore = "needs ClickHouse"]
fn rendered_rules_select_the_same_users_in_clickhouse() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let server = ClickHouse::connect();
    let wanted = number("MUSTER_R2_RULES").unwrap_or(200) as usize;
    let first = number("MUSTER_R2_SEED").unwrap_or(0);
    let mut totals = Totals::default();
    let mut seed = first;
    while totals.rules < wanted {
        let table = format!("t{seed}");
        Trial::new(&server, seed, &table).run(&mut totals);
        server.run(&format!("DROP TABLE {table} SYNC"), "UTC");
        seed += 1;
    }
    println!("{totals:?} on {} tables", seed - first);
}

#[derive(Debug, Default)]
struct Totals {
    rules: usize,
    as_they_stand: usize,
    /// How many by the server's code, with an example.
    refused_as_they_stand: BTreeMap<String, (usize, String)>,
    listed: usize,
}

struct Trial<'a> {
    server: &'a ClickHouse,
    seed: u64,
    name: &'a str,
    table: Table,
    now: i64,
    rng: Rng,
}

impl<'a> Trial<'a> {
    fn new(server: &'a ClickHouse, seed: u64, name: &'a str) -> Self {
        let mut rng = Rng::new(seed);
        let rows = if rng.one_in(10) { rng.below(3) } else { 50 + rng.below(600) };
        let columns = 1 + rng.below(14);
        let table = populate::table(&mut rng, Options { rows, columns, warehouse: true });
        let now = *rng.pick(&NOWS);
        Self { server, seed, name, table, now, rng }
    }

    fn run(&mut self, totals: &mut Totals) {
        self.load(&self.table);
        let mut drawn = Rules::new(&self.table, self.now, self.rng.fork());
        let rules: Vec<Rule> = (0..TOGETHER * 2).map(|_| drawn.rule()).collect();
        let labels = drawn.labels;
        let naive = Naive::new(&self.table, self.now, &labels);
        let expected: Vec<Vec<u64>> =
            rules.iter().map(|rule| members(&self.table, &naive.answers(rule))).collect();
        self.check_engine(&rules, &labels, &expected);

        let rendered: Vec<String> = rules.iter().map(|rule| self.render(rule, &labels)).collect();
        for (at, found) in self.counts(&rendered).into_iter().enumerate() {
            if found != Ok(expected[at].len()) {
                self.fail(&rules[at], &labels, &found, expected[at].len());
            }
        }
        for _ in 0..5 {
            let at = self.rng.below(rules.len());
            let listed = self.list(&rendered[at]);
            assert_eq!(listed, expected[at], "MUSTER_R2_SEED={}: {}\n{}", self.seed, rules[at], rendered[at]);
            totals.listed += 1;
        }
        let plain: Vec<usize> =
            (0..rules.len()).filter(|&at| verbatim::runs(&rules[at], &self.table)).collect();
        let texts: Vec<String> = plain.iter().map(|&at| rules[at].to_string()).collect();
        for (found, &at) in self.counts(&texts).into_iter().zip(&plain) {
            match found {
                Ok(found) if found == expected[at].len() => totals.as_they_stand += 1,
                // It says more about types than the rule language does, and says so.
                Err(error) => {
                    let code = error.split(" DB::").next().unwrap_or_default().to_owned();
                    totals.refused_as_they_stand.entry(code).or_insert((0, rules[at].to_string())).0 += 1;
                }
                Ok(found) => panic!(
                    "MUSTER_R2_SEED={}: as it stands {found}, not {}: {}\n{}",
                    self.seed,
                    expected[at].len(),
                    rules[at],
                    describe(&self.table)
                ),
            }
        }
        totals.rules += rules.len();
    }

    fn load(&self, table: &Table) {
        self.server.run(&format!("DROP TABLE IF EXISTS {} SYNC", self.name), "UTC");
        self.server.run(&warehouse::create(table, self.name), &table.schema.time_zone);
        if table.rows() > 0 {
            self.server.insert(self.name, &warehouse::rows(table));
        }
    }

    fn check_engine(&mut self, rules: &[Rule], labels: &LabelRules, expected: &[Vec<u64>]) {
        let built = engine::build(&self.table, &mut self.rng).unwrap();
        let labels = engine::labels(labels);
        for (rule, expected) in rules.iter().zip(expected) {
            let query = engine::Query::new(&built.snapshot, rule, self.now, &labels);
            let count = query.map(|query| query.count());
            assert_eq!(count, Ok(expected.len() as u64), "MUSTER_R2_SEED={}: the engine, {rule}", self.seed);
        }
    }

    fn render(&self, rule: &Rule, labels: &LabelRules) -> String {
        let labels = engine::labels(labels);
        let limits = Limits::default();
        let options = SqlOptions { now: Some(self.now), labels: &labels, limits: &limits };
        sql::render(rule, &self.table.schema, &options)
            .unwrap_or_else(|error| panic!("MUSTER_R2_SEED={}: {rule} is not rendered: {error}", self.seed))
    }

    /// How many users each condition selects: many in one query, or one by one where that query fails.
    fn counts(&self, conditions: &[String]) -> Vec<Result<usize, String>> {
        let mut counts = Vec::new();
        for part in conditions.chunks(TOGETHER) {
            match self.count_together(part) {
                Ok(found) => counts.extend(found.into_iter().map(Ok)),
                Err(_) => counts.extend(
                    part.iter()
                        .map(|one| self.count_together(std::slice::from_ref(one)).map(|counts| counts[0])),
                ),
            }
        }
        counts
    }

    fn count_together(&self, conditions: &[String]) -> Result<Vec<usize>, String> {
        let each: Vec<_> = conditions.iter().map(|condition| format!("countIf({condition})")).collect();
        let sql = format!("SELECT {} FROM {} FORMAT TSV", each.join(", "), self.name);
        let answer = self.server.try_query(&sql, &self.table.schema.time_zone)?;
        Ok(answer.split_whitespace().map(|count| count.parse().unwrap()).collect())
    }

    fn list(&self, condition: &str) -> Vec<u64> {
        let user_id = &self.table.schema.user_id;
        let sql = format!("SELECT {user_id} FROM {} WHERE {condition} ORDER BY 1 FORMAT TSV", self.name);
        let answer = self.server.query(&sql, &self.table.schema.time_zone);
        answer.split_whitespace().map(|id| id.parse().unwrap()).collect()
    }

    fn fail(&self, rule: &Rule, labels: &LabelRules, found: &Result<usize, String>, expected: usize) -> ! {
        let differs = |table: &Table, rule: &Rule| {
            self.load(table);
            let naive = Naive::new(table, self.now, labels);
            self.counts(&[self.render(rule, labels)])[0] != Ok(members(table, &naive.answers(rule)).len())
        };
        let (table, smaller) = shrink(&self.table, rule, differs);
        self.load(&table);
        let rendered = self.render(&smaller, labels);
        let again = self.counts(std::slice::from_ref(&rendered));
        let answers = Naive::new(&table, self.now, labels).answers(&smaller);
        panic!(
            "MUSTER_R2_SEED={}: {found:?} users in ClickHouse, {expected} here\nmade smaller: {again:?}, and {:?}\n\
             rule: {smaller}\n{smaller:?}\nSQL: {rendered}\nnow {}, labels {}\n{}",
            self.seed,
            &answers[..answers.len().min(5)],
            self.now,
            used(&smaller, labels),
            describe(&table)
        );
    }
}

fn members(table: &Table, answers: &[Option<bool>]) -> Vec<u64> {
    let users = table.user_ids.iter().zip(answers);
    let mut members: Vec<u64> =
        users.filter(|&(_, &answer)| answer == Some(true)).map(|(&id, _)| id).collect();
    members.sort_unstable();
    members
}
