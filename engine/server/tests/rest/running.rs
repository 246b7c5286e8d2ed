//! The server from its first moment to its last, as HTTP shows it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::client::{Api, STORE};
use crate::fixture;

#[test]
fn a_server_over_an_empty_store_is_alive_and_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    fixture::store(&dir.path().join(STORE), 0, false);
    let api = Api::over(dir, fixture::config());
    assert_eq!(api.get("/healthz").status, 200);
    let problem = api.get("/readyz").problem(503, "unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("nothing is in service yet"), "{problem}");
    api.post("/audience/count", &json!({"rule": "true"})).problem(503, "unavailable");
    let status = api.get("/api/v1/status").fine();
    assert_eq!(status["ready"], false);
    assert!(status.get("generation").is_none());
    assert_eq!(api.get("/api/v1/generations").fine()["generations"], json!([]));
    // Erasing needs no generation: it holds for those to come.
    let erased = api.post("/users/erase", &json!({"user_ids": [fixture::FIRST_ID]})).fine();
    assert_eq!((&erased["newly_erased"], &erased["known_users"]), (&json!(1), &json!(0)));

    fixture::staged(&muster_engine::snapshot::Store::open(&api.dir.path().join(STORE)).unwrap())
        .publish(None)
        .unwrap();
    api.wait_until_ready();
    assert_eq!(api.post("/audience/count", &json!({"rule": "true"})).fine()["count"], fixture::USERS - 1);
}

#[test]
fn a_request_under_way_is_answered_when_the_server_ends() {
    let api = Api::start();
    let mut connection = TcpStream::connect(api.server.http).unwrap();
    let head = "POST /api/v1/audience/count HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    // Long enough for the request to be begun; if it were not, the connection would still be answered.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let ending = std::thread::spawn(move || drop(api));
    std::thread::sleep(std::time::Duration::from_millis(100));
    connection.write_all(br#"{"rule": "true"}"#).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"count\":3000"), "{answer}");
    ending.join().unwrap();
}
