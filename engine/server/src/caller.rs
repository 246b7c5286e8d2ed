//! Who asks, and what they may do.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Result};

/// What somebody may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ask.
    Reader,
    /// Make and change labels and deliveries.
    Editor,
    /// Approve what others made.
    Approver,
    /// Rebuild, roll back, erase.
    Admin,
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let roles = [Self::Reader, Self::Editor, Self::Approver, Self::Admin];
        let role = roles.into_iter().find(|role| role.to_string() == text);
        role.ok_or("a role is `reader`, `editor`, `approver` or `admin`")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reader => "reader",
            Self::Editor => "editor",
            Self::Approver => "approver",
            Self::Admin => "admin",
        })
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token, or what `x-muster-user` says where tokens are off.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// The server itself, which sees everything.
    pub(crate) fn server() -> Self {
        Self { name: "muster".into(), role: Role::Admin }
    }

    /// Fails if whoever asks may not do what needs this role.
    pub(crate) fn needs(&self, role: Role, to: &str) -> Result<()> {
        if self.role >= role {
            return Ok(());
        }
        let what = format!("{to} needs the role {role}, and {} has the role {}", self.name, self.role);
        Err(Fault::Denied { what })
    }
}
