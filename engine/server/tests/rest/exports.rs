//! Audiences as files.

use std::collections::BTreeSet;
use std::io::Read as _;

use roaring::RoaringTreemap;
use serde_json::{Value, json};

use crate::client::Api;
use crate::fixture::{COUNTRIES, FIRST_ID, USERS};

const EXPORT: &str = "/audience/export";

/// The ids of a file of ids.
fn ids(text: &str) -> BTreeSet<u64> {
    let ids: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let set: BTreeSet<u64> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "nobody is there twice");
    set
}

fn wanted(holds: impl Fn(u64) -> bool) -> BTreeSet<u64> {
    (0..USERS).filter(|&i| holds(i)).map(|i| FIRST_ID + i).collect()
}

/// The bytes of an export.
fn bytes(api: &Api, body: &Value) -> Vec<u8> {
    let url = format!("http://{}/api/v1{EXPORT}", api.server.http);
    let answer = ureq::post(&url).content_type("application/json").send(body.to_string()).unwrap();
    let mut bytes = Vec::new();
    answer.into_body().into_reader().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn ids_are_those_that_are_counted() {
    let api = Api::start();
    let answer = api.post(EXPORT, &json!({"rule": "has_poh", "format": "ids"}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"audience-2.txt\"");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(ids(&answer.text), wanted(|i| i % 3 == 0));
    let limited = json!({"rule": "has_poh", "format": "ids", "limit": 7, "generation": 1});
    let answer = api.post(EXPORT, &limited);
    assert_eq!(ids(&answer.text).len(), 7);
    assert!(answer.headers["content-disposition"].contains("audience-1.txt"));
    let nobody = api.post(EXPORT, &json!({"rule": "false", "format": "ids"}));
    assert_eq!((nobody.status, &*nobody.text), (200, ""));
}

#[test]
fn tables_and_lines_have_the_columns_that_were_asked_for() {
    let api = Api::start();
    let columns = json!(["country", "holdings['USDT']", "length(chains)", "chains", "wide"]);
    let body = json!({"rule": "balance_usd < 3", "format": "csv", "columns": columns});
    let answer = api.post(EXPORT, &body);
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8; header=present");
    let mut lines: Vec<&str> = answer.text.lines().collect();
    assert_eq!(lines.remove(0), "user_id,country,holdings['USDT'],length(chains),chains,wide");
    lines.sort_unstable();
    let wide = |i: u128| (1_u128 << 100) + i;
    assert_eq!(
        lines,
        [
            format!("1000000,,0.0,2,\"[\"\"base\"\",\"\"solana\"\"]\",{}", wide(0)),
            format!("1000001,CN,,1,\"[\"\"solana\"\"]\",{}", wide(1)),
            format!("1000002,DE,2.0,2,\"[\"\"base\"\",\"\"solana\"\"]\",{}", wide(2)),
        ]
    );
    let body = json!({"rule": "true", "format": "jsonl", "columns": ["country", "holdings"]});
    let answer = api.post(EXPORT, &body);
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let users: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.len() as u64, USERS);
    for user in users {
        let i = user["user_id"].as_u64().unwrap() - FIRST_ID;
        let country = if i.is_multiple_of(10) { Value::Null } else { json!(COUNTRIES[i as usize % 4]) };
        assert_eq!(user["country"], country);
        let holdings = if i.is_multiple_of(2) { json!({"USDT": i as f64}) } else { json!({}) };
        assert_eq!(user["holdings"], holdings);
    }
    let bare = api.post(EXPORT, &json!({"rule": "user_id = 1000001", "format": "csv"}));
    assert_eq!(bare.text, "user_id\n1000001\n");
}

#[test]
fn a_bitmap_opens_in_a_roaring_library() {
    let api = Api::start();
    let body = json!({"rule": "country = 'US'", "format": "roaring"});
    let users = RoaringTreemap::deserialize_from(&bytes(&api, &body)[..]).unwrap();
    assert_eq!(users.iter().collect::<BTreeSet<_>>(), wanted(|i| i % 4 == 0 && i % 10 != 0));
    let some = json!({"rule": "true", "format": "roaring", "limit": 11});
    assert_eq!(RoaringTreemap::deserialize_from(&bytes(&api, &some)[..]).unwrap().len(), 11);
    let nobody = json!({"rule": "false", "format": "roaring"});
    assert!(RoaringTreemap::deserialize_from(&bytes(&api, &nobody)[..]).unwrap().is_empty());
}

#[test]
fn who_is_erased_or_opted_out_is_in_no_file() {
    let api = Api::start();
    api.post("/users/erase", &json!({"user_ids": [FIRST_ID]})).fine();
    api.post("/users/opt-out", &json!({"user_ids": [FIRST_ID + 3]})).fine();
    let left = wanted(|i| i % 3 == 0 && i > 3);
    let text = api.post(EXPORT, &json!({"rule": "has_poh", "format": "ids"})).text;
    assert_eq!(ids(&text), left);
    let table = json!({"rule": "has_poh", "format": "csv", "columns": ["country"]});
    assert_eq!(api.post(EXPORT, &table).text.lines().count(), left.len() + 1);
    let bitmap = bytes(&api, &json!({"rule": "has_poh", "format": "roaring"}));
    let users = RoaringTreemap::deserialize_from(&bitmap[..]).unwrap();
    assert_eq!(users.iter().collect::<BTreeSet<_>>(), left);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let api = Api::start();
    let field = |body: Value, field: &str| {
        let problem = api.post(EXPORT, &body).problem(400, "invalid_request");
        assert_eq!(problem["field"], field, "{problem}");
    };
    let with = |format: &str, columns: Value| json!({"rule": "true", "format": format, "columns": columns});
    field(with("ids", json!(["country"])), "columns");
    field(with("roaring", json!(["country"])), "columns");
    field(with("csv", json!(["user_id"])), "columns[0]");
    field(with("csv", json!(["country", "country"])), "columns[1]");
    field(json!({"format": "ids"}), "segment");
    field(json!({"rule": "true", "label": "x", "format": "ids"}), "segment");
    for column in ["contry", "length(country)", "country['x']"] {
        api.post(EXPORT, &with("csv", json!([column]))).problem(404, "not_found");
    }
    api.post(EXPORT, &with("csv", json!(["1 +"]))).problem(400, "bad_rule");
    let bad = api.post(EXPORT, &json!({"rule": "contry = 'US'", "format": "ids"})).problem(400, "bad_rule");
    assert_eq!(bad["position"]["column"], 1);
    let format = api.post(EXPORT, &json!({"rule": "true", "format": "parquet"}));
    let format = format.problem(400, "invalid_request");
    assert!(format["detail"].as_str().unwrap().contains("`jsonl`"), "{format}");
    api.post(EXPORT, &json!({"rule": "true"})).problem(400, "invalid_request");
    api.post(EXPORT, &json!({"rule": "true", "format": "ids", "generation": 9})).problem(404, "not_found");
}
