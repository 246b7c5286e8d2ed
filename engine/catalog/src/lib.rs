//! Muster's catalog: labels, static lists, deliveries, approvals and the audit, in SQLite or in MySQL.
//!
//! The same statements and the same tests for both. Who may do what is the server's to say; what holds whoever asks is said
//! here: names, nesting, states, approval by somebody else, and a record of every change. Every instant is an argument, in
//! microseconds since 1970. Nothing here serves, counts users or knows wire types.

#![forbid(unsafe_code)]

pub mod audit;
mod backup;
mod caller;
mod catalog;
mod db;
pub mod delivery;
pub mod error;
pub mod label;
pub mod list;
mod page;
mod settings;
pub mod transfer;

pub use self::backup::{Verified, restore};
pub use self::caller::Caller;
pub use self::catalog::{Catalog, Changes};
pub use self::error::{Current, Error, Result, Thing, UsedBy};
pub use self::page::Page;
pub use self::settings::Settings;
