//! A database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_server::{CatalogSettings, Config};
use sqlx::{Connection, Executor, MySqlConnection};

use crate::client::Api;
use crate::fixture;

/// Runs each of these tests on SQLite, and on MySQL where there is one.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { crate::databases::on_sqlite(super::$test); })*
        }
        mod mysql {
            $(#[test] #[ignore = "needs MariaDB"] fn $test() { crate::databases::on_mysql(super::$test); })*
        }
    };
}
pub(crate) use on_both;

/// How a server in tests is configured that has a catalog.
pub(crate) fn config(url: &str) -> Config {
    let mut settings = CatalogSettings::at(url);
    settings.connect_timeout_ms = 2_000;
    Config { catalog: Some(settings), ..fixture::config() }
}

/// A server with a catalog in a file.
pub(crate) fn on_sqlite(test: impl FnOnce(&Api)) {
    at_sqlite(|url| test(&Api::with(config(url))));
}

/// A server with a catalog in a database of its own.
pub(crate) fn on_mysql(test: impl FnOnce(&Api)) {
    at_mysql(|url| test(&Api::with(config(url))));
}

/// Where a catalog can be in a file.
pub(crate) fn at_sqlite(test: impl FnOnce(&str)) {
    let dir = tempfile::tempdir().unwrap();
    test(&format!("sqlite:{}", dir.path().join("catalog.db").display()));
}

/// Where a catalog can be in a database of its own.
pub(crate) fn at_mysql(test: impl FnOnce(&str)) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("MUSTER_TEST_MYSQL").expect("MUSTER_TEST_MYSQL");
    let server = server.trim_end_matches('/');
    let name = format!("muster_server_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    say(server, &format!("CREATE DATABASE {name}"));
    test(&format!("{server}/{name}"));
    say(server, &format!("DROP DATABASE {name}"));
}

fn say(server: &str, sql: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = MySqlConnection::connect(server).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    });
}
