//! `muster serve`: the store, answered over gRPC and HTTP.

use std::env;
use std::path::PathBuf;

use clap::Args;
use muster_loader::author;
use muster_loader::config::Config;
use muster_server::{Config as Serving, Server};
use rustix::process::nice;

use crate::failure::{Failure, Outcome};
use crate::signals;

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
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut config = Config::load(self.config.as_deref(), env::vars())?;
        if let Some(store) = &self.store {
            config.store.clone_from(store);
        }
        let mut serving = serving(&config)?;
        if let Some(grpc) = self.grpc {
            serving.grpc = grpc;
        }
        if let Some(http) = self.http {
            serving.http = http;
        }
        step_back(serving.heavy_nice)?;
        let stop = signals::stop()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Store(format!("cannot start threads: {error}")))?;
        let served = runtime.block_on(async {
            let server = Server::bind(serving, &config.store, author::here(), None).await?;
            server.run(async move { stop.heard().await }).await
        });
        // What still runs is only what nobody waits for any more.
        runtime.shutdown_background();
        served.map(|()| Outcome::Fine).map_err(Failure::from)
    }
}

/// `[serve]` of the configuration.
fn serving(config: &Config) -> Result<Serving, Failure> {
    let table = toml::Value::Table(config.serve.clone());
    table.try_into().map_err(|error| Failure::Usage(format!("[serve] of the configuration: {error}")))
}

/// The threads that evaluate step back behind those that answer membership.
fn step_back(by: u8) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().thread_name(|number| format!("engine-{number}"));
    let pool = pool.start_handler(move |_| {
        // Where the system does not allow it, they go on as they are.
        let _ = nice(i32::from(by));
    });
    pool.build_global().map_err(|error| Failure::Store(format!("cannot start threads: {error}")))
}
