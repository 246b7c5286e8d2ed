//! REST as callers meet it: a real server over a small real store, asked over HTTP.
//!
//! Every answer that any test gets is held against the OpenAPI document that the server gives: status, type and shape.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod client;
mod console;
mod exports;
#[path = "../fixture/mod.rs"]
mod fixture;
mod nights;
mod openapi;
mod problems;
mod rules;
mod running;
mod shape;
