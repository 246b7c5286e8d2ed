//! Tables and rules at the edge of what makes sense: the right answer or a clear error, quickly.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "truth/mod.rs"]
mod truth;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use muster_engine::error::Error;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Snapshot, Store};
use truth::cell::Cell;
use truth::engine::{self, Built, Query};
use truth::rng::Rng;
use truth::table::Table;

/// Slow machines and unoptimised builds included.
const QUICKLY: Duration = Duration::from_secs(10);

fn table(user_ids: Vec<u64>, columns: Vec<(&str, ColumnType, bool, Vec<Cell>)>) -> Table {
    let mut table = Table {
        schema: Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: Vec::new() },
        user_ids,
        columns: Vec::new(),
        physical: Vec::new(),
    };
    for (name, ty, nullable, cells) in columns {
        table.physical.push(ty.to_string());
        table.schema.columns.push(ColumnSchema { name: name.into(), ty, nullable, held_as: HeldAs::Native });
        table.columns.push(cells);
    }
    table
}

fn scalar(ty: ScalarType) -> ColumnType {
    ColumnType::Scalar(ty)
}

fn text(text: &str) -> Cell {
    Cell::text(text)
}

fn build(table: &Table) -> Built {
    engine::build(table, &mut Rng::new(1)).unwrap()
}

fn count(built: &Built, rule: &str) -> u64 {
    let rule = Rule::parse(rule, &Limits::default()).unwrap();
    Query::new(&built.snapshot, &rule, 0, &HashMap::new()).unwrap().count()
}

fn members(built: &Built, rule: &str) -> Vec<u64> {
    let rule = Rule::parse(rule, &Limits::default()).unwrap();
    let mut members =
        Query::new(&built.snapshot, &rule, 0, &HashMap::new()).unwrap().members(u64::MAX).unwrap();
    members.sort_unstable();
    members
}

fn refusal(built: &Built, rule: &str) -> String {
    let rule = match Rule::parse(rule, &Limits::default()) {
        Ok(rule) => rule,
        Err(error) => return error.to_string(),
    };
    Query::new(&built.snapshot, &rule, 0, &HashMap::new()).map(|_| ()).unwrap_err()
}

#[test]
fn an_empty_table_answers_nobody() {
    let columns = vec![
        ("flag", scalar(ScalarType::Bool), false, vec![]),
        ("name", scalar(ScalarType::String), true, vec![]),
        ("tags", ColumnType::Array(ScalarType::String), true, vec![]),
        ("held", ColumnType::Map(ScalarType::Float { bits: 64 }), true, vec![]),
        ("balance", scalar(ScalarType::Float { bits: 64 }), true, vec![]),
    ];
    let built = build(&table(vec![], columns));
    assert_eq!(built.snapshot.rows(), 0);
    for rule in [
        "true",
        "NOT false",
        "flag",
        "name = 'a'",
        "name LIKE '%'",
        "has(tags, 'a')",
        "held['a'] IS NULL",
        "balance >= 1",
        "user_id > 0",
        "bucket('s', 0, 100)",
        "at_least(1, flag, balance < 1)",
    ] {
        assert_eq!((rule, count(&built, rule)), (rule, 0));
        assert!(members(&built, rule).is_empty());
    }
    built.snapshot.verify(&|_| {}).unwrap();
}

#[test]
fn one_row_is_a_table() {
    let columns = vec![
        ("flag", scalar(ScalarType::Bool), false, vec![Cell::Bool(true)]),
        ("balance", scalar(ScalarType::Float { bits: 64 }), true, vec![Cell::Float(f64::NAN)]),
    ];
    let built = build(&table(vec![u64::MAX], columns));
    assert_eq!(members(&built, "flag AND balance != 1"), [u64::MAX]);
    assert_eq!(count(&built, "NOT flag OR balance <= 1"), 0);
    assert_eq!(count(&built, "NOT (balance <= 1)"), 1);
}

#[test]
fn a_table_of_ids_alone_answers() {
    let built = build(&table((0..70_000).map(|row| row * 3).collect(), vec![]));
    assert_eq!(count(&built, "true"), 70_000);
    assert_eq!(count(&built, "user_id BETWEEN 0 AND 30"), 11);
    assert_eq!(members(&built, "user_id IN (3, 4, 209997, 209998)"), [3, 209_997]);
    let tenth = count(&built, "bucket('exp-42', 0, 10)");
    assert!((6500..7500).contains(&tenth), "{tenth}");
    assert!(refusal(&built, "has_poh").contains("has_poh"));
}

#[test]
fn ids_reach_up_to_the_largest() {
    let ids = vec![u64::MAX, 0, u64::MAX - 1, 1 << 63, (1 << 63) - 1];
    let built = build(&table(ids, vec![]));
    assert_eq!(members(&built, "user_id >= 18446744073709551614"), [u64::MAX - 1, u64::MAX]);
    assert_eq!(
        members(&built, "user_id > 9223372036854775807 AND user_id < 18446744073709551614"),
        [1 << 63]
    );
    assert_eq!(members(&built, "user_id = 18446744073709551615 OR user_id = 0"), [0, u64::MAX]);
    assert_eq!(count(&built, "user_id > -1"), 5);
    assert_eq!(count(&built, "user_id < 18446744073709551616"), 5);
}

#[test]
fn columns_without_a_value_are_unknown() {
    let types = [
        scalar(ScalarType::Bool),
        scalar(ScalarType::Int { bits: 64 }),
        scalar(ScalarType::String),
        scalar(ScalarType::Date),
        ColumnType::Array(ScalarType::String),
        ColumnType::Map(ScalarType::Float { bits: 64 }),
    ];
    let names = ["flag", "number", "name", "day", "tags", "held"];
    let columns =
        names.iter().zip(types).map(|(&name, ty)| (name, ty, true, vec![Cell::Null; 100])).collect();
    let built = build(&table((1..=100).collect(), columns));
    let tests = [
        "flag",
        "number = 0",
        "number != 0",
        "number IN (1, 2)",
        "name LIKE '%'",
        "empty(name)",
        "day < '2026-01-01'",
        "has(tags, 'a')",
        "hasAll(tags, ['a'])",
        "length(tags) >= 0",
        "held['a'] > 0",
        "mapContains(held, 'a')",
    ];
    for test in tests {
        assert_eq!((test, count(&built, test)), (test, 0));
        assert_eq!((test, count(&built, &format!("NOT ({test})"))), (test, 0));
        assert_eq!((test, count(&built, &format!("({test}) OR true"))), (test, 100));
    }
    for name in names {
        assert_eq!((name, count(&built, &format!("{name} IS NULL"))), (name, 100));
        assert_eq!((name, count(&built, &format!("{name} IS NOT NULL"))), (name, 0));
    }
    built.snapshot.verify(&|_| {}).unwrap();
}

#[test]
fn columns_of_one_value_answer() {
    let columns = vec![
        ("flag", scalar(ScalarType::Bool), false, vec![Cell::Bool(false); 70_000]),
        ("number", scalar(ScalarType::Int { bits: 8 }), false, vec![Cell::Int(-7); 70_000]),
        ("name", scalar(ScalarType::String), true, vec![text("only"); 70_000]),
    ];
    let built = build(&table((1..=70_000).collect(), columns));
    assert_eq!(count(&built, "flag"), 0);
    assert_eq!(count(&built, "NOT flag"), 70_000);
    assert_eq!(count(&built, "number = -7 AND name = 'only'"), 70_000);
    assert_eq!(count(&built, "number > -7 OR name < 'only' OR name IS NULL"), 0);
    assert_eq!(count(&built, "number BETWEEN -7 AND -7 AND user_id <= 10"), 10);
}

#[test]
fn a_million_distinct_texts_are_found() {
    const ROWS: u64 = 1 << 20;
    let cells = (0..ROWS).map(|row| text(&format!("0x{:08x}", row.wrapping_mul(2_654_435_761) % (1 << 32))));
    let built = build(&table(
        (0..ROWS).collect(),
        vec![("wallet", scalar(ScalarType::String), false, cells.collect())],
    ));
    let begun = Instant::now();
    assert_eq!(members(&built, "wallet = '0x00000000'"), [0]);
    assert_eq!(members(&built, "wallet IN ('0x9e3779b1', 'x')"), [1]);
    assert_eq!(count(&built, "wallet LIKE '0x%'"), ROWS);
    assert_eq!(count(&built, "startsWith(wallet, '0x')"), ROWS);
    let half = count(&built, "wallet < '0x80000000'");
    assert_eq!(half + count(&built, "wallet >= '0x80000000'"), ROWS);
    assert_eq!(count(&built, "wallet != '0x00000000'"), ROWS - 1);
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
}

#[test]
fn duplicate_ids_are_refused() {
    let error = engine::build(&table(vec![5, 9, 5, 7], vec![]), &mut Rng::new(1)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains('5'), "{error}");
}

#[test]
fn a_directory_without_snapshots_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(dir.path()).and_then(|store| store.current()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("muster build"), "{error}");
    assert!(matches!(Snapshot::open(dir.path()), Err(Error::Io { .. })));
    let error =
        Store::open(&dir.path().join("nowhere")).and_then(|store| store.current()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("muster build"), "{error}");
}

fn numbers() -> Built {
    let cells = (0..1000).map(|row| Cell::Int(row * 2)).collect();
    build(&table((0..1000).collect(), vec![("n", scalar(ScalarType::Int { bits: 64 }), false, cells)]))
}

#[test]
fn a_rule_of_a_megabyte_is_answered_or_refused_quickly() {
    let built = numbers();
    let begun = Instant::now();
    let terms: Vec<String> = (0..60_000).map(|n| format!("n = {n}")).collect();
    let rule = terms.join(" OR ");
    assert!(rule.len() > 600_000);
    match Rule::parse(&rule, &Limits::default()) {
        Ok(_) => assert_eq!(count(&built, &rule), 1000),
        Err(error) => {
            assert!(error.to_string().contains("10000") || error.to_string().contains("10,000"), "{error}");
        }
    }
    let long = format!("n = 1 OR {} n = 2", " ".repeat(1 << 20));
    assert_eq!(count(&built, &long), 1);
    let quoted = format!("n = 1 AND startsWith('{}', 'a')", "a".repeat(1 << 20));
    assert!(!refusal(&built, &quoted).is_empty());
    assert!(Rule::parse(&"(".repeat(1 << 20), &Limits::default()).is_err());
    assert!(Rule::parse(&"a".repeat(3 << 20), &Limits::default()).is_err());
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
}

#[test]
fn a_rule_ten_thousand_deep_is_refused() {
    let begun = Instant::now();
    let depth = 10_000;
    let ladder =
        (0..depth).fold(String::new(), |rule, n| format!("(n = {n} {} {rule}", ["AND", "OR"][n % 2]));
    let deep = [
        format!("{}n = 1{}", "(".repeat(depth), ")".repeat(depth)),
        format!("{}n = 1", "NOT ".repeat(depth)),
        format!("{}n = 1{}", "NOT (".repeat(depth), ")".repeat(depth)),
        format!("{ladder} n = 1{}", ")".repeat(depth)),
        format!("n = {}1", "- ".repeat(depth)),
        format!("{}n{}", "at_least(1, ".repeat(depth), ")".repeat(depth)),
        format!("t < now(){}", " + INTERVAL 1 DAY".repeat(depth)),
        format!("has({}1{}, 1)", "[".repeat(depth), "]".repeat(depth)),
    ];
    for rule in deep {
        let error = Rule::parse(&rule, &Limits::default()).unwrap_err();
        assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
    }
    let schema = table(vec![], vec![]).schema;
    let json = format!(
        "{}{{\"combinator\":\"and\",\"rules\":[]}}{}",
        "{\"combinator\":\"and\",\"rules\":[".repeat(depth),
        "]}".repeat(depth)
    );
    assert!(Rule::from_json(&json, &schema, &Limits::default()).is_err());
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
}

#[test]
fn a_list_of_a_hundred_thousand_values_is_answered() {
    let built = numbers();
    let begun = Instant::now();
    let list: Vec<String> = (0..100_000).map(|n| (n * 3).to_string()).collect();
    // Of 0, 2, .. 1998 every third is a multiple of 3.
    assert_eq!(count(&built, &format!("n IN ({})", list.join(", "))), 334);
    assert_eq!(count(&built, &format!("n NOT IN ({})", list.join(", "))), 666);
    assert_eq!(count(&built, &format!("user_id IN ({})", list.join(", "))), 334);
    let one_more = format!("n IN ({}, 1)", list.join(", "));
    let error = Rule::parse(&one_more, &Limits::default()).unwrap_err().to_string();
    assert!(error.contains("100000") || error.contains("100,000"), "{error}");
    assert!(begun.elapsed() < QUICKLY, "{:?}", begun.elapsed());
}
