//! Who may reach the server and how: a real server over a real store, asked by real clients over TCP, TLS and socket files.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod certificates;
mod clients;
mod ending;
mod listening;
mod support;
mod tls;
mod tokens;
