//! Removing generations that are not kept. Never the one in service, nor what going back from it needs, nor what a reader has open.

use serde::{Deserialize, Serialize};

use super::history::EventKind;
use super::names::{Entry, GENERATIONS, State};
use super::pin::{Claim, claim};
use super::writer::Writer;
use crate::error::{Error, Result};

/// How many generations are kept; the newest are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// Published ones.
    pub generations: usize,
    /// Held back ones.
    pub held: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { generations: 7, held: 3 }
    }
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Generations that are gone.
    pub removed: Vec<u64>,
    /// Those that would be, but somebody reads them.
    pub pinned: Vec<u64>,
    /// Those that could not be removed, with why.
    pub failed: Vec<String>,
}

impl Writer {
    /// Removes what is not kept, and what a process that died left behind.
    pub fn collect(&mut self, keep: Keep) -> Result<Collected> {
        self.clean()?;
        let mut collected = Collected::default();
        for entry in self.not_kept(keep)? {
            match self.remove(entry) {
                Ok(true) => {
                    self.log(EventKind::Collect, entry.generation, None, None);
                    collected.removed.push(entry.generation);
                }
                Ok(false) => collected.pinned.push(entry.generation),
                Err(error) => collected.failed.push(error.to_string()),
            }
        }
        Ok(collected)
    }

    fn not_kept(&self, keep: Keep) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        // Without a generation in service there is none that is surely not needed.
        if let Some(current) = self.in_service() {
            let needed = [Some(current), self.store.previous_of(current)?];
            let published = self.store.generations()?;
            let old = published.iter().rev().skip(keep.generations);
            let old = old.filter(|&&generation| !needed.contains(&Some(generation)));
            entries.extend(old.map(|&generation| Entry::new(generation, State::Published)));
        }
        let held = self.store.held()?;
        let old = held.iter().rev().skip(keep.held);
        entries.extend(old.map(|&generation| Entry::new(generation, State::Held)));
        entries.sort_unstable_by_key(|entry| entry.generation);
        Ok(entries)
    }

    /// Removes a generation unless it is pinned; returns whether it did.
    pub(super) fn remove(&mut self, entry: Entry) -> Result<bool> {
        let dir = self.store.dir_of(entry);
        let claimed = match claim(&dir) {
            Claim::Free(claimed) => claimed,
            Claim::Pinned => return Ok(false),
            Claim::Unknown(error) => return Err(Error::io("lock", &dir)(error)),
        };
        let files = &self.store.files;
        let removing = self.store.dir_of(Entry::new(entry.generation, State::Removing));
        files.rename(&dir, &removing)?;
        // Else a crash could bring its name back over half of its files.
        files.sync_dir(&self.store.dir.join(GENERATIONS))?;
        // Who waits to pin it sees that it has gone, and need not wait for the files to go.
        drop(claimed);
        files.remove_tree(&removing)?;
        Ok(true)
    }
}
