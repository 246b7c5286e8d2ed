//! Who is let in over the wire, and what is logged of who is not.

use jiff::Timestamp;
use muster_proto::v1::RollbackRequest;
use muster_proto::v1::admin_client::AdminClient;
use muster_server::{Role, Tokens, TokensFile};
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::support::{Client, Running, SELECTED, log, logged, origin, start, until, with};

async fn guarded() -> Running {
    start(|config, _| config.tokens = Tokens::Required).await
}

fn create(server: &Running, name: &str, role: Role, expires: Option<&str>) -> String {
    let expires = expires.map(|text| text.parse().unwrap());
    TokensFile::at(&server.tokens()).create(name, role, Timestamp::now(), expires).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Waits until the server has taken a token up.
async fn known(client: &Client, token: &str) {
    let shown = bearer(token);
    until(|| async { client.count(&[("authorization", &shown)]).await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_a_wrong_one_and_an_expired_one_are_refused_and_logged() {
    let server = guarded().await;
    let client = server.client().await;
    assert_eq!(client.health().await.unwrap(), ServingStatus::Serving, "health needs no token");
    let good = create(&server, "delivery-7", Role::Reader, None);
    let old = create(&server, "forgotten-7", Role::Admin, Some("2026-01-01T00:00:00Z"));
    known(&client, &good).await;
    assert_eq!(client.count(&[("authorization", &bearer(&good))]).await.unwrap(), SELECTED);

    let none = client.count(&[("x-muster-user", "admin")]).await.unwrap_err();
    assert_eq!(none.code(), Code::Unauthenticated);
    assert_eq!(client.labels(&[]).await.code(), Code::Unauthenticated, "also where there is nothing yet");
    assert_eq!(client.labels(&[("authorization", &bearer(&good))]).await.code(), Code::Unimplemented);
    assert!(none.message().contains("authorization: Bearer"), "{}", none.message());
    let wrong = format!("{}A", &good[..good.len() - 1]);
    let refused = client.count(&[("authorization", &bearer(&wrong))]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let expired = client.count(&[("authorization", &bearer(&old))]).await.unwrap_err();
    assert_eq!(expired.code(), Code::Unauthenticated);
    assert!(expired.message().contains("forgotten-7 expired"), "{}", expired.message());

    logged("the token forgotten-7 expired").await;
    let log = log();
    let line = log.lines().find(|line| line.contains("forgotten-7")).unwrap();
    assert!(line.contains("WARN") && line.contains("127.0.0.1:") && line.contains("Count"), "{line}");
    for token in [&good, &old, &wrong] {
        assert!(!log.contains(token.as_str()) && !log.contains(&token[8..40]), "a token is in the log");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_does_what_it_may_and_nothing_more() {
    let server = guarded().await;
    let client = server.client().await;
    let tokens = [Role::Reader, Role::Editor, Role::Approver, Role::Admin]
        .map(|role| (role, create(&server, &format!("the-{role}"), role, None)));
    known(&client, &tokens[3].1).await;
    for (role, token) in &tokens {
        assert_eq!(client.count(&[("authorization", &bearer(token))]).await.unwrap(), SELECTED);
        let mut admin = AdminClient::with_origin(client.wire(), origin());
        let request = with(RollbackRequest { generation: 99 }, &[("authorization", &bearer(token))]);
        let refused = admin.rollback(request).await.unwrap_err();
        let want = if *role == Role::Admin { Code::NotFound } else { Code::PermissionDenied };
        assert_eq!(refused.code(), want, "{role}: {}", refused.message());
    }
    logged("and the-editor has the role editor").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_is_for_those_who_may_ask() {
    let server = guarded().await;
    let client = server.client().await;
    let token = create(&server, "reader", Role::Reader, None);
    known(&client, &token).await;
    let list = || {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        let request = ServerReflectionRequest { host: String::new(), message_request };
        Request::new(tokio_stream::once(request))
    };
    let mut reflection = ServerReflectionClient::with_origin(client.wire(), origin());
    let refused = reflection.server_reflection_info(list()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut request = list();
    request.metadata_mut().insert("authorization", bearer(&token).parse().unwrap());
    let mut answers = reflection.server_reflection_info(request).await.unwrap().into_inner();
    assert!(format!("{:?}", answers.message().await.unwrap()).contains("muster.v1.Segments"));
    drop((answers, reflection, client));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_while_the_server_runs() {
    let server = guarded().await;
    let client = server.client().await;
    let token = create(&server, "leaver", Role::Reader, None);
    known(&client, &token).await;
    TokensFile::at(&server.tokens()).revoke("leaver").unwrap();
    let shown = bearer(&token);
    until(|| async { client.count(&[("authorization", &shown)]).await.is_err() }).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_may_read_is_warned_about_and_a_broken_one_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = guarded().await;
    let client = server.client().await;
    let token = create(&server, "stays", Role::Reader, None);
    known(&client, &token).await;
    let path = server.tokens();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    logged(&format!("others than the owner may read the file of tokens {}", path.display())).await;
    std::fs::write(&path, "name = 1").unwrap();
    logged(&format!("the file of tokens {} cannot be used: line 1: unknown field `name`", path.display()))
        .await;
    assert!(client.count(&[("authorization", &bearer(&token))]).await.is_ok());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_everybody_on_this_machine_may_ask() {
    let server = start(|_, _| {}).await;
    let client = server.client().await;
    assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
    assert_eq!(client.count(&[("authorization", "Bearer of nothing")]).await.unwrap(), SELECTED);
    let long = "x".repeat(200);
    let refused = client.count(&[("x-muster-user", &long)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    server.stop().await;
}
