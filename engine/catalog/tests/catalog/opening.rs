//! Opening a catalog: made once, migrated once, refused where it is something else.

use muster_catalog::{Catalog, Error, Settings};
use sqlx::{Connection, Executor, MySqlConnection, SqliteConnection};

use crate::fixture::{NOW, ann, make, named, on_both, open};

on_both!(
    opening_again_changes_nothing,
    one_that_nobody_made_is_not_made_by_looking,
    many_open_a_new_catalog_at_once,
    a_newer_schema_is_refused,
    a_database_of_something_else_is_refused,
    an_unfinished_migration_is_finished,
    a_read_only_catalog_reads_and_refuses_changes,
);

/// Runs a statement beside the catalog.
async fn beside(settings: &Settings, statement: &'static str) {
    if settings.url.starts_with("sqlite:") {
        let mut conn = SqliteConnection::connect(&format!("{}?mode=rwc", settings.url)).await.unwrap();
        conn.execute(statement).await.unwrap();
    } else {
        let mut conn = MySqlConnection::connect(&settings.url).await.unwrap();
        conn.execute(statement).await.unwrap();
    }
}

async fn one_that_nobody_made_is_not_made_by_looking(settings: Settings) {
    for _ in 0..2 {
        assert!(Catalog::open_made(settings.clone()).await.unwrap().is_none());
    }
    if let Some(file) = settings.file().unwrap() {
        assert!(!file.exists());
    }
    make(&open(&settings).await, "a", "true").await;
    let made = Catalog::open_made(settings).await.unwrap().unwrap();
    assert_eq!(made.export().await.unwrap().labels.len(), 1);
}

async fn opening_again_changes_nothing(settings: Settings) {
    let first = open(&settings).await;
    make(&first, "a", "true").await;
    let before = first.export().await.unwrap();
    first.close().await;
    for _ in 0..2 {
        let again = open(&settings).await;
        assert_eq!(again.export().await.unwrap(), before);
        again.verify().await.unwrap();
        again.close().await;
    }
}

async fn many_open_a_new_catalog_at_once(settings: Settings) {
    let tasks: Vec<_> = (0..6)
        .map(|at| {
            let settings = settings.clone();
            tokio::spawn(async move {
                let catalog = open(&settings).await;
                make(&catalog, &format!("l{at}"), "true").await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(open(&settings).await.export().await.unwrap().labels.len(), 6);
}

async fn a_newer_schema_is_refused(settings: Settings) {
    open(&settings).await.close().await;
    beside(&settings, "UPDATE catalog_schema SET version = 99").await;
    let error = Catalog::open(settings).await.unwrap_err();
    assert!(matches!(error, Error::TooNew { found: 99, known: 1, .. }), "{error}");
}

async fn a_database_of_something_else_is_refused(settings: Settings) {
    beside(&settings, "CREATE TABLE labels (id INTEGER)").await;
    let error = Catalog::open(settings).await.unwrap_err();
    assert!(error.to_string().ends_with("give the catalog a database of its own"), "{error}");
}

async fn an_unfinished_migration_is_finished(settings: Settings) {
    // As if it had ended before it was noted, which only MySQL cannot undo.
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    catalog.close().await;
    beside(&settings, "DELETE FROM catalog_schema").await;
    let catalog = open(&settings).await;
    assert_eq!(catalog.label(&ann(), &named("a"), NOW).await.unwrap().id, 1);
    make(&catalog, "b", "label('a')").await;
}

async fn a_read_only_catalog_reads_and_refuses_changes(settings: Settings) {
    let mut read_only = settings.clone();
    read_only.read_only = true;
    let error = Catalog::open(read_only.clone()).await.unwrap_err();
    assert!(matches!(error, Error::CannotOpen { .. }), "{error}");
    let writing = open(&settings).await;
    make(&writing, "a", "true").await;
    let reading = open(&read_only).await;
    assert!(reading.is_read_only());
    assert_eq!(reading.label(&ann(), &named("a"), NOW).await.unwrap().id, 1);
    let error = reading.delete_label(&ann(), &named("a"), None, NOW).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("can only be read"), "{error}");
    // It sees what others write.
    make(&writing, "b", "true").await;
    assert_eq!(reading.export().await.unwrap().labels.len(), 2);
    reading.verify().await.unwrap();
}
