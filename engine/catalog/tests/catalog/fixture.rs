//! Databases for tests, and what many tests need.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_catalog::delivery::{Content, NewDelivery, Segment};
use muster_catalog::label::{Label, LabelKey, NewLabel};
use muster_catalog::{Caller, Catalog, Settings};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use sqlx::{Connection, Executor, MySqlConnection};

/// Runs each of these tests on SQLite, and on MySQL where there is one.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { crate::fixture::on_sqlite(super::$test); })*
        }
        mod mysql {
            $(#[test] #[ignore = "needs MariaDB"] fn $test() { crate::fixture::on_mysql(super::$test); })*
        }
    };
}
pub(crate) use on_both;

/// The instant of most tests.
pub(crate) const NOW: i64 = 1_760_000_000_000_000;
/// An hour in microseconds.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// A database of its own, which goes when the test ends well.
pub(crate) fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Settings) -> F) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::at(format!("sqlite:{}", folder.path().join("catalog.db").display()));
    run(test(settings));
}

/// A database of its own on the server for tests.
pub(crate) fn on_mysql<F: Future<Output = ()>>(test: impl FnOnce(Settings) -> F) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("MUSTER_TEST_MYSQL").expect("MUSTER_TEST_MYSQL");
    let server = server.trim_end_matches('/').to_owned();
    let name = format!("muster_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    run(async {
        create_database(&server, &name).await;
        test(Settings::at(format!("{server}/{name}"))).await;
        let mut conn = MySqlConnection::connect(&server).await.unwrap();
        // And those that the test made beside it.
        let made = sqlx::AssertSqlSafe(format!("SHOW DATABASES LIKE '{name}%'"));
        let made: Vec<String> = sqlx::query_scalar(made).fetch_all(&mut conn).await.unwrap();
        for name in made.iter().filter(|made| **made == name || made.starts_with(&format!("{name}_x"))) {
            conn.execute(sqlx::AssertSqlSafe(format!("DROP DATABASE {name}"))).await.unwrap();
        }
    });
}

pub(crate) async fn create_database(server: &str, name: &str) {
    let mut conn = MySqlConnection::connect(server).await.unwrap();
    // Not the collation of the tables: that must not depend on the database.
    conn.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} CHARACTER SET latin1"))).await.unwrap();
}

/// Several threads, as a server has.
pub(crate) fn run<F: Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

pub(crate) async fn open(settings: &Settings) -> Catalog {
    Catalog::open(settings.clone()).await.unwrap()
}

pub(crate) fn ann() -> Caller {
    Caller::new("ann")
}

pub(crate) fn bob() -> Caller {
    Caller::new("bob")
}

pub(crate) fn root() -> Caller {
    Caller::admin("root")
}

pub(crate) fn rule(text: &str) -> Rule {
    Rule::parse(text, &Limits::default()).unwrap()
}

pub(crate) fn named(name: &str) -> LabelKey {
    LabelKey::Name(name.to_owned())
}

/// A label of Ann's.
pub(crate) async fn make(catalog: &Catalog, name: &str, text: &str) -> Label {
    catalog.create_label(&ann(), NewLabel::new(name, rule(text)), NOW).await.unwrap()
}

/// A delivery to all who have a wallet, from in an hour to in three hours.
pub(crate) fn wanted(name: &str) -> NewDelivery {
    NewDelivery {
        name: name.to_owned(),
        target: Segment::Rule(rule("wallet_count > 0")),
        exclude: Vec::new(),
        holdout: None,
        content: Content::OnchainTask { content_id: "task-1".to_owned() },
        start_us: NOW + HOUR,
        end_us: NOW + 3 * HOUR,
        priority: 1,
        placement: "home".to_owned(),
        daily_cap: None,
        total_cap: None,
    }
}
