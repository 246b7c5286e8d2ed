//! `verified.json`: that a generation was verified whole, as it lies on this disk. Who finds it need not read everything again.
//!
//! It holds for these very files: a copy, a restored backup or a changed byte of the manifest has another identity. It says
//! nothing of a disk that changes bytes by itself; those are found when they are used.

use std::fs::Metadata;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::files::Files;
use crate::error::{Error, Result};
use crate::format::{DATA_FILE, MANIFEST_FILE};

const VERIFIED: &str = "verified.json";

/// What was verified.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verified {
    manifest: Identity,
    data: Identity,
}

/// Which file it was, as far as the file system can tell.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    bytes: u64,
    inode: u64,
    modified_nanos: u64,
}

impl Verified {
    fn of(dir: &Path) -> Result<Self> {
        let identity = |name: &str| {
            let path = dir.join(name);
            std::fs::metadata(&path).map(|found| Identity::of(&found)).map_err(Error::io("look at", &path))
        };
        Ok(Self { manifest: identity(MANIFEST_FILE)?, data: identity(DATA_FILE)? })
    }
}

impl Identity {
    fn of(found: &Metadata) -> Self {
        let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            bytes: found.len(),
            inode: inode(found),
            modified_nanos: modified.map_or(0, |modified| modified.as_nanos() as u64),
        }
    }
}

#[cfg(unix)]
fn inode(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_found: &Metadata) -> u64 {
    0
}

/// Whether these files were verified. What cannot be read was not.
pub(super) fn is_noted(dir: &Path) -> bool {
    let noted = std::fs::read(dir.join(VERIFIED)).ok();
    let noted: Option<Verified> = noted.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    noted.is_some() && Verified::of(dir).ok() == noted
}

/// Notes that these files were verified. Half a note is none, so nothing has to be certain.
pub(super) fn note(files: &dyn Files, dir: &Path) -> Result<()> {
    let path = dir.join(VERIFIED);
    let bytes =
        serde_json::to_vec(&Verified::of(dir)?).map_err(|error| Error::io("write", &path)(error.into()))?;
    files.write(&path, &bytes)
}
