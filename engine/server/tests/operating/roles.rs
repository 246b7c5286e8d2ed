//! Who may do what with labels and deliveries, and whose private labels are whose.

use serde_json::{Value, json};

use crate::fixture::FIRST_ID;
use crate::support::{Operated, with_both};

with_both!(
    roles_say_who_may_change_and_who_may_decide,
    private_labels_are_seen_by_their_creator_and_administrators,
    callers_are_told_who_they_are_and_labels_are_read,
    labels_are_counted_again_and_the_status_tells_how_it_goes
);

fn delivery(target: &Value) -> Value {
    json!({
        "name": "welcome",
        "target": target,
        "content_type": "onchain_task",
        "content_id": "task-1",
        "start_time": "2026-01-01T00:00:00Z",
        "end_time": "2099-01-01T00:00:00Z",
    })
}

fn roles_say_who_may_change_and_who_may_decide(url: &str) {
    let server = Operated::start(url);
    let label = json!({"name": "poh", "rule": "has_poh"});
    let refused = server.post("rita", "/labels", &label).problem(403, "denied");
    assert!(refused["detail"].as_str().unwrap().contains("needs the role editor"), "{refused}");
    let id = server.make("eddy", &label)["id"].as_u64().unwrap();
    assert_eq!(server.get("rita", &format!("/labels/{id}")).fine()["name"], "poh");
    let change = json!({"rule": "NOT has_poh", "version": 1});
    server.ask("rita", "PUT", &format!("/labels/{id}"), Some(&change)).problem(403, "denied");
    server.ask("rita", "DELETE", &format!("/labels/{id}"), None).problem(403, "denied");
    server.ask("rita", "PUT", &format!("/labels/{id}/users"), Some(&json!({}))).problem(403, "denied");

    let body = delivery(&json!({"label": "poh"}));
    server.post("rita", "/deliveries", &body).problem(403, "denied");
    let made = server.post("eddy", "/deliveries", &body);
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_u64().unwrap();
    let step =
        |who, step: &str| server.post(who, &format!("/deliveries/{id}/{step}"), &json!({"comment": "so"}));
    step("rita", "submit").problem(403, "denied");
    step("eddy", "submit").fine();
    for editor in ["rita", "eddy", "edna"] {
        step(editor, "approve").problem(403, "denied");
        step(editor, "reject").problem(403, "denied");
    }
    assert_eq!(step("pat", "approve").fine()["status"], "ongoing");
    // Whoever may ask at all may ask what somebody should see.
    let seen = server.get("rita", &format!("/users/{FIRST_ID}/deliveries")).fine();
    assert_eq!(seen["deliveries"][0]["id"], id);
    step("pat", "cancel").fine();
    step("pat", "approve").problem(403, "denied");
    assert_eq!(step("ada", "approve").fine()["status"], "canceled");
}

fn private_labels_are_seen_by_their_creator_and_administrators(url: &str) {
    let server = Operated::start(url);
    let label = json!({"name": "mine", "rule": "has_poh", "private": true});
    let id = server.make("eddy", &label)["id"].as_u64().unwrap();
    let has = |who: &str| {
        let labels = server.get(who, &format!("/users/{FIRST_ID}/labels")).fine();
        labels["labels"].as_array().unwrap().iter().any(|one| one["name"] == "mine")
    };
    server.until(|_| has("eddy"));
    for who in ["eddy", "ada"] {
        assert_eq!(server.get(who, &format!("/labels/{id}")).fine()["private"], true);
        assert_eq!(server.post(who, "/audience/count", &json!({"label": "mine"})).fine()["count"], 1000);
        assert_eq!(
            server.post(who, "/audience/count", &json!({"rule": "label('mine')"})).fine()["count"],
            1000
        );
        assert!(has(who), "{who}");
    }
    // What somebody else compiled or counted a moment ago does not help others.
    for who in ["edna", "rita", "pat"] {
        server.get(who, &format!("/labels/{id}")).problem(404, "not_found");
        server.post(who, "/audience/count", &json!({"label": "mine"})).problem(404, "not_found");
        server.post(who, "/audience/count", &json!({"label_id": id})).problem(404, "not_found");
        let refused =
            server.post(who, "/audience/count", &json!({"rule": "label('mine')"})).problem(400, "bad_rule");
        assert!(refused["detail"].as_str().unwrap().contains("unknown label"), "{refused}");
        assert!(!has(who), "{who}");
        assert_eq!(server.get(who, "/labels").fine()["labels"], json!([]));
        let features = server.get(who, &format!("/users/{FIRST_ID}/features?columns=country")).fine();
        assert_eq!(features["labels"], json!([]), "{who}");
    }
    // Nor can others build on it.
    let on_it = json!({"name": "theirs", "rule": "label('mine') AND country = 'US'"});
    server.post("edna", "/labels", &on_it).problem(400, "bad_rule");
    let shown = delivery(&json!({"label": "mine"}));
    server.post("edna", "/deliveries", &shown).problem(400, "bad_rule");
}

fn callers_are_told_who_they_are_and_labels_are_read(url: &str) {
    let server = Operated::start(url);
    for (who, role) in [("rita", "reader"), ("eddy", "editor"), ("pat", "approver"), ("ada", "admin")] {
        let me = server.get(who, "/me").fine();
        assert_eq!(me, json!({"name": who, "role": role, "tokens": true}));
    }
    server.api.get("/api/v1/me").problem(401, "unauthenticated");
    let id = server.make("eddy", &json!({"name": "poh", "rule": "has_poh"}))["id"].as_u64().unwrap();
    let private = json!({"name": "mine", "rule": "balance_usd > 5", "private": true});
    server.make("eddy", &private);
    let wanted = server.post("rita", "/audience/rule", &json!({"rule": "label('poh')"})).fine();
    assert_eq!((&wanted["rule"], &wanted["labels"]), (&json!("label('poh')"), &json!(["poh"])));
    // What a label looks at is its own, but the SQL stands alone.
    assert_eq!((&wanted["columns"], &wanted["sql"]), (&json!([]), &json!("has_poh")));
    for segment in [json!({"label": "poh"}), json!({"label_id": id})] {
        assert_eq!(server.post("rita", "/audience/rule", &segment).fine(), wanted, "{segment}");
    }
    server.post("rita", "/audience/rule", &json!({"rule": "label('mine')"})).problem(400, "bad_rule");
    server.post("rita", "/audience/rule", &json!({"label": "nobody"})).problem(404, "not_found");
    server.post("rita", "/audience/rule", &json!({"label_id": 99})).problem(404, "not_found");
}

fn labels_are_counted_again_and_the_status_tells_how_it_goes(url: &str) {
    let server = Operated::start(url);
    let counting = |server: &Operated| server.get("rita", "/status").fine()["labels"].clone();
    server.until(|server| counting(server)["state"] == "done");
    server.make("eddy", &json!({"name": "poh", "rule": "has_poh"}));
    server.make("eddy", &json!({"name": "off", "rule": "has_poh", "status": "disabled"}));
    server.until(|server| {
        (&counting(server)["counted"], &counting(server)["state"]) == (&json!(1), &json!("done"))
    });
    let first = counting(&server);
    assert_eq!((&first["generation"], &first["of"], &first["failed"]), (&json!(2), &json!(1), &json!(0)));
    assert!(
        first["started"].is_string() && first["ended"].is_string() && first["problem"].is_null(),
        "{first}"
    );
    server.post("rita", "/labels/refresh", &json!({})).problem(403, "denied");
    server.post("eddy", "/labels/refresh", &json!({"label": "poh"})).problem(400, "invalid_request");
    let begun = server.post("eddy", "/labels/refresh", &json!({})).fine();
    assert_eq!((&begun["labels"]["generation"], &begun["labels"]["of"]), (&json!(2), &json!(1)));
    server.until(|server| {
        let now = counting(server);
        now["state"] == "done" && now["counted"] == 1 && now["started"] != first["started"]
    });
    assert!(server.get("rita", "/status").fine().get("write_back").is_none());
}
