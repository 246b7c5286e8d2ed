//! How a command ends, and the exit status that says so.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::Path;

use muster_engine::error::Error;
use muster_engine::rule::bind::QueryError;
use muster_loader::LoadError;
use muster_loader::agreement::CompareError;
use muster_loader::bucket::BucketError;
use muster_server::{ServeError, TokensError, TracesError};

/// A command that did what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status 0.
    Fine,
    /// Status 1: the answer is no, or some of the rules were bad and have been reported.
    No,
}

/// A command that could not. Each message is one sentence that says what to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Status 1: the rule is wrong.
    Rule(String),
    /// Status 1: what was asked cannot be done as things are.
    Refused(String),
    /// Status 2: the flags contradict each other or a value makes no sense.
    Usage(String),
    /// Status 3: the store or the source failed.
    Store(String),
    /// Whoever read our output has enough (`| head`); not a fault.
    OutputClosed,
}

impl Failure {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Rule(_) | Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Store(_) => 3,
        }
    }

    /// A file that the user named could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::Store(format!("cannot {doing} {}: {error}", path.display()))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(message) | Self::Refused(message) | Self::Usage(message) | Self::Store(message) => {
                f.write_str(message)
            }
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

/// A rule is the caller's to mend, a snapshot the operator's.
impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Rule(error) => Self::Rule(error.to_string()),
            QueryError::Store(error) => Self::from(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::PageToken { .. } => Self::Usage(error.to_string()),
            other => Self::Store(other.to_string()),
        }
    }
}

/// What is wrong with the configuration is the caller's to mend; the rest is the source's or the disk's.
impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Config(message) => Self::Usage(message),
            other => Self::Store(other.to_string()),
        }
    }
}

/// What is wrong with the configuration is the caller's to mend; the rest is the system's.
impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Config(message) => Self::Usage(message),
            other => Self::Store(other.to_string()),
        }
    }
}

/// What is asked of the catalog may be wrong, or not fit what is there; the rest is the database's fault.
impl From<muster_catalog::Error> for Failure {
    fn from(error: muster_catalog::Error) -> Self {
        use muster_catalog::Error;
        let message = error.to_string();
        match error {
            Error::Invalid { .. } => Self::Usage(message),
            Error::Rule { .. }
            | Error::Cycle { .. }
            | Error::NotFound { .. }
            | Error::NameTaken { .. }
            | Error::Conflict { .. }
            | Error::InUse { .. }
            | Error::NotAllowed { .. }
            | Error::SelfApproval { .. }
            | Error::WrongKind { .. }
            | Error::Import { .. } => Self::Refused(message),
            _ => Self::Store(message),
        }
    }
}

/// What is asked of tokens may be wrong; the rest is the file's fault.
impl From<TokensError> for Failure {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Usage(message) => Self::Usage(message),
            other => Self::Store(other.to_string()),
        }
    }
}

impl From<TracesError> for Failure {
    fn from(error: TracesError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A wrong address is the caller's to mend; the rest is the bucket's, the network's or the disk's.
impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Address(message) => Self::Usage(message),
            other => Self::Store(other.to_string()),
        }
    }
}

/// Either side of a comparison.
impl From<CompareError> for Failure {
    fn from(error: CompareError) -> Self {
        match error {
            CompareError::Query(error) => Self::from(error),
            CompareError::Load(error) => Self::from(error),
        }
    }
}

/// Errors of standard output; files name themselves through [`Failure::file`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Store(format!("cannot write the output: {error}"))
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}
