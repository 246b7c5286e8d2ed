//! What happened to a store, for people and for those who watch it. Nothing is decided by it but which numbers are taken.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::names::HISTORY;
use crate::error::{Error, Result};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in Unix seconds.
    pub at: i64,
    /// What.
    pub event: EventKind,
    /// To which generation.
    pub generation: u64,
    /// Which one was in service before, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Why, if somebody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// By whom.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// By which process.
    pub pid: u32,
}

/// What can happen to a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// It went into service.
    Publish,
    /// It went into service although it would have been held back.
    Accept,
    /// It was held back.
    Hold,
    /// Held back, it was removed by somebody.
    Discard,
    /// It was put into service instead of a newer or older one.
    Rollback,
    /// It was removed, because no more are kept.
    Collect,
    /// What a process left that died was removed.
    Clean,
    /// It was found in service, and its line was lost.
    Recover,
}

impl EventKind {
    /// Whether the generation was in service after it.
    fn serves(self) -> bool {
        matches!(self, Self::Publish | Self::Accept | Self::Rollback | Self::Recover)
    }

    /// Its name, as in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Accept => "accept",
            Self::Hold => "hold",
            Self::Discard => "discard",
            Self::Rollback => "rollback",
            Self::Collect => "collect",
            Self::Clean => "clean",
            Self::Recover => "recover",
        }
    }
}

/// What is known of the past.
#[derive(Debug, Default)]
pub struct History {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Lines that cannot be read: their writer died, or somebody changed the file.
    pub unreadable: usize,
}

impl History {
    pub(super) fn read(store: &Path) -> Result<Self> {
        let path = store.join(HISTORY);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let mut history = Self::default();
        for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => history.events.push(event),
                Err(_) => history.unreadable += 1,
            }
        }
        Ok(history)
    }

    /// Which generation should be in service, by what happened.
    pub(super) fn in_service(&self) -> Option<u64> {
        self.events.iter().rev().find(|event| event.event.serves()).map(|event| event.generation)
    }
}

/// Adds an event. After half a line it starts a new one.
pub(super) fn append(files: &dyn Files, store: &Path, event: &Event) -> Result<()> {
    let path = store.join(HISTORY);
    let before = std::fs::read(&path).unwrap_or_default();
    let mut line = if before.last().is_some_and(|&byte| byte != b'\n') { vec![b'\n'] } else { Vec::new() };
    line.extend(serde_json::to_vec(event).map_err(|error| Error::input(error.to_string()))?);
    line.push(b'\n');
    files.append(&path, &line)?;
    if before.is_empty() {
        files.sync_dir(store)?;
    }
    Ok(())
}

/// Unix seconds as RFC 3339; a number where the calendar ends.
pub(super) fn time(unix_seconds: i64) -> String {
    jiff::Timestamp::from_second(unix_seconds).map_or_else(|_| unix_seconds.to_string(), |at| at.to_string())
}
