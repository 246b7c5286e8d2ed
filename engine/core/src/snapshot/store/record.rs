//! `record.json`: how a generation came to be published or held back.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::EventKind;
use super::names::RECORD;
use crate::error::{Error, Result};

/// How a generation came to be published or held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Published, accepted or held back.
    pub event: EventKind,
    /// When, in Unix seconds.
    pub at: i64,
    /// The generation that was in service until then.
    pub previous: Option<u64>,
    /// Why it was held back, or published nevertheless.
    pub reason: Option<String>,
    /// By whom.
    pub user: String,
    /// On which machine.
    pub host: String,
}

impl Record {
    pub(super) fn read(generation_dir: &Path) -> Result<Option<Self>> {
        let path = generation_dir.join(RECORD);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| Error::Corrupt {
                file: RECORD,
                section: path.display().to_string(),
                what: error.to_string(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| Error::input(error.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
