//! `synth`, `build`, `inspect`, `verify`, `rollback`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{USERS, ask, build, command, finish, folder, muster, source, source_files, store};

#[test]
fn the_same_seed_gives_the_same_population() {
    let folder = folder("synth");
    let bytes = |name: &str, seed: &str| {
        let out = folder.join(name);
        muster(&["synth", "--users", "3000", "--seed", seed, "--out", out.to_str().unwrap()]).ends_with(0);
        let mut files: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let first = bytes("a", "1");
    assert!(first == bytes("b", "1") && first != bytes("c", "2"));
}

#[test]
fn a_build_reports_what_it_did() {
    let store = folder("report").join("store");
    let arguments = ["build", "--store", store.to_str().unwrap(), "--source", source(), "--json"];
    let report = muster(&arguments).ends_with(0).json();
    assert_eq!((report["rows"].as_u64(), report["generation"].as_u64()), (Some(USERS), Some(1)), "{report}");
}

#[test]
fn inspect_tells_generations_and_columns() {
    let report = ask("inspect", &["--json"]).ends_with(0).json();
    assert_eq!(report["rows"].as_u64(), Some(USERS));
    let columns = report["columns"].as_array().unwrap();
    assert!(
        columns.iter().any(|column| column["name"] == "balance_usd" && column["type"] == "Float64"),
        "{report}"
    );
    let text = ask("inspect", &[]).ends_with(0);
    assert!(
        text.text().contains("country") && text.text().contains("erc20_token_holdings"),
        "{}",
        text.text()
    );
}

#[test]
fn verify_finds_a_fresh_store_whole() {
    let report = ask("verify", &["--json"]).ends_with(0).json();
    assert_eq!(report["generation"].as_u64(), Some(1), "{report}");
    ask("verify", &[]).ends_with(0);
}

#[test]
fn a_rollback_goes_to_the_previous_generation_or_the_one_named() {
    let store = folder("rollback").join("store");
    let dir = store.to_str().unwrap();
    for _ in 0..3 {
        build(&store, source()).ends_with(0);
    }
    let current =
        || muster(&["count", "--store", dir, "--json", "true"]).ends_with(0).json()["generation"].clone();
    assert_eq!(current(), 3);
    muster(&["rollback", "--store", dir]).ends_with(0);
    assert_eq!(current(), 2);
    muster(&["rollback", "--store", dir, "--to", "3"]).ends_with(0);
    assert_eq!(current(), 3);
    muster(&["rollback", "--store", dir, "--to", "9"]).refuses(3, &["9"]);
    assert_eq!(current(), 3);
    build(&store, source()).ends_with(0);
    assert_eq!(current(), 4);
}

#[test]
fn there_is_nothing_before_the_first_generation() {
    let store = folder("first").join("store");
    build(&store, source()).ends_with(0);
    muster(&["rollback", "--store", store.to_str().unwrap()]).ends_with(3);
}

/// A file with these rules, one a line.
fn rules_file(folder: &Path, rules: &[&str]) -> PathBuf {
    let file = folder.join("rules.txt");
    fs::write(&file, rules.join("\n")).unwrap();
    file
}

const COMPARED: [&str; 5] = [
    "has_poh AND NOT bot_warning",
    "NOT (balance_usd >= 100) OR country LIKE 'U%'",
    "erc20_token_holdings['USDT'] >= 100",
    "hasAny(active_chains, ['solana', 'base']) AND last_active_time >= now() - INTERVAL 30 DAY",
    "bucket('exp-42', 0, 12.5)",
];

#[test]
fn verify_agrees_with_the_files_it_was_built_from() {
    let file = rules_file(&folder("agrees"), &COMPARED);
    let report = ask("verify", &["--json", "--against", source(), "--file", file.to_str().unwrap()])
        .ends_with(0)
        .json();
    let rules = report["rules"].as_array().unwrap();
    assert_eq!(rules.len(), COMPARED.len());
    for rule in rules {
        assert!(rule["count"].as_u64().unwrap() > 0 && rule["count"] == rule["expected"], "{rule}");
        assert_eq!(rule["differing"].as_array().unwrap().len(), 0, "{rule}");
    }
}

#[test]
fn verify_tells_what_differs_and_which_rules_are_bad() {
    let folder = folder("differs");
    let other = folder.join("other");
    let users = USERS.to_string();
    muster(&["synth", "--users", &users, "--seed", "8", "--out", other.to_str().unwrap()]).ends_with(0);
    let file = rules_file(&folder, &["has_poh", "has_po"]);
    let against = format!("parquet:{}/*.parquet", other.display());
    let run = ask("verify", &["--against", &against, "--file", file.to_str().unwrap()]).ends_with(1);
    assert!(run.text().contains("DIFFERS") && run.text().contains("error    has_po"), "{}", run.text());
    ask("verify", &["--against", "nothing", "--file", file.to_str().unwrap()]).refuses(2, &["clickhouse:"]);
    let mut nobody = command(&[
        "verify",
        "--store",
        store().to_str().unwrap(),
        "--against",
        "clickhouse:http://127.0.0.1:1",
    ]);
    nobody.arg("--file").arg(&file).env("MUSTER_SOURCE_RETRIES", "0");
    finish(nobody).refuses(3, &["127.0.0.1:1", "refused"]);
    let bare = "clickhouse:127.0.0.1:8123";
    ask("verify", &["--against", bare, "--file", file.to_str().unwrap()]).refuses(2, &["no http://"]);
}

#[test]
#[ignore = "needs a ClickHouse server at MUSTER_TEST_CLICKHOUSE"]
fn verify_agrees_with_clickhouse() {
    let url =
        std::env::var("MUSTER_TEST_CLICKHOUSE").expect("MUSTER_TEST_CLICKHOUSE is the address of a server");
    let send = |query: &str, body: &[u8]| ureq::post(&url).query("query", query).send(body).unwrap();
    send("CREATE DATABASE IF NOT EXISTS muster_cli", &[]);
    send("DROP TABLE IF EXISTS muster_cli.user_features", &[]);
    send(
        "CREATE TABLE muster_cli.user_features (user_id UInt64, has_poh Bool, bot_warning Bool, \
         balance_usd Nullable(Float64), country LowCardinality(String), last_active_time DateTime, \
         erc20_token_holdings Nullable(String), active_chains Nullable(String)) \
         ENGINE = MergeTree ORDER BY user_id",
        &[],
    );
    for file in source_files() {
        send("INSERT INTO muster_cli.user_features FORMAT Parquet", &fs::read(file).unwrap());
    }
    let file = rules_file(&folder("clickhouse"), &COMPARED);
    let against = format!("clickhouse:{url}");
    let file = file.to_str().unwrap();
    let arguments = ["--against", &against, "--table", "muster_cli.user_features", "--file", file];
    ask("verify", &arguments).ends_with(0);
    // The same, as the configuration of a build says it; and an address that says all of it.
    let config = folder("clickhouse-config").join("muster.toml");
    let source = "database = \"muster_cli\"\ntable = \"user_features\"\nuser = \"reader\"";
    let password = config.with_file_name("password");
    fs::write(&password, "secret\n").unwrap();
    fs::write(&config, format!("[source]\n{source}\npassword_file = {password:?}\nstrict = true\n")).unwrap();
    ask("verify", &["--against", &against, "--config", config.to_str().unwrap(), "--file", file])
        .ends_with(0);
    fs::write(&password, "hunter2").unwrap();
    let wrong = ask("verify", &["--against", &against, "--config", config.to_str().unwrap(), "--file", file]);
    assert!(!wrong.stderr.contains("hunter2"));
    wrong.refuses(3, &["Authentication failed", "password_file"]);
    let whole = format!("{against}?database=muster_cli&table=user_features");
    ask("verify", &["--against", &whole, "--file", file]).ends_with(0);

    // And a store that is built from the server itself.
    let built = folder("from-clickhouse");
    build(&built, &whole).ends_with(0);
    let rule = "has_poh AND NOT bot_warning";
    let run = muster(&["count", "--store", built.to_str().unwrap(), "--json", rule]).ends_with(0);
    assert_eq!(run.json()["count"], ask("count", &["--json", rule]).json()["count"]);

    send("ALTER TABLE muster_cli.user_features DELETE WHERE has_poh SETTINGS mutations_sync = 1", &[]);
    let run = ask("verify", &arguments).ends_with(1);
    assert!(run.text().contains("DIFFERS"), "{}", run.text());
    send("DROP DATABASE muster_cli", &[]);
}

#[test]
fn the_demo_builds_asks_and_says_what_to_try() {
    let dir = folder("demo").join("here");
    for _ in 0..2 {
        let run =
            muster(&["demo", "--no-serve", "--users", "2000", "--dir", dir.to_str().unwrap()]).ends_with(0);
        assert!(
            run.text().contains("2,000 users") && run.text().contains("has_poh AND NOT bot_warning"),
            "{run:?}"
        );
        let tried = run.text().lines().find(|line| line.contains(" inspect --store ")).unwrap();
        assert!(tried.ends_with("store"), "{tried}");
    }
}
