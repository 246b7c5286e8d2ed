//! How a generation was judged, and what happened to the store.

use std::fs;

use muster_engine::snapshot::Store;
use serde_json::{Value, json};

use crate::client::{Api, STORE};
use crate::fixture::{AS_OF, USERS};

/// What the gates write beside a generation.
fn gates() -> Value {
    let check =
        |gate: &str, of: Value, figures: [Value; 2], moved: Value, limit: Value, trips: bool, note: Value| {
            json!({
                "gate": gate, "of": of, "before": figures[0], "after": figures[1],
                "change": moved, "allowed": limit, "trips": trips, "note": note,
            })
        };
    let null = Value::Null;
    json!({
        "malformed_json": {"holdings": 3},
        "verdict": {
            "compared_with": 1,
            "checks": [
                check("rows", null.clone(), [json!(3000), json!(1500)], json!(-0.5), json!(0.3), true, null.clone()),
                check("null_rate", json!("country"), [json!(0.1), json!(0.11)], json!(0.1), json!(0.3), false, null.clone()),
                check("rule_counts", json!("kyc"), [json!(0), json!(7)], null.clone(), json!(0.3), true, null.clone()),
                check("schema", json!("wide"), [json!("UInt64"), json!("UInt128")], null.clone(), null.clone(), false, json!("it has another type")),
            ],
        },
    })
}

#[test]
fn a_generation_tells_how_it_was_judged() {
    let api = Api::start();
    let store = Store::open(&api.dir.path().join(STORE)).unwrap();
    // Nobody kept how these were judged, and a file that nobody can read is as if it were not there.
    let first = api.get("/api/v1/generations/1").fine();
    assert_eq!(
        (&first["state"], &first["users"], &first["gates"]),
        (&json!("published"), &json!(USERS), &Value::Null)
    );
    assert_eq!(first["record"]["event"], "publish");
    assert_eq!((&first["record"]["user"], &first["record"]["host"]), (&json!("alice"), &json!("here")));
    assert_eq!(first["in_service"], false);
    let list = api.get("/api/v1/generations").fine();
    for (name, value) in list["generations"][0].as_object().unwrap() {
        assert_eq!(&first[name], value, "{name}");
    }
    fs::write(store.generation_dir(2).join("gates.json"), "{").unwrap();
    assert_eq!(api.get("/api/v1/generations/2").fine()["gates"], Value::Null);
    let off = json!({"malformed_json": {}, "verdict": {"compared_with": null, "checks": []}});
    fs::write(store.generation_dir(2).join("gates.json"), off.to_string()).unwrap();
    let off = api.get("/api/v1/generations/2").fine();
    assert_eq!((&off["gates"]["verdict"], &off["in_service"]), (&json!("nothing"), &json!(true)));

    fs::write(store.generation_dir(3).join("gates.json"), gates().to_string()).unwrap();
    let held = api.get("/api/v1/generations/3").fine();
    assert_eq!((&held["state"], &held["record"]["event"]), (&json!("held"), &json!("hold")));
    assert_eq!(held["reason"], "half of the users are gone");
    let report = &held["gates"];
    assert_eq!((&report["verdict"], &report["compared_with"]), (&json!("failed"), &json!(1)));
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(
        checks[0],
        json!({
            "name": "rows", "what": "rows", "of": null, "before": 3000, "after": 1500, "moved": -0.5, "limit": 0.3,
            "result": "failed", "message": "it moved by -50.0 %, and may by 30.0 %",
        })
    );
    let told = |at: usize, part: &str| checks[at][part].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (told(1, "what"), told(1, "of"), told(1, "result")),
        ("column".into(), "country".into(), "passed".into())
    );
    assert_eq!(checks[1]["message"], Value::Null);
    assert_eq!(
        (told(2, "what"), told(2, "message")),
        ("rule".into(), "it moved from nothing to something".into())
    );
    assert_eq!(
        (told(3, "what"), told(3, "before"), told(3, "message")),
        ("column".into(), "UInt64".into(), "it has another type".into())
    );

    // Accepted, what moved too far is waived.
    api.post("/generations/publish", &json!({"generation": 3, "reason": "a holiday"})).fine();
    let accepted = api.get("/api/v1/generations/3").fine();
    assert_eq!((&accepted["record"]["event"], &accepted["reason"]), (&json!("accept"), &json!("a holiday")));
    assert_eq!(accepted["gates"]["verdict"], "waived");
    assert_eq!(accepted["gates"]["checks"][0]["result"], "waived");
    assert_eq!(accepted["gates"]["checks"][1]["result"], "passed");

    let missing = api.get("/api/v1/generations/77").problem(404, "not_found");
    assert!(missing["detail"].as_str().unwrap().contains("77"), "{missing}");
    api.get("/api/v1/generations/x").problem(400, "invalid_request");
    api.get("/api/v1/generations/1?x=1").problem(400, "invalid_request");
}

#[test]
fn what_happened_to_the_store_is_told_newest_first() {
    let api = Api::start();
    let anna = [("x-muster-user", "anna"), ("content-type", "application/json")];
    api.ask("POST", "/api/v1/generations/rollback", &anna, Some(r#"{"generation": 1}"#)).fine();
    let history = api.get("/api/v1/generations/history").fine();
    assert_eq!((&history["unreadable"], history.get("next_page_token")), (&json!(0), None));
    let events = history["events"].as_array().unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| (event["event"].as_str().unwrap(), event["generation"].as_u64().unwrap()))
        .collect();
    assert_eq!(kinds, [("rollback", 1), ("hold", 3), ("publish", 2), ("publish", 1)]);
    assert_eq!((&events[0]["user"], &events[0]["before"]), (&json!("anna"), &json!(2)));
    assert_eq!(
        (&events[1]["user"], &events[1]["reason"]),
        (&json!("alice"), &json!("half of the users are gone"))
    );
    let at = jiff::Timestamp::from_second(AS_OF + 3_600).unwrap().to_string();
    assert_eq!(events[1]["at"], at);

    let page = |query: &str| api.get(&format!("/api/v1/generations/history?{query}"));
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let answer = page(&format!("page_size=3{token}")).fine();
        found.extend(answer["events"].as_array().unwrap().clone());
        match answer["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    assert_eq!(&found, events);
    for bad in ["page_token=x", "page_token=-1", "page_size=1001", "limit=3"] {
        page(bad).problem(400, "invalid_request");
    }
    // What its writer did not finish is counted.
    let path = api.dir.path().join(STORE).join("history.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{{\"at\":")).unwrap();
    assert_eq!(page("").fine()["unreadable"], 1);
}

#[test]
fn a_server_without_a_catalog_counts_no_labels() {
    let api = Api::start();
    let status = api.get("/api/v1/status").fine();
    assert!(status.get("labels").is_none() && status.get("write_back").is_none(), "{status}");
    api.post("/labels/refresh", &json!({})).problem(501, "unimplemented");
}
