//! The catalog at the command line: which one, and how commands wait for it.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use muster_catalog::{Caller, Catalog, Settings};
use muster_loader::author;
use muster_loader::config::Config;
use muster_server::Config as Serving;

use crate::failure::Failure;

/// Which catalog.
#[derive(Debug, Args)]
pub(crate) struct CatalogArgs {
    /// The catalog itself, as sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/DATABASE; a password is better given by the variable
    /// MUSTER_CATALOG_URL
    #[arg(long = "catalog", value_name = "URL")]
    url: Option<String>,

    /// Folder of the store beside which it is, unless the configuration names another
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl CatalogArgs {
    /// Where a server with the same flags and variables has it, and what bounds it.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = settings(self.config.as_deref(), self.store.as_deref())?;
        if let Some(url) = &self.url {
            settings.url.clone_from(url);
        }
        Ok(settings)
    }

    /// The store's folder.
    pub(crate) fn store(&self) -> Result<PathBuf, Failure> {
        match &self.store {
            Some(store) => Ok(store.clone()),
            None => Ok(Config::load(self.config.as_deref(), env::vars())?.store),
        }
    }

    /// Opens a catalog that somebody made before.
    pub(crate) async fn open_made(&self) -> Result<Catalog, Failure> {
        let settings = self.settings()?;
        let file = settings.file()?;
        Catalog::open_made(settings).await?.ok_or_else(|| {
            let place = file.map_or_else(|| "that server".to_owned(), |file| file.display().to_string());
            Failure::Store(format!(
                "there is no catalog at {place}; name another with --catalog, --store or --config, or let `muster serve` make it"
            ))
        })
    }
}

/// The catalog that a server with this configuration and store uses.
pub(crate) fn settings(config: Option<&Path>, store: Option<&Path>) -> Result<Settings, Failure> {
    let config = Config::load(config, env::vars())?;
    let store = store.unwrap_or(&config.store);
    let serving = Serving::read(config.serve).map_err(Failure::Usage)?;
    let mut settings = Serving::read_catalog(config.catalog, store).map_err(Failure::Usage)?;
    settings.rules = serving.rules;
    Ok(settings)
}

/// Waits for what the catalog does.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Store(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(work)
}

/// Who runs the command, as the audit names them. Whoever may run it on the catalog's machine sees everything.
pub(crate) fn caller() -> Caller {
    let author = author::here();
    Caller::admin(author.user).in_request(format!("command line on {}", author.host))
}
