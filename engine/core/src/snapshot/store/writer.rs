//! The right to change a store: staging, publishing, holding back, going back.
//!
//! The order of steps is that of the table in `docs/publishing.md`; every crash in between leaves a store that opens.

use std::path::{Path, PathBuf};

use super::Store;
use super::history::{self, Event, EventKind};
use super::lock::{Author, WriterLock};
use super::names::{
    BUILD, CURRENT, CURRENT_ASIDE, Entry, GENERATIONS, LOCK, RECORD, RECORD_ASIDE, State, entries,
};
use super::record::Record;
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;

/// The one who may change a store. Dropped, it frees the store for others.
#[derive(Debug)]
pub struct Writer {
    pub(super) store: Store,
    by: Author,
    doing: String,
    warnings: Vec<String>,
    _lock: WriterLock,
}

/// A generation in the making. Dropped without being published or held back, it is removed. Meanwhile others may change what is
/// in the store, but not make another one.
#[derive(Debug)]
pub struct Staging {
    // Before the lock: the folder goes while that is still held.
    folder: Folder,
    store: Store,
    by: Author,
    doing: String,
    generation: u64,
    _build: WriterLock,
}

/// The staging folder. Published or held back, it has another name, so that nothing is removed.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: what stays is removed by the next writer.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Another generation went into service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The one that was in service, if any.
    pub from: Option<u64>,
    /// The one that is.
    pub to: u64,
}

impl Writer {
    pub(super) fn new(store: Store, by: Author, doing: &str) -> Result<Self> {
        let lock = WriterLock::take(&store.dir, LOCK, &by, doing)?;
        Ok(Self::with(store, by, doing.to_owned(), lock))
    }

    fn with(store: Store, by: Author, doing: String, lock: WriterLock) -> Self {
        let mut writer = Self { store, by, doing, warnings: Vec::new(), _lock: lock };
        writer.recover_history();
        writer
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What went wrong without keeping anything from happening, such as a history that cannot be written.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Starts a new generation, after clearing away what a process that died left behind.
    pub fn stage(mut self) -> Result<Staging> {
        let build = self.build_lock()?;
        self.clean_all()?;
        let generation = self.next_generation()?;
        self.staging(generation, build)
    }

    /// Starts a generation that was built elsewhere, under the number it has there; otherwise as [`Writer::stage`].
    pub fn stage_as(mut self, generation: u64) -> Result<Staging> {
        let build = self.build_lock()?;
        self.clean_all()?;
        if entries(&self.store.dir)?.iter().any(|entry| entry.generation == generation) {
            return Err(Error::input(format!("generation {generation} is in the store already")));
        }
        self.staging(generation, build)
    }

    fn build_lock(&self) -> Result<WriterLock> {
        WriterLock::take(&self.store.dir, BUILD, &self.by, &self.doing)
    }

    fn staging(self, generation: u64, build: WriterLock) -> Result<Staging> {
        let dir = self.store.dir_of(Entry::new(generation, State::Staging));
        self.store.files.create_dir(&dir)?;
        let Self { store, by, doing, .. } = self;
        Ok(Staging { folder: Folder(dir), store, by, doing, generation, _build: build })
    }

    /// Puts another published generation into service: the one named, or the one that the current one replaced.
    pub fn rollback(&mut self, to: Option<u64>, reason: Option<&str>) -> Result<Moved> {
        let have = self.store.generations()?;
        let from = self.in_service();
        let target = match to {
            Some(wanted) if have.contains(&wanted) => wanted,
            Some(wanted) if self.store.held()?.contains(&wanted) => {
                return Err(Error::input(format!(
                    "generation {wanted} is held back; publish it with `muster publish --generation {wanted}`"
                )));
            }
            Some(wanted) => return Err(self.store.no_generation(wanted)),
            None => self.earlier(from, &have)?,
        };
        // A generation that cannot be opened must not go into service.
        Snapshot::open(&self.store.dir_of(Entry::new(target, State::Published)))?;
        self.write_current_aside(target)?;
        self.replace_current()?;
        self.log(EventKind::Rollback, target, from, reason);
        Ok(Moved { from, to: target })
    }

    fn earlier(&self, from: Option<u64>, have: &[u64]) -> Result<u64> {
        let earlier = match from {
            Some(current) => self.store.previous_of(current)?,
            None => have.last().copied(),
        };
        earlier.ok_or_else(|| {
            let current = from.map_or("nothing".to_owned(), |c| format!("generation {c}"));
            Error::input(format!("{current} is in service and the store holds nothing earlier to go back to"))
        })
    }

    /// Publishes a generation that was held back: the one named, or the newest if nothing newer was published since.
    pub fn publish_held(&mut self, generation: Option<u64>, reason: &str) -> Result<Moved> {
        let target = self.held(generation)?;
        let newer = self.store.generations()?.into_iter().rfind(|&published| published > target);
        if let (None, Some(newer)) = (generation, newer) {
            return Err(Error::input(format!(
                "generation {newer} was published since generation {target} was held back; give \
                 `--generation {target}` to put the older data into service, or discard it"
            )));
        }
        let held = self.store.dir_of(Entry::new(target, State::Held));
        Snapshot::open(&held)?;
        let from = self.in_service();
        let record = self.record(EventKind::Accept, from, Some(reason)).to_bytes()?;
        let files = &self.store.files;
        files.write(&held.join(RECORD_ASIDE), &record)?;
        files.rename(&held.join(RECORD_ASIDE), &held.join(RECORD))?;
        files.sync_dir(&held)?;
        self.enter_service(&held, target)?;
        self.log(EventKind::Accept, target, from, Some(reason));
        Ok(Moved { from, to: target })
    }

    /// Removes a generation that was held back: the one named, or the newest. Returns which.
    pub fn discard(&mut self, generation: Option<u64>, reason: Option<&str>) -> Result<u64> {
        let target = self.held(generation)?;
        if !self.remove(Entry::new(target, State::Held))? {
            return Err(Error::input(format!(
                "generation {target} is being read by another process; end that and discard it then"
            )));
        }
        self.log(EventKind::Discard, target, None, reason);
        Ok(target)
    }

    /// The held generation that is meant.
    fn held(&self, wanted: Option<u64>) -> Result<u64> {
        let held = self.store.held()?;
        match wanted {
            Some(wanted) if held.contains(&wanted) => Ok(wanted),
            Some(wanted) => Err(Error::NotHeld { wanted: Some(wanted), held }),
            None => held.last().copied().ok_or(Error::NotHeld { wanted: None, held }),
        }
    }

    /// Gives a complete folder its published name and puts it into service. If that fails, all is as it was.
    fn enter_service(&self, from: &Path, generation: u64) -> Result<()> {
        let files = &self.store.files;
        let to = self.store.dir_of(Entry::new(generation, State::Published));
        // Before anything is renamed: if there is no room on the disk, this is where it shows.
        self.write_current_aside(generation)?;
        files.rename(from, &to)?;
        let synced = files.sync_dir(&self.store.dir.join(GENERATIONS));
        if let Err(error) = synced.and_then(|()| self.replace_current()) {
            // Once CURRENT names it, it stays.
            if self.in_service() != Some(generation) {
                let _ = files.rename(&to, from);
            }
            return Err(error);
        }
        Ok(())
    }

    fn write_current_aside(&self, generation: u64) -> Result<()> {
        let aside = self.store.dir.join(CURRENT_ASIDE);
        self.store.files.write(&aside, format!("{generation}\n").as_bytes())
    }

    fn replace_current(&self) -> Result<()> {
        let (files, dir) = (&self.store.files, &self.store.dir);
        files.rename(&dir.join(CURRENT_ASIDE), &dir.join(CURRENT))?;
        files.sync_dir(dir)
    }

    /// The generation in service. A `CURRENT` that is damaged names none, and is replaced by whatever is published.
    pub(super) fn in_service(&self) -> Option<u64> {
        self.store.current_generation().ok().flatten()
    }

    fn next_generation(&self) -> Result<u64> {
        let in_folder = entries(&self.store.dir)?.last().map(|entry| entry.generation);
        let in_history = self.store.history()?.events.iter().map(|event| event.generation).max();
        Ok(in_folder.max(in_history).max(self.in_service()).map_or(1, |last| last + 1))
    }

    /// Clears away what a process that died left behind; a generation in the making only if nobody makes it any more.
    pub(super) fn clean(&mut self) -> Result<()> {
        match self.build_lock() {
            Ok(_build) => self.clean_all(),
            Err(Error::Locked { .. }) => self.clean_states(&[State::Removing]),
            Err(error) => Err(error),
        }
    }

    /// The same for whoever has both locks, and so knows that nobody works on any of it.
    fn clean_all(&mut self) -> Result<()> {
        self.clean_states(&[State::Staging, State::Removing])
    }

    fn clean_states(&mut self, states: &[State]) -> Result<()> {
        for entry in entries(&self.store.dir)? {
            if states.contains(&entry.state) {
                self.store.files.remove_tree(&self.store.dir_of(entry))?;
                let reason = format!("{} was left by a process that died", entry.name());
                self.log(EventKind::Clean, entry.generation, None, Some(&reason));
            }
        }
        let aside = self.store.dir.join(CURRENT_ASIDE);
        if aside.exists() { self.store.files.remove_file(&aside) } else { Ok(()) }
    }

    /// A writer that died between replacing `CURRENT` and writing its line left a history that names another generation.
    fn recover_history(&mut self) {
        let named = match self.store.history() {
            Ok(history) => history.in_service(),
            Err(error) => return self.warnings.push(error.to_string()),
        };
        if let Some(current) = self.in_service().filter(|&current| named != Some(current)) {
            self.log(EventKind::Recover, current, named, None);
        }
    }

    /// Adds to the history. It tells what has happened, so failing here undoes nothing.
    pub(super) fn log(
        &mut self,
        event: EventKind,
        generation: u64,
        before: Option<u64>,
        reason: Option<&str>,
    ) {
        let event = Event {
            at: (self.by.clock)(),
            event,
            generation,
            before,
            reason: reason.map(str::to_owned),
            user: self.by.user.clone(),
            host: self.by.host.clone(),
            pid: std::process::id(),
        };
        if let Err(error) = history::append(&*self.store.files, &self.store.dir, &event) {
            self.warnings.push(format!("the history lacks a line: {error}"));
        }
    }

    fn record(&self, event: EventKind, previous: Option<u64>, reason: Option<&str>) -> Record {
        Record {
            event,
            at: (self.by.clock)(),
            previous,
            reason: reason.map(str::to_owned),
            user: self.by.user.clone(),
            host: self.by.host.clone(),
        }
    }
}

impl Staging {
    /// Where the snapshot is to be written.
    pub fn dir(&self) -> &Path {
        &self.folder.0
    }

    /// The store it will be in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The generation this will be.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes a file beside the snapshot, for [`Store::read_beside`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.store.files.write(&self.dir().join(name), bytes)
    }

    /// Puts the complete snapshot into service. `accepted` says why, if it would have been held back.
    pub fn publish(self, accepted: Option<&str>) -> Result<Writer> {
        let event = if accepted.is_some() { EventKind::Accept } else { EventKind::Publish };
        let mut writer = self.writer()?;
        self.complete(&writer, event, accepted)?;
        let from = writer.in_service();
        writer.enter_service(self.dir(), self.generation)?;
        writer.log(event, self.generation, from, accepted);
        Ok(writer)
    }

    /// Keeps the complete snapshot for a person to decide. What is in service stays.
    pub fn hold(self, reason: &str) -> Result<Writer> {
        let mut writer = self.writer()?;
        self.complete(&writer, EventKind::Hold, Some(reason))?;
        let store = &self.store;
        store.files.rename(self.dir(), &store.dir_of(Entry::new(self.generation, State::Held)))?;
        store.files.sync_dir(&store.dir.join(GENERATIONS))?;
        writer.log(EventKind::Hold, self.generation, None, Some(reason));
        Ok(writer)
    }

    /// The right to change the store, once others have ended their changes.
    fn writer(&self) -> Result<Writer> {
        let lock = WriterLock::wait(&self.store.dir, LOCK, &self.by, &self.doing)?;
        Ok(Writer::with(self.store.clone(), self.by.clone(), self.doing.clone(), lock))
    }

    /// Writes the record and makes all files certain.
    fn complete(&self, writer: &Writer, event: EventKind, reason: Option<&str>) -> Result<()> {
        // Opening reads the manifest: an unfinished snapshot does not get further.
        Snapshot::open(self.dir())?;
        let record = writer.record(event, writer.in_service(), reason);
        self.write(RECORD, &record.to_bytes()?)?;
        self.store.files.sync_dir(self.dir())
    }
}
