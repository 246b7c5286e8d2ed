//! A database that goes away and comes back, or is not fit to be used.

use std::path::Path;

use muster_server::Server;
use serde_json::json;

use crate::client::Api;
use crate::databases::config;
use crate::fixture::{self, FIRST_ID};
use crate::people::{shown, soon};

/// A server whose catalog is a file that a test may spoil.
fn over(file: &Path) -> Api {
    Api::with(config(&format!("sqlite:{}", file.display())))
}

#[test]
fn while_the_database_is_locked_reading_goes_on_and_changes_fail_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("catalog.db");
    let api = over(&file);
    api.label("ann", "poh", "has_poh");
    api.live(&shown("d", &json!({"label": "poh"})));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lock = runtime.block_on(async {
        use sqlx::{ConnectOptions as _, Executor as _};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut lock = options.connect().await.unwrap();
        lock.execute("BEGIN EXCLUSIVE").await.unwrap();
        lock
    });
    let refused = api.by("ann", "POST", "/labels", Some(&json!({"name": "x", "rule": "has_poh"})));
    let problem = refused.problem(503, "unavailable");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("catalog")), "{problem}");
    assert_eq!(api.post("/audience/count", &json!({"label": "poh"})).fine()["count"], 1000);
    let seen = api.get(&format!("/api/v1/users/{FIRST_ID}/deliveries")).fine();
    assert_eq!(seen["deliveries"][0]["name"], "d");
    runtime.block_on(async {
        use sqlx::{Connection as _, Executor as _};
        let mut lock = lock;
        lock.execute("ROLLBACK").await.unwrap();
        lock.close().await.unwrap();
    });
    api.label("ann", "x", "has_poh");
}

#[test]
fn a_file_that_cannot_be_written_still_serves_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("catalog.db");
    let made = over(&file);
    made.label("ann", "poh", "has_poh");
    made.live(&shown("d", &json!({"label": "poh"})));
    drop(made);
    let mut config = config(&format!("sqlite:{}", file.display()));
    config.catalog.as_mut().unwrap().read_only = true;
    let api = Api::with(config);
    assert_eq!(api.post("/audience/count", &json!({"label": "poh"})).fine()["count"], 1000);
    soon(|| {
        let answer = api.get(&format!("/api/v1/users/{FIRST_ID}/deliveries"));
        (answer.status == 200 && answer.json()["deliveries"][0]["name"] == "d").then_some(())
    });
    let body = json!({"name": "x", "rule": "has_poh"});
    let problem = api.by("ann", "POST", "/labels", Some(&body)).problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("read"), "{problem}");
}

#[test]
fn a_spoilt_file_is_told_when_the_server_starts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("catalog.db");
    std::fs::write(&file, [b'x'; 8192]).unwrap();
    let store = dir.path().join("store");
    fixture::store(&store, 1, false);
    let config = config(&format!("sqlite:{}", file.display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let error = runtime.block_on(Server::bind(config, &store, fixture::somebody(), None)).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("catalog.db"), "{text}");
}
