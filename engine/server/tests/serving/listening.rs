//! Socket files, many connections that say nothing, and bytes that are no calls.

use std::time::{Duration, Instant};

use muster_server::{Config, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tonic::Code;

use crate::support::{SELECTED, config, logged, speak, start, store};

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_file_serves_and_is_gone_at_the_end() {
    let server = start(|config, dir| config.grpc = format!("unix:{}", dir.join("grpc.sock").display())).await;
    let path = server.dir.path().join("grpc.sock");
    let client = speak(UnixStream::connect(&path).await.unwrap()).await.unwrap();
    client.ready().await;
    assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
    server.stop().await;
    assert!(!path.exists());
}

async fn refused(change: impl FnOnce(&mut Config)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    store(&path);
    let mut config = config();
    change(&mut config);
    let author = muster_engine::snapshot::Author { user: "a".into(), host: "b".into(), clock: || 0 };
    let Err(error) = Server::bind(config, &path, author, None).await else { panic!("it starts") };
    error.to_string()
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_told_at_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = refused(|config| config.grpc.clone_from(&address)).await;
    assert!(
        error.contains(&format!("cannot listen at {address}")) && error.contains("`grpc` in [serve]"),
        "{error}"
    );
    let error = refused(|config| config.grpc = "unix:/no/such/folder/x".into()).await;
    assert!(error.contains("cannot listen at unix:/no/such/folder/x"), "{error}");
    let error = refused(|config| config.heavy_nice = 21).await;
    assert!(error.contains("serve.heavy_nice"), "{error}");
    let both = |config: &mut Config| {
        (config.tls_cert, config.tls_key) = (Some("/no/c".into()), Some("/no/k".into()));
    };
    let error = refused(|config| both(config)).await;
    assert!(error.contains("no certificate can be read from /no/c (`serve.tls_cert`)"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_idle_connections_hinder_nobody() {
    let server = start(|_, _| {}).await;
    let client = server.client().await;
    // Half say nothing at all, half speak HTTP/2 and ask nothing.
    let (mut silent, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..1_000 {
        silent.push(server.tcp().await);
        idle.push(speak(server.tcp().await).await.unwrap());
    }
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "200 calls took {took:?}");
    assert_eq!(idle[999].count(&[]).await.unwrap(), SELECTED, "who was idle may ask");
    drop(silent);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_are_closed_and_the_others_go_on() {
    let server = start(|config, _| config.connections = 3).await;
    let client = server.client().await;
    let _others = (server.tcp().await, server.tcp().await);
    // Accepting is in order, so this one is the fourth.
    let mut fourth = server.tcp().await;
    let read = tokio::time::timeout(Duration::from_secs(20), fourth.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
    logged("there are 3 already, which is the limit (`serve.connections`)").await;
    assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_limit_and_headers_over_theirs_are_refused() {
    let server = start(|config, _| config.request_bytes = 10_000).await;
    let client = server.client().await;
    let long = format!("number < 7 AND 'x' != '{}'", "y".repeat(20_000));
    let refused = client.count_rule(&long, &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{}", refused.message());
    let header = "h".repeat(40_000);
    assert!(client.count(&[("x-long", &header)]).await.is_err());
    assert_eq!(client.count(&[]).await.unwrap(), SELECTED, "the same connection goes on");
    server.stop().await;
}

/// The beginning of HTTP/2: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_call_close_their_connection_and_no_other() {
    let server = start(|_, _| {}).await;
    let client = server.client().await;
    let frame = |kind: u8, stream: u8, body: &[u8]| {
        let mut frame = vec![0, 0, body.len() as u8, kind, 4, 0, 0, 0, stream];
        frame.extend(body);
        [PREFACE, &frame].concat()
    };
    let cases: [(&str, Vec<u8>); 6] = [
        ("HTTP/1", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("noise", (0..=255).collect()),
        ("a frame longer than any may be", [PREFACE, b"\xff\xff\xff\0\0\0\0\0\x01"].concat()),
        ("headers that are no HPACK", frame(1, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        ("data of a stream that was never opened", frame(0, 7, b"data")),
        ("settings of a wrong length", frame(4, 0, b"abc")),
    ];
    for (what, bytes) in cases {
        let mut stream = server.tcp().await;
        let _ = stream.write_all(&bytes).await;
        let mut heard = Vec::new();
        let closed = stream.read_to_end(&mut heard);
        // A reset ends it as well.
        let _ = tokio::time::timeout(Duration::from_secs(20), closed)
            .await
            .unwrap_or_else(|_| panic!("{what} stays open"));
        assert_eq!(client.count(&[]).await.unwrap(), SELECTED, "{what}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_no_protobuf_is_refused() {
    let server = start(|_, _| {}).await;
    let client = server.client().await;
    let long = [&[0, 0x7f, 0xff, 0xff, 0xff][..], b"abc"].concat();
    let cases: [(Vec<u8>, Code); 4] = [
        (b"\0\0\0\0\x03\xff\xff\xff".to_vec(), Code::Internal),
        (b"\0\0\0\0\xff123".to_vec(), Code::Internal),
        (b"\x09\0\0\0\0".to_vec(), Code::Internal),
        (long, Code::OutOfRange),
    ];
    for (bytes, want) in cases {
        let body = tonic::body::Body::new(axum::body::Body::from(bytes.clone()));
        let request = http::Request::post("http://localhost/muster.v1.Segments/Count")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(body)
            .unwrap();
        let answer = tower::Service::call(&mut client.wire(), request).await.unwrap();
        let status = answer.headers().get("grpc-status").unwrap();
        assert_eq!(Code::from_bytes(status.as_bytes()), want, "{bytes:?}");
    }
    assert_eq!(client.count(&[]).await.unwrap(), SELECTED);
    server.stop().await;
}
