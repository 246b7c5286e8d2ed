//! The way of a user: a population as Parquet, built into a store, and the same files in ClickHouse as `user_features`. Every
//! form of rule gives the same users on both.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
mod clickhouse;

use std::fmt::Write as _;

use clickhouse::ClickHouse;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::snapshot::Store;
use muster_loader::build::{BuildOptions, build};
use muster_loader::config::Config;
use muster_loader::progress::NoProgress;
use muster_loader::source::{ParquetSource, Source};
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

/// The table of the domain, as far as the file's own types are not meant.
fn create_table(source: &ParquetSource) -> String {
    let mut sql = "CREATE TABLE user_features (".to_owned();
    for (place, field) in source.schema().fields().iter().enumerate() {
        use arrow_schema::DataType::{Boolean, Float64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8};
        let ty = match field.data_type() {
            Boolean => "Bool",
            UInt8 => "UInt8",
            UInt16 => "UInt16",
            UInt32 => "UInt32",
            UInt64 => "UInt64",
            Float64 => "Float64",
            Timestamp(..) => "DateTime",
            Utf8 if field.name() == "country" => "LowCardinality(String)",
            Utf8 => "String",
            other => panic!("{other} is not of the domain"),
        };
        let ty = if field.is_nullable() { format!("Nullable({ty})") } else { ty.to_owned() };
        _ = write!(sql, "{} {} {ty}", if place > 0 { "," } else { "" }, field.name());
    }
    sql + ") ENGINE = MergeTree ORDER BY user_id"
}

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
    let snapshot = Store::open(&options.store).unwrap().current().unwrap();

    let server = ClickHouse::connect();
    server.run(&create_table(&source), "UTC");
    for path in source.paths() {
        server.insert_as("Parquet", "user_features", &std::fs::read(path).unwrap());
    }

    let limits = Limits::default();
    let scope = Scope { now: DEFAULT_REFERENCE, labels: &NoLabels, limits: &limits };
    let mut some = 0;
    for text in RULES {
        let rule = Rule::parse(text, &limits).unwrap_or_else(|error| panic!("{text}: {error}"));
        let audience =
            Audience::new(&snapshot, &rule, &scope).unwrap_or_else(|error| panic!("{text}: {error}"));
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
