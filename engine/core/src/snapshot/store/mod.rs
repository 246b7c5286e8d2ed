//! A store: the generations in a directory, and which one is in service. `docs/publishing.md` says what is on the disk, in which
//! order it gets there, and what a crash leaves.
//!
//! [`Store`] reads and never writes, so it works where writing is not allowed. [`Writer`] changes a store, one process at a time.

mod collect;
mod files;
mod history;
mod lock;
mod masks;
mod names;
mod pin;
mod presence;
mod record;
#[cfg(test)]
mod tests;
mod verified;
mod writer;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::open::Snapshot;
use crate::error::{Error, Result};
use crate::format::MANIFEST_FILE;
use crate::format::manifest::Manifest;
use files::{Disk, Files};
use names::{CURRENT, Entry, GENERATIONS, State};

pub use collect::{Collected, Keep};
pub use history::{Event, EventKind, History};
pub use lock::Author;
pub use masks::{MaskChange, Masks, MasksStamp};
pub use presence::{Presence, Presences};
pub use record::Record;
pub use writer::{Moved, Staging, Writer};

pub(super) use pin::{Pin, pinned_manifest};

/// How often opening begins anew because what was to be opened was removed or renamed in between. Each time takes another
/// build, so more than a few mean that something else is wrong.
const OPENED_ANEW_MAX: usize = 16;

/// A directory of generations, for those who read it.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    files: Arc<dyn Files>,
}

impl Store {
    /// Opens a store that is there.
    pub fn open(dir: &Path) -> Result<Self> {
        let generations = dir.join(GENERATIONS);
        match std::fs::metadata(&generations) {
            Ok(found) if found.is_dir() => Ok(Self { dir: dir.to_owned(), files: Arc::new(Disk) }),
            // It may be a store; who may not look does not know.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(Error::io("open", &generations)(error))
            }
            _ => Err(Error::NoStore { path: dir.to_owned() }),
        }
    }

    /// Opens a store, making it if it is not there.
    pub fn create(dir: &Path) -> Result<Self> {
        let store = Self { dir: dir.to_owned(), files: Arc::new(Disk) };
        let generations = dir.join(GENERATIONS);
        if !generations.is_dir() {
            std::fs::create_dir_all(&generations).map_err(Error::io("create", &generations))?;
            store.files.sync_dir(dir)?;
            if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                store.files.sync_dir(parent)?;
            }
        }
        Ok(store)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The published generations, ascending.
    pub fn generations(&self) -> Result<Vec<u64>> {
        self.in_state(State::Published)
    }

    /// The generations that are held back, ascending.
    pub fn held(&self) -> Result<Vec<u64>> {
        self.in_state(State::Held)
    }

    fn in_state(&self, state: State) -> Result<Vec<u64>> {
        let entries = names::entries(&self.dir)?;
        Ok(entries.iter().filter(|entry| entry.state == state).map(|entry| entry.generation).collect())
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
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Opens the generation in service and pins it. One that a writer removes meanwhile is not in service any more, so
    /// this begins anew with what `CURRENT` says then.
    pub fn current(&self) -> Result<Arc<Snapshot>> {
        let mut tried = None;
        loop {
            let Some(generation) = self.current_generation()? else {
                return Err(match self.held()?.last() {
                    Some(&held) => Error::OnlyHeld { path: self.dir.clone(), held },
                    None => Error::NoStore { path: self.dir.clone() },
                });
            };
            match self.open_in(&[State::Published], generation) {
                Err(Error::NoGeneration { .. }) if tried != Some(generation) => tried = Some(generation),
                opened => return opened,
            }
        }
    }

    /// Opens a generation, published or held back, and pins it.
    pub fn generation(&self, generation: u64) -> Result<Arc<Snapshot>> {
        self.open_in(&[State::Published, State::Held], generation)
    }

    fn open_in(&self, states: &[State], generation: u64) -> Result<Arc<Snapshot>> {
        let mut last = None;
        for _ in 0..OPENED_ANEW_MAX {
            let mut dirs = states.iter().map(|&state| self.dir_of(Entry::new(generation, state)));
            let Some(dir) = dirs.find(|dir| dir.is_dir()) else {
                return Err(self.no_generation(generation));
            };
            match Snapshot::open(&dir) {
                // Removed, or renamed because it was published: look again where it is now.
                Err(error) if is_gone(&error) => last = Some(error),
                opened => {
                    let snapshot = opened?;
                    snapshot.apply_masks(&self.masks()?)?;
                    return Ok(Arc::new(snapshot));
                }
            }
        }
        Err(last.unwrap_or_else(|| self.no_generation(generation)))
    }

    fn no_generation(&self, wanted: u64) -> Error {
        let have = self.generations().unwrap_or_default();
        Error::NoGeneration { wanted, have, held: self.held().unwrap_or_default() }
    }

    /// Where the files of a generation are, published or held back.
    pub fn generation_dir(&self, generation: u64) -> PathBuf {
        let held = self.dir_of(Entry::new(generation, State::Held));
        if held.is_dir() { held } else { self.dir_of(Entry::new(generation, State::Published)) }
    }

    fn dir_of(&self, entry: Entry) -> PathBuf {
        self.dir.join(GENERATIONS).join(entry.name())
    }

    /// How a generation came to be published or held back; `None` if its folder does not say.
    pub fn record(&self, generation: u64) -> Result<Option<Record>> {
        Record::read(&self.generation_dir(generation))
    }

    /// What a generation says of itself, read without opening it.
    pub fn manifest(&self, generation: u64) -> Result<Manifest> {
        let path = self.generation_dir(generation).join(MANIFEST_FILE);
        Manifest::from_bytes(&std::fs::read(&path).map_err(Error::io("read", &path))?)
    }

    /// Whether a generation was verified whole, as it lies on this disk now.
    pub fn is_verified(&self, generation: u64) -> bool {
        verified::is_noted(&self.generation_dir(generation))
    }

    /// Notes that a generation was verified whole, so that it need not be again. Needs permission to write.
    pub fn note_verified(&self, generation: u64) -> Result<()> {
        verified::note(&*self.files, &self.generation_dir(generation))
    }

    /// A file that was written beside a generation with [`Staging::write`], if it is there.
    pub fn read_beside(&self, generation: u64, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.generation_dir(generation).join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// What happened to this store.
    pub fn history(&self) -> Result<History> {
        History::read(&self.dir)
    }

    /// The generation that going back from this one leads to: the one it replaced, or else the greatest below it.
    pub fn previous_of(&self, generation: u64) -> Result<Option<u64>> {
        let have = self.generations()?;
        // A record that cannot be read must not keep anybody from going back.
        let replaced = self.record(generation).ok().flatten().and_then(|record| record.previous);
        let below = have.iter().copied().rfind(|&other| other < generation);
        Ok(replaced.filter(|replaced| have.contains(replaced) && *replaced != generation).or(below))
    }

    /// Takes the right to change the store, or fails at once and says who has it. `doing` is what others are told.
    pub fn write(&self, by: &Author, doing: &str) -> Result<Writer> {
        Writer::new(self.clone(), by.clone(), doing)
    }
}

/// Whether opening failed because the generation is not where it was.
fn is_gone(error: &Error) -> bool {
    match error {
        Error::Removed { .. } => true,
        Error::Io { source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    }
}
