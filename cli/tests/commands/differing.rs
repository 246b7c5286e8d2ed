//! `diff`: two generations of one store.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Run, USERS, folder, muster, source};

const RULES: [&str; 3] = ["has_poh", "balance_usd >= 100", "length(active_chains) > 2 OR country = 'US'"];
/// Users of the second generation.
const MORE: u64 = USERS + 300;

/// A store of two generations: in the second, users were added, some values changed, one column is gone and one has another type.
fn store() -> &'static str {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let folder = folder("generations");
        let (store, features) = (folder.join("store"), folder.join("features"));
        let dir = store.to_str().unwrap();
        muster(&["build", "--store", dir, "--source", source()]).ends_with(0);
        let users = MORE.to_string();
        muster(&["synth", "--users", &users, "--seed", "7", "--out", features.to_str().unwrap()])
            .ends_with(0);
        let config = folder.join("muster.toml");
        let text = "[columns.data_source]\nskip = true\n[columns.register_time]\ntype = \"DateTime64(3)\"\n";
        fs::write(&config, text).unwrap();
        let against = format!("parquet:{}/*.parquet", features.display());
        let config = config.to_str().unwrap();
        // A column that is gone holds a build back, unless somebody accepts that.
        let accept = ["--accept", "columns to compare"];
        muster(&[&["build", "--store", dir, "--source", &against, "--config", config], &accept[..]].concat())
            .ends_with(0);
        store
    });
    store.to_str().unwrap()
}

fn diff(rest: &[&str]) -> Run {
    let mut arguments = vec!["diff", "--store", store()];
    arguments.extend(rest);
    muster(&arguments)
}

fn listed(rest: &[&str]) -> BTreeSet<u64> {
    let run = diff(rest).ends_with(0);
    let ids: Vec<u64> = run.text().lines().map(|line| line.parse().unwrap()).collect();
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len());
    distinct
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["columns"].as_array().unwrap().iter().find(|column| column["name"] == name).unwrap()
}

#[test]
fn users_columns_and_rules_add_up() {
    let report = diff(&[&["--json"][..], &RULES].concat()).ends_with(0).json();
    let generations = (report["before"]["generation"].as_u64(), report["after"]["generation"].as_u64());
    assert_eq!(generations, (Some(1), Some(2)));
    let count = |name: &str| report["users"][name].as_u64().unwrap();
    assert_eq!((count("before"), count("after"), count("both")), (USERS, MORE, USERS));
    assert_eq!((count("added"), count("gone")), (300, 0));

    assert_eq!(column(&report, "data_source")["status"], "removed");
    assert_eq!(column(&report, "register_time")["status"], "type_changed");
    assert_eq!(column(&report, "country")["status"], "compared");
    let changed: usize = ["changed", "got-value", "lost-value"]
        .iter()
        .map(|set| listed(&["--column", "preferred_task_types", "--members", set]).len())
        .sum();
    let tasks = column(&report, "preferred_task_types");
    let total: u64 =
        ["changed", "got_value", "lost_value"].iter().map(|name| tasks[*name].as_u64().unwrap()).sum();
    assert!(changed as u64 == total && total > 0, "{tasks}");
    assert!(tasks["parts"].as_array().is_some_and(|parts| !parts.is_empty()), "{tasks}");

    for rule in report["rules"].as_array().unwrap() {
        let number = |name: &str| rule[name].as_u64().unwrap();
        assert_eq!(number("before"), number("stayed") + number("left"), "{rule}");
        assert_eq!(number("after"), number("stayed") + number("entered"), "{rule}");
        assert_eq!(number("entered"), number("entered_added") + number("entered_changed"), "{rule}");
        assert_eq!(number("left"), number("left_gone") + number("left_changed"), "{rule}");
        assert!(number("entered_added") > 0 && number("entered_changed") > 0, "{rule}");
        let text = rule["rule"].as_str().unwrap();
        for (set, name) in [
            ("added", "entered_added"),
            ("gone", "left_gone"),
            ("entered", "entered"),
            ("entered-changed", "entered_changed"),
            ("left", "left"),
            ("left-changed", "left_changed"),
            ("stayed", "stayed"),
        ] {
            assert_eq!(listed(&["--members", set, text]).len() as u64, number(name), "{set} of {rule}");
        }
    }
}

#[test]
fn members_are_those_of_both_generations() {
    let members = |generation: &str| {
        // Members of one generation are those who stayed when it is compared with itself.
        listed(&[generation, generation, "--members", "stayed", "has_poh"])
    };
    let (before, after) = (members("1"), members("2"));
    let entered: BTreeSet<u64> = after.difference(&before).copied().collect();
    let left: BTreeSet<u64> = before.difference(&after).copied().collect();
    assert!(!entered.is_empty() && !left.is_empty());
    assert_eq!(listed(&["--members", "entered", "has_poh"]), entered);
    assert_eq!(listed(&["--members", "left", "has_poh"]), left);
    // The other way round, and from a generation to the one in service.
    assert_eq!(listed(&["2", "1", "--members", "left", "has_poh"]), entered);
    assert_eq!(listed(&["1", "--members", "entered", "has_poh"]), entered);
    assert_eq!(listed(&["previous", "current", "--members", "entered", "has_poh"]), entered);
    assert_eq!(listed(&["--members", "added"]).len(), 300);
    assert_eq!(listed(&["--members", "added", "--limit", "7"]).len(), 7);
    let csv = diff(&["--members", "added", "--format", "csv"]).ends_with(0);
    assert!(csv.text().starts_with("user_id\n") && csv.text().lines().count() == 301);
}

#[test]
fn a_generation_and_itself_are_the_same() {
    let report = diff(&["2", "2", "--json", RULES[1]]).ends_with(0).json();
    for column in report["columns"].as_array().unwrap() {
        let total: u64 =
            ["changed", "got_value", "lost_value"].iter().map(|name| column[*name].as_u64().unwrap()).sum();
        assert_eq!(total, 0, "{column}");
    }
    let rule = &report["rules"][0];
    assert!(rule["stayed"] == rule["before"] && rule["stayed"] == rule["after"], "{rule}");
    let text = diff(&["2", "2"]).ends_with(0);
    assert!(text.text().contains("49 of 49 columns are the same for every user"), "{}", text.text());
}

#[test]
fn a_rule_that_one_generation_cannot_answer_does_not_stop_the_others() {
    let run =
        diff(&["--no-columns", "--json", "data_source = 'backfill'", "has_poh", "no_such = 1"]).ends_with(1);
    let report = run.json();
    let rules = report["rules"].as_array().unwrap();
    let error = rules[0]["error"].as_str().unwrap();
    assert!(error.contains("in generation 2") && error.contains("data_source"), "{error}");
    assert!(rules[1]["stayed"].as_u64() > Some(0) && report.get("columns").is_none(), "{report}");
    assert!(rules[2]["error"].as_str().unwrap().starts_with("unknown column"), "{report}");
    let text = diff(&["--no-columns", "has_poh", "no_such = 1"]).ends_with(1);
    assert!(text.text().contains("error  no_such = 1") && text.text().contains("stayed"), "{}", text.text());
    diff(&["--members", "entered", "data_source = 'backfill'"])
        .refuses(1, &["in generation 2", "data_source"]);
}

#[test]
fn what_is_told_reads_like_a_difference() {
    let run = diff(&[RULES[0]]).ends_with(0);
    for wanted in [
        "300 users added, 0 gone",
        "- data_source String",
        "~ register_time is DateTime64(3",
        "changed",
        "has_poh",
    ] {
        assert!(run.text().contains(wanted), "'{wanted}' is not in {}", run.text());
    }
}

#[test]
fn wrong_questions_say_what_to_ask() {
    diff(&["--members", "entered"]).refuses(2, &["one rule"]);
    diff(&["--members", "changed"]).refuses(2, &["--column"]);
    diff(&["--members", "changed", "--column", "country", "has_poh"]).refuses(2, &["no rule"]);
    diff(&["--members", "added", "--column", "country"]).refuses(2, &["--column"]);
    diff(&["--column", "contry"]).refuses(1, &["unknown column", "`country`"]);
    diff(&["--members", "changed", "--column", "register_time"]).refuses(1, &["DateTime64"]);
    diff(&["1", "9"]).refuses(3, &["generation 9"]);
    let first = folder("only").join("store");
    let first = first.to_str().unwrap();
    muster(&["build", "--store", first, "--source", source()]).ends_with(0);
    muster(&["diff", "--store", first]).refuses(2, &["nothing earlier"]);
    muster(&["diff", "--store", first, "1", "1"]).ends_with(0);
}
