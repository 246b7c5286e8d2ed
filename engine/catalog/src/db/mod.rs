//! The database below: one pool, two dialects, transactions that take turns, errors that mean something.
//!
//! Nothing here knows what is stored. All statements are the same for SQLite and MySQL but those in this folder.

mod address;
mod fault;
mod migrate;
mod schema;
pub(crate) mod sqlite;
mod tx;

use std::path::Path;
use std::sync::Arc;

use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor};

pub(crate) use self::address::{Address, Dialect};
use self::fault::During;
pub(crate) use self::tx::{Asked, Counter, Tx, by_chunks, marks, nullable, value};
use crate::error::{Error, Result};
use crate::settings::Settings;

/// A database that holds a catalog.
pub(crate) struct Db {
    pool: AnyPool,
    options: AnyConnectOptions,
    /// What each new connection is told first.
    on_connecting: Arc<str>,
    pub(crate) dialect: Dialect,
    /// For people, without a password.
    pub(crate) place: String,
    pub(crate) settings: Settings,
    pub(crate) read_only: bool,
    /// Changes of this process take turns here, so that they need not poll the database's lock.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Db {
    /// Opens, checks and migrates.
    pub(crate) async fn open(settings: Settings) -> Result<Self> {
        let db = Self::over(&Address::parse(&settings.url)?, settings)?;
        db.migrate().await?;
        db.check_on_opening().await?;
        Ok(db)
    }

    /// The same, or nothing where nobody has made tables yet.
    pub(crate) async fn open_made(settings: Settings) -> Result<Option<Self>> {
        let address = Address::parse(&settings.url)?;
        if let Address::Sqlite { path, .. } = &address
            && !std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
        {
            return Ok(None);
        }
        let db = Self::over(&address, settings)?;
        if !db.is_made().await? {
            return Ok(None);
        }
        db.migrate().await?;
        db.check_on_opening().await?;
        Ok(Some(db))
    }

    /// A database to which nobody has connected yet.
    fn over(address: &Address, settings: Settings) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (options, read_only) = match address {
            Address::Sqlite { path, read_only } => {
                let mode = sqlite::look(path, *read_only || settings.read_only)?;
                let options = address::sqlite_options(path, mode.parameter())?;
                (options, mode != sqlite::Mode::Write)
            }
            Address::MySql(options) => (options.clone(), settings.read_only),
        };
        let place = address.place();
        let on_connecting: Arc<str> = on_connecting(address.dialect(), &settings, read_only).into();
        let told = Arc::clone(&on_connecting);
        let pool = AnyPoolOptions::new()
            .max_connections(settings.connections.max(2))
            .acquire_timeout(settings.connect_timeout())
            .after_connect(move |conn, _| {
                let statements = Arc::clone(&told);
                Box::pin(async move {
                    conn.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_string()))).await.map(drop)
                })
            })
            .connect_lazy_with(options.clone());
        Ok(Self {
            pool,
            options,
            on_connecting,
            dialect: address.dialect(),
            place,
            settings,
            read_only,
            turn: Arc::new(tokio::sync::Mutex::new(())),
        })
    }

    /// A connection, or an error if there is none to be had in time.
    async fn connection(&self) -> Result<PoolConnection<Any>> {
        self.pool.acquire().await.map_err(|error| fault::fault(&self.place, error, During::Work))
    }

    /// A connection beside the pool, which would try again and again where trying does not help, and not say why.
    async fn connect(&self) -> Result<AnyConnection> {
        let connect = async {
            let mut conn = self.options.connect().await?;
            conn.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(self.on_connecting.to_string()))).await?;
            Ok(conn)
        };
        match tokio::time::timeout(self.settings.connect_timeout(), connect).await {
            Err(_) => Err(fault::silent(&self.place, During::Work)),
            Ok(outcome) => outcome.map_err(|error| fault::fault(&self.place, error, During::Work)),
        }
    }

    /// Runs one statement outside of a transaction, for as long as maintenance may take.
    pub(crate) async fn maintain(&self, asked: Asked<'_>) -> Result<()> {
        let mut conn = self.connect().await?;
        let run = asked.execute(&mut conn);
        let outcome = match tokio::time::timeout(self.settings.maintenance_timeout(), run).await {
            Err(_) => Err(fault::silent(&self.place, During::Work)),
            Ok(outcome) => outcome.map(drop).map_err(|error| fault::fault(&self.place, error, During::Work)),
        };
        // Nothing depends on how it ends.
        let _ = conn.close().await;
        outcome
    }

    /// Opens an SQLite file to bring its log into it, which fails while anybody else has it open.
    pub(crate) async fn open_alone(path: &Path) -> Result<()> {
        sqlite::check_header(path)?;
        let settings = Settings::at("");
        let db = Self::over(&Address::Sqlite { path: path.to_owned(), read_only: false }, settings)?;
        db.maintain(sqlx::query("PRAGMA journal_mode = DELETE")).await
    }

    /// Ends all connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn check_on_opening(&self) -> Result<()> {
        if self.dialect == Dialect::MySql {
            return Ok(());
        }
        let mut tx = self.read().await?.for_maintenance();
        let outcome = async {
            for table in sqlite::CHECKED_ON_OPENING {
                self.expect_ok(&mut tx, &format!("PRAGMA quick_check({table})")).await?;
            }
            Ok(())
        };
        let outcome = outcome.await;
        tx.finish(outcome).await
    }

    /// Runs a check of SQLite's that answers `ok`.
    pub(crate) async fn expect_ok(&self, tx: &mut Tx<'_>, check: &str) -> Result<()> {
        let rows = tx.all(sqlx::query(sqlx::AssertSqlSafe(check.to_owned()))).await?;
        let said: Vec<String> = rows.iter().map(|row| value(row, 0, &self.place)).collect::<Result<_>>()?;
        if said == ["ok"] {
            return Ok(());
        }
        let what = said.into_iter().next().unwrap_or_else(|| "a check gave no answer".to_owned());
        Err(Error::Corrupt { place: self.place.clone(), what })
    }
}

/// What each new connection is told first.
fn on_connecting(dialect: Dialect, settings: &Settings, read_only: bool) -> String {
    let lock_ms = settings.lock_timeout_ms;
    match dialect {
        Dialect::Sqlite if read_only => format!("PRAGMA busy_timeout = {lock_ms}; PRAGMA foreign_keys = ON;"),
        Dialect::Sqlite => format!(
            "PRAGMA busy_timeout = {lock_ms}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;"
        ),
        // Strict: what does not fit is an error and not cut off. Read committed: who waited for a turn sees what came before.
        Dialect::MySql => format!(
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES'),
             SESSION innodb_lock_wait_timeout = {}; SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;",
            lock_ms.div_ceil(1000).max(1)
        ),
    }
}
