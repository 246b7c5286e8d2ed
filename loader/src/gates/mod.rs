//! Gates: what a new generation must not differ in from the one in service, or a person decides.
//!
//! Measures and judges; never publishes, removes or changes anything. `docs/publishing.md` says what each gate measures and why.

mod change;
mod columns;
mod config;
mod rules;
#[cfg(test)]
mod tests;
mod text;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_engine::error::Error;
use muster_engine::rule::bind::QueryError;
use muster_engine::snapshot::{Snapshot, Store};
use serde::{Deserialize, Serialize};

use crate::error::{LoadError, Result};

pub use config::{ColumnGates, Floors, GateConfig, Threshold, WatchedRule};
pub use verdict::{Check, Figure, Gate, Verdict};

pub(crate) use config::{COLUMN_GATE_KEYS, FLOOR_KEYS, GATE_KEYS, GATE_VARIABLES};

/// The file beside a generation with what was measured of it and how it was judged.
pub const GATES_FILE: &str = "gates.json";

/// Texts that are not JSON of their kind, by column.
pub type Malformed = BTreeMap<String, u64>;

/// What [`GATES_FILE`] holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What the next build compares with; the rest it finds in the snapshot.
    pub malformed_json: Malformed,
    /// How it was judged.
    pub verdict: Verdict,
}

impl Judged {
    /// What is known of a generation, if anything.
    pub fn read(store: &Store, generation: u64) -> Result<Option<Self>> {
        let Some(text) = store.read_beside(generation, GATES_FILE)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let path = store.generation_dir(generation).join(GATES_FILE);
            LoadError::Source(format!("{} can't be read: {error}; remove it or build again.", path.display()))
        })
    }

    /// The content of the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).map_err(|error| LoadError::Source(error.to_string()))
    }
}

/// A generation as the gates see it.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Its data.
    pub snapshot: Arc<Snapshot>,
    /// Its texts that are not JSON of their kind; `None` if nobody kept the count.
    pub malformed: Option<Malformed>,
}

/// What a new generation is compared with.
#[derive(Debug, Clone)]
pub enum Before {
    /// Nothing is in service.
    Nothing,
    /// The generation in service.
    Generation(Generation),
    /// There is one in service, but it can't be read.
    Unreadable {
        /// Its number, if that can be.
        generation: Option<u64>,
        /// Why.
        why: String,
    },
}

impl Before {
    /// What is in service in a store.
    pub fn of(store: &Store) -> Self {
        let generation = match store.current_generation() {
            Ok(None) => return Self::Nothing,
            Ok(Some(generation)) => generation,
            Err(error) => return Self::Unreadable { generation: None, why: error.to_string() },
        };
        match store.generation(generation) {
            Ok(snapshot) => {
                // A count that is lost is not compared; it is no reason to hold anything back.
                let judged = Judged::read(store, generation).ok().flatten();
                Self::Generation(Generation {
                    snapshot,
                    malformed: judged.map(|judged| judged.malformed_json),
                })
            }
            Err(error) => Self::Unreadable { generation: Some(generation), why: error.to_string() },
        }
    }
}

/// The gates of a store, ready to judge.
#[derive(Debug, Clone)]
pub struct Gates {
    config: GateConfig,
    /// The rules whose counts are compared: those of the configuration, and whatever the caller adds.
    pub rules: Vec<WatchedRule>,
}

impl Gates {
    /// Reads the list of rules that the configuration names, so that what is wrong with it is found before a build begins.
    pub fn new(config: &GateConfig) -> Result<Self> {
        let rules = config.watched()?;
        for rule in &rules {
            rules::check(rule)?;
        }
        Ok(Self { config: config.clone(), rules })
    }

    /// Compares a new generation with the one in service. Fails only if the new one can't be read.
    pub fn judge(&self, before: &Before, new: &Generation) -> Result<Verdict> {
        if !self.config.enabled {
            return Ok(Verdict::default());
        }
        match before {
            Before::Nothing => {
                let checks = rules::compare(self, None, &new.snapshot)?;
                // There is nothing that a count could have moved from; one that can't be had is a mistake all the same.
                Ok(Verdict::new(None, checks.into_iter().filter(|check| check.trips).collect()))
            }
            Before::Unreadable { generation, why } => {
                Ok(Verdict::new(*generation, vec![Check::unreadable(*generation, why)]))
            }
            Before::Generation(old) => match self.compare(old, new) {
                Ok(checks) => Ok(Verdict::new(Some(old.snapshot.generation()), checks)),
                Err(Side::Old(error)) => {
                    let generation = Some(old.snapshot.generation());
                    let check = Check::unreadable(generation, &error.to_string());
                    Ok(Verdict::new(generation, vec![check]))
                }
                Err(Side::New(error)) => Err(error),
            },
        }
    }

    fn compare(&self, old: &Generation, new: &Generation) -> Result<Vec<Check>, Side> {
        let config = &self.config;
        // The new one was built without those who were erased.
        let rows = (old.snapshot.users(), new.snapshot.users());
        let mut checks = Vec::new();
        let threshold = config.threshold(Gate::Rows, None);
        checks.extend(Check::of_counts(Gate::Rows, None, rows, threshold, config.floors.rows as f64));
        checks.extend(columns::compare(config, old, new)?);
        // Counted in the old one first: damage there is not the new one's fault.
        let counted = rules::counts(&self.rules, &old.snapshot).map_err(Side::Old)?;
        checks.extend(rules::compare(self, Some(counted), &new.snapshot).map_err(Side::New)?);
        Ok(checks)
    }
}

/// Which of two generations can't be read.
enum Side {
    Old(LoadError),
    New(LoadError),
}

impl Side {
    fn old(error: Error) -> Self {
        Self::Old(error.into())
    }
}

fn store_error(error: QueryError) -> LoadError {
    match error {
        QueryError::Store(error) => error.into(),
        QueryError::Rule(error) => LoadError::Config(error.to_string()),
    }
}
