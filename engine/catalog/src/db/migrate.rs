//! Brings a database to the schema that this program knows. Running it again changes nothing.

use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use super::schema::{APPLICATION_ID, MIGRATIONS};
use super::{Db, Dialect, During, fault};
use crate::error::{Error, Result};

/// What a database holds before anything is done to it.
enum Found {
    Nothing,
    Version(usize),
    SomethingElse,
}

impl Db {
    /// Makes or migrates the tables, or fails if the database is of a newer Muster or of something else.
    pub(super) async fn migrate(&self) -> Result<()> {
        let mut conn = self.connect().await?;
        let outcome = self.migrate_on(&mut conn).await;
        // With it goes what was not finished; nothing depends on how it ends.
        let _ = conn.close().await;
        outcome
    }

    /// Whether it holds tables.
    pub(super) async fn is_made(&self) -> Result<bool> {
        let mut conn = self.connect().await?;
        let found = self.found(&mut conn).await;
        // Nothing was changed; nothing depends on how it ends.
        let _ = conn.close().await;
        Ok(!matches!(found?, Found::Nothing))
    }

    async fn migrate_on(&self, conn: &mut AnyConnection) -> Result<()> {
        let found = self.found(conn).await?;
        match found {
            Found::Version(version) if version == MIGRATIONS.len() => return Ok(()),
            Found::Version(version) if version > MIGRATIONS.len() => {
                return Err(Error::TooNew {
                    place: self.place.clone(),
                    found: version as u64,
                    known: MIGRATIONS.len() as u64,
                });
            }
            Found::SomethingElse => {
                return Err(Error::CannotOpen {
                    place: self.place.clone(),
                    why: "it holds tables that are not a catalog's; give the catalog a database of its own"
                        .to_owned(),
                });
            }
            Found::Nothing | Found::Version(_) => {}
        }
        if self.read_only {
            return Err(Error::CannotOpen {
                place: self.place.clone(),
                why: "its tables must be made or changed first, and it may only be read; open it once for writing".to_owned(),
            });
        }
        match self.dialect {
            Dialect::Sqlite => {
                self.run(conn, "BEGIN IMMEDIATE").await?;
                self.apply(conn).await?;
                self.run(conn, "COMMIT").await
            }
            Dialect::MySql => {
                // Several servers may start at once; the lock goes with the connection.
                self.run(conn, "DO GET_LOCK(CONCAT('muster_', MD5(DATABASE())), 30)").await?;
                self.apply(conn).await?;
                self.run(conn, "DO RELEASE_LOCK(CONCAT('muster_', MD5(DATABASE())))").await
            }
        }
    }

    /// Applies what is missing; somebody else may have done so since we looked.
    async fn apply(&self, conn: &mut AnyConnection) -> Result<()> {
        let done = match self.found(conn).await? {
            Found::Version(version) => version,
            Found::Nothing | Found::SomethingElse => 0,
        };
        if self.dialect == Dialect::Sqlite {
            self.run(conn, &format!("PRAGMA application_id = {APPLICATION_ID}")).await?;
        }
        self.run(conn, &self.dialect.schema_table()).await?;
        for (at, steps) in MIGRATIONS.iter().enumerate().skip(done) {
            for statement in steps.iter().flat_map(|step| step.statements(self.dialect)) {
                self.run(conn, &statement).await?;
            }
            self.run(conn, "DELETE FROM catalog_schema").await?;
            self.run(conn, &format!("INSERT INTO catalog_schema (id, version) VALUES (1, {})", at + 1))
                .await?;
        }
        if self.number(conn, "SELECT COUNT(*) FROM catalog_state").await? == 0 {
            self.run(conn, "INSERT INTO catalog_state VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0)").await?;
        }
        Ok(())
    }

    async fn found(&self, conn: &mut AnyConnection) -> Result<Found> {
        let (tables, ours) = match self.dialect {
            Dialect::Sqlite => (
                "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'",
                "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'catalog_schema'",
            ),
            Dialect::MySql => (
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()",
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()
                 AND table_name = 'catalog_schema'",
            ),
        };
        if self.number(conn, ours).await? == 1 {
            // Without a row the first migration was cut off.
            let version = self.number(conn, "SELECT COALESCE(MAX(version), 0) FROM catalog_schema").await?;
            return Ok(Found::Version(usize::try_from(version).unwrap_or(0)));
        }
        Ok(if self.number(conn, tables).await? == 0 { Found::Nothing } else { Found::SomethingElse })
    }

    async fn run(&self, conn: &mut AnyConnection, statement: &str) -> Result<()> {
        let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(conn);
        match tokio::time::timeout(self.settings.maintenance_timeout(), run).await {
            Err(_) => Err(fault::silent(&self.place, During::Work)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if self.is_made_already(&error) => Ok(()),
            Ok(Err(error)) => Err(fault::fault(&self.place, error, During::Work)),
        }
    }

    /// An index that an earlier, unfinished run made; MySQL has no word for that in its statement.
    fn is_made_already(&self, error: &sqlx::Error) -> bool {
        self.dialect == Dialect::MySql
            && error
                .as_database_error()
                .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
                .is_some_and(|error| error.number() == 1061)
    }

    async fn number(&self, conn: &mut AnyConnection, statement: &'static str) -> Result<i64> {
        let asked = sqlx::query(statement).fetch_one(conn);
        let row = tokio::time::timeout(self.settings.statement_timeout(), asked)
            .await
            .map_err(|_| fault::silent(&self.place, During::Work))?
            .map_err(|error| fault::fault(&self.place, error, During::Work))?;
        row.try_get(0).map_err(|error| fault::fault(&self.place, error, During::Work))
    }
}

impl Dialect {
    fn schema_table(self) -> String {
        match self {
            Self::Sqlite => "CREATE TABLE IF NOT EXISTS catalog_schema (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)",
            Self::MySql => {
                "CREATE TABLE IF NOT EXISTS catalog_schema (id BIGINT PRIMARY KEY, version BIGINT NOT NULL) ENGINE = InnoDB"
            }
        }
        .to_owned()
    }
}
