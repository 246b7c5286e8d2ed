//! The audit as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::AuditRecord;

/// A page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct AuditAnswer {
    /// The newest first.
    pub(in super::super) records: Vec<AuditRecord>,
    /// Where to go on; null at the end.
    pub(in super::super) next_page_token: Option<String>,
}
