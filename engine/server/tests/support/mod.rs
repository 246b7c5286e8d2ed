//! A real server over a small real store.

use std::net::SocketAddr;
use std::time::Duration;

use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Author, SnapshotWriter, Store, WriteOptions};
use muster_proto::v1;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_server::{Config, Server};
use tokio::sync::oneshot;
use tonic::Code;
use tonic::transport::Channel;

const CHUNKS: u64 = 8;
/// Users of the store.
pub(crate) const USERS: u64 = CHUNKS << 16;

/// A store of one generation: user N has a balance of N modulo 251, and a proof of humanity if N is even.
fn store() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let author = Author { user: "alice".into(), host: "here".into(), clock: || 1_795_132_800 };
    let staging = Store::create(dir.path()).unwrap().write(&author, "build").unwrap().stage().unwrap();
    let column = |name: &str, ty| {
        let ty = ColumnType::Scalar(ty);
        ColumnSchema { name: name.into(), ty, nullable: false, held_as: HeldAs::Native }
    };
    let columns =
        vec![column("balance_usd", ScalarType::UInt { bits: 8 }), column("has_poh", ScalarType::Bool)];
    let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns };
    let options = WriteOptions { generation: staging.generation(), ..WriteOptions::default() };
    let mut writer = SnapshotWriter::create(staging.dir(), schema, options).unwrap();
    for chunk in 0..CHUNKS {
        let user_ids: Vec<u64> = (chunk << 16..(chunk + 1) << 16).collect();
        let balances = Keys::Fixed8(user_ids.iter().map(|id| id % 251).collect());
        let poh = Keys::Bool(user_ids.iter().map(|id| id % 2 == 0).collect());
        let columns = [balances, poh].map(|keys| ColumnData::Scalar(Values { keys, present: None })).into();
        writer.push(Batch { user_ids, columns }).unwrap();
    }
    writer.finish(&|_| {}).unwrap();
    staging.publish(None).unwrap();
    dir
}

/// A server that answers, until this is dropped.
#[allow(dead_code, reason = "each test looks at some of it")]
pub(crate) struct Serving {
    pub(crate) client: SegmentsClient<Channel>,
    pub(crate) address: SocketAddr,
    /// What is measured.
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
    _store: tempfile::TempDir,
    _end: oneshot::Sender<()>,
}

impl Serving {
    pub(crate) async fn start() -> Self {
        let store = store();
        let grpc = "127.0.0.1:0".to_owned();
        let http = grpc.clone();
        let config = Config { grpc, http, slow_rule_ms: 1, follow_ms: 20, ..Config::default() };
        let author = Author { user: "server".into(), host: "here".into(), clock: || 0 };
        let server = Server::bind(config, store.path(), author, None).await.unwrap();
        let (address, metrics) = (server.grpc_address().unwrap(), Box::new(server.metrics()));
        let (end, ended) = oneshot::channel::<()>();
        tokio::spawn(server.run(async move {
            let _ = ended.await;
        }));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut client = SegmentsClient::new(channel);
        for _ in 0..1000 {
            match client
                .is_in_segment(v1::IsInSegmentRequest { segments: vec![rule("true")], ..Default::default() })
                .await
            {
                Err(status) if status.code() == Code::Unavailable => {}
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { client, address, metrics, _store: store, _end: end }
    }
}

/// A segment by its rule.
pub(crate) fn rule(text: &str) -> v1::Segment {
    v1::Segment { by: Some(v1::segment::By::Rule(text.to_owned())) }
}
