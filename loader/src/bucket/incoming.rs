//! A generation that is being fetched: a folder beside the generations, which no reader looks at.
//!
//! What lies there after a crash is believed as little as what comes from the bucket: every part is hashed again.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use muster_engine::format::{DATA_FILE, MANIFEST_FILE};
use muster_engine::snapshot::Staging;
use muster_engine::storage::Bytes;
use rayon::prelude::*;

use super::error::{BucketError, Result};
use super::layout::{Index, Part, Sha};
use super::local::{LocalParts, PARTS_FILE, keep};
use crate::progress::Progress;

const INCOMING: &str = "incoming";
const INDEX_FILE: &str = "index.json";
const LOCK: &str = "LOCK";

/// The place, for one pull at a time.
#[derive(Debug)]
pub(super) struct Incoming {
    root: PathBuf,
    /// The system frees it when the process ends, however it ends.
    _lock: File,
}

/// One generation in the making.
#[derive(Debug)]
pub(super) struct Assembly {
    dir: PathBuf,
    data: File,
    /// Whether there was something already.
    resumed: bool,
}

impl Incoming {
    /// Takes the place, or says that somebody else has it.
    pub(super) fn open(store: &Path) -> Result<Self> {
        let root = store.join(INCOMING);
        std::fs::create_dir_all(&root).map_err(BucketError::io("create", &root))?;
        let path = root.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(BucketError::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root, _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(BucketError::Busy(format!(
                "another `muster pull` is working on {}; wait for it to end",
                store.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => Err(BucketError::io("lock", &path)(error)),
        }
    }

    /// The folder of the generation with this index, as a pull before left it or new.
    pub(super) fn assemble(&self, index: &Index, index_bytes: &[u8]) -> Result<Assembly> {
        let dir = self.root.join(Sha::of(index_bytes).to_string());
        std::fs::create_dir_all(&dir).map_err(BucketError::io("create", &dir))?;
        write(&dir.join(INDEX_FILE), index_bytes)?;
        let path = dir.join(DATA_FILE);
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let data = open.map_err(BucketError::io("open", &path))?;
        let had = data.metadata().map_err(BucketError::io("look at", &path))?.len();
        data.set_len(index.data_bytes).map_err(BucketError::io("extend", &path))?;
        Ok(Assembly { dir, data, resumed: had > 0 })
    }

    /// Adds what pulls of other generations left here: most of it is in this one too.
    pub(super) fn leftovers(&self, but: &Assembly, parts: &mut LocalParts) {
        for dir in self.folders().into_iter().filter(|dir| *dir != but.dir) {
            let index = std::fs::read(dir.join(INDEX_FILE)).ok().and_then(|b| Index::from_bytes(&b).ok());
            if let Some(index) = index {
                parts.add(dir.join(DATA_FILE), &index);
            }
        }
    }

    /// Removes everything that pulls left here.
    pub(super) fn clear(&self) {
        for dir in self.folders() {
            // What cannot be removed now is removed by the next pull.
            let _ = std::fs::remove_dir_all(dir);
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
    }
}

impl Assembly {
    /// Where it lies.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The parts that are not in place yet, with their places.
    pub(super) fn missing(&self, index: &Index, progress: &dyn Progress) -> Result<Vec<(u64, Part)>> {
        if !self.resumed {
            return Ok(index.placed());
        }
        progress.begin("check", Some(index.data_bytes));
        // Nothing is written as long as this is mapped.
        let data = Bytes::map(&self.dir.join(DATA_FILE))?;
        let placed = index.placed();
        let missing = placed.into_par_iter().filter(|(at, Part(sha, bytes))| {
            let found = data.as_slice().get(*at as usize..(at + bytes) as usize);
            progress.advance(*bytes);
            found.is_none_or(|found| Sha::of(found) != *sha)
        });
        let missing = missing.collect();
        progress.end();
        Ok(missing)
    }

    /// Puts a part into its place.
    pub(super) fn place(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.data.write_all_at(bytes, at).map_err(BucketError::io("write", &self.dir.join(DATA_FILE)))
    }

    /// All parts are in place: writes the manifest, which makes it a snapshot, and makes all of it durable.
    pub(super) fn complete(&self, index: &Index) -> Result<()> {
        self.data.sync_all().map_err(BucketError::io("sync", &self.dir.join(DATA_FILE)))?;
        write(&self.dir.join(MANIFEST_FILE), index.manifest.as_bytes())?;
        keep(&self.dir, index);
        Ok(())
    }

    /// Hands the files over. They stay here as well, until the generation is published.
    pub(super) fn hand_over(&self, staging: &Staging) -> Result<()> {
        for name in [DATA_FILE, MANIFEST_FILE, PARTS_FILE] {
            let (from, to) = (self.dir.join(name), staging.dir().join(name));
            if name == PARTS_FILE && !from.exists() {
                continue;
            }
            if std::fs::hard_link(&from, &to).is_err() {
                std::fs::rename(&from, &to).map_err(BucketError::io("rename", &from))?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(BucketError::io("write", path))
}
