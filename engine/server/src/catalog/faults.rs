//! What the catalog refuses, as the server tells it.

use muster_catalog::Error;

use crate::fault::Fault;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let what = error.to_string();
        match error {
            Error::Invalid { field, what } => Self::Invalid { field: field.to_owned(), what },
            Error::Rule { field, error } => Self::Rule { field: field.to_owned(), error },
            Error::Cycle { .. } => Self::Invalid { field: "rule".to_owned(), what },
            Error::WrongKind { .. } | Error::InUse { .. } | Error::NotAllowed { .. } => {
                Self::Precondition { what }
            }
            Error::NotFound { .. } => Self::NotFound { what },
            Error::NameTaken { .. } => Self::Taken { what },
            Error::Conflict { current, .. } => Self::Conflict { what, current },
            Error::SelfApproval { .. } => Self::Denied { what },
            Error::Import { .. } => Self::Invalid { field: "document".to_owned(), what },
            Error::ReadOnly { .. } | Error::Unavailable { .. } | Error::Full { .. } => {
                Self::Unavailable { what }
            }
            Error::Corrupt { .. }
            | Error::TooNew { .. }
            | Error::CannotOpen { .. }
            | Error::Database { .. }
            | Error::File { .. } => {
                tracing::error!("the catalog failed: {what}");
                Self::Internal { what }
            }
        }
    }
}
