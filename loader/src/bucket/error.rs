//! What can go wrong between a store and a bucket. Every message is one sentence that says what to do.

use std::path::{Path, PathBuf};

use object_store::Error as ObjectError;

/// An error of a push or a pull.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The address or its settings make no sense.
    #[error("{0}")]
    Address(String),

    /// Nothing was ever pushed there.
    #[error("{url} holds no generation; `muster push --to {url}` puts one there")]
    Empty {
        /// The bucket.
        url: String,
    },

    /// The bucket was asked for something it does not have, and should.
    #[error("{object} is missing; `muster push --all` from the store that has this generation puts it back")]
    Missing {
        /// The object's address.
        object: String,
    },

    /// An object is not what was pushed.
    #[error(
        "{object} is damaged: {what}; `muster push --all` from the store that has this generation mends it"
    )]
    Damaged {
        /// The object's address.
        object: String,
        /// What is wrong with it.
        what: String,
    },

    /// What was pushed is of a newer Muster.
    #[error("{object} has format {found}, this muster reads {ours}; use a newer muster")]
    TooNew {
        /// The object's address.
        object: String,
        /// Its format.
        found: u32,
        /// What this program reads.
        ours: u32,
    },

    /// Access was refused.
    #[error(
        "access to {object} was refused; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do ({said})"
    )]
    Denied {
        /// The object's address.
        object: String,
        /// What the service said, in short.
        said: String,
    },

    /// The service does not answer as it should, also after retries.
    #[error(
        "cannot {doing} {object}: {said}; check the address, AWS_ENDPOINT, AWS_REGION and the connection"
    )]
    Unreachable {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The object's address.
        object: String,
        /// What was said, in short.
        said: String,
    },

    /// Two different generations have one number.
    #[error("{0}")]
    Conflict(String),

    /// Somebody else is at it.
    #[error("{0}")]
    Busy(String),

    /// It was asked to end before it was done.
    #[error("stopped before it was done; what was transferred so far counts the next time")]
    Stopped,

    /// The store refused, or what is in it is damaged.
    #[error(transparent)]
    Store(#[from] muster_engine::error::Error),

    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Shorthand for results here.
pub type Result<T, E = BucketError> = std::result::Result<T, E>;

impl BucketError {
    /// Whether the same call may well work later with nothing changed here: what a follower waits for.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Address(_) | Self::Stopped)
    }

    /// Wraps what the system said about `path`; made for `map_err`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    /// Sorts what the object store said about an object.
    pub(super) fn of(doing: &'static str, object: String, error: &ObjectError) -> Self {
        match error {
            ObjectError::NotFound { .. } => Self::Missing { object },
            ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
                Self::Denied { object, said: short(error) }
            }
            other => Self::Unreachable { doing, object, said: short(other) },
        }
    }
}

/// The innermost cause, which is what a person can act on, in one line; the chain above it repeats addresses.
pub(super) fn short(error: &ObjectError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // Services answer in XML: the message in it is what there is to say.
    let told = ["Code", "Message"].map(|tag| between(&text, &format!("<{tag}>"), &format!("</{tag}>")));
    let text = match told {
        [Some(code), Some(message)] => format!("{code}: {message}"),
        _ => text,
    };
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(300) {
        line.truncate(at);
        line.push_str(" ...");
    }
    line.trim_end_matches('.').to_owned()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inside, _)| inside)
}
