//! TLS and certificates of clients: what is refused, and what changes while calls are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use muster_proto::v1::RollbackRequest;
use muster_proto::v1::admin_client::AdminClient;
use muster_server::Tokens;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::certificates::{Authority, Pair, client, encrypted};
use crate::support::{Running, SELECTED, logged, origin, speak, start, until};

/// A server that shows a certificate, and asks for one if it is told who signs those.
async fn secured(pair: &Pair, clients: Option<&Authority>) -> Running {
    start(|config, dir| {
        let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| dir.join(name));
        pair.write(&cert, &key);
        (config.tls_cert, config.tls_key) = (Some(cert), Some(key));
        if let Some(clients) = clients {
            clients.write(&ca);
            config.tls_client_ca = Some(ca);
        }
    })
    .await
}

/// What a server says to some bytes before it closes.
async fn said(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = server.tcp().await;
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), read).await.expect("the connection stays open");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_trusts_the_authority_is_answered_and_others_are_not() {
    let authority = Authority::new("ours");
    let server = secured(&authority.sign("server", 2100), None).await;
    let trusting = client(&server, &authority.client(None)).await;
    assert_eq!(trusting.count(&[]).await.unwrap(), SELECTED);
    let refused = encrypted(&server, &Authority::new("another").client(None)).await.unwrap_err();
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_to_tls_and_tls_to_plain_text_are_closed_and_logged() {
    let authority = Authority::new("ours");
    let server = secured(&authority.sign("server", 2100), None).await;
    assert!(speak(server.tcp().await).await.unwrap().health().await.is_err());
    assert!(said(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.is_empty());
    assert!(said(&server, b"GET / HTTP/1.1\r\n\r\n").await.is_empty());
    logged("it speaks plain text, and TLS is needed").await;
    // What only looks like TLS is closed as well.
    said(&server, b"\x16\x03\x01\xff\xff\x01\x00\x00\x00garbage").await;
    said(&server, &[0x16; 4096]).await;
    logged("the TLS handshake failed").await;
    assert_eq!(client(&server, &authority.client(None)).await.count(&[]).await.unwrap(), SELECTED);
    server.stop().await;

    let plain = start(|_, _| {}).await;
    assert!(encrypted(&plain, &authority.client(None)).await.is_err());
    logged("it speaks TLS, and there is no certificate").await;
    plain.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_expired_says_so_and_is_refused() {
    let authority = Authority::new("ours");
    let server = secured(&authority.sign("server", 2021), None).await;
    logged("expired at 2021-01-01T00:00:00Z, clients refuse it").await;
    let refused = encrypted(&server, &authority.client(None)).await.unwrap_err();
    assert!(refused.to_string().contains("expired"), "{refused}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_needs_a_certificate_that_holds_where_one_is_asked_for() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("ours"));
    let server = secured(&authority.sign("server", 2100), Some(&clients)).await;
    let good = clients.sign("delivery-service", 2100);
    let known = client(&server, &authority.client(Some(&good))).await;
    assert_eq!(known.count(&[]).await.unwrap(), SELECTED);
    let (expired, foreign) = (clients.sign("late", 2021), Authority::new("another").sign("stranger", 2100));
    for shown in [None, Some(&expired), Some(&foreign)] {
        // With TLS 1.3 a client learns that it was refused when it speaks.
        let refused = match encrypted(&server, &authority.client(shown)).await {
            Ok(stream) => match speak(stream).await {
                Ok(client) => client.health().await.is_err(),
                Err(_) => true,
            },
            Err(_) => true,
        };
        assert!(refused);
    }
    logged("peer sent no certificates").await;
    // The certificate names the caller, whatever the caller says.
    let mut admin = AdminClient::with_origin(known.wire(), origin());
    let rollback = crate::support::with(RollbackRequest { generation: 99 }, &[("x-muster-user", "somebody")]);
    assert_eq!(admin.rollback(rollback).await.unwrap_err().code(), tonic::Code::NotFound, "it is an admin");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_no_token() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("ours"));
    let (pair, good) = (authority.sign("server", 2100), clients.sign("certified-caller", 2100));
    let server = start(|config, dir| {
        let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| dir.join(name));
        pair.write(&cert, &key);
        clients.write(&ca);
        (config.tls_cert, config.tls_key, config.tls_client_ca) = (Some(cert), Some(key), Some(ca));
        config.tokens = Tokens::Required;
    })
    .await;
    let client = client(&server, &authority.client(Some(&good))).await;
    assert_eq!(client.count(&[]).await.unwrap_err().code(), tonic::Code::Unauthenticated);
    logged("with the certificate of certified-caller").await;
    server.stop().await;
}

/// The certificate that new connections are shown.
async fn shown(server: &Running, authority: &Authority) -> Vec<u8> {
    let stream = encrypted(server, &authority.client(None)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_change_under_traffic_and_a_broken_one_changes_nothing() {
    let authority = Authority::new("ours");
    let (first, second) = (authority.sign("first", 2100), authority.sign("second", 2100));
    let server = secured(&first, None).await;
    let old = client(&server, &authority.client(None)).await;
    let (going, calls) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let traffic = tokio::spawn({
        let (client, going, calls) = (old.clone(), Arc::clone(&going), Arc::clone(&calls));
        async move {
            while going.load(Ordering::Relaxed) {
                assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert_eq!(shown(&server, &authority).await, first.der().to_vec());
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| server.dir.path().join(name));
    // A certificate whose key is another's, then none at all: both are told, neither is used.
    second.write(&cert, &server.dir.path().join("unused.pem"));
    logged(&format!("the certificate {} and the key {} cannot be used", cert.display(), key.display())).await;
    assert_eq!(shown(&server, &authority).await, first.der().to_vec());
    std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
    logged(&format!("no certificate can be read from {}", cert.display())).await;
    assert_eq!(shown(&server, &authority).await, first.der().to_vec());
    authority.sign("late", 2021).write(&cert, &key);
    logged(&format!("the new certificate {} expired", cert.display())).await;
    assert_eq!(shown(&server, &authority).await, first.der().to_vec());
    second.write(&cert, &key);
    until(|| async { shown(&server, &authority).await == second.der().to_vec() }).await;
    let before = calls.load(Ordering::Relaxed);
    until(|| async { calls.load(Ordering::Relaxed) > before + 10 }).await;
    going.store(false, Ordering::Relaxed);
    traffic.await.unwrap();
    assert_eq!(old.count(&[]).await.unwrap(), SELECTED, "the connection from before goes on");
    server.stop().await;
}
