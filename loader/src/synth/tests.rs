//! The population is reproducible to the byte and shaped like the real thing.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, RecordBatch};
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::progress::NoProgress;

fn population(users: u64) -> RecordBatch {
    let frame = Frame { users, seed: 42, reference: DEFAULT_REFERENCE };
    chunk::batch(&frame, &Vocabulary::new(), 0..users).unwrap()
}

fn file_sums(users: u64, seed: u64, batch_rows: u64, threads: usize) -> Vec<(String, u64)> {
    let dir = tempfile::tempdir().unwrap();
    let mut options = SynthOptions::new(users, dir.path());
    options.seed = seed;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let report = pool.install(|| write_population(&options, batch_rows, &NoProgress)).unwrap();
    assert_eq!(report.users, users);
    let mut sums: Vec<(String, u64)> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), xxh3_64(&fs::read(&path).unwrap()))
        })
        .collect();
    sums.sort();
    assert_eq!(sums.len() as u64, report.files);
    sums
}

#[test]
fn bytes_depend_on_neither_batches_nor_threads() {
    // Two files, so that two threads have something to do.
    let users = ROW_GROUP_ROWS + 5_000;
    let reference = file_sums(users, 42, BATCH_ROWS, 1);
    assert_eq!(reference.len(), 2);
    assert_eq!(file_sums(users, 42, 7 * 1024, 3), reference);
    assert_ne!(file_sums(users, 43, BATCH_ROWS, 2), reference);
}

#[test]
fn content_of_seed_42_stays_what_it_was() {
    // Samples, golden snapshots and recorded figures rest on this population; changing it must be a decision.
    let batch = population(1_000);
    let mut sums = Vec::new();
    for column in batch.columns() {
        let data = column.to_data();
        sums.extend(data.buffers().iter().flat_map(|buffer| xxh3_64(buffer.as_slice()).to_le_bytes()));
        sums.extend((data.nulls().map_or(0, arrow_buffer::NullBuffer::null_count) as u64).to_le_bytes());
    }
    assert_eq!(xxh3_64(&sums), 11_051_234_702_786_024_962);
}

#[test]
fn shares_and_correlations_are_those_of_the_domain() {
    let batch = population(40_000);
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let share = |name: &str| column(name).as_boolean().true_count() as f64 / batch.num_rows() as f64;
    let nulls = |name: &str| column(name).null_count() as f64 / batch.num_rows() as f64;

    for name in ["total_tx_count", "balance_usd", "erc20_token_holdings", "active_chains", "nft_holder_score"]
    {
        assert!((nulls(name) - 0.25).abs() < 0.01, "{name} {}", nulls(name));
    }
    assert!((0.03..0.08).contains(&share("has_binance_kyc")) && share("has_kucoin_kyc") < 0.01);
    assert!((0.02..0.05).contains(&share("bot_warning")));

    let expiries =
        column("binance_kyc_expire_time").as_primitive::<arrow_array::types::TimestampMillisecondType>();
    let known: Vec<i64> = expiries.iter().flatten().collect();
    let past = known.iter().filter(|&&at| at < DEFAULT_REFERENCE * 1000).count() as f64 / known.len() as f64;
    assert!((0.1..0.5).contains(&past), "{past}");

    let country = column("country").as_string::<i32>();
    let first = country.iter().filter(|code| *code == Some("CN")).count() as f64 / batch.num_rows() as f64;
    assert!((0.13..0.19).contains(&first), "{first}");
    let countries: std::collections::HashSet<_> = country.iter().flatten().collect();
    assert!(countries.len() > 230);

    let tokens = column("erc20_token_holdings").as_string::<i32>();
    let holders = |token: &str| tokens.iter().flatten().filter(|text| text.contains(token)).count();
    assert!(holders("\"USDT\"") > 2 * holders("\"PEPE\"") && holders("\"PEPE\"") > 10 * holders("\"XAI\""));

    let velocity = column("transaction_pattern_high_velocity").as_boolean();
    let warned = column("bot_warning").as_boolean();
    let both = (0..batch.num_rows()).filter(|&row| velocity.value(row) && warned.value(row)).count() as f64;
    assert!(both / warned.true_count() as f64 > 5.0 * share("transaction_pattern_high_velocity"));

    let logs = |values: Vec<Option<f64>>| -> Vec<f64> {
        values.into_iter().flatten().map(|v| (v + 1.0).ln()).collect()
    };
    let balance = logs(column("balance_usd").as_primitive::<Float64Type>().iter().collect());
    let transactions = column("total_tx_count").as_primitive::<UInt32Type>();
    let transactions = logs(transactions.iter().map(|count| count.map(f64::from)).collect());
    assert!(correlation(&balance, &transactions) > 0.4);
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let covariance = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
    };
    covariance(a, mean_a, b, mean_b)
        / (covariance(a, mean_a, a, mean_a) * covariance(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn a_directory_with_other_parquet_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("old.parquet"), b"").unwrap();
    let mut options = SynthOptions::new(10, dir.path());
    let error = synth(&options, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("already holds Parquet files"), "{error}");
    options.replace = true;
    assert_eq!(synth(&options, &NoProgress).unwrap().files, 1);
    assert!(!dir.path().join("old.parquet").exists());
}

#[test]
fn one_user_and_no_user() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(synth(&SynthOptions::new(1, dir.path()), &NoProgress).unwrap().users, 1);
    assert!(synth(&SynthOptions::new(0, dir.path()), &NoProgress).is_err());
}
