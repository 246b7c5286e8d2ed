//! Starting and ending: listeners are bound first, so that a wrong address is told at once; then the store is followed and
//! questions are answered until it is told to end, when those under way are answered and no more are taken.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use muster_engine::snapshot::Author;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tonic_health::server::HealthReporter;

use crate::access::{Access, TokensError, TokensFile};
use crate::catalog::Shelf;
use crate::config::Config;
use crate::grpc;
use crate::listen::{self, Address, Listener, Phase, Protocol, Tally, Terms, Tls};
use crate::meters::Meters;
use crate::priority::{WAITED_FOR, step_back_if_allowed};
use crate::rebuild::Rebuild;
use crate::rest;
use crate::service::Service;
use crate::watching::Watcher;
use crate::write_back::WriteBack;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; give another one by --{key}, or as `{key}` in [serve]")]
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
    /// The file of tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] muster_catalog::Error),
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
    tls: Option<Arc<Tls>>,
    grpc: Listener,
    http: Listener,
    write_back: Option<Arc<dyn WriteBack>>,
}

impl Server {
    /// Binds the listeners. `author` is this machine and its clock; `rebuild` makes generations, if the server may.
    pub async fn bind(
        config: Config,
        store: &Path,
        author: Author,
        rebuild: Option<Arc<dyn Rebuild>>,
    ) -> Result<Self, ServeError> {
        config.check().map_err(ServeError::Config)?;
        let tls = Tls::load(&config).map_err(ServeError::Config)?;
        let tokens = config.tokens_file.as_deref().map_or_else(|| TokensFile::beside(store), TokensFile::at);
        let access = Arc::new(Access::new(config.tokens, tokens)?);
        let grpc = listen_at(&config.grpc, "grpc").await?;
        let http = listen_at(&config.http, "http").await?;
        let shelf = match &config.catalog {
            Some(settings) => Some(Arc::new(Shelf::open(settings.clone(), &config.rules).await?)),
            None => None,
        };
        let service = Service::new(config, store, author, rebuild, shelf)
            .map_err(|source| ServeError::System { doing: "start threads", source })?;
        let meters = Arc::new(Meters::new(Arc::clone(&service), [grpc.tally(), http.tally()]));
        Ok(Self { service, access, meters, tls, grpc, http, write_back: None })
    }

    /// Writes members of labels elsewhere, whenever they may have changed.
    pub fn write_back(mut self, to: Arc<dyn WriteBack>) -> Self {
        self.write_back = Some(to);
        self
    }

    /// Where gRPC listens, if that is no file.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.local_addr()
    }

    /// Follows the store. Verifying and warming are no one's hurry, but must come to an end on a busy machine, too.
    fn follow_store(&self) -> Result<Every, ServeError> {
        let service = Arc::clone(&self.service);
        let (every, nice) =
            (Duration::from_millis(service.config.follow_ms), service.config.heavy_nice.min(WAITED_FOR));
        Every::start("follower", every, nice, move || {
            service.follow_store();
            service.note_rebuild();
        })
    }

    /// Follows tokens and certificates: apart from the store, since a generation may take long to verify.
    fn watch_files(&self) -> Result<Every, ServeError> {
        let (access, tls) = (Arc::clone(&self.access), self.tls.clone());
        let every = Duration::from_millis(self.service.config.follow_ms);
        let notes = self.service.own_notes();
        Every::start("watcher", every, 0, move || {
            access.look().into_iter().for_each(|event| notes.note(event));
            if let Some(tls) = &tls {
                tls.look();
            }
        })
    }

    /// Where HTTP listens, if that is no file.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.local_addr()
    }

    /// Tells what is measured, in Prometheus' text format, for as long as anybody asks.
    pub fn metrics(&self) -> impl Fn() -> String + Send + Sync + use<> {
        let meters = Arc::clone(&self.meters);
        move || meters.render()
    }

    /// Answers until `end` is done, then finishes what is under way.
    pub async fn run(self, end: impl Future<Output = ()> + Send) -> Result<(), ServeError> {
        let watched = Arc::new(Watcher::new(Arc::clone(&self.meters)));
        let (routes, health) = grpc::routes(&self.service, &self.access, &watched);
        let follower = self.follow_store()?;
        let watcher = self.watch_files()?;
        tokio::spawn(Arc::clone(&self.service).note_configuration());
        let telling = tokio::spawn(tell_health(Arc::clone(&self.service), health.clone()));
        let shelf = self.service.shelf.clone();
        let follow = Duration::from_millis(self.service.config.follow_ms);
        let writing = shelf.as_ref().zip(self.write_back).map(|(shelf, to)| {
            let (service, shelf) = (Arc::clone(&self.service), Arc::clone(shelf));
            tokio::spawn(service.write_labels_back(shelf, to))
        });
        let kept = shelf.map(|shelf| keep_catalog(&self.service, shelf, follow)).transpose()?;
        self.access.tell(self.grpc.is_local() && self.http.is_local());
        let config = &self.service.config;
        tracing::info!(grpc = %self.grpc, http = %self.http, tls = self.tls.is_some(), "listening");
        let tallies = [self.grpc.tally(), self.http.tally()];
        let served = [
            (self.grpc, Protocol::Grpc, routes.prepare().into_axum_router()),
            (self.http, Protocol::Http, rest::router(&self.service, &self.access, &self.meters, &watched)),
        ];
        let files = listen::raise_descriptors();
        let connections = listen::connections(config.connections, served.len() as u64, files);
        let (phase, now) = watch::channel(Phase::Open);
        let mut listeners = JoinSet::new();
        for (listener, protocol, router) in served {
            let terms = Terms::new(protocol, connections, self.tls.clone());
            listeners.spawn(listener.serve(terms, router, now.clone()));
        }
        end.await;
        tracing::info!("ending: no more connections, what is under way is answered");
        telling.abort();
        if let Some(task) = writing {
            task.abort();
        }
        drop(kept);
        grpc::tell_health(&health, false).await;
        phase.send_replace(Phase::Ending);
        let drain = Duration::from_millis(self.service.config.drain_ms);
        let drained = async { while listeners.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, drained).await.is_err() {
            phase.send_replace(Phase::Over);
            let dropped: usize = listeners.join_all().await.into_iter().sum();
            tracing::warn!(
                "{dropped} connections did not end within `serve.drain_ms` ({} ms) and are dropped",
                drain.as_millis()
            );
        }
        watcher.end();
        follower.end();
        let sum = |of: fn(&Tally) -> &AtomicU64| -> u64 {
            tallies.iter().map(|tally| of(tally).load(Ordering::Relaxed)).sum()
        };
        let (connections, over_limit) = (sum(|tally| &tally.accepted), sum(|tally| &tally.over_limit));
        tracing::info!(connections, over_limit, "the server has ended");
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

/// Follows the catalog, and counts and matches what is in it. What somebody waits for steps back less than what nobody does.
fn keep_catalog(
    service: &Arc<Service>,
    shelf: Arc<Shelf>,
    every: Duration,
) -> Result<[Aside; 2], ServeError> {
    let (nice, read) = (service.config.heavy_nice, Arc::clone(&shelf));
    let reading = Aside::start("catalog", nice.min(WAITED_FOR), async move { read.keep(every).await })?;
    let matching = Arc::clone(service).keep_matching(Arc::clone(&shelf));
    let counting = Arc::clone(service).refresh_labels(shelf);
    let both = async move {
        tokio::join!(matching, counting);
    };
    Ok([reading, Aside::start("labels", nice, both)?])
}

/// Binds a listener.
async fn listen_at(text: &str, key: &'static str) -> Result<Listener, ServeError> {
    let address = Address::parse(text).map_err(ServeError::Config)?;
    let bound = Listener::bind(&address).await;
    bound.map_err(|source| ServeError::Listen { address: address.to_string(), key, source })
}

/// A thread of its own for asynchronous work that never ends; it ends when this is dropped.
struct Aside {
    _end: oneshot::Sender<()>,
}

impl Aside {
    fn start(
        name: &str,
        nice: u8,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self, ServeError> {
        let failed = |source| ServeError::System { doing: "start a thread", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (end, ended) = oneshot::channel::<()>();
        let go_on = move || {
            step_back_if_allowed(nice);
            runtime.block_on(async {
                tokio::select! {
                    () = work => {}
                    _ = ended => {}
                }
            });
            runtime.shutdown_background();
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(go_on).map_err(failed)?;
        Ok(Self { _end: end })
    }
}

/// A thread that does something every now and then.
struct Every {
    thread: std::thread::JoinHandle<()>,
    end: std::sync::mpsc::Sender<()>,
}

impl Every {
    fn start(
        name: &str,
        every: Duration,
        nice: u8,
        work: impl Fn() + Send + 'static,
    ) -> Result<Self, ServeError> {
        let (end, ended) = std::sync::mpsc::channel();
        let go_on = move || {
            step_back_if_allowed(nice);
            loop {
                work();
                match ended.recv_timeout(every) {
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(go_on);
        let thread = thread.map_err(|source| ServeError::System { doing: "start a thread", source })?;
        Ok(Self { thread, end })
    }

    fn end(self) {
        drop(self.end);
        let _ = self.thread.join();
    }
}
