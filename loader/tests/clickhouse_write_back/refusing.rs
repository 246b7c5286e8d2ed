//! Tables that cannot take labels, and servers that do not let us: the message says what to do, and nothing is touched.

use muster_loader::write_back::{Form, WriteBack, WriteBackConfig};

use super::clickhouse::ClickHouse;
use super::config;
use super::population::Population;

/// Writes, which must fail with a message of one line that holds all of these.
#[track_caller]
fn refused(config: &WriteBackConfig, expected: &[&str]) {
    let wanted = Population::new(10).wanted(1, &[(1, "n < 5")]);
    let error = WriteBack::new(config).and_then(|to| to.write(&wanted)).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in expected {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    assert!(!error.contains("secret"), "{error}");
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_table_of_something_else_stays_as_it_is() {
    let server = ClickHouse::connect();
    let rows = config(&server, Form::Rows);
    for (name, columns, expected) in [
        (
            "other",
            "a UInt8",
            &["`other`", "no column `label_id` of type UInt64", "a column `a`", "CREATE TABLE"][..],
        ),
        ("narrow", "label_id UInt32, user_id UInt64, update_time DateTime", &["type UInt32 and not UInt64"]),
        (
            "whole",
            "label_id UInt64, user_id UInt64, update_time DateTime",
            &["is not partitioned", "by label_id"],
        ),
    ] {
        server.run(&format!("CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()"), "UTC");
        refused(&WriteBackConfig { table: Some(name.into()), ..rows.clone() }, expected);
    }
    let memory =
        "CREATE TABLE memory (label_id UInt64, user_id UInt64, update_time DateTime) ENGINE = Memory";
    server.run(memory, "UTC");
    refused(&WriteBackConfig { table: Some("memory".into()), ..rows.clone() }, &["its engine is Memory"]);
    // The other form's table.
    let wanted = Population::new(10).wanted(1, &[(1, "n < 5")]);
    super::write(&WriteBack::new(&rows).unwrap(), &wanted);
    let bitmap = config(&server, Form::Bitmap);
    refused(
        &WriteBackConfig { table: Some("label_user_mapping".into()), ..bitmap },
        &["no column `users` of type AggregateFunction(groupBitmap, UInt64)"],
    );
    assert_eq!(super::ids(&server, Form::Rows, 1).len(), 5);
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_table_that_others_made_as_documented_will_do() {
    let server = ClickHouse::connect();
    server.run(
        "CREATE TABLE label_user_mapping (user_id UInt64 CODEC(Delta, ZSTD), update_time DateTime('Asia/Tokyo'), \
         label_id UInt64) ENGINE = ReplacingMergeTree(update_time) PARTITION BY label_id ORDER BY user_id",
        "UTC",
    );
    let wanted = Population::new(10_000).wanted(1, &[(1, "n < 5000"), (2, "odd")]);
    let to = WriteBack::new(&config(&server, Form::Rows)).unwrap();
    assert_eq!(super::write(&to, &wanted).written, 2);
    assert_eq!(super::ids(&server, Form::Rows, 1).len(), 5_000);
    assert_eq!(super::write(&to, &wanted).unchanged, 2);
}

#[test]
#[ignore = "needs ClickHouse"]
fn who_may_not_write_is_told() {
    let server = ClickHouse::connect();
    let rows = config(&server, Form::Rows);
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "secret").unwrap();
    let reader = |user: &str| WriteBackConfig {
        user: Some(user.to_owned()),
        password_file: Some(password.clone()),
        ..rows.clone()
    };
    refused(&reader("reader"), &["readonly"]);
    refused(&reader("nobody"), &["Code: 516", "check `user`"]);
    refused(
        &WriteBackConfig { database: Some("nowhere".into()), ..rows.clone() },
        &["nowhere", "check `database`"],
    );
    let url = Some("http://127.0.0.1:1".to_owned());
    refused(&WriteBackConfig { url, retries: 1, ..rows }, &["127.0.0.1:1", "refused", "tried 2 times"]);
}

#[test]
#[ignore = "needs ClickHouse"]
fn the_rights_that_are_documented_are_enough() {
    let server = ClickHouse::connect();
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "secret").unwrap();
    let population = Population::new(10_000);
    let wanted =
        [population.wanted(1, &[(1, "n < 5000"), (2, "odd")]), population.wanted(2, &[(2, "n < 0")])];
    for form in [Form::Rows, Form::Bitmap] {
        let writer = WriteBackConfig {
            user: Some("label_writer".into()),
            password_file: Some(password.clone()),
            ..config(&server, form)
        };
        let to = WriteBack::new(&writer).unwrap();
        assert_eq!(super::write(&to, &wanted[0]).written, 2);
        assert_eq!(super::write(&to, &wanted[1]).removed, 1);
        assert_eq!(super::ids(&server, form, 2), [0; 0]);
    }
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn a_server_that_knows_no_bitmaps_is_too_old_for_them() {
    let server = ClickHouse::connect_old();
    refused(&config(&server, Form::Bitmap), &["too old for groupBitmap", "form = \"rows\""]);
}
