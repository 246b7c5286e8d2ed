//! What the entries of a store are called. Whatever is called otherwise is none of ours and is left alone.

use std::path::Path;

use crate::error::{Error, Result};

/// The number of the generation in service.
pub(super) const CURRENT: &str = "CURRENT";
/// The same, before it takes the place of the other.
pub(super) const CURRENT_ASIDE: &str = "CURRENT.tmp";
/// Locked by the one process that makes a generation, as long as it does.
pub(super) const BUILD: &str = "BUILD";
/// Locked by the one process that changes what is in the store, which takes an instant.
pub(super) const LOCK: &str = "LOCK";
/// Who is masked.
pub(super) const MASKS: &str = "masks.bin";
/// Locked by the one process that adds to it, which takes an instant.
pub(super) const MASKS_LOCK: &str = "MASKS";
/// What happened.
pub(super) const HISTORY: &str = "history.jsonl";
/// The folder of generations.
pub(super) const GENERATIONS: &str = "generations";
/// In a generation's folder: how it came there.
pub(super) const RECORD: &str = "record.json";
/// The same, before it takes the place of the other.
pub(super) const RECORD_ASIDE: &str = "record.json.tmp";

/// What a generation's folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Complete, and good for service.
    Published,
    /// Complete, and waiting for a person.
    Held,
    /// Being written.
    Staging,
    /// Being removed.
    Removing,
}

const SUFFIXES: [(State, &str); 4] = [
    (State::Published, ""),
    (State::Held, ".held"),
    (State::Staging, ".staging"),
    (State::Removing, ".removing"),
];

/// A folder in `generations/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) generation: u64,
    pub(super) state: State,
}

impl Entry {
    pub(super) fn new(generation: u64, state: State) -> Self {
        Self { generation, state }
    }

    /// The folder's name.
    pub(super) fn name(self) -> String {
        let suffix = SUFFIXES.iter().find(|(state, _)| *state == self.state).map_or("", |(_, suffix)| suffix);
        format!("{:010}{suffix}", self.generation)
    }

    /// What a folder of this name is. A name that we would not write is no generation: `generations/7` is somebody else's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (digits, suffix) = name.split_at(name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len()));
        let (state, _) = SUFFIXES.iter().find(|(_, known)| *known == suffix)?;
        let entry = Self::new(digits.parse().ok()?, *state);
        (entry.name() == name).then_some(entry)
    }
}

/// The entries of `generations/`, ascending.
pub(super) fn entries(store: &Path) -> Result<Vec<Entry>> {
    let dir = store.join(GENERATIONS);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(Error::io("list", &dir))? {
        let entry = entry.map_err(Error::io("list", &dir))?;
        entries.extend(entry.file_name().to_str().and_then(Entry::parse));
    }
    entries.sort_unstable_by_key(|entry| entry.generation);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for (state, _) in SUFFIXES {
            for generation in [0, 7, 9_999_999_999, u64::MAX] {
                let entry = Entry::new(generation, state);
                assert_eq!(Entry::parse(&entry.name()), Some(entry));
            }
        }
        assert_eq!(Entry::new(7, State::Held).name(), "0000000007.held");
        for other in ["7", "+000000007", "0000000007.bak", "00000000007", "lost+found", "", ".held"] {
            assert_eq!(Entry::parse(other), None, "{other}");
        }
    }
}
