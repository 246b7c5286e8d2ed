//! How long a pull takes, for docs/clickhouse.md.
//!
//!     MUSTER_MEASURE_ROWS=1000000 cargo test -p muster-loader --test clickhouse_source measure -- --ignored --nocapture

use std::time::{Duration, Instant};

use muster_loader::config::SourceConfig;
use muster_loader::progress::NoProgress;
use muster_loader::source::{ParquetSource, Source, WireFormat};
use muster_loader::synth::{SynthOptions, synth};

use super::clickhouse::ClickHouse;
use super::{open, source_of};

/// Rounds, of which the fastest counts: other work of the machine only makes a round slower.
const ROUNDS: usize = 5;

#[test]
#[ignore = "needs ClickHouse"]
fn measure_ways_to_pull() {
    let rows: u64 = std::env::var("MUSTER_MEASURE_ROWS").map_or(20_000, |rows| rows.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    synth(&SynthOptions::new(rows, dir.path()), &NoProgress).unwrap();
    let files = ParquetSource::open(dir.path().to_str().unwrap()).unwrap();
    let server = ClickHouse::connect();
    let mut created = false;
    for path in files.paths() {
        let bytes = std::fs::read(path).unwrap();
        if !created {
            server.run(&super::user_features(&files), "UTC");
            created = true;
        }
        server.insert_as("Parquet", "user_features", &bytes);
    }
    server.run("OPTIMIZE TABLE user_features FINAL", "UTC");
    let plain = SourceConfig { range_rows: 1 << 18, ..source_of(&server, "user_features") };
    let one_piece = SourceConfig { range_rows: 1 << 40, ..plain.clone() };
    let pulls = |pulls: u32| SourceConfig { pulls: Some(pulls), ..plain.clone() };
    let ways = [
        ("ArrowStream, one piece, none", one_piece.clone()),
        (
            "ArrowStream, one piece, lz4",
            SourceConfig { compression: "lz4".parse().unwrap(), ..one_piece.clone() },
        ),
        (
            "ArrowStream, one piece, zstd",
            SourceConfig { compression: "zstd".parse().unwrap(), ..one_piece.clone() },
        ),
        ("ArrowStream, one piece, strict", SourceConfig { strict: true, ..one_piece.clone() }),
        ("ArrowStream, ranges, 1 pull", pulls(1)),
        ("ArrowStream, ranges, 2 pulls", pulls(2)),
        ("ArrowStream, ranges, 4 pulls", pulls(4)),
        ("ArrowStream, ranges, 2 pulls, strict", SourceConfig { strict: true, ..pulls(2) }),
        ("Native, one piece", SourceConfig { format: WireFormat::Native, ..one_piece }),
        ("Native, ranges, 2 pulls", SourceConfig { format: WireFormat::Native, ..pulls(2) }),
    ];
    let mut best = vec![Duration::MAX; ways.len()];
    // Round by round, so that a busy minute hits all of them.
    for _ in 0..ROUNDS {
        for (way, best) in ways.iter().zip(&mut best) {
            let begun = Instant::now();
            let source = open(&way.1).unwrap();
            let all: Vec<usize> = (0..source.schema().fields().len()).collect();
            let read: u64 = source.batches(&all).unwrap().map(|batch| batch.unwrap().num_rows() as u64).sum();
            assert_eq!(read, rows);
            *best = begun.elapsed().min(*best);
        }
    }
    println!("{rows} rows x {} columns", files.schema().fields().len());
    for ((name, _), best) in ways.iter().zip(best) {
        println!("{name:<40} {:.2} s", best.as_secs_f64());
    }
}
