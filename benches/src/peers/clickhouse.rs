//! ClickHouse: a MergeTree table in the order of ids, and the SQL that Muster itself renders for a rule.

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;
use muster_engine::schema::{ColumnType, HeldAs, ScalarType, Schema};

use super::server::{DATABASE, Server};
use super::{Peer, Question, Reply};

/// The table of one population.
pub(crate) struct ClickHouse {
    server: Rc<Server>,
    table: String,
}

/// What loading took.
pub(crate) struct Load {
    /// Seconds of the INSERT, if the table was not there already.
    pub(crate) insert_seconds: Option<f64>,
    /// Bytes on disk.
    pub(crate) bytes: u64,
}

impl ClickHouse {
    /// Loads the table from the population's Parquet files, unless a table with that many users is there.
    pub(crate) fn load(
        server: &Rc<Server>,
        features: &Path,
        users: u64,
        schema: &Schema,
    ) -> Result<(Self, Load)> {
        let table = format!("users_{users}");
        let mut insert_seconds = None;
        if server.rows(&table)? != users {
            eprintln!("loading {users} users into ClickHouse");
            server.ask(&format!("DROP TABLE IF EXISTS {DATABASE}.{table} SYNC"))?;
            server.ask(&format!(
                "CREATE TABLE {DATABASE}.{table} ({}) ENGINE = MergeTree ORDER BY {}",
                columns(schema),
                schema.user_id
            ))?;
            let features = features.canonicalize()?;
            let files = format!("file('{}/*.parquet', Parquet)", features.display());
            let insert = server.ask(&format!("INSERT INTO {DATABASE}.{table} SELECT * FROM {files}"))?;
            insert_seconds = Some(insert.nanos / 1e9);
            // As few parts as the table would have on a quiet day.
            server.ask(&format!("OPTIMIZE TABLE {DATABASE}.{table} FINAL"))?;
        }
        let bytes = server.bytes(&table)?;
        Ok((Self { server: Rc::clone(server), table }, Load { insert_seconds, bytes }))
    }
}

/// The types that the table would have had in the warehouse; Parquet has neither seconds nor few-valued text.
fn columns(schema: &Schema) -> String {
    let mut columns = vec![format!("{} UInt64", schema.user_id)];
    for column in &schema.columns {
        let ty = match (&column.ty, column.held_as) {
            (_, HeldAs::JsonArray | HeldAs::JsonMap) => "String".to_owned(),
            (ColumnType::Scalar(ScalarType::String), _) => "LowCardinality(String)".to_owned(),
            (ty, _) => ty.to_string(),
        };
        let ty = if column.nullable { format!("Nullable({ty})") } else { ty };
        columns.push(format!("{} {ty}", column.name));
    }
    columns.join(", ")
}

impl Peer for ClickHouse {
    fn name(&self) -> &'static str {
        "clickhouse"
    }

    fn threads(&self) -> usize {
        self.server.threads()
    }

    fn ask(&mut self, question: &Question) -> Result<Reply> {
        let query = format!("SELECT count() FROM {DATABASE}.{} WHERE {}", self.table, question.sql);
        let (count, nanos) = self.server.number(&query)?;
        Ok(Reply::Counted { count, nanos })
    }
}
