//! What every endpoint answers when it is asked rightly.

use serde_json::{Value, json};

use crate::client::Api;
use crate::fixture::{FIRST_ID, USERS};

/// Users for whom something of their number holds.
fn users(holds: impl Fn(u64) -> bool) -> Vec<u64> {
    (0..USERS).filter(|&i| holds(i)).map(|i| FIRST_ID + i).collect()
}

fn is_german(i: u64) -> bool {
    i % 4 == 2 && !i.is_multiple_of(10)
}

fn sorted(ids: &Value) -> Vec<u64> {
    let mut ids: Vec<u64> = ids.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn counts() {
    let api = Api::start();
    let germans = users(is_german).len();
    let answer = api.post("/audience/count", &json!({"rule": "country = 'DE'"})).fine();
    assert_eq!(answer["count"], germans);
    assert_eq!(answer["universe"], USERS);
    assert_eq!(answer["share"], germans as f64 / USERS as f64);
    assert_eq!(answer["generation"], 2);
    assert_eq!(answer["as_of"], "2026-11-21T00:00:00Z");
    assert_eq!(answer["now"], "2026-11-21T00:00:00Z");
    assert_eq!(answer["targetable"], germans);
    assert!(answer["micros"].is_u64());

    let tree = json!({"combinator": "and", "rules": [{"field": "country", "operator": "=", "value": "DE"}]});
    for body in [
        json!({"rules": tree}),
        json!({"segment": {"rules": tree}}),
        json!({"segment": {"rule": "country = 'DE'"}, "generation": 1}),
        json!({"rule": "country = 'DE'", "rules": null, "label": null, "now": null}),
    ] {
        assert_eq!(api.post("/audience/count", &body).fine()["count"], germans, "{body}");
    }
    // Rules are read as they came: a number that no float holds is still exact.
    let exact = format!(
        r#"{{"rules": {{"combinator": "and", "rules": [{{"field": "wide", "operator": "=", "value": {}}}]}}}}"#,
        (1_u128 << 100) + 5
    );
    assert_eq!(api.post_text("/audience/count", &exact).fine()["count"], 1);

    let recent = "last_active > now() - INTERVAL 1 HOUR";
    let at = |body: Value| api.post("/audience/count", &body).fine();
    let first = at(json!({"rule": recent, "generation": 1}));
    assert_eq!((&first["count"], &first["generation"]), (&json!(60), &json!(1)));
    assert_eq!(at(json!({"rule": recent}))["count"], 0);
    let fixed = at(json!({"rule": recent, "now": "2026-11-20T01:30:00+01:00"}));
    assert_eq!((&fixed["count"], &fixed["now"]), (&json!(30), &json!("2026-11-20T00:30:00Z")));
    assert_eq!(at(json!({"rule": recent, "now": "2026-11-20T01:30:00+01:00"}))["cached"], true);
}

#[test]
fn previews() {
    let api = Api::start();
    let answer = api.post("/audience/preview", &json!({"rule": "country = 'DE' AND has_poh"})).fine();
    let both = users(|i| is_german(i) && i.is_multiple_of(3)).len();
    assert_eq!(answer["count"], both);
    assert_eq!(answer["targetable"], both);
    let parts = answer["root"]["parts"].as_array().unwrap();
    assert_eq!(parts[0]["rule"], "country = 'DE'");
    assert_eq!(parts[0]["count"], users(is_german).len());
    assert_eq!(parts[0]["without"], users(|i| i.is_multiple_of(3)).len() - both);
    assert_eq!(parts[1]["count"], USERS / 3);
    assert_eq!(parts[1]["share"], 1.0 / 3.0);
}

#[test]
fn profiles() {
    let api = Api::start();
    let columns = ["country", "balance_usd", "holdings['USDT']", "length(chains)", "last_active"];
    let answer = api
        .post("/audience/profile", &json!({"rule": "has_poh", "columns": columns, "top": 2, "bins": 4}))
        .fine();
    assert_eq!(answer["count"], USERS / 3);
    let column = |at: usize| &answer["columns"][at];
    assert_eq!(column(0)["column"], "country");
    assert_eq!(column(0)["null_count"], users(|i| i % 30 == 0).len());
    assert_eq!(column(0)["values"].as_array().unwrap().len(), 2);
    assert_eq!(column(0)["distinct"], 4);
    let gb = users(|i| i % 4 == 3 && i % 10 != 0).len();
    let found = column(0)["values"].as_array().unwrap().iter().find(|value| value["value"] == "GB");
    assert_eq!(found.map(|found| &found["population"]), Some(&json!(gb)));
    assert_eq!(column(1)["scale"], "linear");
    let bins: Vec<&Value> = column(1)["bins"].as_array().unwrap().iter().collect();
    assert_eq!(bins[0], &json!({"low": 0.0, "high": 1000.0, "count": 334, "population": 999}), "NaN is none");
    assert_eq!(bins[2], &json!({"low": 2000.0, "high": 3000.0, "count": 333, "population": 1000}));
    assert_eq!(bins.len(), 3, "of round numbers, not of as many bins as there may be");
    assert_eq!(column(1)["min"], 0.0);
    assert_eq!(column(1)["max"], 2997.0);
    assert_eq!(column(2)["null_count"], users(|i| i % 6 == 3).len());
    assert_eq!(column(3)["distinct"], 2);
    assert!(column(4)["min"].as_str().unwrap().ends_with('Z'), "{}", column(4));
}

#[test]
fn profiles_that_a_picture_is_drawn_from() {
    let api = Api::start();
    let ask = |rule: &str, column: &str, scale: &str| {
        let body = json!({"rule": rule, "columns": [column], "bins": 12, "scale": scale});
        api.post("/audience/profile", &body).fine()["columns"][0].clone()
    };
    let edges = |column: &Value| -> Vec<f64> {
        let bins = column["bins"].as_array().unwrap();
        assert!(bins.windows(2).all(|pair| pair[0]["high"] == pair[1]["low"]), "{column}");
        bins.iter().map(|bin| bin["low"].as_f64().unwrap()).collect()
    };
    let by_decades = ask("has_poh", "balance_usd", "log");
    assert_eq!(by_decades["scale"], "log");
    assert_eq!(
        edges(&by_decades),
        [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
    );
    assert_eq!(by_decades["bins"][2], json!({"low": 2.0, "high": 5.0, "count": 1, "population": 3}));
    // Edges are everybody's, also of an audience that has none of it.
    let nobody = ask("balance_usd < 0", "balance_usd", "log");
    assert_eq!(edges(&nobody), edges(&by_decades));
    assert_eq!(nobody["bins"][2], json!({"low": 2.0, "high": 5.0, "count": 0, "population": 3}));
    // Users were active in two days, the last of them a day before `now()`: six hours each, and bins of ages that rules name.
    let by_calendar = ask("true", "last_active", "auto");
    assert_eq!(by_calendar["scale"], "linear");
    assert_eq!(by_calendar["bins"][1]["population"], 360);
    let by_age = ask("true", "last_active", "log");
    let hours: Vec<f64> = edges(&by_age).iter().map(|edge| (edge - 1_795_219_200.0) / 3600.0).collect();
    assert_eq!(hours, [-120.0, -72.0, -48.0, -24.0], "five days, three, two, one");
    let keys = ask("has_poh", "holdings", "auto");
    let held = json!([{"value": "USDT", "count": USERS / 6, "population": USERS / 2}]);
    assert_eq!((&keys["values"], &keys["distinct"], &keys["null_count"]), (&held, &json!(1), &json!(0)));
    assert!(keys.get("scale").is_none() && keys["bins"].as_array().unwrap().is_empty(), "{keys}");
    let wrong = json!({"rule": "true", "columns": ["balance_usd"], "scale": "cubic"});
    api.post("/audience/profile", &wrong).problem(400, "invalid_request");
}

#[test]
fn explains() {
    let api = Api::start();
    let why = |body: Value| api.post("/audience/explain", &body).fine();
    let (id, rule) = (FIRST_ID + 6, "country = 'DE' AND balance_usd >= 100");
    let answer = why(json!({"rule": rule, "user_id": id}));
    assert_eq!((&answer["known_user"], &answer["in_segment"]), (&json!(true), &json!(false)));
    let conditions = answer["root"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[0]["outcome"], "true");
    assert_eq!(
        (&conditions[1]["outcome"], &conditions[1]["features"]),
        (&json!("false"), &json!({"balance_usd": 6.0}))
    );
    assert_eq!(answer["smallest_change"], json!([{"feature": "balance_usd", "from": 6.0, "to": 100.0}]));
    let fresher = json!({"rule": rule, "user_id": id, "overlay": {"balance_usd": 250, "chains": ["base", null], "holdings": {"USDT": 5}}});
    assert_eq!(why(fresher)["in_segment"], true);
    let unknown = why(json!({"rule": rule, "user_id": 5}));
    assert_eq!((&unknown["known_user"], unknown.get("root")), (&json!(false), None));
    let nested = json!({"rule": rule, "user_id": id, "overlay": {"chains": [["base"]]}});
    let problem = api.post("/audience/explain", &nested).problem(400, "invalid_request");
    assert_eq!(problem["field"], "overlay[\"chains\"]");
    let wrong = json!({"rule": rule, "user_id": id, "overlay": {"contry": "DE"}});
    assert_eq!(api.post("/audience/explain", &wrong).problem(400, "bad_rule")["field"], "overlay");
}

#[test]
fn overlaps() {
    let api = Api::start();
    let segments = json!([{"rule": "country = 'DE'"}, {"rule": "has_poh"}]);
    let answer = api.post("/audience/overlap", &json!({"segments": segments})).fine();
    let (germans, both) = (users(is_german).len(), users(|i| is_german(i) && i.is_multiple_of(3)).len());
    assert_eq!(answer["both"], json!([[germans, both], [both, USERS / 3]]));
}

#[test]
fn members_by_pages_and_as_a_stream() {
    let api = Api::start();
    let (mut token, mut found, mut pages) = (Value::Null, Vec::new(), 0);
    loop {
        let body = json!({"rule": "country = 'DE'", "page_size": 100, "page_token": token});
        let page = api.post("/audience/members", &body).fine();
        found.extend(sorted(&page["user_ids"]));
        pages += 1;
        assert_eq!(page["generation"], 2);
        token = page["next_page_token"].clone();
        if token.is_null() {
            break;
        }
        assert_eq!(page["user_ids"].as_array().unwrap().len(), 100);
    }
    found.sort_unstable();
    assert_eq!(found, users(is_german));
    assert!((6..=7).contains(&pages), "{pages}");

    let headers = [("content-type", "application/json"), ("accept", "application/x-ndjson")];
    let stream = |body: Value| api.ask("POST", "/api/v1/audience/members", &headers, Some(&body.to_string()));
    let answer = stream(json!({"rule": "country = 'DE'"}));
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut streamed: Vec<u64> = lines.iter().flat_map(|line| sorted(&line["user_ids"])).collect();
    streamed.sort_unstable();
    assert_eq!(streamed, users(is_german));
    assert!(lines.last().unwrap().get("next_page_token").is_none());
    // What a stream leaves out, a page goes on with.
    let some: Value =
        serde_json::from_str(stream(json!({"rule": "has_poh", "limit": 5})).text.trim()).unwrap();
    assert_eq!(some["user_ids"].as_array().unwrap().len(), 5);
    let rest = json!({"rule": "has_poh", "page_token": some["next_page_token"], "page_size": 60_000});
    let rest = api.post("/audience/members", &rest).fine();
    assert_eq!(rest["user_ids"].as_array().unwrap().len() as u64, USERS / 3 - 5);
}

#[test]
fn users_and_their_features() {
    let api = Api::start();
    let id = FIRST_ID + 8;
    let user = api.get(&format!("/api/v1/users/{id}/features")).fine();
    assert_eq!(user["user_id"], id);
    let features = &user["features"];
    assert_eq!(features["country"], "US");
    assert_eq!(features["has_poh"], false);
    assert_eq!(features["balance_usd"], 8.0);
    assert_eq!(features["last_active"], "2026-11-19T23:52:00Z");
    assert_eq!(features["chains"].as_array().unwrap().len(), 2);
    assert_eq!(features["holdings"], json!({"USDT": 8.0}));
    assert_eq!(features["wide"], ((1_u128 << 100) + 8).to_string());
    assert_eq!(user["opted_out"], false);

    let path = format!(
        "/api/v1/users/{id}/features?columns=country,holdings%5B'USDT'%5D&columns=length(chains)&generation=1"
    );
    let some = api.get(&path).fine();
    assert_eq!(some["features"], json!({"country": "US", "holdings['USDT']": 8.0, "length(chains)": 2}));
    assert_eq!(some["generation"], 1);

    let one = api.get(&format!("/api/v1/users/{id}/features/holdings%5B'USDT'%5D")).fine();
    assert_eq!((&one["name"], &one["value"]), (&json!("holdings['USDT']"), &json!(8.0)));
    assert_eq!(
        api.get(&format!("/api/v1/users/{}/features/country", FIRST_ID + 10)).fine()["value"],
        Value::Null
    );
    assert_eq!(
        api.get(&format!("/api/v1/users/{}/features/balance_usd", FIRST_ID + 7)).fine()["value"],
        "nan"
    );

    let batch = json!({"user_ids": [id, 5, FIRST_ID + 9], "columns": ["country", "balance_usd"]});
    let batch = api.post("/users/batch/features", &batch).fine();
    assert_eq!(batch["unknown"], json!([5]));
    assert_eq!(batch["users"][1]["user_id"], FIRST_ID + 9);
    assert_eq!(batch["users"][1]["features"], json!({"country": "CN", "balance_usd": 9.0}));
}

#[test]
fn users_by_a_rule() {
    let api = Api::start();
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let path = format!(
            "/api/v1/users?rule=country%20%3D%20'DE'%20AND%20balance_usd%20%3C%201000&columns=balance_usd&page_size=90{token}"
        );
        let page = api.get(&path).fine();
        for user in page["users"].as_array().unwrap() {
            let id = user["user_id"].as_u64().unwrap();
            assert_eq!(user["features"], json!({"balance_usd": (id - FIRST_ID) as f64}));
            found.push(id);
        }
        match page["next_page_token"].as_str() {
            Some(next) => token = format!("&page_token={next}"),
            None => break,
        }
    }
    found.sort_unstable();
    assert_eq!(found, users(|i| is_german(i) && i < 1_000));
    let tree = "%7B%22combinator%22%3A%22and%22%2C%22rules%22%3A%5B%7B%22field%22%3A%22has_poh%22%2C%22operator%22%3A%22%3D%22%2C%22value%22%3Atrue%7D%5D%7D";
    let page = api.get(&format!("/api/v1/users?rules={tree}&page_size=2")).fine();
    assert_eq!(page["users"].as_array().unwrap().len(), 2);
    assert_eq!(page["users"][0]["features"].as_object().unwrap().len(), 7);
    // Without a rule: everybody.
    assert_eq!(api.get("/api/v1/users").fine()["users"].as_array().unwrap().len(), 100);
}

#[test]
fn erased_users_are_nowhere_and_those_who_opted_out_in_no_target() {
    let api = Api::start();
    let (gone, left) = (FIRST_ID + 2, FIRST_ID + 6);
    let german = json!({"rule": "country = 'DE'"});
    let before = api.post("/audience/count", &german).fine()["count"].as_u64().unwrap();
    let erased = api.post("/users/erase", &json!({"user_ids": [gone, 5]})).fine();
    assert_eq!((&erased["newly_erased"], &erased["known_users"]), (&json!(2), &json!(1)));
    assert_eq!(api.post("/users/erase", &json!({"user_ids": [gone]})).fine()["newly_erased"], 0);
    assert_eq!(api.post("/users/opt-out", &json!({"user_ids": [left]})).fine()["changed"], 1);

    let count = api.post("/audience/count", &german).fine();
    assert_eq!((&count["count"], &count["targetable"]), (&json!(before - 1), &json!(before - 2)));
    assert_eq!(count["universe"], USERS - 1);
    let targets = |expected: usize| {
        let page = json!({"rule": "country = 'DE'", "page_size": 60_000});
        let ids = sorted(&api.post("/audience/members", &page).fine()["user_ids"]);
        assert_eq!(ids.len(), expected);
        assert!(!ids.contains(&gone));
        ids.contains(&left)
    };
    assert!(!targets(before as usize - 2));
    let listed = api.get("/api/v1/users?rule=balance_usd%20IN%20(2,%206)").fine();
    assert_eq!(listed["users"], json!([]));
    api.get(&format!("/api/v1/users/{gone}/features")).problem(404, "not_found");
    assert_eq!(api.get(&format!("/api/v1/users/{left}/features")).fine()["opted_out"], true);
    let batch =
        api.post("/users/batch/features", &json!({"user_ids": [gone, left], "columns": ["country"]})).fine();
    assert_eq!(batch["unknown"], json!([gone]));
    assert_eq!(batch["users"][0]["opted_out"], true);
    let status = api.get("/api/v1/status").fine();
    assert_eq!((&status["erased"], &status["opted_out"]), (&json!(2), &json!(1)));

    assert_eq!(api.post("/users/opt-in", &json!({"user_ids": [left]})).fine()["changed"], 1);
    assert!(targets(before as usize - 1));
}

#[test]
fn schema_and_status() {
    let api = Api::start();
    let schema = api.get("/api/v1/schema?generation=1").fine();
    assert_eq!((&schema["user_id"], &schema["time_zone"]), (&json!("user_id"), &json!("UTC")));
    let country =
        json!({"name": "country", "type": "String", "kind": "text", "nullable": true, "distinct": 4});
    assert_eq!(schema["columns"][0], country);
    let told = schema["columns"].as_array().unwrap().iter();
    let told: Vec<_> = told.map(|column| (column["kind"].as_str().unwrap(), &column["distinct"])).collect();
    let wanted = [
        ("text", json!(4)),
        ("bool", json!(2)),
        ("number", json!(USERS)),
        ("time", json!(USERS)),
        ("array", json!(2)),
        ("map", json!(1)),
        ("number", json!(USERS)),
    ];
    assert!(
        told.iter().zip(&wanted).all(|(told, wanted)| told.0 == wanted.0 && *told.1 == wanted.1),
        "{told:?}"
    );
    assert_eq!(schema["columns"].as_array().unwrap().len(), 7);
    let status = api.get("/api/v1/status").fine();
    assert_eq!(
        (&status["ready"], &status["generation"], &status["users"]),
        (&json!(true), &json!(2), &json!(USERS))
    );
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn generations_are_listed_rolled_back_published_and_discarded() {
    let api = Api::start();
    let list = api.get("/api/v1/generations").fine();
    let numbers: Vec<&Value> =
        list["generations"].as_array().unwrap().iter().map(|one| &one["generation"]).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(list["generations"][1]["in_service"], true);
    assert_eq!(list["generations"][2]["state"], "held");
    assert_eq!(list["generations"][2]["reason"], "half of the users are gone");
    let page = api.get("/api/v1/generations?page_size=2").fine();
    assert_eq!(page["generations"].as_array().unwrap().len(), 2);
    let token = page["next_page_token"].as_str().unwrap();
    let page = api.get(&format!("/api/v1/generations?page_size=2&page_token={token}")).fine();
    assert_eq!(page["generations"][0]["generation"], 3);
    assert_eq!(page.get("next_page_token"), None);

    // Without a body: the one before.
    let back = api.ask("POST", "/api/v1/generations/rollback", &[], None).fine();
    assert_eq!((&back["generation"], &back["from_generation"]), (&json!(1), &json!(2)));
    assert_eq!(api.post("/audience/count", &json!({"rule": "true"})).fine()["generation"], 1);
    assert_eq!(api.post("/generations/rollback", &json!({"generation": 2})).fine()["generation"], 2);

    let publish = json!({"generation": 3, "reason": "they are gone indeed"});
    assert_eq!(api.post("/generations/publish", &publish).fine()["generation"], 3);
    api.post("/generations/publish", &publish).problem(409, "precondition");

    let other = Api::start();
    assert_eq!(other.post("/generations/discard", &json!({"generation": 3})).fine()["generation"], 2);
    let list = other.get("/api/v1/generations").fine();
    assert_eq!(list["generations"].as_array().unwrap().len(), 2);
}

#[test]
fn pages_outside_of_the_api() {
    let api = Api::start();
    assert_eq!(api.get("/healthz").text, "alive\n");
    assert_eq!(api.get("/readyz").fine(), json!({"ready": true, "generation": 2}));
    let metrics = api.get("/metrics");
    assert!(metrics.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    assert!(metrics.text.contains("# TYPE"), "{}", metrics.text);
    let page = api.get("/");
    assert_eq!((page.status, page.headers["content-type"].as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.text.contains("<title>Muster</title>"), "{}", page.text);
}
