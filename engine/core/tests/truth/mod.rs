//! What the engine is checked against: tables as plain values, a row-by-row evaluator that shares nothing with the
//! executor but the rule tree, and random tables and rules to compare the two on.
//!
//! Test files of several crates include this folder by path; each uses a part of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod cell;
pub mod compare;
pub mod engine;
pub mod generate;
pub mod hash;
pub mod labels;
pub mod like;
pub mod literals;
pub mod naive;
pub mod overlay;
pub mod populate;
pub mod rng;
pub mod sample;
pub mod shrink;
pub mod table;
pub mod time;
pub mod verbatim;
pub mod warehouse;
