//! The life of a delivery, from draft to end.

use muster_proto::v1;
use muster_proto::v1::deliveries_client::DeliveriesClient;
use serde_json::{Value, json};

use crate::client::Api;
use crate::databases::on_both;
use crate::people::shown;

on_both!(
    a_delivery_lives_and_every_step_is_noted,
    a_live_delivery_is_changed_and_canceled_by_two,
    wrong_steps_are_refused,
    what_makes_no_sense_is_refused_where_it_stands,
    the_same_over_grpc,
    reach_is_target_without_exclusions_and_holdout,
);

fn a_delivery_lives_and_every_step_is_noted(api: &Api) {
    api.label("ann", "americans", "country = 'US'");
    let mut body = shown("welcome", &json!({"label": "americans"}));
    body["priority"] = json!(7);
    body["placement"] = json!("home");
    body["daily_cap"] = json!(3);
    let made = api.by("ann", "POST", "/deliveries", Some(&body));
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    assert_eq!((&made["status"], &made["target"]["label"]), (&json!("draft"), &json!("americans")));
    let id = made["id"].as_u64().unwrap();
    let step = |who, step: &str, comment: &str| {
        api.by(who, "POST", &format!("/deliveries/{id}/{step}"), Some(&json!({"comment": comment})))
    };
    assert_eq!(step("ann", "submit", "first").fine()["status"], "pending");
    step("ann", "approve", "myself").problem(403, "denied");
    let rejected = step("bob", "reject", "too broad").fine();
    assert_eq!(rejected["status"], "unpass");
    let narrower = json!({"target": {"rule": "country = 'US' AND has_poh"}, "daily_cap": null, "version": rejected["version"]});
    let changed = api.by("ann", "PUT", &format!("/deliveries/{id}"), Some(&narrower)).fine();
    assert_eq!(
        (&changed["status"], &changed["daily_cap"], &changed["priority"]),
        (&json!("unpass"), &Value::Null, &json!(7))
    );
    assert_eq!(step("ann", "submit", "narrower").fine()["open"]["kind"], "create");
    let waiting = api.get("/api/v1/deliveries?waiting=true").fine();
    assert_eq!(waiting["deliveries"][0]["id"], id);
    assert_eq!(step("bob", "approve", "good").fine()["status"], "ongoing");
    assert_eq!(api.get("/api/v1/deliveries/active").fine()["deliveries"][0]["id"], id);
    assert_eq!(
        api.get("/api/v1/deliveries?status=ongoing").fine()["deliveries"].as_array().unwrap().len(),
        1
    );
    let approvals = api.get(&format!("/api/v1/deliveries/{id}/approvals")).fine();
    let verdicts: Vec<&Value> =
        approvals["approvals"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, [&json!("rejected"), &json!("approved")]);
    assert_eq!(step("ann", "cancel", "campaign is over").fine()["status"], "ongoing");
    assert_eq!(step("bob", "approve", "yes").fine()["status"], "canceled");
    assert_eq!(api.get("/api/v1/deliveries/active").fine()["deliveries"], json!([]));
    // Every step of it is in the audit, with who took it and what was said.
    let audit = api.get(&format!("/api/v1/audit?kind=delivery&id={id}")).fine();
    let told = |record: &Value, field: &str| record[field].as_str().unwrap().to_owned();
    let mut steps: Vec<[String; 3]> = audit["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| [told(record, "actor"), told(record, "action"), told(record, "comment")])
        .collect();
    let approvals = api.get(&format!("/api/v1/audit?kind=approval&id={id}")).fine();
    steps.extend(
        approvals["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| [told(record, "actor"), told(record, "action"), told(record, "comment")]),
    );
    for (who, comment) in [
        ("ann", "first"),
        ("bob", "too broad"),
        ("ann", "narrower"),
        ("bob", "good"),
        ("ann", "campaign is over"),
        ("bob", "yes"),
    ] {
        assert!(
            steps.iter().any(|[actor, _, said]| actor == who && said == comment),
            "{who}: {comment} in {steps:?}"
        );
    }
    assert!(steps.iter().any(|[actor, action, _]| actor == "ann" && action == "create"), "{steps:?}");
}

fn a_live_delivery_is_changed_and_canceled_by_two(api: &Api) {
    let live = api.live(&shown("x", &json!({"rule": "has_poh"})));
    let (id, version) = (live["id"].as_u64().unwrap(), &live["version"]);
    let change = json!({"target": {"rule": "country = 'DE'"}, "version": version, "comment": "for Germans"});
    let asked = api.by("ann", "PUT", &format!("/deliveries/{id}"), Some(&change)).fine();
    assert_eq!((&asked["status"], &asked["target"]["rule"]), (&json!("ongoing"), &json!("has_poh")));
    assert_eq!(asked["open"]["proposed"]["target"]["rule"], "country = 'DE'");
    let step = |who, step: &str| {
        api.by(who, "POST", &format!("/deliveries/{id}/{step}"), Some(&json!({"comment": "so be it"})))
    };
    assert!(step("ann", "withdraw").fine()["open"].is_null());
    let version = api.get(&format!("/api/v1/deliveries/{id}")).fine()["version"].clone();
    let again = json!({"target": {"rule": "country = 'DE'"}, "version": version, "comment": "for Germans"});
    api.by("ann", "PUT", &format!("/deliveries/{id}"), Some(&again)).fine();
    let stale = api.by("carl", "PUT", &format!("/deliveries/{id}"), Some(&again)).problem(409, "conflict");
    assert_eq!(stale["current"]["open"]["requester"], "ann");
    assert_eq!(step("bob", "approve").fine()["target"]["rule"], "country = 'DE'");
    let german = api.members("country = 'DE'")[0];
    let seen = api.get(&format!("/api/v1/users/{german}/deliveries")).fine();
    assert_eq!(seen["deliveries"][0]["id"], id, "who approves and asks at once sees it");
}

fn wrong_steps_are_refused(api: &Api) {
    let draft = api.by("ann", "POST", "/deliveries", Some(&shown("x", &json!({"rule": "has_poh"})))).json();
    let id = draft["id"].as_u64().unwrap();
    let step =
        |who, step: &str, body: Value| api.by(who, "POST", &format!("/deliveries/{id}/{step}"), Some(&body));
    step("bob", "approve", json!({"comment": "x"})).problem(409, "precondition");
    step("bob", "cancel", json!({"comment": "x"})).problem(409, "precondition");
    step("ann", "submit", json!({"comment": "x", "version": 9})).problem(409, "conflict");
    step("ann", "submit", json!({})).fine();
    step("bob", "approve", json!({})).problem(400, "invalid_request");
    api.by("ann", "DELETE", &format!("/deliveries/{id}"), None).problem(409, "precondition");
    step("ann", "withdraw", json!({"comment": "no"})).fine();
    assert_eq!(api.by("ann", "DELETE", &format!("/deliveries/{id}"), None).status, 204);
    api.get(&format!("/api/v1/deliveries/{id}")).problem(404, "not_found");
    // What a live delivery names stays.
    let label = api.label("ann", "named", "has_poh")["id"].as_u64().unwrap();
    api.live(&shown("y", &json!({"label": "named"})));
    let refused = api.by("ann", "DELETE", &format!("/labels/{label}"), None).problem(409, "precondition");
    assert!(refused["detail"].as_str().unwrap().contains('y'), "{refused}");
}

fn what_makes_no_sense_is_refused_where_it_stands(api: &Api) {
    let with = |name: &str, value: Value| {
        let mut body = shown("x", &json!({"rule": "has_poh"}));
        body[name] = value;
        api.by("ann", "POST", "/deliveries", Some(&body))
    };
    assert_eq!(with("target", json!({"rule": "nobody = 1"})).problem(400, "bad_rule")["field"], "target");
    with("target", json!({})).problem(400, "invalid_request");
    with("target", json!({"label": "nobody"})).problem(400, "bad_rule");
    assert_eq!(
        with("end_time", json!("2025-01-01T00:00:00Z")).problem(400, "invalid_request")["field"],
        "end_time"
    );
    assert_eq!(with("content_type", json!("custom")).problem(400, "invalid_request")["field"], "content_id");
    assert_eq!(with("custom_url", json!("https://x")).problem(400, "invalid_request")["field"], "custom_url");
    with("holdout", json!({"salt": "a", "from_percent": 20, "to_percent": 10}))
        .problem(400, "invalid_request");
    with("holdout", json!({"salt": "a", "from_percent": 0, "to_percent": 101}))
        .problem(400, "invalid_request");
    with("daily_cap", json!(0)).problem(400, "invalid_request");
    with("colour", json!("red")).problem(400, "invalid_request");
    with("exclude", json!([{"label": "nobody"}])).problem(400, "bad_rule");
    with("exclude", json!([{}])).problem(400, "invalid_request");
    api.get("/api/v1/deliveries?status=sleeping").problem(400, "invalid_request");
}

/// A message in somebody's name.
fn by<T>(who: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("x-muster-user", who.parse().unwrap());
    request
}

fn the_same_over_grpc(api: &Api) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = format!("http://{}", api.server.grpc);
    runtime.block_on(async {
        let mut client = DeliveriesClient::new(
            tonic::transport::Channel::from_shared(address).unwrap().connect().await.unwrap(),
        );
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let delivery = v1::Delivery {
            name: "x".into(),
            target: Some(v1::Segment { by: Some(v1::segment::By::Rule("country = 'US'".into())) }),
            content_type: v1::ContentType::Custom.into(),
            custom_image: "https://example.com/x.png".into(),
            custom_url: "https://example.com".into(),
            start_time: at(1_700_000_000),
            end_time: at(4_000_000_000),
            holdout: Some(v1::Holdout { salt: "exp".into(), from_percent: 0.0, to_percent: 12.5 }),
            total_cap: Some(9),
            ..v1::Delivery::default()
        };
        let request = v1::CreateDeliveryRequest { delivery: Some(delivery) };
        let made = client.create_delivery(by("ann", request)).await.unwrap().into_inner();
        assert_eq!(made.generation, 2);
        let made = made.delivery.unwrap();
        assert_eq!(made.holdout.as_ref().unwrap().to_percent, 12.5);
        let (id, comment) = (made.id, "fine".to_owned());
        let submit = v1::SubmitDeliveryRequest { id, ..Default::default() };
        client.submit_delivery(by("ann", submit)).await.unwrap();
        let approve = v1::ApproveDeliveryRequest { id, comment, ..Default::default() };
        let refused = client.approve_delivery(by("ann", approve.clone())).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        let live = client.approve_delivery(by("bob", approve)).await.unwrap().into_inner().delivery.unwrap();
        assert_eq!(live.status(), v1::DeliveryStatus::Ongoing);
        let stale = v1::UpdateDeliveryRequest { delivery: Some(made), comment: String::new() };
        let conflict = client.update_delivery(by("ann", stale)).await.unwrap_err();
        assert_eq!(conflict.code(), tonic::Code::Aborted, "{conflict}");
        let user = api.members("country = 'US' AND NOT bucket('exp', 0, 12.5)")[0];
        let ask = v1::MatchDeliveriesRequest { user_id: user, ..Default::default() };
        let seen = client.match_deliveries(ask).await.unwrap().into_inner();
        assert_eq!(seen.deliveries.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [id]);
        assert!(seen.known_user && seen.as_of.is_some());
        let reach = v1::GetReachRequest { of: Some(v1::get_reach_request::Of::Id(id)) };
        let reach = client.get_reach(by("ann", reach)).await.unwrap().into_inner();
        assert_eq!(reach.reach, api.members("country = 'US' AND NOT bucket('exp', 0, 12.5)").len() as u64);
        let approvals = client.list_approvals(v1::ListApprovalsRequest { id }).await.unwrap().into_inner();
        assert_eq!(approvals.approvals[0].decided_by, "bob");
        let missing = client.get_delivery(v1::GetDeliveryRequest { id: 999 }).await.unwrap_err();
        assert_eq!(missing.code(), tonic::Code::NotFound);
    });
}

fn reach_is_target_without_exclusions_and_holdout(api: &Api) {
    api.label("ann", "poor", "balance_usd < 1000");
    let mut body = shown("a", &json!({"rule": "country = 'US'"}));
    body["exclude"] = json!([{"label": "poor"}]);
    body["holdout"] = json!({"salt": "s", "from_percent": 0, "to_percent": 50});
    api.live(&body);
    let mut other = shown("b", &json!({"rule": "has_poh"}));
    other["placement"] = json!("home");
    let reach = api.post("/deliveries/reach", &other).fine();
    assert_eq!((&reach["target"], &reach["reach"]), (&json!(1000), &json!(1000)));
    let is_poor = api.members("balance_usd < 1000");
    let a: Vec<u64> = api
        .members("country = 'US' AND NOT bucket('s', 0, 50)")
        .into_iter()
        .filter(|user| !is_poor.contains(user))
        .collect();
    let poh = api.members("has_poh");
    let both = a.iter().filter(|user| poh.contains(user)).count();
    assert_eq!((&reach["shared"][0]["name"], &reach["shared"][0]["users"]), (&json!("a"), &json!(both)));
    let stored = api.get("/api/v1/deliveries/1/reach").fine();
    assert_eq!(
        (&stored["target"], &stored["reach"]),
        (&json!(api.members("country = 'US'").len()), &json!(a.len()))
    );
}
