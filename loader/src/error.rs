//! What can go wrong on the way from a source to a snapshot. Every message is one sentence that says what to do.

use std::path::{Path, PathBuf};

/// An error of the loader.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The configuration or the options contradict themselves or the source.
    #[error("{0}")]
    Config(String),

    /// The source can't be read, or is not what it should be.
    #[error("{0}")]
    Source(String),

    /// Members of labels can't be written.
    #[error("{0}")]
    WriteBack(String),

    /// A column of the source has a type or a value that can't be loaded.
    #[error("column `{column}`: {message}")]
    Column {
        /// The column's name.
        column: String,
        /// What is wrong, and what to do.
        message: String,
    },

    /// The store or the snapshot writer refused.
    #[error(transparent)]
    Store(#[from] muster_engine::error::Error),

    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// Writing members failed.
    #[error("can't write the members: {0}")]
    Export(String),

    /// Writing a Parquet file failed.
    #[error("{}: {message}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        message: String,
    },
}

/// Shorthand for the loader's results.
pub type Result<T, E = LoadError> = std::result::Result<T, E>;

impl LoadError {
    /// An error about a column.
    pub(crate) fn column(column: &str, message: impl Into<String>) -> Self {
        Self::Column { column: column.to_owned(), message: message.into() }
    }

    /// Wraps what the system said about `path`; made for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Wraps what a writer said about `path`; made for `map_err`.
    pub(crate) fn write<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Self + '_ {
        move |error| Self::Write { path: path.to_owned(), message: error.to_string() }
    }
}
