//! `verify --against`: a source that has changed since is told user by user.

use std::fs;

use serde_json::Value;

use crate::support::{USERS, ask, folder, source, source_files};

/// The users about whom a rule differs, and how.
fn differing(report: &Value, rule: &str) -> Vec<(u64, String)> {
    let rules = report["rules"].as_array().unwrap();
    let found =
        rules.iter().find(|found| found["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {report}"));
    let users = found["differing"].as_array().unwrap().iter();
    users.map(|user| (user["user"].as_u64().unwrap(), user["side"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn without_rules_every_column_is_looked_at() {
    let report = ask("verify", &["--json", "--against", source()]).ends_with(0).json();
    let rules = report["rules"].as_array().unwrap();
    assert_eq!(report["source_rows"].as_u64(), Some(USERS));
    assert!(rules.len() > 100 && rules.iter().all(|rule| rule["agrees"] == true), "{report}");
    assert!(rules[0]["rule"] == "true" && rules[0]["count"].as_u64() == Some(USERS), "{}", rules[0]);
    let counted = rules.iter().filter(|rule| rule["count"].as_u64() > Some(0)).count();
    assert!(counted > 80, "{counted} rules with users");
    ask("verify", &["--file", "rules.txt"]).ends_with(2);
}

/// A table of the shared population on a server.
struct Table {
    url: String,
    name: String,
}

impl Table {
    fn new(name: &str, engine: &str) -> Self {
        let url = std::env::var("MUSTER_TEST_CLICKHOUSE")
            .expect("MUSTER_TEST_CLICKHOUSE is the address of a server");
        let table = Self { url, name: format!("muster_{name}.user_features") };
        table.send(&format!("DROP DATABASE IF EXISTS muster_{name}"), &[]);
        table.send(&format!("CREATE DATABASE muster_{name}"), &[]);
        table.send(
            &format!(
                "CREATE TABLE {} (user_id UInt64, has_poh Bool, balance_usd Nullable(Float64), country String, \
                 active_chains Nullable(String), data_update_time DateTime) ENGINE = {engine} ORDER BY user_id",
                table.name
            ),
            &[],
        );
        for file in source_files() {
            table.send(&format!("INSERT INTO {} FORMAT Parquet", table.name), &fs::read(file).unwrap());
        }
        table
    }

    fn send(&self, query: &str, body: &[u8]) -> String {
        let mut answer = ureq::post(&self.url).query("query", query).send(body).unwrap();
        answer.body_mut().read_to_string().unwrap()
    }

    fn verify(&self, rules: &[&str], more: &[&str], status: i32) -> Value {
        let file = folder(&self.name).join("rules.txt");
        fs::write(&file, rules.join("\n")).unwrap();
        let against = format!("clickhouse:{}", self.url);
        let mut arguments =
            vec!["--json", "--against", &against, "--table", &self.name, "--file", file.to_str().unwrap()];
        arguments.extend(more);
        ask("verify", &arguments).ends_with(status).json()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let (database, _) = self.name.split_once('.').unwrap();
        self.send(&format!("DROP DATABASE {database}"), &[]);
    }
}

#[test]
#[ignore = "needs a ClickHouse server at MUSTER_TEST_CLICKHOUSE"]
fn a_server_that_has_changed_is_told_user_by_user() {
    let table = Table::new("changed", "MergeTree");
    let rules =
        ["true", "balance_usd >= 123456789", "has_poh AND country = 'XX'", "length(active_chains) >= 2"];
    let report = table.verify(&rules, &[], 0);
    assert_eq!(report["source_rows"].as_u64(), Some(USERS), "{report}");

    let ids = table.send(
        &format!(
            "SELECT user_id FROM {} WHERE balance_usd > 1 ORDER BY user_id LIMIT 2 OFFSET 9000",
            table.name
        ),
        &[],
    );
    let ids: Vec<u64> = ids.lines().map(|line| line.parse().unwrap()).collect();
    let (changed, removed, added) = (ids[0], ids[1], u64::MAX - 5);
    let mutate = |what: &str| {
        table.send(&format!("ALTER TABLE {} {what} SETTINGS mutations_sync = 1", table.name), &[]);
    };
    mutate(&format!("UPDATE balance_usd = 123456789.25 WHERE user_id = {changed}"));
    mutate(&format!("DELETE WHERE user_id = {removed}"));
    let values = format!("({added}, true, NULL, 'XX', '[\"a\\\\tb\",\"c\"]', 0)");
    table.send(&format!("INSERT INTO {} VALUES {values}", table.name), &[]);

    let report = table.verify(&rules, &["--differences", "5"], 1);
    let only_there = |user| (user, "only_there".to_owned());
    assert_eq!(differing(&report, "true"), [(removed, "only_here".to_owned()), only_there(added)]);
    assert_eq!(differing(&report, rules[1]), [only_there(changed)]);
    assert_eq!(differing(&report, rules[2]), [only_there(added)]);
    let rich = &report["rules"][1]["differing"][0];
    assert_eq!(rich["there"][0]["balance_usd"], "123456789.25", "{rich}");
    assert!(rich["here"]["balance_usd"].is_string(), "{rich}");
    let chains = report["rules"][3]["differing"].as_array().unwrap();
    let added = chains.iter().find(|user| user["user"].as_u64() == Some(added)).unwrap();
    assert!(added["here"].is_null() && added["there"][0]["active_chains"] == "[\"a\\tb\",\"c\"]", "{added}");
}

#[test]
#[ignore = "needs a ClickHouse server at MUSTER_TEST_CLICKHOUSE"]
fn several_rows_of_a_user_are_told_unless_the_newest_counts() {
    let table = Table::new(
        "repeated",
        "ReplacingMergeTree(data_update_time) PARTITION BY toYYYYMM(data_update_time)",
    );
    // The same row again, a month later: in another partition, where it never merges with the first.
    table.send(
        &format!(
            "INSERT INTO {name} SELECT * REPLACE (data_update_time + 40 * 86400 AS data_update_time) FROM {name} \
             ORDER BY user_id LIMIT 3",
            name = table.name
        ),
        &[],
    );
    let report = table.verify(&["true"], &[], 1);
    let repeated = differing(&report, "true");
    assert!(repeated.len() == 3 && repeated.iter().all(|(_, side)| side == "repeated"), "{report}");
    assert_eq!(report["rules"][0]["differing"][0]["there"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["source_rows"].as_u64(), Some(USERS + 3));
    table.verify(&["true"], &["--final"], 0);
}
