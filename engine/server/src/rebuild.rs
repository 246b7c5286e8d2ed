//! How a rebuild reaches the server: whoever starts it hands in something that can build. The server knows no sources.

use std::sync::Arc;

use jiff::Timestamp;

/// Something that can make a new generation of the store, one at a time.
pub trait Rebuild: Send + Sync + 'static {
    /// Starts a rebuild and returns at once. `accept` is the reason to publish although gates would hold it back.
    fn start(&self, accept: Option<String>, by: &str) -> Result<RebuildStatus, RebuildFault>;
    /// The rebuild that runs, or ran last.
    fn status(&self) -> Option<RebuildStatus>;
}

/// Why a rebuild was not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RebuildFault {
    /// One runs already.
    #[error("a rebuild is running since {since}; its progress is in the status")]
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It could not be started.
    #[error("the rebuild could not be started: {0}")]
    Failed(String),
}

/// How a rebuild goes or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildStatus {
    /// How it stands.
    pub state: RebuildState,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The generation it made, if it made one.
    pub generation: Option<u64>,
    /// Why it failed or was held back.
    pub problem: Option<String>,
    /// What it is at.
    pub phase: Option<RebuildPhase>,
}

/// A phase of a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildPhase {
    /// Its name.
    pub name: Arc<str>,
    /// How much is done.
    pub done: u64,
    /// How much there is, if that is known.
    pub total: Option<u64>,
}

/// How a rebuild stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildState {
    /// It runs.
    Running,
    /// It published a generation.
    Published,
    /// The gates held its generation back.
    Held,
    /// It failed.
    Failed,
}
