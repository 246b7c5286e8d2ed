//! What a user meets is what the members of each target say: in priority, in place, in time, under overlays, after every change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::Api;
use crate::databases::on_both;
use crate::fixture::{self, FIRST_ID, USERS};
use crate::people::{shown, soon};

on_both!(
    users_see_the_deliveries_whose_members_they_are,
    placement_priority_and_limit,
    time_and_change_are_seen_at_once,
    fresher_values_win,
    labels_of_a_user_are_those_whose_member_it_is,
    erased_and_opted_out_users_meet_nothing,
    a_delivery_whose_column_is_gone_stops_no_other,
);

fn seen(api: &Api, user: u64, query: &str) -> Vec<String> {
    let answer = api.get(&format!("/api/v1/users/{user}/deliveries{query}")).fine();
    answer["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

fn users_see_the_deliveries_whose_members_they_are(api: &Api) {
    // A label that is unknown for some: NULL countries are in neither, and not excluded.
    api.label("ann", "chinese", "country = 'CN'");
    api.list("ann", "staff", &[FIRST_ID + 1, FIRST_ID + 6, 77]);
    let rules = [
        "has_poh",
        "country IN ('US', 'DE')",
        "balance_usd > 1200 OR has(chains, 'base')",
        "label('chinese')",
    ];
    let mut wanted: Vec<BTreeSet<u64>> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let mut body = shown(&format!("d{at}"), &json!({"rule": rule}));
        let mut members: BTreeSet<u64> = api.members(rule).into_iter().collect();
        if at % 2 == 0 {
            body["exclude"] = json!([{"label": "chinese"}, {"label": "staff"}]);
            for out in api.members("label('chinese')").into_iter().chain(api.members("label('staff')")) {
                members.remove(&out);
            }
        }
        if at == 1 {
            body["holdout"] = json!({"salt": "exp", "from_percent": 10, "to_percent": 40});
            for out in api.members("bucket('exp', 10, 40)") {
                members.remove(&out);
            }
        }
        api.live(&body);
        wanted.push(members);
    }
    for i in (0..USERS).step_by(7) {
        let user = FIRST_ID + i;
        let of_user = wanted.iter().enumerate().filter(|(_, members)| members.contains(&user));
        let names: Vec<String> = of_user.map(|(at, _)| format!("d{at}")).collect();
        assert_eq!(seen(api, user, ""), names, "user {user}");
    }
    let nobody = api.get("/api/v1/users/5/deliveries").fine();
    assert_eq!((&nobody["known_user"], &nobody["deliveries"]), (&json!(false), &json!([])));
}

fn placement_priority_and_limit(api: &Api) {
    for (name, priority, placement) in
        [("low", -5, "home"), ("high", 9, "home"), ("any", 3, ""), ("shop", 4, "shop")]
    {
        let mut body = shown(name, &json!({"rule": "true"}));
        (body["priority"], body["placement"]) = (json!(priority), json!(placement));
        api.live(&body);
    }
    assert_eq!(seen(api, FIRST_ID, ""), ["high", "shop", "any", "low"]);
    assert_eq!(seen(api, FIRST_ID, "?placement=home"), ["high", "any", "low"]);
    assert_eq!(seen(api, FIRST_ID, "?placement=home&limit=2"), ["high", "any"]);
    assert_eq!(seen(api, FIRST_ID, "?placement=elsewhere"), ["any"]);
    api.get(&format!("/api/v1/users/{FIRST_ID}/deliveries?place=home")).problem(400, "invalid_request");
}

fn time_and_change_are_seen_at_once(api: &Api) {
    let at = |seconds: i64| {
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let text = jiff::Timestamp::from_second(at + seconds).unwrap().to_string();
        json!(text)
    };
    let mut body = shown("soon", &json!({"rule": "true"}));
    (body["start_time"], body["end_time"]) = (at(3), at(6));
    assert_eq!(api.live(&body)["status"], "upcoming");
    assert!(seen(api, FIRST_ID, "").is_empty());
    soon(|| (seen(api, FIRST_ID, "") == ["soon"]).then_some(()));
    soon(|| seen(api, FIRST_ID, "").is_empty().then_some(()));
    // A label that changes changes who sees what names it.
    let label = api.label("ann", "target", "country = 'US'")["id"].as_u64().unwrap();
    api.live(&shown("labelled", &json!({"label": "target"})));
    let (american, german) = (FIRST_ID + 4, FIRST_ID + 2);
    assert_eq!((seen(api, american, "").len(), seen(api, german, "").len()), (1, 0));
    let change = json!({"rule": "country = 'DE'", "name": "renamed", "version": 1});
    api.by("ann", "PUT", &format!("/labels/{label}"), Some(&change)).fine();
    soon(|| (seen(api, american, "").is_empty() && seen(api, german, "").len() == 1).then_some(()));
    // A new generation is taken over.
    let store = muster_engine::snapshot::Store::open(&api.dir.path().join(crate::client::STORE)).unwrap();
    fixture::staged(&store).publish(None).unwrap();
    soon(|| {
        let answer = api.get(&format!("/api/v1/users/{german}/deliveries")).fine();
        (answer["generation"] == 4 && answer["deliveries"][0]["name"] == "labelled").then_some(())
    });
}

fn fresher_values_win(api: &Api) {
    api.label("ann", "germans", "country = 'DE'");
    let mut body = shown("for others", &json!({"rule": "has_poh"}));
    body["exclude"] = json!([{"label": "germans"}]);
    api.live(&body);
    let user = FIRST_ID;
    let with = |overlay: Value| {
        let asked = json!({"overlay": overlay});
        api.post(&format!("/users/{user}/deliveries"), &asked).fine()["deliveries"].as_array().unwrap().len()
    };
    assert_eq!(seen(api, user, "").len(), 1);
    assert_eq!(with(json!({"has_poh": false})), 0);
    assert_eq!(with(json!({"country": "DE"})), 0);
    assert_eq!(with(json!({"country": null})), 1);
    let refused = api.post(&format!("/users/{user}/deliveries"), &json!({"overlay": {"countri": "DE"}}));
    refused.problem(400, "bad_rule");
    let labels = api.post(&format!("/users/{user}/labels"), &json!({"overlay": {"country": "DE"}})).fine();
    assert_eq!(labels["labels"][0]["name"], "germans");
}

fn labels_of_a_user_are_those_whose_member_it_is(api: &Api) {
    let rules = [
        "has_poh",
        "country = 'US'",
        "balance_usd > 1500",
        "empty(chains)",
        "label('l0') AND NOT label('l1')",
    ];
    let mut members = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        api.label("ann", &format!("l{at}"), rule);
        members.push(api.members(&format!("label('l{at}')")));
    }
    api.list("ann", "l5", &[FIRST_ID + 14]);
    members.push(vec![FIRST_ID + 14]);
    let off = json!({"name": "off", "rule": "true", "status": "disabled"});
    api.by("ann", "POST", "/labels", Some(&off));
    let of = |user: u64| -> Vec<String> {
        let answer = api.get(&format!("/api/v1/users/{user}/labels")).fine();
        answer["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    soon(|| of(FIRST_ID + 14).contains(&"l5".to_owned()).then_some(()));
    for i in (0..USERS).step_by(11).chain([14]) {
        let user = FIRST_ID + i;
        let held = members.iter().enumerate().filter(|(_, members)| members.contains(&user));
        assert_eq!(of(user), held.map(|(at, _)| format!("l{at}")).collect::<Vec<_>>(), "user {user}");
    }
    let page = api.get(&format!("/api/v1/users/{}/features", FIRST_ID + 14)).fine();
    assert!(page["labels"].as_array().unwrap().contains(&json!("l5")), "{page}");
}

fn erased_and_opted_out_users_meet_nothing(api: &Api) {
    api.live(&shown("all", &json!({"rule": "true"})));
    let (erased, out) = (FIRST_ID + 10, FIRST_ID + 11);
    assert_eq!((seen(api, erased, "").len(), seen(api, out, "").len()), (1, 1));
    api.post("/users/erase", &json!({"user_ids": [erased]})).fine();
    api.post("/users/opt-out", &json!({"user_ids": [out]})).fine();
    let answer = |user| api.get(&format!("/api/v1/users/{user}/deliveries")).fine();
    assert_eq!((&answer(erased)["known_user"], &answer(erased)["deliveries"]), (&json!(false), &json!([])));
    assert_eq!((&answer(out)["opted_out"], &answer(out)["deliveries"]), (&json!(true), &json!([])));
    api.post("/users/opt-in", &json!({"user_ids": [out]})).fine();
    assert_eq!(seen(api, out, "").len(), 1);
}

fn a_delivery_whose_column_is_gone_stops_no_other(api: &Api) {
    api.live(&shown("fine", &json!({"rule": "has_poh"})));
    api.live(&shown("wide", &json!({"rule": "wide > 5"})));
    api.label("ann", "of_wide", "wide > 6");
    assert_eq!(seen(api, FIRST_ID, "").len(), 2);
    let store = muster_engine::snapshot::Store::open(&api.dir.path().join(crate::client::STORE)).unwrap();
    fixture::staged_without_wide(&store).publish(None).unwrap();
    soon(|| (seen(api, FIRST_ID, "") == ["fine"]).then_some(()));
    let label = soon(|| {
        let label = api.post("/labels/filter", &json!({"failed": true})).fine()["labels"][0].clone();
        (!label.is_null()).then_some(label)
    });
    assert_eq!(label["name"], "of_wide");
    assert!(label["failure"].as_str().unwrap().contains("wide"), "{label}");
    let metrics = api.get("/metrics").text;
    assert!(metrics.contains("muster_deliveries_refused 1"), "{metrics}");
}
