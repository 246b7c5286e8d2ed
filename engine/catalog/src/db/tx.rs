//! A transaction, and the statements in it. What is not finished is undone.

use std::time::Duration;

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::OwnedMutexGuard;

use super::{Db, Dialect, During, fault};
use crate::error::{Error, Result};

/// A statement with its values.
pub(crate) type Asked<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// Numbers that only go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    LabelChanges,
    DeliveryChanges,
    Label,
    Delivery,
    Approval,
    Audit,
    List,
}

impl Counter {
    fn column(self) -> &'static str {
        match self {
            Self::LabelChanges => "label_changes",
            Self::DeliveryChanges => "delivery_changes",
            Self::Label => "last_label",
            Self::Delivery => "last_delivery",
            Self::Approval => "last_approval",
            Self::Audit => "last_audit",
            Self::List => "last_list",
        }
    }
}

/// A transaction. Dropped before its end, it takes its connection with it, which undoes it.
pub(crate) struct Tx<'a> {
    pub(crate) db: &'a Db,
    conn: PoolConnection<Any>,
    open: bool,
    /// How long a statement may take.
    patience: Duration,
    /// Held by a change, so that the next one begins when this one has ended.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Db {
    /// A transaction that sees one state of the catalog and changes nothing.
    pub(crate) async fn read(&self) -> Result<Tx<'_>> {
        let conn = self.connection().await?;
        let mut tx =
            Tx { db: self, conn, open: true, patience: self.settings.statement_timeout(), _turn: None };
        match self.dialect {
            Dialect::Sqlite => tx.run("BEGIN").await?,
            Dialect::MySql => {
                tx.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
                tx.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
            }
        }
        Ok(tx)
    }

    /// A transaction that changes something. Changes take turns, those of other processes included.
    pub(crate) async fn write(&self) -> Result<Tx<'_>> {
        if self.read_only {
            return Err(Error::ReadOnly { place: self.place.clone() });
        }
        let turn = tokio::time::timeout(
            self.settings.lock_timeout(),
            std::sync::Arc::clone(&self.turn).lock_owned(),
        )
        .await
        .map_err(|_| Error::Unavailable {
            place: self.place.clone(),
            why: "other changes take too long".to_owned(),
            maybe_done: false,
        })?;
        let conn = self.connection().await?;
        let mut tx =
            Tx { db: self, conn, open: true, patience: self.settings.statement_timeout(), _turn: Some(turn) };
        match self.dialect {
            Dialect::Sqlite => tx.run("BEGIN IMMEDIATE").await?,
            Dialect::MySql => tx.run("START TRANSACTION").await?,
        }
        tx.execute(sqlx::query("UPDATE catalog_state SET writes = writes + 1 WHERE id = 1")).await?;
        Ok(tx)
    }
}

impl Tx<'_> {
    /// The same for statements that read everything.
    pub(crate) fn for_maintenance(mut self) -> Self {
        self.patience = self.db.settings.maintenance_timeout();
        self
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn execute(&mut self, asked: Asked<'_>) -> Result<u64> {
        let run = asked.execute(&mut *self.conn);
        match tokio::time::timeout(self.patience, run).await {
            Err(_) => Err(fault::silent(&self.db.place, During::Work)),
            Ok(outcome) => outcome.map(|done| done.rows_affected()).map_err(|error| self.fault(error)),
        }
    }

    /// All rows of an answer.
    pub(crate) async fn all(&mut self, asked: Asked<'_>) -> Result<Vec<AnyRow>> {
        let run = asked.fetch_all(&mut *self.conn);
        match tokio::time::timeout(self.patience, run).await {
            Err(_) => Err(fault::silent(&self.db.place, During::Work)),
            Ok(outcome) => outcome.map_err(|error| self.fault(error)),
        }
    }

    /// The row of an answer that has one at most.
    pub(crate) async fn optional(&mut self, asked: Asked<'_>) -> Result<Option<AnyRow>> {
        Ok(self.all(asked).await?.into_iter().next())
    }

    /// Adds to a counter; what it is then.
    pub(crate) async fn count_up(&mut self, counter: Counter, by: u64) -> Result<u64> {
        let column = counter.column();
        let update = format!("UPDATE catalog_state SET {column} = {column} + ? WHERE id = 1");
        self.execute(sqlx::query(AssertSqlSafe(update)).bind(by as i64)).await?;
        self.counter(counter).await
    }

    /// What a counter is.
    pub(crate) async fn counter(&mut self, counter: Counter) -> Result<u64> {
        let select = format!("SELECT {} FROM catalog_state WHERE id = 1", counter.column());
        let rows = self.all(sqlx::query(AssertSqlSafe(select))).await?;
        let Some(row) = rows.first() else {
            return Err(Error::Corrupt {
                place: self.db.place.clone(),
                what: "its counters are gone".to_owned(),
            });
        };
        Ok(value::<i64>(row, 0, &self.db.place)? as u64)
    }

    /// Keeps what was done if it went well, and undoes it otherwise.
    pub(crate) async fn finish<T>(mut self, outcome: Result<T>) -> Result<T> {
        let (end, during) = match outcome {
            Ok(_) => ("COMMIT", During::Commit),
            // Nobody would answer; the connection goes, and what was done with it.
            Err(Error::Unavailable { .. }) => return outcome,
            Err(_) => ("ROLLBACK", During::Work),
        };
        let ended = self.run_during(end, during).await;
        if ended.is_ok() {
            self.open = false;
        }
        let value = outcome?;
        ended.map(|()| value)
    }

    /// Undoes what was done, although it went well.
    pub(crate) async fn undo(mut self) -> Result<()> {
        self.run("ROLLBACK").await?;
        self.open = false;
        Ok(())
    }

    async fn run(&mut self, statement: &'static str) -> Result<()> {
        self.run_during(statement, During::Work).await
    }

    async fn run_during(&mut self, statement: &'static str, during: During) -> Result<()> {
        let run = sqlx::raw_sql(statement).execute(&mut *self.conn);
        match tokio::time::timeout(self.patience, run).await {
            Err(_) => Err(fault::silent(&self.db.place, during)),
            Ok(outcome) => outcome.map(drop).map_err(|error| fault::fault(&self.db.place, error, during)),
        }
    }

    fn fault(&self, error: sqlx::Error) -> Error {
        fault::fault(&self.db.place, error, During::Work)
    }
}

impl Drop for Tx<'_> {
    fn drop(&mut self) {
        if self.open {
            self.conn.close_on_drop();
        }
    }
}

/// A column of a row.
pub(crate) fn value<'r, T>(row: &'r AnyRow, at: usize, place: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    row.try_get(at).map_err(|error| fault::fault(place, error, During::Work))
}

/// A column of a row that may be NULL.
pub(crate) fn nullable<'r, T>(row: &'r AnyRow, at: usize, place: &str) -> Result<Option<T>>
where
    T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
{
    value::<Option<T>>(row, at, place)
}

/// As many question marks, for a list of values.
pub(crate) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// Pieces of a list that fit into one statement.
pub(crate) fn by_chunks<T>(values: &[T]) -> std::slice::Chunks<'_, T> {
    /// SQLite takes 32,766 values in a statement, and a row has up to ten.
    const CHUNK: usize = 500;
    values.chunks(CHUNK)
}
