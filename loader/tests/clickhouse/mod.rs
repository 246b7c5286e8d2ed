//! The ClickHouse that tests talk to, over plain HTTP.
//!
//! `MUSTER_TEST_CLICKHOUSE` names it; `tests/fixtures/clickhouse_server.py` starts one.

use std::sync::atomic::{AtomicU32, Ordering};

/// A database of its own on the server, dropped with this.
pub(crate) struct ClickHouse {
    agent: ureq::Agent,
    url: String,
    database: String,
}

impl ClickHouse {
    /// Connects to the server that the environment names.
    pub(crate) fn connect() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var("MUSTER_TEST_CLICKHOUSE").unwrap_or_else(|_| {
            panic!(
                "this test needs a ClickHouse: set MUSTER_TEST_CLICKHOUSE to its URL, for example with \
                 `python loader/tests/fixtures/clickhouse_server.py DIR -- cargo test -- --ignored`"
            )
        });
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("muster_test_{}_{number}", std::process::id());
        let server = Self { agent: config.new_agent(), url: url.trim_end_matches('/').to_owned(), database };
        server.run(&format!("CREATE DATABASE {}", server.database), "UTC");
        server
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
        for (name, value) in [("max_query_size", "100000000"), ("max_ast_elements", "10000000")] {
            request = request.query(name, value);
        }
        for (name, value) in parameters {
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
        let _ = self.try_query(&format!("DROP DATABASE {} SYNC", self.database), "UTC");
    }
}
