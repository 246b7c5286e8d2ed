//! What holds while everything else happens: generations that swap under load, floods, erasure, readers that do not read.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../fixture/mod.rs"]
mod fixture;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fixture::{AS_OF, FIRST_ID, Running, USERS, config, somebody, store};
use muster_engine::snapshot::Store;
use muster_proto::v1;
use muster_proto::v1::admin_client::AdminClient;
use muster_proto::v1::segment::By;
use muster_proto::v1::segments_client::SegmentsClient;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

/// Times that another generation comes into service.
const SWAPS: u64 = 100;
/// Requests while they do, unless `MUSTER_R5_REQUESTS` says another number.
const REQUESTS: u64 = 20_000;
/// Nothing takes so long that is not broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Users active within 2,000 minutes before the source was read: how many, and whether user 1,000 is one, depends on the generation.
const MOVING: &str = "last_active >= now() - INTERVAL 2000 MINUTE";

fn rule(text: &str) -> v1::Segment {
    v1::Segment { by: Some(By::Rule(text.to_owned())) }
}

async fn channel(at: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{at}")).unwrap().connect().await.unwrap()
}

/// Waits until a server answers from a generation.
async fn served(at: SocketAddr, generation: u64) {
    let mut admin = AdminClient::new(channel(at).await);
    let begun = Instant::now();
    while admin.status(v1::StatusRequest {}).await.unwrap().into_inner().generation != generation {
        assert!(begun.elapsed() < PATIENCE, "generation {generation} never came into service");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Asks until told to end; every answer must be of one generation throughout.
async fn ask_on(at: SocketAddr, asked: Arc<AtomicU64>, end: Arc<AtomicBool>, counts: bool) {
    let mut client = SegmentsClient::new(channel(at).await);
    while !end.load(Ordering::Relaxed) {
        asked.fetch_add(1, Ordering::Relaxed);
        if counts {
            let request = v1::CountRequest { segment: Some(rule(MOVING)), ..v1::CountRequest::default() };
            let answer = client.count(request).await.expect("no count may fail").into_inner();
            let days = answer.generation - 1;
            assert_eq!(answer.count, 2_001 - 1_440 * days, "of generation {}", answer.generation);
            assert_eq!(answer.as_of.unwrap().seconds, AS_OF + 86_400 * days as i64);
        } else {
            let request = v1::IsInSegmentRequest {
                user_id: FIRST_ID + 1_000,
                segments: vec![rule(MOVING), rule("has_poh")],
                ..v1::IsInSegmentRequest::default()
            };
            let answer = client.is_in_segment(request).await.expect("no look may fail").into_inner();
            assert_eq!(answer.in_segment, [answer.generation == 1, false], "of {}", answer.generation);
            assert!(answer.known_user);
        }
    }
}

#[test]
fn generations_swap_under_load_and_no_answer_fails_or_mixes_two() {
    let wanted =
        std::env::var("MUSTER_R5_REQUESTS").ok().and_then(|number| number.parse().ok()).unwrap_or(REQUESTS);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 2, false);
    let server = Running::over(dir.path(), config());
    runtime().block_on(async {
        served(server.grpc, 2).await;
        let (asked, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let ask = |counts| tokio::spawn(ask_on(server.grpc, Arc::clone(&asked), Arc::clone(&end), counts));
        let tasks = [ask(false), ask(false), ask(false), ask(true)];
        for swap in 0..SWAPS {
            let to = 1 + swap % 2;
            swap_to(&store, to).await;
            served(server.grpc, to).await;
        }
        while asked.load(Ordering::Relaxed) < wanted {
            swap_to(&store, 1).await;
            served(server.grpc, 1).await;
            swap_to(&store, 2).await;
            served(server.grpc, 2).await;
        }
        end.store(true, Ordering::Relaxed);
        for task in tasks {
            task.await.unwrap();
        }
        println!("{} requests, none failed", asked.load(Ordering::Relaxed));
    });
}

async fn swap_to(store: &Store, to: u64) {
    let store = store.clone();
    let swap = move || store.write(&somebody(), "roll back").unwrap().rollback(Some(to), None).unwrap();
    tokio::task::spawn_blocking(swap).await.unwrap();
}

#[test]
fn a_flood_is_shed_with_a_time_to_come_back_and_membership_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 1, false);
    let sized = muster_server::Config {
        heavy_threads: 1,
        heavy_queue: 8,
        heavy_queue_per_caller: 4,
        cached_counts: 0,
        ..config()
    };
    let server = Running::over(dir.path(), sized);
    let outcomes = Arc::new(Mutex::new(std::collections::BTreeMap::<String, u64>::new()));
    runtime().block_on(async {
        served(server.grpc, 1).await;
        let mut flood = Vec::new();
        for caller in 0..90 {
            let (at, outcomes) = (server.grpc, Arc::clone(&outcomes));
            flood.push(tokio::spawn(async move {
                let mut client = SegmentsClient::new(channel(at).await);
                for _ in 0..20 {
                    let columns =
                        ["country", "balance_usd", "last_active", "chains", "wide"].map(str::to_owned);
                    let request = v1::ProfileRequest {
                        segment: Some(rule("bucket('flood', 0, 90)")),
                        columns: columns.to_vec(),
                        ..v1::ProfileRequest::default()
                    };
                    let mut request = Request::new(request);
                    request
                        .metadata_mut()
                        .insert("x-muster-user", format!("caller-{}", caller % 9).parse().unwrap());
                    let outcome = match client.profile(request).await {
                        Ok(_) => "answered".to_owned(),
                        Err(status) if status.code() == Code::ResourceExhausted => {
                            let retry =
                                status.get_error_details().retry_info().and_then(|info| info.retry_delay);
                            assert!(retry.is_some_and(|delay| delay > Duration::ZERO), "{status:?}");
                            assert!(status.message().contains("serve.heavy_queue"), "{status:?}");
                            "shed".to_owned()
                        }
                        Err(status) => format!("{status:?}"),
                    };
                    *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
                }
            }));
        }
        let mut client = SegmentsClient::new(channel(server.grpc).await);
        while !flood.iter().all(tokio::task::JoinHandle::is_finished) {
            let request = v1::IsInSegmentRequest {
                user_id: FIRST_ID,
                segments: vec![rule("has_poh")],
                ..v1::IsInSegmentRequest::default()
            };
            let answer = client.is_in_segment(request).await.expect("membership is never shed").into_inner();
            assert_eq!(answer.in_segment, [true]);
        }
        for one in flood {
            one.await.unwrap();
        }
    });
    let outcomes = outcomes.lock().unwrap();
    assert_eq!(outcomes.keys().map(String::as_str).collect::<Vec<_>>(), ["answered", "shed"], "{outcomes:?}");
    assert_eq!(outcomes.values().sum::<u64>(), 90 * 20);
}

#[test]
fn erased_users_are_gone_once_it_is_answered_from_every_generation_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 2, false);
    let [erased, opted_out] = [FIRST_ID + 3, FIRST_ID + 6];
    let check = |at: SocketAddr| async move {
        let mut client = SegmentsClient::new(channel(at).await);
        for generation in [0, 1, 2] {
            let request = v1::CountRequest {
                segment: Some(rule("has_poh")),
                generation,
                ..v1::CountRequest::default()
            };
            let counted = client.count(request).await.unwrap().into_inner();
            let all = USERS / 3;
            assert_eq!((counted.count, counted.targetable, counted.universe), (all - 1, all - 2, USERS - 1));
            for (user_id, known, out) in
                [(erased, false, false), (opted_out, true, true), (FIRST_ID, true, false)]
            {
                let segments = vec![rule("has_poh")];
                let request = v1::IsInSegmentRequest {
                    user_id,
                    segments,
                    generation,
                    ..v1::IsInSegmentRequest::default()
                };
                let answer = client.is_in_segment(request).await.unwrap().into_inner();
                assert_eq!((answer.known_user, answer.opted_out), (known, out), "user {user_id}");
                assert_eq!(answer.in_segment, [known && !out], "user {user_id}");
            }
            let request = v1::MembersRequest {
                segment: Some(rule("has_poh")),
                generation,
                ..v1::MembersRequest::default()
            };
            let mut stream = client.members(request).await.unwrap().into_inner();
            let mut members = Vec::new();
            while let Some(batch) = stream.message().await.unwrap() {
                members.extend(batch.user_ids);
            }
            assert_eq!(members.len() as u64, all - 2);
            assert!(!members.contains(&erased) && !members.contains(&opted_out));
        }
    };
    let server = Running::over(dir.path(), config());
    runtime().block_on(async {
        served(server.grpc, 2).await;
        let mut admin = AdminClient::new(channel(server.grpc).await);
        // A count of before is not remembered afterwards.
        let mut client = SegmentsClient::new(channel(server.grpc).await);
        let request = v1::CountRequest { segment: Some(rule("has_poh")), ..v1::CountRequest::default() };
        assert_eq!(client.count(request).await.unwrap().into_inner().count, USERS / 3);
        let answer = admin.erase(v1::EraseRequest { user_ids: vec![erased, 7] }).await.unwrap().into_inner();
        assert_eq!((answer.newly_erased, answer.known_users), (2, 1));
        let answer =
            admin.opt_out(v1::OptOutRequest { user_ids: vec![opted_out] }).await.unwrap().into_inner();
        assert_eq!(answer.changed, 1);
        check(server.grpc).await;
    });
    drop(server);
    let server = Running::over(dir.path(), config());
    runtime().block_on(async {
        served(server.grpc, 2).await;
        check(server.grpc).await;
    });
}

#[test]
fn streams_are_limited_and_members_go_on_by_token() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), 1, false);
    let sized = muster_server::Config { streams: 1, ..config() };
    let server = Running::over(dir.path(), sized);
    runtime().block_on(async {
        served(server.grpc, 1).await;
        let mut client = SegmentsClient::new(channel(server.grpc).await);
        let request = |page_token: &str| v1::MembersRequest {
            segment: Some(rule("true")),
            limit: 10,
            page_token: page_token.to_owned(),
            ..v1::MembersRequest::default()
        };
        let mut first = client.members(request("")).await.unwrap().into_inner();
        let batch = first.message().await.unwrap().unwrap();
        assert_eq!(batch.user_ids.len(), 10);
        drop(first);
        let mut seen = batch.user_ids;
        let mut token = batch.next_page_token;
        while !token.is_empty() {
            let mut stream = open(&mut client, request(&token)).await;
            let batch = stream.message().await.unwrap().unwrap();
            seen.extend(batch.user_ids);
            token = batch.next_page_token;
            assert!(stream.message().await.unwrap().is_none());
        }
        seen.sort_unstable();
        assert_eq!(seen, (FIRST_ID..FIRST_ID + USERS).collect::<Vec<_>>());
    });
}

/// A stream, once the one before has made room.
async fn open(
    client: &mut SegmentsClient<Channel>,
    request: v1::MembersRequest,
) -> tonic::Streaming<v1::MembersResponse> {
    let begun = Instant::now();
    loop {
        match client.members(request.clone()).await {
            Ok(stream) => return stream.into_inner(),
            Err(status) if status.code() == Code::ResourceExhausted && begun.elapsed() < PATIENCE => {
                assert!(status.message().contains("serve.streams"), "{status:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(status) => panic!("{status:?}"),
        }
    }
}

#[test]
fn a_server_waits_for_its_first_generation_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path: &Path = dir.path();
    let server = Running::over(path, config());
    runtime().block_on(async {
        let mut client = SegmentsClient::new(channel(server.grpc).await);
        let request = || v1::CountRequest { segment: Some(rule("true")), ..v1::CountRequest::default() };
        let status = client.count(request()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().starts_with("nothing is in service yet: "), "{status:?}");
        store(path, 1, false);
        served(server.grpc, 1).await;
        assert_eq!(client.count(request()).await.unwrap().into_inner().count, USERS);
    });
}
