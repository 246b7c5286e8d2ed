//! What a catalog is told: where it is, how long it may take, how much it holds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use muster_engine::rule::limits::Limits;
use serde::Deserialize;

use crate::db::Address;
use crate::error::Result;

/// Where the catalog is and what bounds it. Fields are those of the section `[catalog]` of a configuration.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `sqlite:PATH` or `mysql://USER:PASSWORD@HOST:PORT/DATABASE`, also `mariadb://`.
    pub url: String,
    /// Whether changes are refused and the database is left as it is.
    pub read_only: bool,
    /// Connections to the database at most.
    pub connections: u32,
    /// How long a connection may take to be had, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long one statement may take, in milliseconds.
    pub statement_timeout_ms: u64,
    /// How long a change waits for other changes to end, in milliseconds.
    pub lock_timeout_ms: u64,
    /// How long a backup, a restoration or a complete check may take, in milliseconds.
    pub maintenance_timeout_ms: u64,
    /// Users of one list at most.
    pub list_users_max: u64,
    /// Records of one page at most.
    pub page_size_max: u32,
    /// For how many days counts of labels are kept.
    pub counts_kept_days: u32,
    /// Bounds on rules; those of the section `[rules]`.
    #[serde(skip)]
    pub rules: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "sqlite:catalog.db".to_owned(),
            read_only: false,
            connections: 8,
            connect_timeout_ms: 2_000,
            statement_timeout_ms: 5_000,
            lock_timeout_ms: 3_000,
            maintenance_timeout_ms: 600_000,
            list_users_max: 20_000_000,
            page_size_max: 1_000,
            counts_kept_days: 365,
            rules: Limits::default(),
        }
    }
}

impl Settings {
    /// The defaults for a catalog at this address.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// The file that holds the catalog, if it is one; none for a server.
    pub fn file(&self) -> Result<Option<PathBuf>> {
        Ok(match Address::parse(&self.url)? {
            Address::Sqlite { path, .. } => Some(path),
            Address::MySql(_) => None,
        })
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_millis(self.statement_timeout_ms)
    }

    pub(crate) fn lock_timeout(&self) -> Duration {
        Duration::from_millis(self.lock_timeout_ms)
    }

    pub(crate) fn maintenance_timeout(&self) -> Duration {
        Duration::from_millis(self.maintenance_timeout_ms)
    }

    /// How many records a page has for which `asked` were asked; 0 is 100.
    pub(crate) fn page_size(&self, asked: u32) -> usize {
        let size = if asked == 0 { 100 } else { asked };
        size.min(self.page_size_max.max(1)) as usize
    }
}

/// Without the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = Address::parse(&self.url).map_or_else(|_| "(not an address)".to_owned(), |a| a.place());
        f.debug_struct("Settings")
            .field("url", &place)
            .field("read_only", &self.read_only)
            .field("connections", &self.connections)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .field("lock_timeout_ms", &self.lock_timeout_ms)
            .field("maintenance_timeout_ms", &self.maintenance_timeout_ms)
            .field("list_users_max", &self.list_users_max)
            .field("page_size_max", &self.page_size_max)
            .field("counts_kept_days", &self.counts_kept_days)
            .field("rules", &self.rules)
            .finish()
    }
}
