//! The changes a store makes to the disk, each with what is certain after it. Tests put others in its place, which fail, die,
//! or forget what was not synced.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::snapshot::write::write_durably;

/// The disk, as far as a store changes it.
pub(super) trait Files: Debug + Send + Sync {
    /// Makes a folder. Certain to stay once its parent is synced.
    fn create_dir(&self, path: &Path) -> Result<()>;
    /// Writes a file and syncs its content; its name is certain once its folder is synced.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Adds to the end of a file, which is made if it is not there, and syncs its content.
    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()>;
    /// Cuts a file off behind so many bytes, and syncs that.
    fn cut(&self, path: &Path, bytes: u64) -> Result<()>;
    /// Renames inside one folder, replacing what has the name. All or nothing; certain once the folder is synced.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Makes the names in a folder certain.
    fn sync_dir(&self, path: &Path) -> Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> Result<()>;
    /// Removes a folder with all that is in it, bit by bit.
    fn remove_tree(&self, path: &Path) -> Result<()>;
}

/// The real one.
#[derive(Debug)]
pub(super) struct Disk;

impl Files for Disk {
    fn create_dir(&self, path: &Path) -> Result<()> {
        fs::create_dir(path).map_err(Error::io("create", path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        write_durably(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let append = || {
            let mut file = File::options().create(true).append(true).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        append().map_err(Error::io("add to", path))
    }

    fn cut(&self, path: &Path, bytes: u64) -> Result<()> {
        let cut = || {
            let file = File::options().write(true).open(path)?;
            file.set_len(bytes)?;
            file.sync_all()
        };
        cut().map_err(Error::io("cut", path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(Error::io("rename", from))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        File::open(path).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", path))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(Error::io("remove", path))
    }

    fn remove_tree(&self, path: &Path) -> Result<()> {
        fs::remove_dir_all(path).map_err(Error::io("remove", path))
    }
}
