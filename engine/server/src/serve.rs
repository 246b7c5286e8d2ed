//! Starting and ending: listeners are bound first, so that a wrong address is told at once; then the store is followed and
//! questions are answered until it is told to end, when those under way are answered and no more are taken.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_engine::snapshot::Author;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server as GrpcServer;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

use crate::access::Access;
use crate::config::Config;
use crate::grpc;
use crate::meters::Meters;
use crate::rebuild::Rebuild;
use crate::service::Service;

/// A connection without a sign of life is asked for one after this time, and closed if there is none.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(30);
const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(20);
/// Requests of one connection at a time.
const STREAMS_PER_CONNECTION: u32 = 1_024;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; give another one as `{key}` in [serve]")]
    Listen {
        /// The address.
        address: String,
        /// Its key in the configuration.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in the configuration makes no sense.
    #[error("{0}")]
    Config(String),
    /// The system refused something else.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A server whose listeners are bound.
pub struct Server {
    service: Arc<Service>,
    access: Arc<Access>,
    meters: Arc<Meters>,
    grpc: TcpListener,
    grpc_address: SocketAddr,
}

impl Server {
    /// Binds the listeners. `author` is this machine and its clock; `rebuild` makes generations, if the server may.
    pub async fn bind(
        config: Config,
        store: &Path,
        author: Author,
        rebuild: Option<Arc<dyn Rebuild>>,
    ) -> Result<Self, ServeError> {
        let listen = |source| ServeError::Listen { address: config.grpc.clone(), key: "grpc", source };
        let grpc = TcpListener::bind(&config.grpc).await.map_err(listen)?;
        let grpc_address =
            grpc.local_addr().map_err(|source| ServeError::System { doing: "tell the address", source })?;
        let service = Service::new(config, store, author, rebuild)
            .map_err(|source| ServeError::System { doing: "start threads", source })?;
        let (access, meters) = (Arc::new(Access::open()), Arc::new(Meters::default()));
        Ok(Self { service, access, meters, grpc, grpc_address })
    }

    /// Where gRPC listens.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// Answers until `end` is done, then finishes what is under way.
    pub async fn run(self, end: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let (routes, health) = grpc::routes(&self.service, &self.access, &self.meters);
        let follower = Follower::start(Arc::clone(&self.service))?;
        let telling = tokio::spawn(tell_health(Arc::clone(&self.service), health.clone()));
        let (ending, ended) = watch::channel(false);
        let mut grpc_ended = ended.clone();
        let incoming =
            TcpIncoming::from(self.grpc).with_nodelay(Some(true)).with_keepalive(Some(KEEP_ALIVE_EVERY));
        let grpc = GrpcServer::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_WAIT))
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, async move {
                let _ = grpc_ended.wait_for(|ended| *ended).await;
            });
        let grpc = tokio::spawn(grpc);
        tracing::info!(grpc = %self.grpc_address, "listening");
        end.await;
        tracing::info!("ending: no more connections, what is under way is answered");
        telling.abort();
        grpc::tell_health(&health, false).await;
        ending.send_replace(true);
        let drain = Duration::from_millis(self.service.config.drain_ms);
        if tokio::time::timeout(drain, grpc).await.is_err() {
            tracing::warn!(
                "some requests did not end within `serve.drain_ms` ({} ms) and are dropped",
                drain.as_millis()
            );
        }
        follower.end();
        tracing::info!("the server has ended");
        Ok(())
    }
}

/// Keeps health in step with whether questions are answered.
async fn tell_health(service: Arc<Service>, health: HealthReporter) {
    let mut changes = service.generations.changes();
    loop {
        grpc::tell_health(&health, service.generations.serving().is_ok()).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The thread that follows the store.
struct Follower {
    thread: std::thread::JoinHandle<()>,
    end: std::sync::mpsc::Sender<()>,
}

impl Follower {
    fn start(service: Arc<Service>) -> Result<Self, ServeError> {
        let (end, ended) = std::sync::mpsc::channel();
        let every = Duration::from_millis(service.config.follow_ms.max(1));
        let nice = service.config.heavy_nice;
        let follow = move || {
            // Verifying and warming are no one's hurry.
            step_back(nice);
            loop {
                service.generations.follow(service.reading());
                match ended.recv_timeout(every) {
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name("follower".to_owned()).spawn(follow);
        let thread = thread.map_err(|source| ServeError::System { doing: "start a thread", source })?;
        Ok(Self { thread, end })
    }

    fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}

/// Lets this thread step back behind others. Where the system does not allow it, it goes on as it is.
pub(crate) fn step_back(nice: u8) {
    if nice > 0 {
        let _ = rustix::process::nice(i32::from(nice));
    }
}
