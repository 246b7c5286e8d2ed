//! A small store, a server over it, a client that speaks over any connection, and what was logged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};
use muster_engine::snapshot::{Author, SnapshotWriter, Store, WriteOptions};
use muster_proto::v1::labels_client::LabelsClient;
use muster_proto::v1::segment::By;
use muster_proto::v1::segments_client::SegmentsClient;
use muster_proto::v1::{CountRequest, ListLabelsRequest, Segment};
use muster_server::{Config, ServeError, Server};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// Users of the store: 0 to here. Of each, `number` is its id modulo 100.
pub(crate) const USERS: u64 = 10_000;
/// A rule, and whom it selects.
pub(crate) const RULE: &str = "number < 7";
pub(crate) const SELECTED: u64 = 700;

fn somebody() -> Author {
    Author { user: "alice".into(), host: "here".into(), clock: || 1_795_132_800 }
}

/// A store with one generation.
pub(crate) fn store(dir: &Path) {
    let store = Store::create(dir).unwrap();
    let staging = store.write(&somebody(), "build").unwrap().stage().unwrap();
    let ty = ColumnType::Scalar(ScalarType::UInt { bits: 8 });
    let number = ColumnSchema { name: "number".into(), ty, nullable: false, held_as: HeldAs::Native };
    let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns: vec![number] };
    let options = WriteOptions { generation: staging.generation(), ..WriteOptions::default() };
    let mut writer = SnapshotWriter::create(staging.dir(), schema, options).unwrap();
    let numbers = Values { keys: Keys::Fixed8((0..USERS).map(|id| id % 100).collect()), present: None };
    writer
        .push(Batch { user_ids: (0..USERS).collect(), columns: vec![ColumnData::Scalar(numbers)] })
        .unwrap();
    writer.finish(&|_| {}).unwrap();
    staging.publish(None).unwrap();
}

/// A server that runs until it is told to end.
pub(crate) struct Running {
    pub(crate) dir: TempDir,
    address: Option<SocketAddr>,
    pub(crate) http: Option<SocketAddr>,
    end: Option<oneshot::Sender<()>>,
    pub(crate) ended: JoinHandle<Result<(), ServeError>>,
}

/// What serves in tests: any free port of this machine, and no long wait for changes.
pub(crate) fn config() -> Config {
    Config {
        grpc: "127.0.0.1:0".into(),
        http: "127.0.0.1:0".into(),
        follow_ms: 20,
        heavy_threads: 1,
        heavy_nice: 0,
        drain_ms: 10_000,
        ..Config::default()
    }
}

/// Starts a server over a store of its own. `change` is given the folder in which both are.
pub(crate) async fn start(change: impl FnOnce(&mut Config, &Path)) -> Running {
    log();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    store(&path);
    let mut config = config();
    change(&mut config, dir.path());
    let server = Server::bind(config, &path, somebody(), None).await.unwrap();
    let (address, http) = (server.grpc_address(), server.http_address());
    let (end, told) = oneshot::channel::<()>();
    let ended = tokio::spawn(server.run(async {
        let _ = told.await;
    }));
    Running { dir, address, http, end: Some(end), ended }
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// The file of tokens, unless the configuration names another.
    pub(crate) fn tokens(&self) -> PathBuf {
        self.dir.path().join("tokens.toml")
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.unwrap()
    }

    /// A client over plain TCP, when the server is ready.
    pub(crate) async fn client(&self) -> Client {
        let client = speak(self.tcp().await).await.unwrap();
        client.ready().await;
        client
    }

    /// Asks it to end.
    pub(crate) fn end(&mut self) {
        let _ = self.end.take().unwrap().send(());
    }

    /// Ends it, which must work.
    pub(crate) async fn stop(mut self) {
        self.end();
        tokio::time::timeout(Duration::from_secs(30), self.ended).await.unwrap().unwrap().unwrap();
    }
}

/// One connection over which calls are made.
#[derive(Clone)]
pub(crate) struct Client(Wire);

/// Speaks HTTP/2 over a connection.
pub(crate) async fn speak(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Client, hyper::Error> {
    let (send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
    tokio::spawn(connection);
    Ok(Client(Wire(send)))
}

#[derive(Clone)]
pub(crate) struct Wire(SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Wire {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

pub(crate) fn origin() -> http::Uri {
    "http://localhost".parse().unwrap()
}

/// A request with headers.
pub(crate) fn with<T>(message: T, headers: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

impl Client {
    pub(crate) fn wire(&self) -> Wire {
        self.0.clone()
    }

    pub(crate) async fn count(&self, headers: &[(&'static str, &str)]) -> Result<u64, Status> {
        self.count_rule(RULE, headers).await
    }

    pub(crate) async fn count_rule(
        &self,
        rule: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<u64, Status> {
        let segment = Some(Segment { by: Some(By::Rule(rule.to_owned())) });
        let request = CountRequest { segment, ..CountRequest::default() };
        let mut client = SegmentsClient::with_origin(self.wire(), origin());
        Ok(client.count(with(request, headers)).await?.into_inner().count)
    }

    pub(crate) async fn labels(&self, headers: &[(&'static str, &str)]) -> Status {
        let mut client = LabelsClient::with_origin(self.wire(), origin());
        client.list_labels(with(ListLabelsRequest::default(), headers)).await.unwrap_err()
    }

    pub(crate) async fn health(&self) -> Result<ServingStatus, Status> {
        let mut client = HealthClient::with_origin(self.wire(), origin());
        Ok(client.check(HealthCheckRequest::default()).await?.into_inner().status())
    }

    /// Waits until questions are answered.
    pub(crate) async fn ready(&self) {
        let ready = async {
            while self.health().await.unwrap() != ServingStatus::Serving {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ready).await.unwrap();
    }
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = bool>>(what: impl Fn() -> F) {
    let waited = async {
        while !what().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waited).await.unwrap();
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What all servers of this process have logged so far.
pub(crate) fn log() -> String {
    static LOG: std::sync::LazyLock<Log> = std::sync::LazyLock::new(Log::default);
    static START: Once = Once::new();
    START.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false);
        subscriber.with_writer(|| LOG.clone()).init();
    });
    String::from_utf8(LOG.0.lock().unwrap().clone()).unwrap()
}

/// Waits until something is logged.
pub(crate) async fn logged(text: &str) {
    until(|| async { log().contains(text) }).await;
}
