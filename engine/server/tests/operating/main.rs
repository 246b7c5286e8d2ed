//! What operators and editors see of a server with a catalog: the audit, and the effect of an edit before it is saved. Over REST and
//! gRPC, against a real server over a small real store.
//!
//! Each test runs on SQLite, and on MySQL where there is one at `MUSTER_TEST_MYSQL`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod auditing;
#[path = "../rest/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../catalog/databases.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod databases;
mod effects;
#[path = "../fixture/mod.rs"]
mod fixture;
mod roles;
#[path = "../rest/shape.rs"]
mod shape;
mod support;
