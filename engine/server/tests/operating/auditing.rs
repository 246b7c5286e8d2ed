//! The audit: what is noted, who may read it, and that an export has all of it.

use jiff::Timestamp;
use muster_catalog::Caller;
use muster_catalog::audit::{Event, Kind};
use muster_proto::v1;
use muster_server::{Role, TokensFile};
use serde_json::{Value, json};
use tonic::Code;

use crate::fixture::FIRST_ID;
use crate::support::{Operated, with_both};

with_both!(
    what_operators_do_is_noted_with_how_it_was_and_is,
    approvers_read_it_and_others_do_not,
    records_are_found_and_pages_have_them_all,
    an_export_has_all_of_it_and_goes_on_where_it_was_cut,
    tokens_that_a_server_takes_up_are_noted_without_their_secrets,
    what_cannot_be_noted_stays_done,
);

fn records(server: &Operated, query: &str) -> Vec<Value> {
    server.get("pat", &format!("/audit{query}")).fine()["records"].as_array().unwrap().clone()
}

fn what(record: &Value) -> (&str, &str, &str) {
    let text = |name: &str| record[name].as_str().unwrap();
    (text("actor"), text("kind"), text("action"))
}

fn what_operators_do_is_noted_with_how_it_was_and_is(url: &str) {
    let server = Operated::start(url);
    server.until(|server| records(server, "?kind=server").len() == 1);
    server.post("ada", "/generations/rollback", &json!({})).fine();
    server
        .post("ada", "/generations/publish", &json!({"generation": 3, "reason": "the bots are gone"}))
        .fine();
    server.post("ada", "/generations/discard", &json!({"generation": 3})).problem(409, "precondition");
    let users = [FIRST_ID, FIRST_ID + 1, 5];
    server.post("ada", "/users/opt-out", &json!({"user_ids": users})).fine();
    server.post("ada", "/users/erase", &json!({"user_ids": users[..2]})).fine();
    server.post("ada", "/users/opt-in", &json!({"user_ids": users[2..]})).fine();
    server.post("eddy", "/generations/rollback", &json!({})).problem(403, "denied");
    let label = server.make("eddy", &json!({"name": "poh", "rule": "has_poh"}));

    let found = records(&server, "");
    let whats: Vec<_> = found.iter().map(what).collect();
    assert_eq!(
        whats,
        [
            ("eddy", "label", "create"),
            ("ada", "erasure", "opt-in"),
            ("ada", "erasure", "erase"),
            ("ada", "erasure", "opt-out"),
            ("ada", "generation", "publish"),
            ("ada", "generation", "rollback"),
            ("muster", "server", "configure"),
        ]
    );
    assert_eq!(
        (&found[5]["before"], &found[5]["after"]),
        (&json!({"in_service": 2}), &json!({"in_service": 1}))
    );
    assert_eq!((&found[4]["object_id"], &found[4]["comment"]), (&json!(3), &json!("the bots are gone")));
    assert_eq!(found[3]["after"], json!({"given": 3, "changed": 3, "erased": 0, "opted_out": 3}));
    assert_eq!(found[2]["before"], json!({"erased": 0, "opted_out": 3}));
    assert_eq!((&found[2]["after"]["given"], &found[2]["after"]["erased"]), (&json!(2), &json!(2)));
    assert_eq!((&found[0]["object_id"], &found[0]["object"]), (&label["id"], &json!("poh")));
    assert!(found.iter().take(6).all(|record| !record["request"].as_str().unwrap().is_empty()));
    let text = found[1].to_string() + &found[2].to_string() + &found[3].to_string();
    assert!(!text.contains(&FIRST_ID.to_string()), "no id of a user is kept: {text}");
    assert_eq!(found[6]["after"]["serve"]["tokens"], "required");
    assert_eq!(found[6]["after"]["serve"].get("otlp"), None);
}

fn approvers_read_it_and_others_do_not(url: &str) {
    let server = Operated::start(url);
    for who in ["pat", "ada"] {
        server.get(who, "/audit").fine();
    }
    for who in ["rita", "eddy"] {
        for path in ["/audit", "/audit/export"] {
            let refused = server.get(who, path).problem(403, "denied");
            assert!(refused["detail"].as_str().unwrap().contains("needs the role approver"), "{refused}");
        }
    }
    let refused = server.api.ask("GET", "/api/v1/audit", &[], None);
    refused.problem(401, "unauthenticated");
    server.runtime.block_on(async {
        let mut admin = server.admin();
        let refused = admin.list_audit(server.by("eddy", v1::ListAuditRequest::default())).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let refused =
            admin.export_audit(server.by("rita", v1::ExportAuditRequest::default())).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    });
}

fn records_are_found_and_pages_have_them_all(url: &str) {
    let server = Operated::start(url);
    server.until(|server| records(server, "").len() == 1);
    for name in ["a", "b", "c", "d", "e"] {
        server.make("eddy", &json!({"name": name, "rule": "has_poh"}));
    }
    server.post("ada", "/generations/rollback", &json!({})).fine();
    assert_eq!(records(&server, "?kind=label").len(), 5);
    assert_eq!(records(&server, "?kind=label&id=2")[0]["object"], "b");
    assert_eq!(records(&server, "?actor=ada").len(), 1);
    let all = records(&server, "");
    let at = all[0]["at"].as_str().unwrap();
    assert_eq!(records(&server, &format!("?until={at}")).len(), 6);
    assert_eq!(records(&server, &format!("?from={at}")), all[..1]);
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = server.get("pat", &format!("/audit?page_size=3&page_token={token}")).fine();
        paged.extend(page["records"].as_array().unwrap().clone());
        let Some(next) = page["next_page_token"].as_str() else { break };
        next.clone_into(&mut token);
    }
    assert_eq!(paged, all);

    for (query, field) in [
        ("kind=labels", "kind"),
        ("page_size=1001", "page_size"),
        ("page_token=x7", "page_token"),
        ("from=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z", "until"),
        ("from=yesterday", "from"),
        ("id=-1", "id"),
        ("who=ada", "who"),
    ] {
        let refused = server.get("pat", &format!("/audit?{query}")).problem(400, "invalid_request");
        assert_eq!(refused["field"], field, "{refused}");
    }

    server.runtime.block_on(async {
        let mut admin = server.admin();
        let filter =
            v1::AuditFilter { kind: v1::AuditKind::Label.into(), actor: "eddy".into(), ..Default::default() };
        let asked = v1::ListAuditRequest { filter: Some(filter), page_size: 2, page_token: String::new() };
        let page = admin.list_audit(server.by("pat", asked)).await.unwrap().into_inner();
        let told: Vec<_> = page.records.iter().map(|record| (record.id, record.object.as_str())).collect();
        assert_eq!(told, [(all[1]["id"].as_u64().unwrap(), "e"), (all[2]["id"].as_u64().unwrap(), "d")]);
        let after: Value = serde_json::from_str(&page.records[0].after_json).unwrap();
        assert_eq!((&after, page.records[0].before_json.as_str()), (&all[1]["after"], ""));
        assert!(!page.next_page_token.is_empty() && page.generation == 1);
        let filter = v1::AuditFilter { kind: 99, ..Default::default() };
        let asked = v1::ListAuditRequest { filter: Some(filter), ..Default::default() };
        let refused = admin.list_audit(server.by("pat", asked)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}

fn an_export_has_all_of_it_and_goes_on_where_it_was_cut(url: &str) {
    const RECORDS: usize = 1_200;
    let server = Operated::start(url);
    server.until(|server| records(server, "").len() == 1);
    server.runtime.block_on(async {
        for at in 0..RECORDS {
            let event = Event { name: format!("n{at}"), ..Event::new(Kind::Rebuild, "ask") };
            server.catalog.record(&Caller::new("zoe"), event, at as i64).await.unwrap();
        }
    });
    let lines = |query: &str| -> Vec<Value> {
        let answer = server.get("pat", &format!("/audit/export{query}"));
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, "application/x-ndjson"));
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines("");
    assert_eq!(all.len(), RECORDS + 1);
    assert!(all.is_sorted_by_key(|record| record["id"].as_u64()));
    let newest: Vec<Value> = all.iter().rev().take(100).cloned().collect();
    assert_eq!(records(&server, ""), newest, "one form of a record");
    let cut = all[700]["id"].as_u64().unwrap();
    assert_eq!(lines(&format!("?after={cut}")), all[701..]);
    assert_eq!(lines("?kind=server"), all[..1]);
    assert!(lines("?actor=nobody").is_empty());

    let streamed = server.runtime.block_on(async {
        let filter = v1::AuditFilter { actor: "zoe".into(), ..Default::default() };
        let asked = v1::ExportAuditRequest { filter: Some(filter), after_id: cut };
        let mut stream = server.admin().export_audit(server.by("ada", asked)).await.unwrap().into_inner();
        let (mut text, mut last) = (String::new(), 0);
        while let Some(piece) = stream.message().await.unwrap() {
            text += &piece.lines;
            last = piece.last_id;
        }
        assert_eq!(Some(last), all[RECORDS]["id"].as_u64());
        text
    });
    let streamed: Vec<Value> = streamed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(streamed, all[701..]);
}

fn tokens_that_a_server_takes_up_are_noted_without_their_secrets(url: &str) {
    let server = Operated::start(url);
    let file = TokensFile::at(&server.tokens_file());
    let token = file.create("late", Role::Editor, Timestamp::now(), None).unwrap();
    server.until(|server| records(server, "?kind=token").len() == 1);
    file.revoke("late").unwrap();
    server.until(|server| records(server, "?kind=token").len() == 2);
    let found = records(&server, "?kind=token");
    assert_eq!(
        found.iter().map(what).collect::<Vec<_>>(),
        [("muster", "token", "removed"), ("muster", "token", "added")]
    );
    assert_eq!(
        (&found[1]["object"], &found[1]["after"]),
        (&json!("late"), &json!({"role": "editor", "expires": null}))
    );
    assert!(!format!("{found:?}").contains(&token));
}

fn what_cannot_be_noted_stays_done(url: &str) {
    let server = Operated::with(url, |settings| settings.read_only = true);
    let done = server.post("ada", "/generations/rollback", &json!({})).fine();
    assert_eq!(done["generation"], 1);
    assert!(records(&server, "").is_empty());
}

#[test]
fn without_a_catalog_there_is_no_audit() {
    let api = crate::client::Api::start();
    let refused = api.get("/api/v1/audit").problem(501, "unimplemented");
    assert!(refused["detail"].as_str().unwrap().contains("catalog"), "{refused}");
    api.get("/api/v1/audit/export").problem(501, "unimplemented");
    api.post("/generations/rollback", &json!({})).fine();
}
