//! Flags that several commands share.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use muster_engine::snapshot::{Snapshot, Store};

use crate::failure::Failure;

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Folder of the store
    #[arg(long = "store", value_name = "DIR", env = "MUSTER_STORE")]
    pub(crate) dir: PathBuf,
}

impl StoreArgs {
    /// The store, which must be there.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.dir)?)
    }

    /// A generation, or the one in service.
    pub(crate) fn snapshot(&self, generation: Option<u64>) -> Result<Arc<Snapshot>, Failure> {
        let store = self.open()?;
        Ok(generation.map_or_else(|| store.current(), |number| store.generation(number))?)
    }
}

/// An instant with its zone, in Unix seconds.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    text.parse::<Timestamp>().map(Timestamp::as_second).map_err(|_| {
        "give an instant with its zone, as 2026-11-20T00:00:00Z or 2026-11-20T08:00:00+08:00".to_owned()
    })
}
