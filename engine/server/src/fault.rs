//! Why a request has no answer: one list for gRPC and REST, which each translate it in one place.

use std::time::Duration;

use muster_engine::error::Error;
use muster_engine::rule::bind::QueryError;
use muster_engine::rule::error::RuleError;

/// Result of everything that the service layer does.
pub(crate) type Result<T, E = Fault> = std::result::Result<T, E>;

/// Why a request has no answer. Each says what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// A rule cannot be used. `field` is where in the request it stands.
    #[error("{error}")]
    Rule {
        /// As `segment.rule` or `segments[2].rules_json`.
        field: String,
        /// What is wrong, where in the rule, and what would work.
        error: RuleError,
    },
    /// A part of the request makes no sense.
    #[error("{field}: {what}")]
    Invalid {
        /// The part.
        field: String,
        /// What is wrong and what to give instead.
        what: String,
    },
    /// What the request names is not there.
    #[error("{what}")]
    NotFound {
        /// What, and what there is.
        what: String,
    },
    /// Too much at a time.
    #[error("{what}; try again in {} ms", retry_after.as_millis())]
    Exhausted {
        /// Which limit was met, by its name in the configuration.
        what: String,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The time given to the request was over.
    #[error("the deadline passed before the answer was known; give more time, or ask for less")]
    Deadline,
    /// Whoever asked has gone.
    #[error("the request was cancelled")]
    Cancelled,
    /// Nothing can be answered yet, or no more.
    #[error("{what}")]
    Unavailable {
        /// Why, and what to do.
        what: String,
    },
    /// Nobody knows who asks.
    #[error("{what}")]
    Unauthenticated {
        /// What is missing or wrong.
        what: String,
    },
    /// Whoever asks may not do this.
    #[error("{what}")]
    Denied {
        /// Who may.
        what: String,
    },
    /// Something is in the way of what was asked; another state of things is needed first.
    #[error("{what}")]
    Precondition {
        /// What is in the way.
        what: String,
    },
    /// Another thing has the name already.
    #[error("{what}")]
    Taken {
        /// Which name, and what to do.
        what: String,
    },
    /// Somebody else changed it in the meantime.
    #[error("{what}")]
    Conflict {
        /// What, and which versions.
        what: String,
        /// It, as it is now.
        current: Box<muster_catalog::Current>,
    },
    /// Not there yet.
    #[error("{what}")]
    Unimplemented {
        /// What.
        what: String,
    },
    /// Ours to mend: the store, the disk.
    #[error("{what}")]
    Internal {
        /// What went wrong.
        what: String,
    },
}

impl Fault {
    /// A part of the request that makes no sense.
    pub(crate) fn invalid(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), what: what.into() }
    }

    /// Something that is not there.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    /// Labels and deliveries, before there is a catalog.
    pub(crate) fn no_catalog() -> Self {
        let what = "labels and deliveries need a catalog, which this server does not have; name one as `url` in [catalog]";
        Self::Unimplemented { what: what.to_owned() }
    }

    /// Its name as gRPC has it, for counting.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rule { .. } | Self::Invalid { .. } => "INVALID_ARGUMENT",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Exhausted { .. } => "RESOURCE_EXHAUSTED",
            Self::Deadline => "DEADLINE_EXCEEDED",
            Self::Cancelled => "CANCELLED",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::Unauthenticated { .. } => "UNAUTHENTICATED",
            Self::Denied { .. } => "PERMISSION_DENIED",
            Self::Precondition { .. } => "FAILED_PRECONDITION",
            Self::Taken { .. } => "ALREADY_EXISTS",
            Self::Conflict { .. } => "ABORTED",
            Self::Unimplemented { .. } => "UNIMPLEMENTED",
            Self::Internal { .. } => "INTERNAL",
        }
    }

    /// The part of the request that it is about.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Rule { field, .. } | Self::Invalid { field, .. } => Some(field),
            _ => None,
        }
    }

    /// A question without an answer: the rule's fault, at `field`, or the store's.
    pub(crate) fn of_query(error: QueryError, field: &str) -> Self {
        match error {
            QueryError::Rule(error) => Self::Rule { field: field.to_owned(), error },
            QueryError::Store(error) => error.into(),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::NoGeneration { .. } => Self::NotFound { what },
            Error::NotHeld { .. } | Error::Locked { .. } => Self::Precondition { what },
            Error::NoStore { .. } | Error::OnlyHeld { .. } => Self::Unavailable { what },
            Error::PageToken { .. } => Self::Invalid { field: "page_token".to_owned(), what },
            _ => {
                tracing::error!("the store failed: {what}");
                Self::Internal { what }
            }
        }
    }
}
