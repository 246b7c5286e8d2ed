//! The ClickHouse source against real servers: a current one, and an old one that knows neither Arrow nor most types.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../clickhouse/mod.rs"]
mod clickhouse;

mod failing;
mod measuring;
mod proxy;
mod reading;
mod values;

use clickhouse::{ClickHouse, user_features};
use muster_loader::config::SourceConfig;
use muster_loader::source::{ClickHouseOptions, ClickHouseSource};

/// How to read a table of a test's own database.
fn source_of(server: &ClickHouse, table: &str) -> SourceConfig {
    SourceConfig {
        kind: "clickhouse".into(),
        url: Some(server.url().to_owned()),
        database: Some(server.database().to_owned()),
        table: Some(table.to_owned()),
        retry_wait_ms: 1,
        ..SourceConfig::default()
    }
}

fn open(source: &SourceConfig) -> muster_loader::Result<ClickHouseSource> {
    ClickHouseSource::open(ClickHouseOptions::new(source)?)
}
