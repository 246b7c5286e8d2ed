//! Pins: who has a generation open holds a shared lock on its manifest, and only who gets the exclusive one removes it.
//!
//! Pinning needs no permission to write. Where the file system knows no locks, readers read unpinned and nothing is removed.

use std::fs::{File, Metadata, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::MANIFEST_FILE;

/// Keeps a generation from being removed while it lives.
#[derive(Debug)]
pub(in crate::snapshot) struct Pin(File);

impl Drop for Pin {
    fn drop(&mut self) {
        // Not by closing alone: a process being started at this moment has a copy of the handle for an instant.
        let _ = self.0.unlock();
    }
}

/// Pins the generation in a folder and reads its manifest.
pub(in crate::snapshot) fn pinned_manifest(dir: &Path) -> Result<(Vec<u8>, Pin)> {
    let path = dir.join(MANIFEST_FILE);
    let mut file = File::open(&path).map_err(Error::io("open", &path))?;
    // Blocks for as long as somebody who removes the generation needs to rename it.
    while file.lock_shared().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {}
    let locked = file.metadata().map_err(Error::io("read the size of", &path))?;
    // The lock is on a file, not on its name: the generation may have been renamed before it was ours.
    match std::fs::metadata(&path) {
        Ok(named) if same(&locked, &named) => {}
        _ => return Err(Error::Removed { path: dir.to_owned() }),
    }
    let mut bytes = Vec::with_capacity(locked.len() as usize);
    file.read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    Ok((bytes, Pin(file)))
}

#[cfg(unix)]
fn same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len() && a.modified().ok() == b.modified().ok()
}

/// Whether a generation may be removed.
#[derive(Debug)]
pub(super) enum Claim {
    /// It may, and nobody can pin it while this is held.
    Free(Option<File>),
    /// Somebody reads it.
    Pinned,
    /// Whether somebody reads it cannot be known.
    Unknown(std::io::Error),
}

/// Locks a generation against readers, if nobody has it open.
pub(super) fn claim(dir: &Path) -> Claim {
    let path = dir.join(MANIFEST_FILE);
    // Some network file systems want a file that is open for writing; for others reading is enough, and may be all that is
    // allowed.
    let opened = File::options().read(true).write(true).open(&path).or_else(|_| File::open(&path));
    match opened {
        // Without a manifest nobody can open it.
        Err(error) if error.kind() == ErrorKind::NotFound => Claim::Free(None),
        Err(error) => Claim::Unknown(error),
        Ok(file) => match file.try_lock() {
            Ok(()) => Claim::Free(Some(file)),
            Err(TryLockError::WouldBlock) => Claim::Pinned,
            Err(TryLockError::Error(error)) => Claim::Unknown(error),
        },
    }
}
