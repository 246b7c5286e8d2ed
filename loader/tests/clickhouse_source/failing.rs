//! Sources that must not become a generation: nothing is published, and the message says what to do.

use std::path::Path;

use muster_engine::snapshot::Store;
use muster_loader::build::{BuildOptions, build};
use muster_loader::config::{Config, SourceConfig};
use muster_loader::progress::NoProgress;
use muster_loader::source::WireFormat;

use super::clickhouse::ClickHouse;
use super::proxy::Proxy;
use super::{open, source_of};

/// Builds, which must fail and leave nothing behind, with a message of one line that holds all of these.
#[track_caller]
fn refused(source: &SourceConfig, expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { store: dir.path().join("store"), source: source.clone(), ..Config::default() };
    let outcome =
        config.open_source().and_then(|source| build(&*source, &BuildOptions::from(&config), &NoProgress));
    let error = outcome.expect_err("this must not be published").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    assert!(!error.contains("secret"), "{error}");
    nothing_in(&config.store);
}

#[track_caller]
fn nothing_in(store: &Path) {
    assert!(!store.join("CURRENT").exists());
    if store.exists() {
        assert!(Store::open(store).is_err() || Store::open(store).unwrap().current().is_err());
    }
}

#[test]
#[ignore = "needs ClickHouse"]
fn what_is_wrong_with_a_source_is_told() {
    let server = ClickHouse::connect();
    let good = "CREATE TABLE good (user_id UInt64, name String) ENGINE = MergeTree ORDER BY user_id";
    server.run(good, "UTC");
    server.run("INSERT INTO good SELECT number, 'x' FROM numbers(1000)", "UTC");
    let good = source_of(&server, "good");
    open(&good).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "not the secret").unwrap();
    let stranger =
        SourceConfig { user: Some("reader".into()), password_file: Some(password), ..good.clone() };
    refused(&stranger, &["Code: 516", "check `user`", "password_env"]);
    refused(
        &SourceConfig { table: Some("goood".into()), ..good.clone() },
        &["goood", "check `database` and `table`"],
    );
    refused(
        &SourceConfig { database: Some("nowhere".into()), ..good.clone() },
        &["nowhere", "check `database`"],
    );
    refused(&SourceConfig { user_id: "id".into(), ..good.clone() }, &["no column `id`"]);
    refused(&SourceConfig { user_id: "user_di".into(), ..good.clone() }, &["did you mean `user_id`"]);
    refused(&SourceConfig { user_id: "name".into(), ..good.clone() }, &["`name`", "integers"]);
    refused(&SourceConfig { final_rows: Some(true), ..good.clone() }, &["remove `final`"]);
    let elsewhere = SourceConfig { url: Some("http://127.0.0.1:1".into()), retries: 1, ..good.clone() };
    refused(&elsewhere, &["127.0.0.1:1", "refused", "tried 2 times"]);
    refused(
        &SourceConfig { url: Some("http://no-such-host.invalid".into()), retries: 0, ..good.clone() },
        &["no-such-host"],
    );

    let cases = [
        ("SELECT toNullable(1) AS user_id UNION ALL SELECT NULL", &["`user_id`", "NULL"][..]),
        ("SELECT toInt64(number) - 5 AS user_id FROM numbers(10)", &["`user_id`", "-", "negative"]),
        (
            "SELECT number AS user_id, tuple(1, 'a') AS pair FROM numbers(10)",
            &["`pair`", "Tuple(UInt8, String)", "skip = true"],
        ),
        ("SELECT number % 5 AS user_id FROM numbers(10)", &["more than one row", "version"]),
        ("SELECT nosuch AS user_id FROM numbers(10)", &["nosuch", "check the columns"]),
        ("SELEKT 1", &["check the `query`"]),
    ];
    for (query, expected) in cases {
        refused(&SourceConfig { table: None, query: Some(query.into()), ..good.clone() }, expected);
    }
}

#[test]
#[ignore = "needs ClickHouse"]
fn an_error_in_the_middle_publishes_nothing() {
    let server = ClickHouse::connect();
    let throwing =
        "SELECT number AS user_id, toString(throwIf(number = 900000)) AS name FROM numbers(1000000)";
    for format in [WireFormat::Arrow, WireFormat::Native] {
        for strict in [false, true] {
            let source = SourceConfig {
                table: None,
                query: Some(throwing.into()),
                format,
                strict,
                ..source_of(&server, "x")
            };
            refused(&source, &["Code: 395", "throwIf"]);
        }
    }
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn an_error_in_the_middle_of_an_old_server_publishes_nothing() {
    let server = ClickHouse::connect_old();
    let throwing = "SELECT number AS user_id, toString(throwIf(number = 900000)) AS name FROM system.numbers LIMIT 1000000";
    refused(
        &SourceConfig { table: None, query: Some(throwing.into()), ..source_of(&server, "x") },
        &["Code: 395"],
    );
    refused(&source_of(&server, "nosuch"), &["Code: 60", "nosuch", "check `database` and `table`"]);
    let stranger = SourceConfig { user: Some("nobody".into()), ..source_of(&server, "x") };
    refused(&stranger, &["Code: 192", "check `user`"]);
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_server_that_is_never_reached_whole_publishes_nothing() {
    let server = ClickHouse::connect();
    server.run("CREATE TABLE users (user_id UInt64, name String) ENGINE = MergeTree ORDER BY user_id", "UTC");
    server.run("INSERT INTO users SELECT number, toString(number) FROM numbers(500000)", "UTC");
    let proxy = Proxy::before(server.url(), 100_000, u64::MAX);
    let source = SourceConfig { url: Some(proxy.url()), retries: 2, ..source_of(&server, "users") };
    refused(&source, &["tried 3 times"]);
}
