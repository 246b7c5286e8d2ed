//! The life of a label, and of a list.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::Api;
use crate::databases::on_both;
use crate::fixture::{self, FIRST_ID, USERS};
use crate::people::soon;

on_both!(
    a_label_is_made_used_changed_and_removed,
    labels_are_counted_by_themselves_in_every_generation,
    lists_are_filled_and_what_they_do_not_know_is_kept,
    a_stale_change_is_refused_with_what_is_there_now,
    what_makes_no_sense_is_refused_where_it_stands,
    private_labels_are_their_creators,
    many_ids_with_garbage_among_them,
    lists_of_labels_are_in_the_order_asked_for_with_their_history,
);

fn a_label_is_made_used_changed_and_removed(api: &Api) {
    let label = api.label("ann", "kyc", "has_poh AND country = 'US'");
    assert_eq!(label["creator"], "ann");
    assert_eq!((&label["status"], &label["version"]), (&json!("enabled"), &json!(1)));
    assert_eq!(label["rules"]["combinator"], "and");
    let id = label["id"].as_u64().unwrap();
    let plain = api.members("has_poh AND country = 'US'");
    // The next question knows it, in every form.
    for segment in [
        json!({"label": "kyc"}),
        json!({"label_id": id}),
        json!({"rule": "label('kyc')"}),
        json!({"rules": {"combinator": "and", "rules": [{"field": "label", "operator": "=", "value": "kyc"}]}}),
    ] {
        let answer = api.post("/audience/count", &segment);
        if segment["rules"].is_object() && answer.status != 200 {
            continue;
        }
        assert_eq!(answer.fine()["count"], plain.len(), "{segment}");
    }
    let nested = api.label("ann", "rich_kyc", "label('kyc') AND balance_usd > 1500");
    assert_eq!(api.get(&format!("/api/v1/labels/{id}/uses")).fine()["labels"][0]["name"], "rich_kyc");
    // What it is changed to holds for who asks next, for those who use it, too.
    let change = json!({"rule": "country = 'US'", "version": 1});
    let changed = api.by("bob", "PUT", &format!("/labels/{id}"), Some(&change)).fine();
    assert_eq!((&changed["version"], &changed["updated_by"]), (&json!(2), &json!("bob")));
    let wanted = api.members("country = 'US' AND balance_usd > 1500");
    assert_eq!(api.members("label('rich_kyc')"), wanted);
    assert_eq!(api.post("/audience/count", &json!({"label": "rich_kyc"})).fine()["count"], wanted.len());
    // A new name is followed.
    let change = json!({"name": "americans", "version": 2});
    api.by("ann", "PUT", &format!("/labels/{id}"), Some(&change)).fine();
    let nested_id = nested["id"].as_u64().unwrap();
    let rule = api.get(&format!("/api/v1/labels/{nested_id}")).fine()["rule"].clone();
    assert!(rule.as_str().unwrap().contains("americans"), "{rule}");
    assert_eq!(api.members("label('rich_kyc')"), wanted);
    api.post("/audience/count", &json!({"label": "kyc"})).problem(404, "not_found");
    // What is in use stays; what is not, goes.
    let refused = api.by("ann", "DELETE", &format!("/labels/{id}"), None).problem(409, "precondition");
    assert!(refused["detail"].as_str().unwrap().contains("rich_kyc"), "{refused}");
    assert_eq!(api.by("ann", "DELETE", &format!("/labels/{nested_id}"), None).status, 204);
    let off = json!({"status": "disabled", "version": 3});
    api.by("ann", "PUT", &format!("/labels/{id}"), Some(&off)).fine();
    let refused =
        api.post("/audience/count", &json!({"rule": "label('americans')"})).problem(400, "bad_rule");
    assert!(refused["detail"].as_str().unwrap().contains("is disabled"), "{refused}");
    api.post("/audience/count", &json!({"label_id": id})).problem(409, "precondition");
    assert_eq!(api.by("ann", "DELETE", &format!("/labels/{id}?version=4"), None).status, 204);
    api.get(&format!("/api/v1/labels/{id}")).problem(404, "not_found");
}

fn counted(api: &Api, name: &str, generation: u64) -> Value {
    soon(|| {
        let page = api.post("/labels/filter", &json!({"search": name})).fine();
        let label = page["labels"][0].clone();
        (label["generation"] == generation || !label["failure"].is_null()).then_some(label)
    })
}

fn labels_are_counted_by_themselves_in_every_generation(api: &Api) {
    api.label("ann", "solvent", "balance_usd >= 1000");
    api.label("ann", "solvent_poh", "label('solvent') AND has_poh");
    let label = counted(api, "solvent_poh", 2);
    let wanted = api.members("balance_usd >= 1000 AND has_poh").len();
    assert_eq!((&label["count"], &label["as_of"]), (&json!(wanted), &json!("2026-11-21T00:00:00Z")));
    assert_eq!(label["share"], wanted as f64 / USERS as f64);
    assert!(label["change"].is_null());
    // Those that use a changed one are counted again, too.
    let id = api.post("/labels/filter", &json!({"search": "solvent"})).fine()["labels"][0]["id"].clone();
    let change = json!({"rule": "balance_usd >= 2000", "version": 1});
    api.by("ann", "PUT", &format!("/labels/{id}"), Some(&change)).fine();
    let wanted = api.members("balance_usd >= 2000 AND has_poh").len();
    soon(|| (counted(api, "solvent_poh", 2)["count"] == wanted).then_some(()));
    // A new generation: all are counted anew, and the change is told.
    let store = muster_engine::snapshot::Store::open(&api.dir.path().join(crate::client::STORE)).unwrap();
    fixture::staged(&store).publish(None).unwrap();
    let label = counted(api, "solvent_poh", 4);
    assert_eq!((&label["count"], &label["change"]), (&json!(wanted), &json!(0)));
    let counts = api.get(&format!("/api/v1/labels/{}/counts", label["id"])).fine();
    let generations: Vec<&Value> =
        counts["counts"].as_array().unwrap().iter().map(|of| &of["generation"]).collect();
    assert_eq!(generations, [&json!(4), &json!(2)]);
}

fn lists_are_filled_and_what_they_do_not_know_is_kept(api: &Api) {
    let known = [FIRST_ID + 1, FIRST_ID + 2, FIRST_ID + 3];
    let list = api.list("ann", "vips", &known);
    assert_eq!((&list["is_list"], &list["list_users"]), (&json!(true), &json!(3)));
    let id = list["id"].as_u64().unwrap();
    assert_eq!(api.members("label('vips')"), known);
    let answer = api.fill("ann", "POST", id, &[FIRST_ID + 3, FIRST_ID + 4, 5]).fine();
    assert_eq!((&answer["added"], &answer["removed"], &answer["unknown"]), (&json!(2), &json!(0), &json!(1)));
    assert_eq!(answer["label"]["list_users"], 5);
    assert_eq!(api.members("label('vips')").len(), 4);
    assert_eq!(api.members("NOT label('vips')").len() as u64, USERS - 4);
    let answer = api.fill("ann", "PUT", id, &[FIRST_ID]).fine();
    assert_eq!((&answer["added"], &answer["removed"]), (&json!(1), &json!(5)));
    assert_eq!(api.members("label('vips')"), [FIRST_ID]);
    let asked = json!({"label": "vips"});
    assert_eq!(api.post("/audience/count", &asked).fine()["count"], 1);
    let page = api.get(&format!("/api/v1/labels/{id}/users")).fine();
    assert_eq!(page["user_ids"], json!([FIRST_ID]));
    // A label of a rule is no list.
    let rule = api.label("ann", "poh", "has_poh")["id"].as_u64().unwrap();
    api.fill("ann", "PUT", rule, &[1]).problem(409, "precondition");
}

fn a_stale_change_is_refused_with_what_is_there_now(api: &Api) {
    let id = api.label("ann", "a", "has_poh")["id"].as_u64().unwrap();
    let change =
        |who, rule| api.by(who, "PUT", &format!("/labels/{id}"), Some(&json!({"rule": rule, "version": 1})));
    change("ann", "country = 'US'").fine();
    let refused = change("bob", "country = 'DE'").problem(409, "conflict");
    assert_eq!(refused["current"]["rule"], "country = 'US'");
    assert_eq!(refused["current"]["version"], 2);
    api.by("bob", "DELETE", &format!("/labels/{id}?version=1"), None).problem(409, "conflict");
    let nothing = json!({"rule": "country = 'DE'"});
    api.by("bob", "PUT", &format!("/labels/{id}"), Some(&nothing)).problem(400, "invalid_request");
}

fn what_makes_no_sense_is_refused_where_it_stands(api: &Api) {
    let make = |body: Value| api.by("ann", "POST", "/labels", Some(&body));
    let refused = make(json!({"name": "x", "rule": "countri = 'US'"})).problem(400, "bad_rule");
    assert_eq!(refused["field"], "rule");
    assert!(refused["hint"].as_str().is_some_and(|hint| hint.contains("country")), "{refused}");
    let refused = make(json!({"name": "x", "rule": "has_poh AND"})).problem(400, "bad_rule");
    assert!(
        refused["position"].is_object() || refused["column"].is_u64() || refused["line"].is_u64(),
        "{refused}"
    );
    make(json!({"rule": "has_poh"})).problem(400, "invalid_request");
    make(json!({"name": "x", "rule": "has_poh", "rules": {}})).problem(400, "invalid_request");
    make(json!({"name": "x", "rule": "label('nobody')"})).problem(400, "bad_rule");
    assert_eq!(make(json!({"name": "x", "rule": "has_poh"})).status, 201);
    make(json!({"name": "x", "rule": "NOT has_poh"})).problem(409, "already_exists");
    // A circle is told as a path.
    let y = api.label("ann", "y", "label('x')")["id"].as_u64().unwrap();
    let x = y - 1;
    let circle = json!({"rule": "label('y')", "version": 1});
    let refused = api.by("ann", "PUT", &format!("/labels/{x}"), Some(&circle));
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("`x`") && refused.text.contains("`y`"), "{}", refused.text);
    api.get("/api/v1/labels/99999").problem(404, "not_found");
    api.get("/api/v1/labels/x").problem(400, "invalid_request");
    api.get("/api/v1/labels?colour=red").problem(400, "invalid_request");
}

fn private_labels_are_their_creators(api: &Api) {
    // Where tokens are off everybody is an administrator, who sees all of them; who may not is tested with tokens.
    let body = json!({"name": "mine", "rule": "has_poh", "private": true});
    let made = api.by("ann", "POST", "/labels", Some(&body));
    assert_eq!((made.status, &made.json()["private"]), (201, &json!(true)));
    assert_eq!(
        api.by("ann", "POST", "/audience/count", Some(&json!({"label": "mine"}))).fine()["count"],
        1000
    );
}

fn many_ids_with_garbage_among_them(api: &Api) {
    let id = api.list("ann", "many", &[])["id"].as_u64().unwrap();
    let mut lines = String::from("user_id,note\n");
    for i in 0..200_000_u64 {
        match i % 10 {
            0 => lines.push_str("garbage,of all kinds\n"),
            _ => writeln!(lines, "{},x", FIRST_ID + i).unwrap(),
        }
    }
    let headers = [("x-muster-user", "ann"), ("content-type", "text/csv")];
    let answer = api.ask("PUT", &format!("/api/v1/labels/{id}/users"), &headers, Some(&lines)).fine();
    assert_eq!((&answer["ids"], &answer["bad"]), (&json!(180_000), &json!(20_000)));
    assert_eq!(answer["label"]["list_users"], 180_000);
    assert_eq!(answer["unknown"], 180_000 - USERS * 9 / 10);
    assert_eq!(answer["first_bad"][0]["line"], 2);
    assert_eq!(api.members("label('many')").len() as u64, USERS * 9 / 10);
}

fn lists_of_labels_are_in_the_order_asked_for_with_their_history(api: &Api) {
    api.label("ann", "b-third", "has_poh");
    api.label("ann", "a-half", "balance_usd < 1500");
    api.label("bob", "c-few", "balance_usd < 5");
    api.list("bob", "d-list", &[FIRST_ID]);
    counted(api, "d-list", 2);
    counted(api, "c-few", 2);
    let names = |path: &str| -> Vec<String> {
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("/api/v1/labels?page_size=2&{path}{token}")).fine();
            let labels = page["labels"].as_array().unwrap();
            names.extend(labels.iter().map(|label| label["name"].as_str().unwrap()[..1].to_owned()));
            match page["next_page_token"].as_str() {
                Some(next) => token = format!("&page_token={next}"),
                None => return names,
            }
        }
    };
    for (path, wanted) in [
        ("", "abcd"),
        ("sort=name&descending=true", "dcba"),
        ("sort=count", "dcba"),
        ("sort=count&descending=true", "abcd"),
        ("sort=created", "bacd"),
        ("sort=updated&descending=true", "dcab"),
        ("sort=change&descending=false", "bacd"),
        ("is_list=true", "d"),
        ("is_list=false&sort=count&descending=true", "abc"),
        ("creator=ann&sort=created&descending=true", "ab"),
        ("failed=true", ""),
        ("private=true", ""),
        ("predefined=false&private=false&failed=false", "abcd"),
    ] {
        assert_eq!(names(path).concat(), wanted, "{path}");
    }
    // Another generation, and what was counted in both.
    let store = muster_engine::snapshot::Store::open(&api.dir.path().join(crate::client::STORE)).unwrap();
    fixture::staged(&store).publish(None).unwrap();
    counted(api, "b-third", 4);
    counted(api, "a-half", 4);
    let page = api.post("/labels/filter", &json!({"history": 5, "sort": "count", "descending": true})).fine();
    let (half, third) = (&page["labels"][0], &page["labels"][1]);
    assert_eq!((&half["name"], &third["name"]), (&json!("a-half"), &json!("b-third")));
    let recent =
        |generation, day| json!({"generation": generation, "as_of": day, "count": 1000, "universe": 3000});
    let wanted = json!([recent(2, "2026-11-21T00:00:00Z"), recent(4, "2026-11-23T00:00:00Z")]);
    assert_eq!(third["recent"], wanted);
    assert_eq!(api.get("/api/v1/labels?history=1").fine()["labels"][1]["recent"], json!([wanted[1]]));
    assert!(api.get("/api/v1/labels").fine()["labels"][0].get("recent").is_none());
    // What makes no sense is refused, and so is a token of another order.
    let token =
        api.post("/labels/filter", &json!({"page_size": 1, "sort": "count"})).fine()["next_page_token"]
            .clone();
    let other = json!({"page_size": 1, "sort": "count", "descending": true, "page_token": token});
    assert_eq!(api.post("/labels/filter", &other).problem(400, "invalid_request")["field"], "page_token");
    for bad in ["sort=size", "descending=yes", "history=101", "history=-1", "failed=1", "is_list="] {
        let problem = api.get(&format!("/api/v1/labels?{bad}")).problem(400, "invalid_request");
        assert_eq!(problem["field"], bad.split('=').next().unwrap(), "{problem}");
    }
    api.post("/labels/filter", &json!({"sort": "size"})).problem(400, "invalid_request");
    api.post("/labels/filter", &json!({"history": 101})).problem(400, "invalid_request");
}
