//! What the gates found: a check for everything that was compared, worst first.

use serde::{Deserialize, Serialize};

use super::change;
use super::config::Threshold;

/// Everything that was compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The generation that was in service; none if there was none, or if the gates are switched off.
    pub compared_with: Option<u64>,
    /// Worst first.
    pub checks: Vec<Check>,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// By which gate.
    pub gate: Gate,
    /// Of which column or rule.
    pub of: Option<String>,
    /// What it was.
    pub before: Option<Figure>,
    /// What it is.
    pub after: Option<Figure>,
    /// By how much it moved, as a share; none if that has no limit or is no number.
    pub change: Option<f64>,
    /// By how much it may move.
    pub allowed: Option<f64>,
    /// Whether it holds the build back.
    pub trips: bool,
    /// What the figures don't say.
    pub note: Option<String>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Whether there is something to compare with.
    InService,
    /// The number of users.
    Rows,
    /// The columns and their types.
    Schema,
    /// A column's share of users without a value.
    NullRate,
    /// A column's distinct values, elements or keys.
    Distinct,
    /// A JSON column's share of texts that are not JSON of its kind.
    MalformedJson,
    /// A rule's number of users.
    RuleCounts,
}

/// A figure of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figure {
    /// So many.
    Count(u64),
    /// A part of a whole, between 0 and 1.
    Share(f64),
    /// A type.
    Text(String),
}

impl Gate {
    /// Its name, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::InService => "in_service",
            Self::Rows => "rows",
            Self::Schema => "schema",
            Self::NullRate => "null_rate",
            Self::Distinct => "distinct",
            Self::MalformedJson => "malformed_json",
            Self::RuleCounts => "rule",
        }
    }
}

impl Verdict {
    pub(super) fn new(compared_with: Option<u64>, mut checks: Vec<Check>) -> Self {
        checks.sort_by(|a, b| {
            let severity = b.severity().partial_cmp(&a.severity()).unwrap_or(std::cmp::Ordering::Equal);
            severity.then_with(|| (a.gate, &a.of).cmp(&(b.gate, &b.of)))
        });
        Self { compared_with, checks }
    }

    /// Whether the build is to be held back.
    pub fn holds(&self) -> bool {
        self.checks.iter().any(|check| check.trips)
    }

    /// What trips, in a line: for a history or an alert.
    pub fn reason(&self) -> String {
        const NAMED_MAX: usize = 5;
        let tripped: Vec<&Check> = self.checks.iter().filter(|check| check.trips).collect();
        let mut names: Vec<String> = tripped.iter().take(NAMED_MAX).map(|check| check.name()).collect();
        if tripped.len() > NAMED_MAX {
            names.push(format!("{} more", tripped.len() - NAMED_MAX));
        }
        format!("{} of {} checks: {}", tripped.len(), self.checks.len(), names.join(", "))
    }
}

impl Check {
    /// A count, before and after; nothing where the gate is off.
    pub(super) fn of_counts(
        gate: Gate,
        of: Option<&str>,
        (before, after): (u64, u64),
        threshold: Threshold,
        floor: f64,
    ) -> Option<Self> {
        let Threshold::Share(allowed) = threshold else { return None };
        let moved = change::of_count(before, after);
        Some(Self {
            gate,
            of: of.map(str::to_owned),
            before: Some(Figure::Count(before)),
            after: Some(Figure::Count(after)),
            change: Some(moved).filter(|moved| moved.is_finite()),
            allowed: Some(allowed),
            trips: change::too_far(moved, allowed, before.abs_diff(after) as f64, floor),
            note: None,
        })
    }

    /// A share, before and after, that moved by so much; nothing where the gate is off.
    pub(super) fn of_shares(
        gate: Gate,
        of: &str,
        (before, after): (f64, f64),
        moved: f64,
        threshold: Threshold,
        floor: f64,
    ) -> Option<Self> {
        let Threshold::Share(allowed) = threshold else { return None };
        Some(Self {
            gate,
            of: Some(of.to_owned()),
            before: Some(Figure::Share(before)),
            after: Some(Figure::Share(after)),
            change: Some(moved).filter(|moved| moved.is_finite()),
            allowed: Some(allowed),
            trips: change::too_far(moved, allowed, after - before, floor),
            note: None,
        })
    }

    /// What is no number.
    pub(super) fn of_words(gate: Gate, of: Option<&str>, trips: bool, note: Option<String>) -> Self {
        let of = of.map(str::to_owned);
        Self { gate, of, before: None, after: None, change: None, allowed: None, trips, note }
    }

    /// The generation in service can't be read.
    pub(super) fn unreadable(generation: Option<u64>, why: &str) -> Self {
        let name = generation.map(|generation| format!("generation {generation}"));
        let note = format!("can't be read, so nothing is compared: {why}");
        Self::of_words(Gate::InService, name.as_deref(), true, Some(note))
    }

    /// What was compared, in words and on one line.
    pub fn name(&self) -> String {
        let of = self.of.as_deref().unwrap_or_default();
        std::iter::once(self.gate.name()).chain(of.split_whitespace()).collect::<Vec<_>>().join(" ")
    }

    /// Whether there is anything to tell.
    pub fn moved(&self) -> bool {
        self.trips || self.before != self.after || self.note.is_some()
    }

    /// What trips before what does not, then by how many times the allowed change it moved.
    fn severity(&self) -> (bool, f64) {
        let times = match (self.change, self.allowed) {
            (Some(change), Some(allowed)) if allowed > 0.0 => change.abs() / allowed,
            (Some(0.0), _) => 0.0,
            _ if self.moved() => f64::INFINITY,
            _ => 0.0,
        };
        (self.trips, times)
    }
}
