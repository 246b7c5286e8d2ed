//! Every way in which a request can be refused, and what the refusal says.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use muster_server::{Config, Role, Tokens, TokensFile};
use serde_json::json;

use crate::client::{Api, STORE};
use crate::fixture::{self, FIRST_ID};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_bad_rule_says_where_and_what_would_work() {
    let api = Api::start();
    let problem =
        api.post("/audience/count", &json!({"rule": "has_poh AND\ncontry = 'US'"})).problem(400, "bad_rule");
    assert_eq!(problem["field"], "rule");
    assert_eq!(problem["position"], json!({"line": 2, "column": 1, "offset": 12}));
    assert_eq!(problem["hint"], "did you mean `country`?");
    assert_eq!(problem["instance"], "/api/v1/audience/count");
    let detail = "unknown column `contry` at line 2, column 1; did you mean `country`?";
    assert_eq!(problem["detail"], detail);

    let tree = json!({"combinator": "and", "rules": [{"field": "contry", "operator": "=", "value": "US"}]});
    let problem = api.post("/audience/preview", &json!({"rules": tree})).problem(400, "bad_rule");
    assert_eq!((&problem["field"], &problem["pointer"]), (&json!("rules"), &json!("/rules/0/field")));
    let segments = json!([{"rule": "true"}, {"rules": tree}]);
    let problem = api.post("/audience/overlap", &json!({"segments": segments})).problem(400, "bad_rule");
    assert_eq!(problem["field"], "segments[1]");
    let problem = api.post("/audience/profile", &json!({"rule": "true", "columns": ["contry"]}));
    assert_eq!(problem.problem(400, "bad_rule")["field"], "columns[0]");
    let problem = api.get("/api/v1/users?rule=country%20%3D").problem(400, "bad_rule");
    assert_eq!(problem["field"], "rule");

    let long = format!("country = '{}'", "x".repeat(70_000));
    let problem = api.post("/audience/count", &json!({"rule": long})).problem(400, "bad_rule");
    assert_eq!(problem["limit"], "rules.text_bytes");
}

#[test]
fn a_segment_is_told_in_exactly_one_way() {
    let api = Api::start();
    let segment_of = |body| {
        let problem = api.post("/audience/count", &body).problem(400, "invalid_request");
        assert_eq!(problem["field"], "segment");
        problem["detail"].as_str().unwrap().to_owned()
    };
    let ways = "segment: give exactly one of rule, rules, label and label_id;";
    assert_eq!(segment_of(json!({})), format!("{ways} none was given"));
    assert_eq!(segment_of(json!({"segment": {}})), format!("{ways} none was given"));
    assert_eq!(
        segment_of(json!({"rule": "true", "label_id": 7})),
        format!("{ways} rule and label_id were given")
    );
    assert_eq!(
        segment_of(json!({"rules": {}, "segment": {"rule": "true"}})),
        format!("{ways} rules and segment were given")
    );
    let problem = api.post("/audience/overlap", &json!({"segments": [{"rule": "true"}, {}]}));
    assert_eq!(problem.problem(400, "invalid_request")["field"], "segments[1]");
    api.get("/api/v1/users?rule=true&label=x").problem(400, "invalid_request");
    api.get("/api/v1/users?rules=%7B%7D&label=x").problem(400, "invalid_request");
    for body in [json!({"label": "kyc"}), json!({"label_id": 7})] {
        api.post("/audience/count", &body).problem(404, "not_found");
    }
}

#[test]
fn bodies_are_json_objects_of_known_fields() {
    let api = Api::start();
    for (body, kind, says) in [
        ("", "malformed_body", "EOF"),
        ("{", "malformed_body", "EOF"),
        ("{\"rule\": \"true\"} x", "malformed_body", "trailing"),
        ("rule=true", "malformed_body", "expected value at line 1, column 1"),
        ("\u{feff}{}", "malformed_body", "expected value"),
        ("null", "invalid_request", "expected an object"),
        ("[\"true\"]", "invalid_request", "expected an object"),
        (r#"{"rule": "true", "rul": 1}"#, "invalid_request", "unknown field `rul`, expected one of `rule`"),
        (r#"{"rule": "true", "rule": "false"}"#, "invalid_request", "duplicate field"),
        (r#"{"rule": 5}"#, "invalid_request", "expected a string"),
        (r#"{"label_id": -1}"#, "invalid_request", "expected u64"),
        (r#"{"label_id": 1.5}"#, "invalid_request", "expected u64"),
        (r#"{"label_id": 18446744073709551616}"#, "invalid_request", "expected u64"),
        (r#"{"segment": ["true"]}"#, "invalid_request", "expected an object"),
        (r#"{"rule": "true", "now": "yesterday"}"#, "invalid_request", "give one as 2026-11-20T00:00:00Z"),
        (r#"{"rule": "true", "now": 1795132800}"#, "invalid_request", "expected a string"),
    ] {
        let problem = api.post_text("/audience/count", body).problem(400, kind);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert!(problem["position"]["line"].is_u64() && problem["position"]["column"].is_u64(), "{problem}");
    }
    api.post_text("/audience/profile", r#"{"rule": "true"}"#).problem(400, "invalid_request");
    let deep = format!("{{\"rules\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    api.post_text("/audience/count", &deep).problem(400, "bad_rule");
    for (header, found) in [(None, "no Content-Type"), (Some("text/plain"), "text/plain")] {
        let headers: Vec<_> = header.map(|value| ("content-type", value)).into_iter().collect();
        let problem = api.ask("POST", "/api/v1/audience/count", &headers, Some(r#"{"rule": "true"}"#));
        // The client says text of its own accord.
        let detail = problem.problem(415, "media_type")["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(found) || detail.contains("text/plain"), "{detail}");
    }
    let bare =
        "POST /api/v1/audience/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    assert!(api.raw(bare).contains("no Content-Type"));
    let bytes = "POST /api/v1/generations/rollback HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    assert!(api.raw(bytes).starts_with("HTTP/1.1 415 "));
    let charset = [("content-type", "application/json; charset=utf-8")];
    api.ask("POST", "/api/v1/audience/count", &charset, Some(r#"{"rule": "true"}"#)).fine();
}

#[test]
fn large_bodies_are_refused_before_they_are_read() {
    let api = Api::with(Config { request_bytes: 1_000, ..fixture::config() });
    let head = "POST /api/v1/audience/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    // Nothing of the body is sent.
    let told = api.raw(&format!("{head}content-length: 1001\r\nexpect: 100-continue\r\n\r\n"));
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    assert!(told.contains("urn:muster:problem:too_large") && told.contains("serve.request_bytes"), "{told}");
    // Its length is not told.
    let chunk = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600));
    let found = api.raw(&format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}"));
    assert!(found.starts_with("HTTP/1.1 413 "), "{found}");
    let body = json!({"rule": format!("country = '{}'", "x".repeat(900))}).to_string();
    assert!(body.len() < 1_000);
    assert_eq!(api.post_text("/audience/count", &body).fine()["count"], 0);
}

#[test]
fn a_body_that_never_ends_is_given_up_at_the_deadline() {
    let api = Api::start();
    let half = "POST /api/v1/audience/count HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
                x-muster-timeout-ms: 50\r\ncontent-length: 100\r\n\r\n{\"rule\":";
    let answer = api.raw(half);
    assert!(
        answer.starts_with("HTTP/1.1 504 ") && answer.contains("urn:muster:problem:deadline"),
        "{answer}"
    );
}

#[test]
fn paths_and_methods_that_are_not_there() {
    let api = Api::start();
    for path in [
        "/nothing",
        "/api",
        "/api/v1",
        "/api/v2/schema",
        "/api/v1/audience",
        "/api/v1/users/5",
        "/api/v1/schema/",
    ] {
        let problem = api.get(path).problem(404, "no_such_path");
        assert_eq!(problem["instance"], path);
    }
    let wrong = |method: &str, path: &str| {
        let answer = api.ask(method, path, &[], None);
        answer.problem(405, "method_not_allowed");
        answer.headers["allow"].clone()
    };
    assert_eq!(wrong("GET", "/api/v1/audience/count"), "POST");
    assert_eq!(wrong("DELETE", "/api/v1/schema"), "GET,HEAD");
    assert_eq!(wrong("PATCH", "/api/v1/labels/7"), "GET,HEAD,PUT,DELETE");
    assert_eq!(wrong("POST", "/readyz"), "GET,HEAD");
    assert_eq!(wrong("PURGE", "/"), "GET,HEAD");
}

#[test]
fn parameters_are_known_and_given_once() {
    let api = Api::start();
    let refused = |path: &str| {
        let problem = api.get(&format!("/api/v1{path}")).problem(400, "invalid_request");
        (problem["field"].as_str().unwrap().to_owned(), problem["detail"].as_str().unwrap().to_owned())
    };
    let (field, detail) = refused("/users?rul=true");
    assert_eq!(field, "rul");
    assert!(
        detail.contains("rule, rules, label, label_id, columns, page_size, page_token, now, generation"),
        "{detail}"
    );
    assert_eq!(refused("/status?verbose=1").0, "verbose");
    assert_eq!(refused("/users?rule=true&rule=false").0, "rule");
    assert_eq!(refused("/users?page_size=1001").0, "page_size");
    assert_eq!(refused("/users?page_size=x").0, "page_size");
    assert_eq!(refused("/users?now=yesterday").0, "now");
    assert_eq!(refused("/users?page_token=nonsense").0, "page_token");
    assert_eq!(refused("/generations?page_token=nonsense").0, "page_token");
    assert_eq!(refused("/schema?generation=-1").0, "generation");
    assert_eq!(refused("/users/abc/features").0, "id");
    assert_eq!(refused("/users/18446744073709551616/features").0, "id");
    assert_eq!(refused("/users/%ff/features").0, "path");
    let query = api.ask("POST", "/api/v1/audience/count?generation=1", &[JSON], Some(r#"{"rule": "true"}"#));
    assert_eq!(query.problem(400, "invalid_request")["field"], "query");
    let members =
        |body| api.post("/audience/members", &body).problem(400, "invalid_request")["field"].clone();
    assert_eq!(members(json!({"rule": "true", "limit": 5})), "limit");
    assert_eq!(members(json!({"rule": "true", "page_size": 65_537})), "page_size");
    assert_eq!(members(json!({"rule": "true", "page_token": "2-0-0"})), "page_token");
    let stream = [JSON, ("accept", "application/x-ndjson")];
    let stream =
        api.ask("POST", "/api/v1/audience/members", &stream, Some(r#"{"rule": "true", "page_size": 5}"#));
    assert_eq!(stream.problem(400, "invalid_request")["field"], "page_size");
}

#[test]
fn what_is_not_there_and_what_is_in_the_way() {
    let api = Api::start();
    let missing = |answer: crate::client::Answer| answer.problem(404, "not_found");
    missing(api.get("/api/v1/users/5/features"));
    missing(api.get("/api/v1/users/5/features/country"));
    missing(api.get(&format!("/api/v1/users/{FIRST_ID}/features/contry")));
    missing(api.get(&format!("/api/v1/users/{FIRST_ID}/features?columns=contry")));
    missing(api.get("/api/v1/schema?generation=99"));
    missing(api.get("/api/v1/schema?generation=3"));
    missing(api.post("/audience/count", &json!({"rule": "true", "generation": 99})));
    missing(api.post("/generations/rollback", &json!({"generation": 99})));
    api.post("/generations/rollback", &json!({})).fine();
    let first = api.post("/generations/rollback", &json!({})).problem(409, "precondition");
    assert!(first["detail"].as_str().unwrap().contains("nothing earlier"), "{first}");
    let rebuild = api.ask("POST", "/api/v1/generations/rebuild", &[], None).problem(409, "precondition");
    assert!(rebuild["detail"].as_str().unwrap().contains("--config"), "{rebuild}");
    let publish = json!({"generation": 3, "reason": " "});
    assert_eq!(api.post("/generations/publish", &publish).problem(400, "invalid_request")["field"], "reason");
    for path in ["/users/erase", "/users/opt-out", "/users/opt-in", "/users/batch/features"] {
        assert_eq!(
            api.post(path, &json!({"user_ids": []})).problem(400, "invalid_request")["field"],
            "user_ids"
        );
    }
    let overlap = api.post("/audience/overlap", &json!({"segments": [{"rule": "true"}]}));
    assert_eq!(overlap.problem(400, "invalid_request")["field"], "segments");
    let many = json!({"rule": "true", "columns": ["country"], "top": 10_001});
    assert_eq!(api.post("/audience/profile", &many).problem(400, "invalid_request")["field"], "top");
}

#[test]
fn the_time_given_is_kept_and_told() {
    let api = Api::start();
    let within = |timeout: &str| {
        let headers = [JSON, ("x-muster-timeout-ms", timeout)];
        api.ask("POST", "/api/v1/audience/count", &headers, Some(r#"{"rule": "bucket('a', 0, 50)"}"#))
    };
    within("20000").fine();
    for wrong in ["soon", "-1", "1.5", "", "0"] {
        assert_eq!(within(wrong).problem(400, "invalid_request")["field"], "x-muster-timeout-ms");
    }
}

#[test]
fn who_asks_needs_a_token_and_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join(STORE);
    fixture::store(&store, 1, false);
    let tokens = TokensFile::beside(&store);
    let since = jiff::Timestamp::now();
    let reader = tokens.create("dashboard", Role::Reader, since, None).unwrap();
    let config = Config { tokens: Tokens::Required, ..fixture::config() };
    let api = Api::over(dir, config);
    api.wait_until_ready();
    let count = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
        api.ask("POST", "/api/v1/audience/count", &headers, Some(r#"{"rule": "true"}"#))
    };
    let nobody = count(&[]);
    nobody.problem(401, "unauthenticated");
    assert_eq!(nobody.headers["www-authenticate"], "Bearer");
    count(&[("x-muster-user", "zoe")]).problem(401, "unauthenticated");
    count(&[("authorization", "Bearer nonsense")]).problem(401, "unauthenticated");
    let bearer = format!("Bearer {reader}");
    let known = ("authorization", bearer.as_str());
    assert_eq!(count(&[known]).fine()["count"], fixture::USERS);
    let denied = api.ask("POST", "/api/v1/generations/rollback", &[known], None).problem(403, "denied");
    assert!(denied["detail"].as_str().unwrap().contains("needs the role admin"), "{denied}");
    // A body is not even read for who may not ask, and what is outside of the API needs no token.
    api.post_text("/audience/count", "{").problem(401, "unauthenticated");
    api.get("/api/v1/labels").problem(401, "unauthenticated");
    api.ask("GET", "/api/v1/labels", &[known], None).problem(501, "unimplemented");
    assert_eq!(api.get("/healthz").status, 200);
}

#[test]
fn requests_have_ids() {
    let api = Api::start();
    let named = |id: &str| api.ask("GET", "/nothing", &[("x-request-id", id)], None);
    let mine = named("order-66/a");
    assert_eq!(mine.headers["x-request-id"], "order-66/a");
    assert_eq!(mine.problem(404, "no_such_path")["request_id"], "order-66/a");
    // What could not be shown as it is, is not taken over.
    for wrong in ["a b".to_owned(), "x".repeat(129), String::new()] {
        let given = named(&wrong).headers["x-request-id"].clone();
        let (server, number) = given.split_once('-').unwrap_or_else(|| panic!("{wrong}: {given}"));
        assert_eq!(server.len(), 16, "{wrong}: {given}");
        assert!(
            u64::from_str_radix(server, 16).is_ok() && u64::from_str_radix(number, 16).is_ok(),
            "{given}"
        );
    }
    assert_ne!(api.get("/healthz").headers["x-request-id"], api.get("/healthz").headers["x-request-id"]);
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let api = Api::with(Config {
        heavy_threads: 1,
        heavy_queue: 1,
        heavy_queue_per_caller: 1,
        ..fixture::config()
    });
    let until = Instant::now() + Duration::from_mins(1);
    let refused = Mutex::new(None);
    // Many at once, of which one may run and one may wait.
    let ask = &|asker: u32| {
        for round in 0.. {
            if refused.lock().unwrap().is_some() {
                return;
            }
            assert!(Instant::now() < until, "nothing was ever refused");
            let answer =
                api.post("/audience/preview", &json!({"rule": format!("bucket('{asker}-{round}', 0, 50)")}));
            if answer.status == 429 {
                refused.lock().unwrap().replace(answer);
            } else {
                answer.fine();
            }
        }
    };
    std::thread::scope(|scope| {
        for asker in 0..8 {
            scope.spawn(move || ask(asker));
        }
    });
    let answer = refused.into_inner().unwrap().unwrap();
    let problem = answer.problem(429, "exhausted");
    assert!(problem["retry_after_ms"].as_u64().is_some_and(|wait_ms| wait_ms >= 10), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("serve.heavy_queue"), "{problem}");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[test]
fn labels_and_deliveries_wait_for_a_catalog() {
    let api = Api::start();
    let paths = api.document["paths"].as_object().unwrap().clone();
    let mut asked = 0;
    for (path, item) in &paths {
        if !path.contains("/labels") && !path.contains("/deliveries") {
            continue;
        }
        for method in item.as_object().unwrap().keys() {
            let json = ["post", "put"].contains(&method.as_str()).then_some("{}");
            let headers = [("content-type", "application/json")];
            let headers = if json.is_some() { &headers[..] } else { &[] };
            let answer = api.ask(&method.to_uppercase(), &path.replace("{id}", "7"), headers, json);
            let problem = answer.problem(501, "unimplemented");
            let says = "labels and deliveries need a catalog, which this server does not have";
            assert!(problem["detail"].as_str().unwrap().starts_with(says), "{method} {path}: {problem}");
            asked += 1;
        }
    }
    assert_eq!(asked, 31);
}
