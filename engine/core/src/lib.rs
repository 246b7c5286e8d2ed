//! Muster's engine: immutable memory-mapped snapshots of user features, and exact answers to rules over them.

pub mod batch;
pub mod key;
pub mod rule;
pub mod schema;
