//! The way of a user: a population as Parquet, the same files in ClickHouse as `user_features`, and stores built from the files
//! and from the server. Every form of rule gives the same users on all of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
mod clickhouse;

use std::sync::Arc;

use clickhouse::{ClickHouse, user_features};
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::snapshot::{Snapshot, Store};
use muster_loader::build::{BuildOptions, build};
use muster_loader::columns::{AS_KEY, ColumnOptions, JsonKind};
use muster_loader::config::Config;
use muster_loader::progress::NoProgress;
use muster_loader::source::{ParquetSource, Source, WireFormat};
use muster_loader::synth::{DEFAULT_REFERENCE, SynthOptions, synth};

const USERS: u64 = 50_000;

const RULES: &[&str] = &[
    "has_poh AND NOT bot_warning",
    "has_poh = true",
    "balance_usd >= 100",
    "country != 'CN'",
    "country = ''",
    "total_tx_value_usd > balance_usd",
    "NOT (balance_usd < 1000 OR total_tx_count > 50)",
    "wallet_count BETWEEN 2 AND 4",
    "nft_holder_score NOT BETWEEN 10 AND 90",
    "country IN ('US', 'DE', 'VN')",
    "country NOT IN ('CN', 'IN')",
    "binance_kyc_expire_time IS NULL",
    "total_tx_count IS NOT NULL",
    "country LIKE 'U%'",
    "country ILIKE '%n'",
    "startsWith(country, 'B')",
    "last_active_time >= now() - INTERVAL 7 DAY",
    "register_time < now() - INTERVAL 18 MONTH",
    "register_time >= toDateTime('2024-02-29 12:00:00')",
    "first_activity_time < toDate('2020-01-01')",
    "okx_kyc_expire_time < now()",
    "last_active_time >= today()",
    "has(active_chains, 'ethereum')",
    "NOT has(active_chains, 'ethereum')",
    "hasAny(active_chains, ['solana', 'base'])",
    "hasAll(active_chains, ['ethereum', 'bsc', 'polygon'])",
    "length(active_chains) >= 3",
    "empty(active_chains)",
    "notEmpty(preferred_task_types)",
    "length(associated_wallets) = wallet_count",
    "erc20_token_holdings['USDT'] >= 100",
    "NOT (erc20_token_holdings['USDT'] >= 100)",
    "erc20_token_holdings['PEPE'] IS NOT NULL",
    "mapContains(erc20_token_holdings, 'PEPE')",
    "erc20_token_holdings['NOSUCH'] > 0",
    "native_token_holdings['ETH'] BETWEEN 0.5 AND 50",
    "native_token_holdings['ETH'] > native_token_holdings['BNB']",
    "at_least(2, has_zkme, has_babt, has_binance_kyc)",
    "at_least(2, balance_usd > 100, total_tx_count > 100, has(active_chains, 'base'))",
    "bucket('exp-42', 0, 10)",
    "user_id = 1000011",
    "user_id IN (1000001, 1000002, 1000003, 5)",
    "data_source = 'backfill' OR community_count > 20",
    "(has_poh OR has_binance_kyc) AND last_active_time >= now() - INTERVAL 30 DAY AND balance_usd > 10 \
     AND NOT transaction_pattern_high_velocity AND hasAny(active_chains, ['ethereum', 'arbitrum']) \
     AND erc20_token_holdings['USDC'] > 1 AND onchain_action_30d > 0",
];

#[test]
#[ignore = "needs ClickHouse"]
fn every_form_of_rule_gives_clickhouse_s_users() {
    let dir = tempfile::tempdir().unwrap();
    let parquet = dir.path().join("parquet");
    synth(&SynthOptions::new(USERS, &parquet), &NoProgress).unwrap();
    let source = ParquetSource::open(parquet.to_str().unwrap()).unwrap();
    let mut options = BuildOptions::from(&Config::default());
    options.store = dir.path().join("store");
    assert_eq!(build(&source, &options, &NoProgress).unwrap().rows, USERS);
    let from_files = Store::open(&options.store).unwrap().current().unwrap();

    let server = ClickHouse::connect();
    server.run(&user_features(&source), "UTC");
    for path in source.paths() {
        server.insert_as("Parquet", "user_features", &std::fs::read(path).unwrap());
    }

    let mut snapshots = vec![from_files];
    for (place, (format, strict, range_rows)) in WAYS.into_iter().enumerate() {
        let mut config = Config::default();
        config.set_source(&format!(
            "clickhouse:{}?database={}&table=user_features",
            server.url(),
            server.database()
        ));
        (config.source.format, config.source.strict, config.source.range_rows) = (format, strict, range_rows);
        for field in source.schema().fields() {
            let json = match field.metadata().get(AS_KEY).map(String::as_str) {
                Some("json_map") => Some(JsonKind::JsonMap),
                Some("json_array") => Some(JsonKind::JsonArray),
                _ => continue,
            };
            config.columns.insert(field.name().clone(), ColumnOptions { json, ..ColumnOptions::default() });
        }
        config.store = dir.path().join(format!("store {place}"));
        let pulled = config.open_source().unwrap();
        assert_eq!(build(&*pulled, &BuildOptions::from(&config), &NoProgress).unwrap().rows, USERS);
        snapshots.push(Store::open(&config.store).unwrap().current().unwrap());
    }
    for snapshot in snapshots {
        compare(&server, &snapshot);
    }
}

/// How it is pulled from the server: format, strictness, rows a range.
const WAYS: [(WireFormat, bool, u64); 4] = [
    (WireFormat::Arrow, false, 1 << 18),
    (WireFormat::Arrow, true, 5_000),
    (WireFormat::Native, false, 1 << 18),
    (WireFormat::Native, true, 5_000),
];

/// Puts every rule to both.
fn compare(server: &ClickHouse, snapshot: &Arc<Snapshot>) {
    let limits = Limits::default();
    let scope = Scope { now: DEFAULT_REFERENCE, labels: &NoLabels, limits: &limits };
    let mut some = 0;
    for text in RULES {
        let rule = Rule::parse(text, &limits).unwrap_or_else(|error| panic!("{text}: {error}"));
        let audience =
            Audience::new(snapshot, &rule, &scope).unwrap_or_else(|error| panic!("{text}: {error}"));
        let members: Vec<u64> = audience.members(None).unwrap().flat_map(Result::unwrap).collect();
        let sum = members.iter().copied().fold(0, u64::wrapping_add);
        assert_eq!(audience.count(), members.len() as u64, "{text}");
        let sql_options = SqlOptions { now: Some(DEFAULT_REFERENCE), labels: &NoLabels, limits: &limits };
        let condition = render(&rule, snapshot.schema(), &sql_options).unwrap();
        let theirs = server
            .query(&format!("SELECT count(), sum(user_id) FROM user_features WHERE {condition}"), "UTC");
        assert_eq!(format!("{}\t{sum}\n", members.len()), theirs, "{text}\n{condition}");
        some += usize::from(!members.is_empty() && members.len() < USERS as usize);
    }
    // A test of rules that select everybody or nobody would prove little.
    assert!(some >= RULES.len() - 2, "{some} of {} rules tell users apart", RULES.len());
}
