//! What ran: a small file in the store, one run a line, the newest last. Written as a whole and renamed, so it is never half.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{LoadError, Result};

const FILE: &str = "schedule.jsonl";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has not ended.
    Running,
    /// A new generation is in service.
    Published,
    /// A generation was built, and a person has to decide about it.
    Held,
    /// No generation was built, also after retries.
    Failed,
    /// It did not begin, because the one before had not ended.
    Skipped,
    /// It was ended, or the process or the machine was.
    Interrupted,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Published => "published",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Interrupted => "interrupted",
        })
    }
}

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its time came.
    Time,
    /// Its time had passed while nobody was there.
    Missed,
    /// Somebody said so.
    Once,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it should have begun.
    #[serde(with = "as_text")]
    pub due: Timestamp,
    /// Why it began.
    pub cause: Cause,
    /// When it began.
    #[serde(with = "as_text")]
    pub started: Timestamp,
    /// When it ended.
    #[serde(with = "as_text_or_null")]
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// How often a build was started for it.
    pub attempts: u32,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// Figures of the last build's report.
    #[serde(default)]
    pub report: Map<String, Value>,
}

impl Run {
    /// The generation it made, published or held back.
    pub fn generation(&self) -> Option<u64> {
        self.report.get("generation").and_then(Value::as_u64)
    }
}

/// The runs of a store's schedule.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    keep: usize,
    runs: Vec<Run>,
}

impl History {
    /// Reads what is there. A line that cannot be read is left out: nothing of weight depends on it.
    pub fn open(store: &Path, keep: usize) -> Result<Self> {
        let path = store.join(FILE);
        let runs = match std::fs::read_to_string(&path) {
            Ok(text) => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(LoadError::io(&path)(error)),
        };
        Ok(Self { path, keep: keep.max(1), runs })
    }

    /// The runs, the newest last.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The newest run that ended by itself, well or not.
    pub(super) fn last_ended(&self) -> Option<&Run> {
        let ended = |run: &&Run| matches!(run.outcome, Outcome::Published | Outcome::Held | Outcome::Failed);
        self.runs.iter().rev().find(ended)
    }

    /// Runs that never ended belong to a process that is gone.
    pub(super) fn close_open(&mut self) -> Result<()> {
        let mut changed = false;
        for run in self.runs.iter_mut().filter(|run| run.outcome == Outcome::Running) {
            run.outcome = Outcome::Interrupted;
            run.error = Some("the process or the machine ended in the middle of it".to_owned());
            changed = true;
        }
        if changed { self.write() } else { Ok(()) }
    }

    /// Adds a run.
    pub(super) fn add(&mut self, run: Run) -> Result<()> {
        self.runs.push(run);
        let beyond = self.runs.len().saturating_sub(self.keep);
        self.runs.drain(..beyond);
        self.write()
    }

    /// Replaces the newest run, which went on.
    pub(super) fn update(&mut self, run: Run) -> Result<()> {
        self.runs.pop();
        self.add(run)
    }

    fn write(&self) -> Result<()> {
        let aside = self.path.with_extension("jsonl.tmp");
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&aside)?;
            for run in &self.runs {
                serde_json::to_writer(&mut file, run)?;
                file.write_all(b"\n")?;
            }
            file.sync_all()?;
            std::fs::rename(&aside, &self.path)
        };
        write().map_err(LoadError::io(&self.path))
    }
}

/// Instants as RFC 3339.
mod as_text {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The same, where there may be none.
mod as_text_or_null {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    // Serde hands over a reference to the field.
    #[allow(clippy::ref_option)]
    pub(super) fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        time.as_ref().map(Timestamp::to_string).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}
