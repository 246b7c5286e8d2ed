//! What a rule says, and who calls.

use serde_json::{Value, json};

use crate::client::Api;
use crate::fixture::AS_OF;

#[test]
fn a_rule_is_read_as_text_tree_and_sql() {
    let api = Api::start();
    let read = api
        .post("/audience/rule", &json!({"rule": "country='US' and not (has_poh) AND holdings['USDT']>100"}))
        .fine();
    assert_eq!(read["rule"], "country = 'US' AND NOT has_poh AND holdings['USDT'] > 100");
    assert_eq!(read["rules"]["combinator"], "and");
    assert_eq!(read["rules"]["rules"][0], json!({"field": "country", "operator": "=", "value": "US"}));
    assert_eq!(read["columns"], json!(["country", "has_poh", "holdings"]));
    assert_eq!(read["labels"], json!([]));
    assert_eq!(read["generation"], 2);
    // The tree and the SQL are the same rule.
    let again = api.post("/audience/rule", &json!({"rules": read["rules"]})).fine();
    assert_eq!((&again["rule"], &again["sql"]), (&read["rule"], &read["sql"]));
    let count = |body: &Value| api.post("/audience/count", body).fine()["count"].clone();
    assert_eq!(count(&json!({"rule": read["rule"]})), count(&json!({"rules": read["rules"]})));
    assert!(read["sql"].as_str().unwrap().contains("country"), "{read}");
}

#[test]
fn now_is_told_and_can_be_set() {
    let api = Api::start();
    let rule = json!({"rule": "last_active >= now() - INTERVAL 1 DAY"});
    let read = api.post("/audience/rule", &rule).fine();
    assert_eq!(read["now"], read["as_of"]);
    assert_eq!(read["rule"], rule["rule"]);
    let fixed = json!({"rule": rule["rule"], "now": "2026-01-02T00:00:00Z", "generation": 1});
    let read = api.post("/audience/rule", &fixed).fine();
    assert_eq!(read["as_of"], jiff::Timestamp::from_second(AS_OF).unwrap().to_string());
    assert_eq!((&read["now"], &read["generation"]), (&json!("2026-01-02T00:00:00Z"), &json!(1)));
    assert!(read["sql"].as_str().unwrap().contains("2026-01-01"), "{read}");
}

#[test]
fn what_a_preview_refuses_is_refused_in_the_same_words() {
    let api = Api::start();
    for body in [
        json!({"rule": "contry = 'US'"}),
        json!({"rule": "country = 7 AND"}),
        json!({"rule": "balance_usd = 'much'"}),
        json!({"rules": {"combinator": "and", "rules": [{"field": "contry", "operator": "=", "value": "US"}]}}),
    ] {
        let told = |path| {
            let mut problem = api.post(path, &body).problem(400, "bad_rule");
            let problem = problem.as_object_mut().unwrap();
            problem.remove("instance");
            problem.remove("request_id");
            problem.clone()
        };
        assert_eq!(told("/audience/rule"), told("/audience/preview"), "{body}");
    }
    let both = json!({"rule": "has_poh", "rules": {"combinator": "and", "rules": []}});
    let problem = api.post("/audience/rule", &both).problem(400, "invalid_request");
    assert!(problem["detail"].as_str().unwrap().contains("rule and rules were given"), "{problem}");
    api.post("/audience/rule", &json!({})).problem(400, "invalid_request");
    api.post("/audience/rule", &json!({"rule": "true", "limit": 1})).problem(400, "invalid_request");
    api.post("/audience/rule", &json!({"rule": "true", "generation": 77})).problem(404, "not_found");
}

#[test]
fn who_calls_is_told() {
    let api = Api::start();
    let told = |headers: &[(&str, &str)]| api.ask("GET", "/api/v1/me", headers, None).fine();
    assert_eq!(told(&[]), json!({"name": "anonymous", "role": "admin", "tokens": false}));
    assert_eq!(told(&[("x-muster-user", "ann")])["name"], "ann");
    api.get("/api/v1/me?x=1").problem(400, "invalid_request");
}
