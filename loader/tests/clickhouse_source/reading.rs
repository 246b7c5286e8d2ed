//! Tables and queries of real servers, and who may read them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use muster_loader::config::SourceConfig;
use muster_loader::source::{ClickHouseSource, Source, WireFormat};

use super::clickhouse::ClickHouse;
use super::proxy::Proxy;
use super::{open, source_of};

const ROWS: u64 = 50_000;

fn users(server: &ClickHouse, rows: u64) {
    server.run("CREATE TABLE users (user_id UInt64, name String) ENGINE = MergeTree ORDER BY user_id", "UTC");
    let from = format!("(SELECT number FROM system.numbers LIMIT {rows})");
    server.run(&format!("INSERT INTO users SELECT number * 3, toString(number) FROM {from}"), "UTC");
}

/// The ids that come, each once.
fn ids(source: &ClickHouseSource) -> muster_loader::Result<BTreeSet<u64>> {
    let mut ids = BTreeSet::new();
    for batch in source.batches(&[0])? {
        for &id in batch?.column(0).as_primitive::<UInt64Type>().values() {
            assert!(ids.insert(id), "{id} came twice");
        }
    }
    Ok(ids)
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_table_comes_whole_in_every_way() {
    let server = ClickHouse::connect();
    users(&server, ROWS);
    let want: BTreeSet<u64> = (0..ROWS).map(|row| row * 3).collect();
    let plain = source_of(&server, "users");
    for format in [WireFormat::Arrow, WireFormat::Native] {
        for strict in [false, true] {
            for (range_rows, pulls) in [(1 << 18, None), (1000, None), (7001, Some(1)), (1000, Some(4))] {
                let config = SourceConfig { format, strict, range_rows, pulls, ..plain.clone() };
                let source = open(&config).unwrap();
                assert_eq!(source.rows(), Some(ROWS));
                assert!(source.watermark().is_some());
                assert_eq!(ids(&source).unwrap(), want, "{config:?}");
            }
        }
    }
    let named = SourceConfig {
        url: Some(format!("{}/?database={}&table=users", server.url(), server.database())),
        database: None,
        table: None,
        ..plain.clone()
    };
    assert_eq!(ids(&open(&named).unwrap()).unwrap(), want);
    server.run("TRUNCATE TABLE users", "UTC");
    assert_eq!(ids(&open(&plain).unwrap()).unwrap(), BTreeSet::new());
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn an_old_server_s_table_comes_whole() {
    let server = ClickHouse::connect_old();
    users(&server, ROWS);
    let want: BTreeSet<u64> = (0..ROWS).map(|row| row * 3).collect();
    for (range_rows, pulls) in [(1 << 18, None), (1000, None), (1000, Some(4))] {
        let source = open(&SourceConfig { range_rows, pulls, ..source_of(&server, "users") }).unwrap();
        assert_eq!(source.rows(), Some(ROWS));
        assert_eq!(ids(&source).unwrap(), want);
    }
    server.run(
        "CREATE TABLE copies (user_id UInt64, v UInt32) ENGINE = ReplacingMergeTree(v) ORDER BY user_id",
        "UTC",
    );
    for version in 1..=3 {
        let from = format!("(SELECT number FROM system.numbers LIMIT {ROWS})");
        server.run(&format!("INSERT INTO copies SELECT number, {version} FROM {from}"), "UTC");
    }
    let copies = SourceConfig { final_rows: Some(true), range_rows: 7000, ..source_of(&server, "copies") };
    assert_eq!(ids(&open(&copies).unwrap()).unwrap(), (0..ROWS).collect());
    let query = SourceConfig {
        table: None,
        query: Some("SELECT user_id, name FROM users WHERE user_id < 300".into()),
        ..source_of(&server, "users")
    };
    assert_eq!(ids(&open(&query).unwrap()).unwrap().len(), 100);
}

#[test]
#[ignore = "needs ClickHouse"]
fn of_copies_in_many_partitions_final_leaves_one() {
    let server = ClickHouse::connect();
    server.run(
        "CREATE TABLE copies (user_id UInt64, version DateTime, name String) ENGINE = ReplacingMergeTree(version) \
         PARTITION BY toYYYYMM(version) ORDER BY user_id",
        "UTC",
    );
    for month in 1..=3 {
        server.run(
            &format!(
                "INSERT INTO copies SELECT number, toDateTime('2026-0{month}-01 00:00:00', 'UTC'), 'v{month}' FROM numbers({})",
                ROWS / month
            ),
            "UTC",
        );
    }
    let plain = source_of(&server, "copies");
    let all: usize =
        open(&plain).unwrap().batches(&[0]).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(all as u64, (1..=3).map(|month| ROWS / month).sum::<u64>());
    for range_rows in [1 << 18, 2000] {
        let source =
            open(&SourceConfig { final_rows: Some(true), strict: true, range_rows, ..plain.clone() })
                .unwrap();
        assert_eq!(source.rows(), None, "FINAL leaves fewer than are stored");
        let mut rows = 0;
        for batch in source.batches(&[0, 2]).unwrap() {
            let batch = batch.unwrap();
            let (ids, names) =
                (batch.column(0).as_primitive::<UInt64Type>(), batch.column(1).as_binary::<i32>());
            for row in 0..batch.num_rows() {
                let month = (1..=3).rev().find(|month| ids.value(row) < ROWS / month).unwrap();
                assert_eq!(names.value(row), format!("v{month}").as_bytes());
            }
            rows += batch.num_rows() as u64;
        }
        assert_eq!(rows, ROWS);
    }
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_query_is_read_as_it_stands() {
    let server = ClickHouse::connect();
    users(&server, ROWS);
    let query = |text: &str| SourceConfig {
        table: None,
        query: Some(text.to_owned()),
        ..source_of(&server, "users")
    };
    let source =
        open(&query("SELECT user_id, '?' AS what FROM users WHERE name != '?' -- all of them\n;")).unwrap();
    assert_eq!(ids(&source).unwrap().len() as u64, ROWS);
    // In ranges, since somebody says that it is worth it.
    let config = SourceConfig { pulls: Some(2), range_rows: 5000, ..query("SELECT user_id FROM users") };
    assert_eq!(ids(&open(&config).unwrap()).unwrap().len() as u64, ROWS);
    let error = open(&query("SELECT user_id FROM users FORMAT TSV")).unwrap_err().to_string();
    assert!(error.contains("check the `query`"), "{error}");
}

#[test]
#[ignore = "needs ClickHouse"]
fn negative_and_absent_ids_are_in_a_range_too() {
    let server = ClickHouse::connect();
    server.run(
        "CREATE TABLE signed (user_id Nullable(Int64)) ENGINE = MergeTree ORDER BY user_id SETTINGS allow_nullable_key = 1",
        "UTC",
    );
    server.run(
        "INSERT INTO signed SELECT if(number % 1000 = 999, NULL, toInt64(number) - 10000) FROM numbers(20000)",
        "UTC",
    );
    let source =
        open(&SourceConfig { range_rows: 1000, pulls: Some(3), ..source_of(&server, "signed") }).unwrap();
    let (mut absent, mut negative, mut positive) = (0, 0, 0);
    for batch in source.batches(&[0]).unwrap() {
        for id in batch.unwrap().column(0).as_primitive::<Int64Type>() {
            match id {
                None => absent += 1,
                Some(..0) => negative += 1,
                Some(_) => positive += 1,
            }
        }
    }
    assert_eq!((absent, negative, positive), (20, 9990, 9990));
}

#[test]
#[ignore = "needs ClickHouse"]
fn connections_that_break_are_mended() {
    let server = ClickHouse::connect();
    users(&server, 4 * ROWS);
    for (bytes, to_end) in [(0, 2), (50_000, 3)] {
        for format in [WireFormat::Arrow, WireFormat::Native] {
            let proxy = Proxy::before(server.url(), bytes, to_end);
            let config = SourceConfig {
                url: Some(proxy.url()),
                format,
                range_rows: 50_000,
                ..source_of(&server, "users")
            };
            assert_eq!(ids(&open(&config).unwrap()).unwrap().len() as u64, 4 * ROWS);
            assert_eq!(proxy.to_end.load(Ordering::SeqCst), 0, "nothing was broken");
        }
    }
}
