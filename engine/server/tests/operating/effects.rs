//! The effect of an edit: what is told before it is saved is what is counted after that.

use std::collections::BTreeMap;

use muster_catalog::Caller;
use muster_catalog::delivery::{Content, Holdout, NewDelivery, Segment};
use muster_catalog::label::LabelKey;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::limits::Limits;
use muster_proto::v1;
use serde_json::{Value, json};
use tonic::Code;

use crate::fixture::USERS;
use crate::support::{Operated, with_both};

with_both!(
    what_is_told_before_is_what_is_counted_after,
    what_others_may_not_see_is_counted_and_not_told,
    what_saving_would_refuse_is_refused_in_the_same_words,
    a_deadline_ends_it,
    grpc_tells_the_same,
);

const HOUR_US: i64 = 3_600_000_000;

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn delivery(name: &str, target: Segment) -> NewDelivery {
    NewDelivery {
        name: name.to_owned(),
        target,
        exclude: Vec::new(),
        holdout: None,
        content: Content::OnchainTask { content_id: "t".to_owned() },
        start_us: now_us() - HOUR_US,
        end_us: now_us() + HOUR_US,
        priority: 0,
        placement: String::new(),
        daily_cap: None,
        total_cap: None,
    }
}

fn rule(text: &str) -> Segment {
    Segment::Rule(Rule::parse(text, &Limits::default()).unwrap())
}

fn label(name: &str) -> LabelKey {
    LabelKey::Name(name.to_owned())
}

/// Makes a delivery and takes it as far as is said.
fn deliver(server: &Operated, new: &NewDelivery, submit: bool, approve: bool) -> u64 {
    server.runtime.block_on(async {
        let (ann, bob) = (Caller::admin("ann"), Caller::admin("bob"));
        let made = server.catalog.create_delivery(&ann, new, now_us()).await.unwrap();
        if submit {
            server.catalog.submit_delivery(&ann, made.id, None, "", now_us()).await.unwrap();
        }
        if approve {
            server.catalog.approve_delivery(&bob, made.id, None, "yes", now_us()).await.unwrap();
        }
        made.id
    })
}

/// Labels that build on one, and deliveries of each kind that build on those.
fn built(server: &Operated) -> BTreeMap<&'static str, u64> {
    let mut ids = BTreeMap::new();
    for (name, text) in [
        ("poh", "has_poh"),
        ("rich", "balance_usd > 1000"),
        ("both", "label('poh') AND label('rich')"),
        ("neither", "NOT label('poh') AND NOT label('rich')"),
        ("deep", "label('both') OR country = 'DE'"),
        ("apart", "country = 'CN'"),
    ] {
        ids.insert(name, server.make("eddy", &json!({"name": name, "rule": text}))["id"].as_u64().unwrap());
    }
    server.make("eddy", &json!({"name": "vips"}));
    server.make("edna", &json!({"name": "hers", "rule": "label('poh') AND country = 'GB'", "private": true}));

    let holdout = Some(Holdout { salt: "s".to_owned(), low: 0, high: 5_000 });
    let live = NewDelivery { holdout, ..delivery("live", Segment::Label(label("both"))) };
    let live = deliver(server, &live, true, true);
    let exclude = vec![label("rich"), label("neither")];
    let wide = NewDelivery { exclude, ..delivery("wide", rule("label('deep') OR balance_usd < 500")) };
    deliver(server, &wide, true, false);
    let to_come =
        NewDelivery { start_us: now_us() + HOUR_US / 2, ..delivery("to come", rule("country = 'US'")) };
    let to_come = NewDelivery { exclude: vec![label("poh")], ..to_come };
    deliver(server, &to_come, true, true);
    deliver(server, &delivery("a draft", Segment::Label(label("poh"))), false, false);
    deliver(server, &delivery("apart", Segment::Label(label("apart"))), true, true);
    // Somebody wants the first one to become another.
    let other = delivery("live, or so", Segment::Label(label("deep")));
    server.runtime.block_on(async {
        let version = server.catalog.delivery(live).await.unwrap().version;
        server
            .catalog
            .update_delivery(&Caller::admin("ann"), live, version, &other, "better", now_us())
            .await
            .unwrap();
    });
    ids
}

fn count(server: &Operated, segment: &Value) -> u64 {
    server.post("ada", "/audience/count", segment).fine()["count"].as_u64().unwrap()
}

fn by_rule(server: &Operated, text: &str) -> u64 {
    count(server, &json!({"rule": text}))
}

/// Users of a rule for whom none of others is true.
fn without(server: &Operated, text: &str, except: &str) -> u64 {
    by_rule(server, text) - by_rule(server, &format!("({text}) AND ({except})"))
}

/// What labels and deliveries count as things are, by name.
fn counted(server: &Operated) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for name in ["poh", "both", "deep", "neither", "hers"] {
        counts.insert(name.to_owned(), count(server, &json!({"label": name})));
    }
    let held_out = "label('both') AND NOT bucket('s', 0, 50)";
    counts.insert("live".to_owned(), by_rule(server, held_out));
    counts.insert("live, or so".to_owned(), by_rule(server, "label('deep')"));
    let wide = without(server, "label('deep') OR balance_usd < 500", "label('rich') OR label('neither')");
    counts.insert("wide".to_owned(), wide);
    counts.insert("to come".to_owned(), without(server, "country = 'US'", "label('poh')"));
    counts
}

/// What an answer tells of each label and delivery, before and after.
fn told(answer: &Value) -> BTreeMap<String, (u64, u64)> {
    let lists = [&answer["labels"], &answer["deliveries"]].map(|list| list.as_array().unwrap().clone());
    let all = lists.concat().into_iter().chain([answer["label"].clone()]);
    let number = |value: &Value| value["count"].as_u64().unwrap_or_else(|| panic!("{answer}"));
    all.map(|one| (one["name"].as_str().unwrap().to_owned(), (number(&one["before"]), number(&one["after"]))))
        .collect()
}

fn what_is_told_before_is_what_is_counted_after(url: &str) {
    let server = Operated::start(url);
    let ids = built(&server);
    let path = format!("/labels/{}", ids["poh"]);
    let mut before = counted(&server);
    for text in [
        "has_poh AND country = 'US'",
        "has(chains, 'base') OR country IS NULL",
        "balance_usd >= 2000 AND NOT label('apart')",
        "label('vips')",
        "NOT (country = 'DE')",
        "has_poh",
    ] {
        let previewed = server.post("ada", &format!("{path}/preview"), &json!({"rule": text})).fine();
        assert_eq!((&previewed["refusal"], &previewed["hidden"]), (&Value::Null, &json!(0)));
        assert_eq!((&previewed["universe"], &previewed["generation"]), (&json!(USERS), &json!(2)));
        let version = server.get("ada", &path).fine()["version"].clone();
        server.ask("ada", "PUT", &path, Some(&json!({"rule": text, "version": version}))).fine();
        let after = counted(&server);
        let expected: BTreeMap<String, (u64, u64)> =
            before.iter().map(|(name, count)| (name.clone(), (*count, after[name]))).collect();
        assert_eq!(told(&previewed), expected, "{text}");
        before = after;
    }
    // What a delivery's page says of its reach is the same.
    for delivery in server.get("ada", "/deliveries").fine()["deliveries"].as_array().unwrap() {
        let Some(expected) = before.get(delivery["name"].as_str().unwrap()) else { continue };
        let reach = server.get("ada", &format!("/deliveries/{}/reach", delivery["id"])).fine();
        assert_eq!(reach["reach"], *expected, "{delivery}");
    }
    // It can also be asked of another generation and another time.
    let body = json!({"rule": "last_active > now() - INTERVAL 1 HOUR", "generation": 1, "now": "2026-11-20T00:00:00Z"});
    let previewed = server.post("ada", &format!("{path}/preview"), &body).fine();
    assert_eq!((&previewed["label"]["after"]["count"], &previewed["generation"]), (&json!(60), &json!(1)));
    assert_eq!(previewed["label"]["after"]["share"], 60.0 / USERS as f64);
}

fn what_others_may_not_see_is_counted_and_not_told(url: &str) {
    let server = Operated::start(url);
    let ids = built(&server);
    let path = format!("/labels/{}/preview", ids["poh"]);
    let names = |answer: &Value| -> Vec<String> {
        answer["labels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let hers = server.post("edna", &path, &json!({"rule": "true"})).fine();
    assert_eq!(
        (names(&hers), &hers["hidden"]),
        (vec!["both".into(), "deep".into(), "hers".into(), "neither".into()], &json!(0))
    );
    let his = server.post("eddy", &path, &json!({"rule": "true"})).fine();
    assert_eq!(
        (names(&his), &his["hidden"]),
        (vec!["both".into(), "deep".into(), "neither".into()], &json!(1))
    );
    let deliveries: Vec<_> = his["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap(), one["waiting"].as_bool().unwrap()))
        .collect();
    assert_eq!(deliveries, [("live", false), ("live, or so", true), ("wide", true), ("to come", false)]);
    let private = server.get("edna", "/labels?search=hers").fine()["labels"][0]["id"].clone();
    server
        .post("eddy", &format!("/labels/{private}/preview"), &json!({"rule": "true"}))
        .problem(404, "not_found");
}

fn what_saving_would_refuse_is_refused_in_the_same_words(url: &str) {
    let server = Operated::start(url);
    let ids = built(&server);
    let preview = |who: &str, name: &str, body: Value| {
        server.post(who, &format!("/labels/{}/preview", ids[name]), &body)
    };
    let bad = preview("eddy", "poh", json!({"rule": "has_poh AND contry = 'US'"})).problem(400, "bad_rule");
    assert_eq!((&bad["field"], &bad["position"]["column"]), (&json!("rule"), &json!(13)));
    preview("eddy", "poh", json!({"rule": "has_poh AND"})).problem(400, "bad_rule");
    preview("eddy", "poh", json!({"rules": {"condition": {}}})).problem(400, "bad_rule");
    preview("eddy", "poh", json!({"rule": "true", "rules": {}})).problem(400, "invalid_request");
    preview("eddy", "poh", json!({"name": "other"})).problem(400, "invalid_request");
    let cycle = preview("eddy", "poh", json!({"rule": "label('deep')"})).problem(400, "invalid_request");
    assert!(
        cycle["detail"].as_str().unwrap().contains("`poh` uses `deep` uses `both` uses `poh`"),
        "{cycle}"
    );
    let private = preview("eddy", "poh", json!({"rule": "label('hers')"})).problem(400, "bad_rule");
    assert!(private["detail"].as_str().unwrap().contains("unknown label `hers`"), "{private}");
    let stale = preview("eddy", "poh", json!({"rule": "true", "version": 7})).problem(409, "conflict");
    assert!(stale["detail"].as_str().unwrap().contains("at version 1"), "{stale}");
    preview("eddy", "poh", json!({"rule": "true", "version": 1})).fine();
    server.post("eddy", "/labels/999/preview", &json!({"rule": "true"})).problem(404, "not_found");
    server.post("eddy", "/labels/x/preview", &json!({"rule": "true"})).problem(400, "invalid_request");
    preview("rita", "poh", json!({"rule": "true"})).problem(403, "denied");
    let vips = server.get("eddy", "/labels?search=vips").fine()["labels"][0]["id"].clone();
    let list = server.post("eddy", &format!("/labels/{vips}/preview"), &json!({"rule": "true"}));
    list.problem(409, "precondition");

    // Disabling what is used is refused, and told all the same.
    let disabled = preview("ada", "poh", json!({"status": "disabled"})).fine();
    assert!(disabled["refusal"].as_str().unwrap().contains("label `poh` is used by"), "{disabled}");
    assert_eq!(disabled["label"]["before"], disabled["label"]["after"]);
    for one in disabled["labels"].as_array().unwrap().iter().chain(disabled["deliveries"].as_array().unwrap())
    {
        assert!(one["after"]["failure"].as_str().unwrap().contains("label `poh` is disabled"), "{one}");
        assert_eq!(
            (&one["after"]["count"], &one["before"]["failure"]),
            (&Value::Null, &Value::Null),
            "{one}"
        );
    }
    let unused = preview("ada", "neither", json!({"status": "disabled"})).fine();
    assert!(unused["refusal"].as_str().unwrap().contains("used by delivery"), "{unused}");
    let records = server.get("pat", "/audit?kind=label&page_size=1000").fine();
    assert!(
        records["records"].as_array().unwrap().iter().all(|record| record["action"] == "create"),
        "nothing is stored"
    );
}

fn a_deadline_ends_it(url: &str) {
    let server = Operated::start(url);
    let ids = built(&server);
    let request = v1::PreviewLabelRequest {
        label: Some(v1::Label { id: ids["poh"], rule: "true".into(), ..Default::default() }),
        ..Default::default()
    };
    server.runtime.block_on(async {
        let mut request = server.by("eddy", request);
        request.metadata_mut().insert("grpc-timeout", "1u".parse().unwrap());
        let ended = server.labels().preview_label(request).await.unwrap_err();
        assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended}");
    });
}

fn grpc_tells_the_same(url: &str) {
    let server = Operated::start(url);
    let ids = built(&server);
    let text = "has_poh AND country = 'US'";
    let rest = server.post("eddy", &format!("/labels/{}/preview", ids["poh"]), &json!({"rule": text})).fine();
    let of = |id: u64, rule: &str, version: u64, status: v1::LabelStatus| v1::PreviewLabelRequest {
        label: Some(v1::Label {
            id,
            rule: rule.into(),
            version,
            status: status.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    server.runtime.block_on(async {
        let mut labels = server.labels();
        let asked = of(ids["poh"], text, 0, v1::LabelStatus::Unspecified);
        let answer = labels.preview_label(server.by("eddy", asked)).await.unwrap().into_inner();
        let count = |count: &Option<v1::EffectCount>| count.as_ref().unwrap().count;
        let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for one in answer.labels.iter().chain(&answer.label) {
            found.insert(one.name.clone(), (count(&one.before), count(&one.after)));
        }
        for one in &answer.deliveries {
            found.insert(one.name.clone(), (count(&one.before), count(&one.after)));
        }
        assert_eq!(found, told(&rest));
        assert_eq!((answer.hidden, answer.universe, answer.generation), (1, USERS, 2));
        assert_eq!(answer.deliveries.iter().filter(|one| one.waiting).count(), 2);

        let disabled = of(ids["poh"], "", 0, v1::LabelStatus::Disabled);
        let answer = labels.preview_label(server.by("eddy", disabled)).await.unwrap().into_inner();
        assert!(
            answer.refusal.contains("is used by")
                && answer.labels[0].after.as_ref().unwrap().failure.contains("disabled")
        );
        for (asked, code) in [
            (of(999, text, 0, v1::LabelStatus::Unspecified), Code::NotFound),
            (of(ids["poh"], text, 9, v1::LabelStatus::Unspecified), Code::Aborted),
            (of(ids["poh"], "contry = 1", 0, v1::LabelStatus::Unspecified), Code::InvalidArgument),
            (v1::PreviewLabelRequest::default(), Code::InvalidArgument),
        ] {
            let refused = labels.preview_label(server.by("eddy", asked)).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
        }
        let asked = of(ids["poh"], text, 0, v1::LabelStatus::Unspecified);
        let refused = labels.preview_label(server.by("rita", asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}
