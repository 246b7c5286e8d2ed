//! Whether users are on the disk: in the files themselves, whatever the masks say.

use super::names::{Entry, State, entries};
use super::{OPENED_ANEW_MAX, Store, is_gone};
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;

/// Which of some users a generation's files have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The generation.
    pub generation: u64,
    /// Whether it is held back.
    pub held: bool,
    /// The users, ascending.
    pub users: Vec<u64>,
}

/// Where users were looked for, and where they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presences {
    /// Every generation, published or held back.
    pub generations: Vec<Presence>,
    /// Folders that could not be looked into, because they are being written or removed, or were when a process died.
    pub unfinished: Vec<String>,
}

impl Store {
    /// Looks each user up in every generation on the disk, published or held back.
    pub fn presences(&self, users: &[u64]) -> Result<Presences> {
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        let mut tries = 0;
        loop {
            match self.look_for(&users) {
                // Published, removed or renamed meanwhile: what is there now has to be looked at.
                Err(error) if is_gone(&error) && tries < OPENED_ANEW_MAX => tries += 1,
                found => return found,
            }
        }
    }

    fn look_for(&self, users: &[u64]) -> Result<Presences> {
        let mut found = Presences::default();
        let before = entries(&self.dir)?;
        for &entry in &before {
            match entry.state {
                State::Published | State::Held => {
                    let snapshot = Snapshot::open(&self.dir_of(entry))?;
                    // All of it, not what a lookup happens to read: this is to be relied on.
                    snapshot.ids().prepare()?;
                    let mut there = Vec::new();
                    for &user in users {
                        there.extend(snapshot.ids().row(user)?.map(|_| user));
                    }
                    let held = entry.state == State::Held;
                    found.generations.push(Presence { generation: entry.generation, held, users: there });
                }
                State::Staging | State::Removing => found.unfinished.push(entry.name()),
            }
        }
        let after = entries(&self.dir)?;
        if before != after {
            let changed = |entry: &&Entry| !before.contains(entry);
            let first = after.iter().find(changed).or(before.first()).map_or(0, |entry| entry.generation);
            return Err(Error::Removed { path: self.dir_of(Entry::new(first, State::Published)) });
        }
        Ok(found)
    }
}
