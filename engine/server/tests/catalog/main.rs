//! Labels and deliveries as callers meet them: a real server over a small real store and a real catalog, asked over HTTP and gRPC.
//!
//! Each test runs on SQLite, and on MySQL where there is one at `MUSTER_TEST_MYSQL`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../rest/client.rs"]
mod client;
mod databases;
mod deliveries;
#[path = "../fixture/mod.rs"]
mod fixture;
mod labels;
mod matching;
mod outage;
mod people;
#[path = "../rest/shape.rs"]
mod shape;
