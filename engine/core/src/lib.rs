//! Muster's engine: immutable memory-mapped snapshots of user features, and exact answers to rules over them.

pub mod batch;
pub mod bitmap;
pub mod column;
pub mod diff;
pub mod error;
pub mod execute;
pub mod format;
pub mod key;
pub mod plan;
pub mod rule;
pub mod schema;
pub mod snapshot;
pub mod storage;
pub mod value;
