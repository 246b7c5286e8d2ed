//! Faults as gRPC has them: a code, a sentence, and details that programs can read.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::fault::Fault;

/// The domain of our reasons, as `google.rpc.ErrorInfo` wants one.
const DOMAIN: &str = "muster.v1";

/// A fault as the caller sees it.
pub(super) fn status(fault: Fault) -> Status {
    let message = fault.to_string();
    let mut details = ErrorDetails::new();
    let code = match fault {
        Fault::Rule { field, error } => {
            details.add_bad_request_violation(field, error.to_string());
            let mut place = std::collections::HashMap::new();
            if let Some(at) = error.position() {
                place.insert("line".to_owned(), at.line.to_string());
                place.insert("column".to_owned(), at.column.to_string());
                place.insert("offset".to_owned(), at.offset.to_string());
            }
            if let Some(pointer) = error.pointer() {
                place.insert("pointer".to_owned(), pointer.to_owned());
            }
            if let Some(hint) = &error.hint {
                place.insert("hint".to_owned(), hint.clone());
            }
            if let Some(limit) = error.limit {
                place.insert("limit".to_owned(), limit.to_owned());
            }
            details.set_error_info("BAD_RULE", DOMAIN, place);
            Code::InvalidArgument
        }
        Fault::Invalid { field, what } => {
            details.add_bad_request_violation(field, what);
            Code::InvalidArgument
        }
        Fault::Exhausted { retry_after, .. } => {
            details.set_retry_info(Some(retry_after));
            Code::ResourceExhausted
        }
        Fault::NotFound { .. } => Code::NotFound,
        Fault::Deadline => Code::DeadlineExceeded,
        Fault::Cancelled => Code::Cancelled,
        Fault::Unavailable { .. } => Code::Unavailable,
        Fault::Unauthenticated { .. } => Code::Unauthenticated,
        Fault::Denied { .. } => Code::PermissionDenied,
        Fault::Precondition { .. } => Code::FailedPrecondition,
        Fault::Taken { .. } => Code::AlreadyExists,
        Fault::Conflict { current, .. } => {
            let version = current.version().to_string();
            details.set_error_info("CHANGED", DOMAIN, [("current_version".to_owned(), version)]);
            Code::Aborted
        }
        Fault::Unimplemented { .. } => Code::Unimplemented,
        Fault::Internal { .. } => Code::Internal,
    };
    Status::with_error_details(code, message, details)
}
