//! What can go wrong below the rule language: the disk, the bytes, the limits. Never a user's rule.

use std::path::{Path, PathBuf};

/// Result of everything that reads or writes snapshots.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the store or of a snapshot. Each says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}{}", path.display(), remedy(source.kind()))]
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
    #[error("generation {wanted} is not in the store; it has {}{}", list(have), held_back(held))]
    NoGeneration {
        /// The generation asked for.
        wanted: u64,
        /// The published generations.
        have: Vec<u64>,
        /// Those that are held back.
        held: Vec<u64>,
    },
    /// Nothing was ever published here, but something is held back.
    #[error(
        "nothing is in service in {}: generation {held} is held back; publish it with `muster publish`, or ask it with \
         `--generation {held}`", path.display()
    )]
    OnlyHeld {
        /// The store.
        path: PathBuf,
        /// The newest generation that is held back.
        held: u64,
    },
    /// What is to be published or discarded is not held back.
    #[error("{}; held back {}", not_held(*wanted), is_list(held))]
    NotHeld {
        /// The generation named, if any.
        wanted: Option<u64>,
        /// Those that are held back.
        held: Vec<u64>,
    },
    /// A generation was removed or renamed while it was being opened.
    #[error("{} was removed while it was being opened; open the store again", path.display())]
    Removed {
        /// Where it was.
        path: PathBuf,
    },
    /// Another process writes to this store.
    #[error("{holder} is writing to {}; wait for it to end, or end it: what is in service stays", path.display())]
    Locked {
        /// The store.
        path: PathBuf,
        /// What is known of that process.
        holder: String,
    },
    /// What was handed to the writer does not fit the schema or a limit.
    #[error("{what}")]
    Input {
        /// What is wrong, with the column's name.
        what: String,
    },
    /// Users with several rows, and nothing that tells which one counts.
    #[error(
        "{users} users have more than one row, among them {named}: deduplicate the source, or name the column that tells the newest row as `version`"
    )]
    Repeated {
        /// How many users.
        users: u64,
        /// Some of their ids.
        named: String,
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

fn held_back(generations: &[u64]) -> String {
    if generations.is_empty() { String::new() } else { format!("; held back {}", is_list(generations)) }
}

fn is_list(generations: &[u64]) -> String {
    let verb = if generations.len() > 1 { "are" } else { "is" };
    format!("{verb} {}", list(generations))
}

fn not_held(wanted: Option<u64>) -> String {
    wanted.map_or("nothing is waiting for a decision".to_owned(), |g| {
        format!("generation {g} is not held back")
    })
}

/// What to do where the system's words do not say.
fn remedy(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; make room there, for example by keeping fewer generations (`muster collect`), and try again"
        }
        ErrorKind::ReadOnlyFilesystem => {
            "; mount that file system for writing, or give a folder on another one"
        }
        ErrorKind::PermissionDenied => {
            "; give the user who runs muster access to it, or run muster as its owner"
        }
        _ => "",
    }
}
