//! Muster's loader: sources (Parquet, synthetic) into published snapshots.
//!
//! One way only: source -> record batches -> engine columns -> snapshot writer -> store. Nothing here answers
//! questions, and the engine knows nothing of Arrow or Parquet.

pub mod agreement;
pub mod build;
pub mod columns;
pub mod config;
pub mod error;
pub mod export;
pub mod progress;
pub mod source;
pub mod synth;

pub use error::{LoadError, Result};
