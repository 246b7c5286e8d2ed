//! The end under load: what was accepted is answered, clients are told to go, and nobody is waited for without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{SELECTED, logged, speak, start, until};

#[tokio::test(flavor = "multi_thread")]
async fn no_call_that_was_accepted_fails_when_the_server_ends() {
    let mut server = start(|_, _| {}).await;
    server.client().await;
    let (address, calls) = (server.address(), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let calls = Arc::clone(&calls);
            tokio::spawn(async move {
                let client = speak(TcpStream::connect(address).await.unwrap()).await.unwrap();
                // Eight at a time on each connection, until the connection says that it takes no more.
                loop {
                    let together = futures_util::future::join_all((0..8).map(|_| client.count(&[]))).await;
                    for answer in together {
                        match answer {
                            Ok(count) => assert_eq!(count, SELECTED),
                            Err(status) => return status,
                        }
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    until(|| async { calls.load(Ordering::Relaxed) > 500 }).await;
    let begun = Instant::now();
    server.end();
    for caller in callers {
        let status = caller.await.unwrap();
        // What comes after the farewell was never sent; a call that was taken and lost would say otherwise.
        let told = format!("{status:?}");
        let never_sent =
            ["channel closed", "operation was canceled", "not a result of an error", "REFUSED_STREAM"];
        let never_sent = never_sent.iter().any(|why| told.contains(why));
        assert!(never_sent, "{told}");
    }
    server.ended.await.unwrap().unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "it waited for the limit of draining: {:?}",
        begun.elapsed()
    );
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_to_go() {
    let mut server = start(|_, _| {}).await;
    server.client().await;
    let mut stream = server.tcp().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.end();
    let mut heard = Vec::new();
    let told = async {
        // A frame: three bytes of length, then its kind, which is 7 for a farewell.
        while !frames(&heard).contains(&7) {
            let mut some = [0; 1024];
            let read = stream.read(&mut some).await.unwrap();
            assert!(read > 0, "it is closed without a farewell");
            heard.extend_from_slice(&some[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    drop(stream);
    server.ended.await.unwrap().unwrap();
}

fn frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        kinds.push(head[3]);
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        bytes = rest.get(length..).unwrap_or_default();
    }
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_go_is_dropped_after_a_while() {
    let mut server = start(|config, _| config.drain_ms = 700).await;
    server.client().await;
    // It speaks HTTP/2 and never answers.
    let mut deaf = server.tcp().await;
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    server.end();
    server.ended.await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(10)).contains(&took), "{took:?}");
    logged("1 connections did not end within `serve.drain_ms` (700 ms) and are dropped").await;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), deaf.read_to_end(&mut heard))
        .await
        .expect("it stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_does_not_hold_up_the_end() {
    let mut server = start(|_, _| {}).await;
    drop(server.client().await);
    let silent = server.tcp().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    server.end();
    server.ended.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(silent);
}
