//! A store: the generations in a directory, and which one is in service.
//!
//! Publishing: the snapshot is written and synced in a staging directory, that is renamed, the parent is synced, and only
//! then is `CURRENT` replaced by rename. Whoever opens the store sees the old generation or the new one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::{OpenOptions, Snapshot};
use super::write::write_durably;
use crate::error::{Error, Result};

const CURRENT: &str = "CURRENT";
const LOCK: &str = "LOCK";
const GENERATIONS: &str = "generations";
const STAGING: &str = ".staging";

/// A directory of generations.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// A generation in the making. Dropped without being published, it is removed.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    generation: u64,
    dir: PathBuf,
    /// Held until this is dropped: one writer at a time. The system frees it when the process dies.
    _lock: File,
    published: bool,
}

impl Store {
    /// Opens a store that is there.
    pub fn open(dir: &Path) -> Result<Self> {
        if !dir.join(GENERATIONS).is_dir() {
            return Err(Error::NoStore { path: dir.to_owned() });
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// Opens a store, making it if it is not there.
    pub fn create(dir: &Path) -> Result<Self> {
        let generations = dir.join(GENERATIONS);
        std::fs::create_dir_all(&generations).map_err(Error::io("create", &generations))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The generations that are complete, ascending.
    pub fn generations(&self) -> Result<Vec<u64>> {
        let dir = self.dir.join(GENERATIONS);
        let mut generations = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
            let entry = entry.map_err(Error::io("list", &dir))?;
            // Staging directories have a suffix and do not parse.
            generations.extend(entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        generations.sort_unstable();
        Ok(generations)
    }

    /// Which generation is in service, if any.
    pub fn current_generation(&self) -> Result<Option<u64>> {
        let path = self.dir.join(CURRENT);
        match std::fs::read_to_string(&path) {
            Ok(text) => match text.trim_end().parse() {
                Ok(generation) => Ok(Some(generation)),
                Err(_) => Err(Error::Corrupt {
                    file: CURRENT,
                    section: "CURRENT".to_owned(),
                    what: "it is not a generation's number".to_owned(),
                }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Opens the generation in service.
    pub fn current(&self) -> Result<Arc<Snapshot>> {
        let Some(generation) = self.current_generation()? else {
            return Err(Error::NoStore { path: self.dir.clone() });
        };
        self.generation(generation)
    }

    /// Opens a generation.
    pub fn generation(&self, generation: u64) -> Result<Arc<Snapshot>> {
        let dir = self.generation_dir(generation);
        if !dir.is_dir() {
            return Err(Error::NoGeneration { wanted: generation, have: self.generations()? });
        }
        Snapshot::open_with(&dir, OpenOptions::default()).map(Arc::new)
    }

    /// Where a generation's files are.
    pub fn generation_dir(&self, generation: u64) -> PathBuf {
        self.dir.join(GENERATIONS).join(format!("{generation:010}"))
    }

    /// Starts a new generation. Fails at once while another process holds the store, and clears away what a
    /// process that died left behind.
    pub fn stage(&self) -> Result<Staging> {
        let lock = self.lock()?;
        self.remove_leftovers()?;
        let generation = self.generations()?.last().map_or(1, |last| last + 1);
        let dir = self.dir.join(GENERATIONS).join(format!("{generation:010}{STAGING}"));
        std::fs::create_dir(&dir).map_err(Error::io("create", &dir))?;
        Ok(Staging { store: self.clone(), generation, dir, _lock: lock, published: false })
    }

    /// Puts another generation into service: the one before the current, or the one named. Returns which.
    pub fn rollback(&self, to: Option<u64>) -> Result<u64> {
        let _lock = self.lock()?;
        let have = self.generations()?;
        let target = match to {
            Some(wanted) if have.contains(&wanted) => wanted,
            Some(wanted) => return Err(Error::NoGeneration { wanted, have }),
            None => {
                let current = self.current_generation()?;
                let earlier =
                    have.iter().copied().rfind(|&generation| current.is_none_or(|c| generation < c));
                earlier.ok_or_else(|| {
                    let current = current.map_or("nothing".to_owned(), |c| format!("generation {c}"));
                    Error::input(format!(
                        "{current} is in service and the store holds nothing earlier to go back to"
                    ))
                })?
            }
        };
        // A generation that cannot be opened must not go into service.
        self.generation(target)?;
        self.set_current(target)?;
        Ok(target)
    }

    fn lock(&self) -> Result<File> {
        let path = self.dir.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path: self.dir.clone() }),
            Err(std::fs::TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
        }
    }

    fn remove_leftovers(&self) -> Result<()> {
        let dir = self.dir.join(GENERATIONS);
        for entry in std::fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
            let path = entry.map_err(Error::io("list", &dir))?.path();
            if path.to_str().is_some_and(|path| path.ends_with(STAGING)) {
                std::fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    fn set_current(&self, generation: u64) -> Result<()> {
        let (path, aside) = (self.dir.join(CURRENT), self.dir.join("CURRENT.tmp"));
        write_durably(&aside, format!("{generation}\n").as_bytes())?;
        std::fs::rename(&aside, &path).map_err(Error::io("replace", &path))?;
        sync_dir(&self.dir)
    }
}

impl Staging {
    /// Where the snapshot is to be written.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The generation this will be.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts the complete snapshot into service.
    pub fn publish(mut self) -> Result<()> {
        // Opening reads the manifest: an unfinished snapshot does not get further.
        Snapshot::open(&self.dir)?;
        sync_dir(&self.dir)?;
        let to = self.store.generation_dir(self.generation);
        std::fs::rename(&self.dir, &to).map_err(Error::io("rename", &self.dir))?;
        self.published = true;
        sync_dir(&self.store.dir.join(GENERATIONS))?;
        self.store.set_current(self.generation)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Best effort: what stays is removed by the next writer.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}
