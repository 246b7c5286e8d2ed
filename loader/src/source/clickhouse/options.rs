//! Which server, which rows, who asks, and how patiently.
//!
//! The password is only ever in [`Secret`], which nothing prints.

use std::fmt::{self, Debug, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::address::Address;
use crate::config::SourceConfig;
use crate::error::{LoadError, Result};

/// Queries at a time unless the configuration says how many: docs/clickhouse.md has the measurement.
pub(super) const PULLS: u32 = 2;
/// The table unless another is named.
const TABLE: &str = "user_features";
/// Most queries at a time: beyond it a server serves nobody else.
const PULLS_MAX: u32 = 64;
/// Fewest rows a range is made of: below, asking costs more than reading.
const RANGE_ROWS_MIN: u64 = 1_000;

/// How what a server sends is compressed: Arrow's own codecs, never HTTP's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not from this machine, LZ4 from any other.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// In which format a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireFormat {
    /// ArrowStream, and Native where the server does not know it.
    #[default]
    Auto,
    /// ArrowStream.
    Arrow,
    /// Native.
    Native,
}

impl std::str::FromStr for Compression {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "auto" => Self::Auto,
            "none" => Self::None,
            "lz4" => Self::Lz4,
            "zstd" => Self::Zstd,
            _ => return Err("it must be auto, none, lz4 or zstd".to_owned()),
        })
    }
}

impl std::str::FromStr for WireFormat {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "auto" => Self::Auto,
            "arrow" => Self::Arrow,
            "native" => Self::Native,
            _ => return Err("it must be auto, arrow or native".to_owned()),
        })
    }
}

/// A password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub(super) String);

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// A table: its name, quoted, and whether with `FINAL`.
    Table {
        /// `TABLE` or `DATABASE.TABLE` as it was written.
        name: String,
        /// Whether only the last row of a user counts.
        last_row_only: bool,
    },
    /// What a query yields.
    Query(String),
}

impl Rows {
    /// What stands after `FROM`.
    pub(crate) fn after_from(&self) -> String {
        match self {
            Self::Table { name, last_row_only } => {
                let name = name.split('.').map(quoted).collect::<Vec<_>>().join(".");
                if *last_row_only { format!("{name} FINAL") } else { name }
            }
            // On lines of its own, so that a comment at its end ends there.
            Self::Query(query) => format!("(\n{query}\n)"),
        }
    }
}

/// How long what may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Connecting.
    pub connect: Duration,
    /// Until the first byte of an answer.
    pub first_byte: Duration,
    /// Between two bytes of an answer.
    pub stall: Duration,
    /// Everything together.
    pub total: Duration,
    /// How often something transient is tried again.
    pub retries: u32,
    /// How long to wait before the first time; it doubles.
    pub retry_wait: Duration,
}

/// Everything a connection needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickHouseOptions {
    /// The server.
    pub address: Address,
    /// The database; the user's own if none.
    pub database: Option<String>,
    /// What is read.
    pub rows: Rows,
    /// Who asks; the server's default user if nobody.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// How what it sends is compressed.
    pub compression: Compression,
    /// In which format it sends.
    pub format: WireFormat,
    /// Whether every row is counted by the server, too.
    pub strict: bool,
    /// Queries at a time, where somebody said how many.
    pub pulls: Option<u32>,
    /// Rows that one query asks for, about.
    pub range_rows: u64,
    /// How long what may take.
    pub patience: Patience,
    /// The key column.
    pub user_id: String,
}

impl ClickHouseOptions {
    /// What `[source]` says; what its address says comes first. Reads the password from where it is kept.
    pub fn new(source: &SourceConfig) -> Result<Self> {
        let url = source.url.as_deref().ok_or_else(|| {
            config("no ClickHouse server: give --source clickhouse:http://HOST:PORT, or `url` in [source].")
        })?;
        let (address, said) = Address::parse(url)?;
        if !(1..=PULLS_MAX).contains(&source.pulls.unwrap_or(1)) {
            return Err(config(format!("source.pulls must be between 1 and {PULLS_MAX}.")));
        }
        if source.range_rows < RANGE_ROWS_MIN {
            return Err(config(format!("source.range_rows must be at least {RANGE_ROWS_MIN}.")));
        }
        let query = source.query.clone().filter(|_| said.table.is_none());
        let table = said.table.or_else(|| source.table.clone());
        let last_row_only = said.last_row_only.or(source.final_rows).unwrap_or(false);
        let seconds = Duration::from_secs;
        Ok(Self {
            rows: rows(table, query, last_row_only)?,
            address,
            database: said.database.or_else(|| source.database.clone()),
            user: said.user.or_else(|| source.user.clone()),
            password: password(source)?,
            ca_file: source.ca_file.clone(),
            compression: source.compression,
            format: source.format,
            strict: source.strict,
            pulls: source.pulls,
            range_rows: source.range_rows,
            patience: Patience {
                connect: seconds(source.connect_timeout_seconds.max(1)),
                first_byte: seconds(source.first_byte_timeout_seconds.max(1)),
                stall: seconds(source.stall_timeout_seconds.max(1)),
                total: seconds(source.total_timeout_seconds.max(1)),
                retries: source.retries,
                retry_wait: Duration::from_millis(source.retry_wait_ms),
            },
            user_id: source.user_id.clone(),
        })
    }
}

fn config(message: impl Into<String>) -> LoadError {
    LoadError::Config(message.into())
}

fn rows(table: Option<String>, query: Option<String>, last_row_only: bool) -> Result<Rows> {
    match (table, query) {
        (Some(_), Some(_)) => Err(config("both `table` and `query` are set in [source]; remove one.")),
        (None, Some(_)) if last_row_only => {
            Err(config("`final` is for a `table`; write FINAL into the `query` where it belongs."))
        }
        (None, Some(query)) => {
            let query = query.trim().trim_end_matches(';').trim_end().to_owned();
            if query.is_empty() {
                Err(config("`query` in [source] is empty."))
            } else {
                Ok(Rows::Query(query))
            }
        }
        (Some(name), None)
            if name.split('.').all(|part| !part.is_empty()) && name.split('.').count() <= 2 =>
        {
            Ok(Rows::Table { name, last_row_only })
        }
        (Some(name), None) => Err(config(format!("{name:?} is no table; write TABLE or DATABASE.TABLE."))),
        (None, None) => Ok(Rows::Table { name: TABLE.to_owned(), last_row_only }),
    }
}

/// From the variable or the file; a line's end in a file is not part of it.
fn password(source: &SourceConfig) -> Result<Option<Secret>> {
    match (&source.password_env, &source.password_file) {
        (Some(_), Some(_)) => {
            Err(config("both `password_env` and `password_file` are set in [source]; remove one."))
        }
        (Some(name), None) => match std::env::var(name) {
            Ok(password) => Ok(Some(Secret(password))),
            Err(_) => Err(config(format!(
                "the password should be in the variable {name}, which is not set; set it."
            ))),
        },
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(LoadError::io(path))?;
            Ok(Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned())))
        }
        (None, None) => Ok(None),
    }
}

/// A name as ClickHouse reads it.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A text as ClickHouse reads it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> SourceConfig {
        SourceConfig {
            url: Some("http://127.0.0.1:8123".into()),
            table: Some("cdp.user_features".into()),
            ..SourceConfig::default()
        }
    }

    fn refused(change: impl Fn(&mut SourceConfig)) -> String {
        let mut source = source();
        change(&mut source);
        ClickHouseOptions::new(&source).unwrap_err().to_string()
    }

    #[test]
    fn the_address_wins_over_the_file() {
        let mut config = source();
        config.url = Some("https://db:8443/?database=a%20b&table=t&final=true&user=u".into());
        config.database = Some("other".into());
        let options = ClickHouseOptions::new(&config).unwrap();
        assert_eq!((options.database.as_deref(), options.user.as_deref()), (Some("a b"), Some("u")));
        assert_eq!(options.rows.after_from(), "`t` FINAL");
        assert_eq!(ClickHouseOptions::new(&source()).unwrap().rows.after_from(), "`cdp`.`user_features`");
        // A table in the address instead of a query in the file.
        (config.table, config.query) = (None, Some("SELECT 1".into()));
        assert_eq!(ClickHouseOptions::new(&config).unwrap().rows.after_from(), "`t` FINAL");
        config = SourceConfig { table: None, ..source() };
        assert_eq!(ClickHouseOptions::new(&config).unwrap().rows.after_from(), "`user_features`");
    }

    #[test]
    fn a_password_is_read_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        let mut config = source();
        config.password_file = Some(path);
        let options = ClickHouseOptions::new(&config).unwrap();
        assert_eq!(options.password, Some(Secret("hunter2".into())));
        assert!(!format!("{options:?}").contains("hunter2"));
        let unset = refused(|config| config.password_env = Some("MUSTER_NO_SUCH_VARIABLE".into()));
        assert!(unset.contains("MUSTER_NO_SUCH_VARIABLE"), "{unset}");
        assert!(
            refused(|config| config.password_file = Some("/no/such/file".into())).contains("/no/such/file")
        );
    }

    #[test]
    fn contradictions_are_refused() {
        let both = refused(|config| config.query = Some("SELECT 1".into()));
        assert!(both.contains("`table` and `query`"), "{both}");
        assert!(refused(|config| config.table = Some("a.b.c".into())).contains("DATABASE.TABLE"));
        assert!(refused(|config| config.pulls = Some(0)).contains("source.pulls"));
        assert!(refused(|config| config.range_rows = 5).contains("source.range_rows"));
        let with_final = refused(|config| {
            (config.table, config.query, config.final_rows) = (None, Some("SELECT 1".into()), Some(true));
        });
        assert!(with_final.contains("write FINAL"), "{with_final}");
    }

    #[test]
    fn a_query_may_end_as_people_end_them() {
        let mut config = source();
        (config.table, config.query) = (None, Some(" SELECT 1 -- one\n ; \n".into()));
        let options = ClickHouseOptions::new(&config).unwrap();
        assert_eq!(options.rows.after_from(), "(\nSELECT 1 -- one\n)");
    }
}
