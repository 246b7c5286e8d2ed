//! The ClickHouse that tests talk to, over plain HTTP.
//!
//! `MUSTER_TEST_CLICKHOUSE` names it; `tests/fixtures/clickhouse_server.py` starts one. `MUSTER_TEST_CLICKHOUSE_OLD` names an
//! old one, which `tests/fixtures/old_clickhouse_server.py` starts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use muster_loader::source::{ParquetSource, Source};

/// A database of its own on the server, dropped with this.
pub(crate) struct ClickHouse {
    agent: ureq::Agent,
    url: String,
    database: String,
    /// Whether it knows no settings of today.
    old: bool,
}

impl ClickHouse {
    /// Connects to the server that the environment names.
    pub(crate) fn connect() -> Self {
        Self::connect_to("MUSTER_TEST_CLICKHOUSE", "clickhouse_server.py", false)
    }

    /// Connects to the old server that the environment names.
    pub(crate) fn connect_old() -> Self {
        Self::connect_to("MUSTER_TEST_CLICKHOUSE_OLD", "old_clickhouse_server.py", true)
    }

    fn connect_to(variable: &str, fixture: &str, old: bool) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var(variable).unwrap_or_else(|_| {
            panic!(
                "this test needs a ClickHouse: set {variable} to its URL, for example with \
                 `python loader/tests/fixtures/{fixture} DIR -- cargo test -- --ignored`"
            )
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("muster_test_{}_{number}", std::process::id());
        let url = url.trim_end_matches('/').to_owned();
        let server = Self { agent: config.new_agent(), url, database, old };
        server.run(&format!("CREATE DATABASE {}", server.database), "UTC");
        server
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The database that is this test's own.
    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// The answer to a query, with what the server says where it refuses.
    pub(crate) fn try_query(&self, sql: &str, time_zone: &str) -> Result<String, String> {
        self.send(&[("session_timezone", time_zone)], sql.as_bytes())
    }

    /// The answer to a query that must work.
    pub(crate) fn query(&self, sql: &str, time_zone: &str) -> String {
        self.try_query(sql, time_zone).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// A statement that must work.
    pub(crate) fn run(&self, sql: &str, time_zone: &str) {
        self.query(sql, time_zone);
    }

    /// Rows in RowBinary.
    pub(crate) fn insert(&self, table: &str, rows: &[u8]) {
        self.insert_as("RowBinary", table, rows);
    }

    /// Rows in any format.
    pub(crate) fn insert_as(&self, format: &str, table: &str, rows: &[u8]) {
        let sql = format!("INSERT INTO {table} FORMAT {format}");
        self.send(&[("query", &sql)], rows).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    fn send(&self, parameters: &[(&str, &str)], body: &[u8]) -> Result<String, String> {
        let mut request = self.agent.post(&self.url);
        // The database is only there once it is created.
        if !body.starts_with(b"CREATE DATABASE") {
            request = request.query("database", &self.database);
        }
        // Long rules nest deeper than a server expects of people.
        let known = |name: &str| !self.old || name == "query";
        let always = [("max_query_size", "100000000"), ("max_ast_elements", "10000000")];
        for (name, value) in always.iter().chain(parameters).filter(|(name, _)| known(name)) {
            request = request.query(name, value);
        }
        let mut answer = request.send(body).map_err(|error| format!("{}: {error}", self.url))?;
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string();
        let text = text.map_err(|error| format!("{}: {error}", self.url))?;
        if answer.status().is_success() { Ok(text) } else { Err(text) }
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        // Best effort: the server may be gone.
        let _ = self.try_query(
            &format!("DROP DATABASE {}{}", self.database, if self.old { "" } else { " SYNC" }),
            "UTC",
        );
    }
}

/// The table of the domain, as far as the file's own types are not meant.
pub(crate) fn user_features(source: &ParquetSource) -> String {
    let mut sql = "CREATE TABLE user_features (".to_owned();
    for (place, field) in source.schema().fields().iter().enumerate() {
        use arrow_schema::DataType::{Boolean, Float64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8};
        let ty = match field.data_type() {
            Boolean => "Bool",
            UInt8 => "UInt8",
            UInt16 => "UInt16",
            UInt32 => "UInt32",
            UInt64 => "UInt64",
            Float64 => "Float64",
            Timestamp(..) => "DateTime",
            Utf8 if field.name() == "country" => "LowCardinality(String)",
            Utf8 => "String",
            other => panic!("{other} is not of the domain"),
        };
        let ty = if field.is_nullable() { format!("Nullable({ty})") } else { ty.to_owned() };
        _ = write!(sql, "{} {} {ty}", if place > 0 { "," } else { "" }, field.name());
    }
    sql + ") ENGINE = MergeTree ORDER BY user_id"
}
