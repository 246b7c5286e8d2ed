//! Who may ask: tokens with roles, or, where tokens are off, what callers say of themselves.

use std::sync::Arc;

use crate::caller::{Caller, Role};
use crate::fault::Result;

/// The header in which a caller names itself where tokens are off.
pub(crate) const USER_HEADER: &str = "x-muster-user";

/// Decides who a caller is.
#[derive(Debug)]
pub(crate) struct Access {
    nobody: Caller,
}

impl Access {
    /// Everybody may do everything.
    pub(crate) fn open() -> Self {
        Self { nobody: Caller { name: "anonymous".into(), role: Role::Admin } }
    }

    /// The caller with this `authorization` and this name of its own.
    pub(crate) fn caller(&self, _authorization: Option<&str>, says: Option<&str>) -> Result<Caller> {
        Ok(match says {
            Some(name) if !name.is_empty() => Caller { name: Arc::from(name), ..self.nobody.clone() },
            _ => self.nobody.clone(),
        })
    }
}
