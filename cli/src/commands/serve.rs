//! `muster serve`: the store, answered over gRPC and HTTP.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::Args;
use muster_loader::author;
use muster_loader::config::Config;
use muster_loader::schedule::Schedule;
use muster_loader::stop::Stop;
use muster_server::{Config as Serving, Rebuild, Server, Traces, WriteBack};
use tokio::runtime::Runtime;

use super::schedule::build_job;
use crate::failure::{Failure, Outcome};
use crate::logging::LogArgs;
use crate::rebuilding::Rebuilds;
use crate::signals;
use crate::writing_back::WritesBack;

/// Answer questions over gRPC and HTTP, until ended by SIGTERM or Ctrl-C
///
/// The store may be empty: the server waits for its first generation, and takes over each new one while it answers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Folder of the store, instead of the configuration's
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Where gRPC listens: HOST:PORT, or unix:/path/to/socket [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<String>,

    /// Where HTTP listens [default: 127.0.0.1:7071]
    #[arg(long, value_name = "ADDRESS")]
    http: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  muster serve --store store
  muster serve --config muster.toml
  muster serve --store store --grpc unix:/run/muster/grpc.sock";

impl Serve {
    pub(crate) fn run(self, log: &LogArgs) -> Result<Outcome, Failure> {
        let mut config = Config::load(self.config.as_deref(), env::vars())?;
        if let Some(store) = &self.store {
            config.store.clone_from(store);
        }
        let mut serving = Serving::read(config.serve.clone()).map_err(Failure::Usage)?;
        serving.catalog =
            Some(Serving::read_catalog(config.catalog.clone(), &config.store).map_err(Failure::Usage)?);
        if let Some(grpc) = self.grpc {
            serving.grpc = grpc;
        }
        if let Some(http) = self.http {
            serving.http = http;
        }
        // Before anything runs that logs.
        let runtime = runtime()?;
        let traces = {
            let _runtime = runtime.enter();
            serving.otlp.as_deref().map(Traces::to).transpose()?
        };
        log.start(true, traces.as_ref())?;
        let stop = signals::stop()?;
        let rebuilds = self.config.as_deref().map(|file| rebuilds(file, &config, log, &stop)).transpose()?;
        let (rebuild, schedule) =
            rebuilds.map_or((None, None), |(rebuild, thread)| (Some(rebuild), Some(thread)));
        let table = config.write_back.as_ref().map(WritesBack::new).transpose()?;
        let beside = Beside { rebuild, write_back: table.map(|table| table as Arc<dyn WriteBack>) };
        let served = serve_until((runtime, traces), &stop, serving, &config.store, beside, |_| ());
        if let Some(schedule) = schedule {
            let _ = schedule.join();
        }
        served
    }
}

/// What a server has done by others.
#[derive(Default)]
struct Beside {
    rebuild: Option<Arc<dyn Rebuild>>,
    write_back: Option<Arc<dyn WriteBack>>,
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) grpc: String,
    pub(super) http: String,
}

/// Serves a store until SIGTERM or Ctrl-C. `listening` hears where, as soon as it is known.
pub(super) fn serve(
    serving: Serving,
    store: &Path,
    listening: impl FnOnce(Addresses),
) -> Result<Outcome, Failure> {
    serve_until((runtime()?, None), &signals::stop()?, serving, store, Beside::default(), listening)
}

/// The threads that wait for the network.
fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Store(format!("cannot start threads: {error}")))
}

fn serve_until(
    (runtime, traces): (Runtime, Option<Traces>),
    stop: &Stop,
    serving: Serving,
    store: &Path,
    beside: Beside,
    listening: impl FnOnce(Addresses),
) -> Result<Outcome, Failure> {
    step_back(serving.heavy_nice);
    let said = Addresses { grpc: serving.grpc.clone(), http: serving.http.clone() };
    let served = runtime.block_on(async {
        let mut server = Server::bind(serving, store, author::here(), beside.rebuild).await?;
        if let Some(table) = beside.write_back {
            server = server.write_back(table);
        }
        // Port 0 is told as the one that the system chose.
        listening(Addresses {
            grpc: server.grpc_address().map_or(said.grpc, |address| address.to_string()),
            http: server.http_address().map_or(said.http, |address| address.to_string()),
        });
        server.run(stop.heard()).await
    });
    // Also where the server could not start.
    stop.request();
    if let Some(traces) = traces {
        traces.end();
    }
    // What still runs is only what nobody waits for any more.
    runtime.shutdown_background();
    served.map(|()| Outcome::Fine).map_err(Failure::from)
}

/// Builds by the clock and on request, if there is a source to build from.
fn rebuilds(
    file: &Path,
    config: &Config,
    log: &LogArgs,
    stop: &Stop,
) -> Result<(Arc<dyn Rebuild>, JoinHandle<()>), Failure> {
    let job = build_job(file, config, log)?;
    let schedule = Schedule::new(&config.schedule, &config.store, &config.time_zone, job)?;
    let started = Rebuilds::start(schedule, stop);
    let (rebuild, thread) =
        started.map_err(|error| Failure::Store(format!("cannot start a thread: {error}")))?;
    Ok((rebuild, thread))
}

/// The threads that evaluate step back behind those that answer membership.
fn step_back(by: u8) {
    // Where the system does not allow it, they go on as they are.
    let step_back = move || {
        let _ = muster_server::step_back(by);
    };
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|number| format!("engine-{number}"));
    if pool.start_handler(move |_| step_back()).build_global().is_err() {
        // They are there already, from a build in this process.
        rayon::broadcast(|_| step_back());
    }
}
