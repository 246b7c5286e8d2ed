//! Muster's loader: sources (Parquet, ClickHouse, synthetic) into published snapshots, by the clock, and from store to store.
//!
//! One way only: source -> record batches -> engine columns -> snapshot writer -> store. Nothing here answers
//! questions, and the engine knows nothing of Arrow or Parquet.

pub mod agreement;
pub mod author;
pub mod bucket;
pub mod build;
pub mod columns;
pub mod config;
pub mod error;
pub mod export;
pub mod gates;
pub mod inputs;
pub mod progress;
pub mod schedule;
pub mod source;
pub mod stop;
pub mod synth;
pub mod write_back;

pub use error::{LoadError, Result};
