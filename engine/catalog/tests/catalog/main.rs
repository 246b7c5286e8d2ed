//! The catalog, tried on SQLite and on MySQL: the same tests for both.
//!
//! Those for MySQL want a server at `MUSTER_TEST_MYSQL`, whose user may create databases; those in `server` start their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::assigning_clones)]

mod audit;
mod counts;
mod deliveries;
mod delivery_model;
mod fixture;
mod labels;
mod lists;
mod nesting;
mod opening;
mod restoring;
mod server;
mod sqlite_faults;
mod transfer;
