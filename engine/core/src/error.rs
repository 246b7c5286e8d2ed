//! What can go wrong below the rule language: the disk, the bytes, the limits. Never a user's rule.

use std::path::{Path, PathBuf};

/// Result of everything that reads or writes snapshots.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the store or of a snapshot. Each says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "open", "write".
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Bytes that no writer of ours produced.
    #[error("{file} is damaged in {section}: {what}; restore it or rebuild this generation")]
    Corrupt {
        /// File name inside the snapshot.
        file: &'static str,
        /// Which part of it: a column's name, "ids", "header".
        section: String,
        /// What is wrong with it.
        what: String,
    },
    /// A snapshot of a newer Muster.
    #[error(
        "this snapshot has format {found} and needs a reader of format {needed} or later, this is {ours}; use a newer muster"
    )]
    TooNew {
        /// The snapshot's format.
        found: u32,
        /// Oldest reader that can read it.
        needed: u32,
        /// What this program reads.
        ours: u32,
    },
    /// There is no store here.
    #[error("{} is not a Muster store; build one with `muster build --store {}`", path.display(), path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The store holds no such generation.
    #[error("generation {wanted} is not in the store; it has {}", list(have))]
    NoGeneration {
        /// The generation asked for.
        wanted: u64,
        /// The generations there are.
        have: Vec<u64>,
    },
    /// Another process writes to this store.
    #[error("another process is writing to {}; wait for it to end", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
    },
    /// What was handed to the writer does not fit the schema or a limit.
    #[error("{what}")]
    Input {
        /// What is wrong, with the column's name.
        what: String,
    },
    /// A page token of another rule or generation, or not a token at all.
    #[error("page token: {what}; start again without a token")]
    PageToken {
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// An I/O error with its place.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Bad input to the writer.
    pub fn input(what: impl Into<String>) -> Self {
        Self::Input { what: what.into() }
    }
}

fn list(generations: &[u64]) -> String {
    if generations.is_empty() {
        return "none".to_owned();
    }
    generations.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}
