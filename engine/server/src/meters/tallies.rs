//! What the layers below count while they work, for whoever reads the meters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::rebuild::{RebuildState, RebuildStatus};
use crate::write_back::WriteBackReport;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Rules that were compiled before, or were not.
    pub(crate) rules: CacheUse,
    /// Counts that were known, or were not.
    pub(crate) counts: CacheUse,
    /// Heavy questions that took longer than `serve.slow_rule_ms`.
    pub(crate) slow: AtomicU64,
    swaps: AtomicU64,
    /// Of the last one, in nanoseconds.
    swap_nanos: AtomicU64,
    rebuilds: Mutex<Rebuilds>,
    write_back: Mutex<WriteBackTally>,
}

/// Members of labels that were written elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct WriteBackTally {
    /// Labels, in the order of [`WRITTEN`].
    pub(super) labels: [u64; 4],
    /// Users that were written.
    pub(super) users: u64,
    /// Whether something was not written the last time.
    pub(super) problem: bool,
    /// When everything was there last.
    pub(super) complete: Option<Timestamp>,
    /// How long the last time took.
    pub(super) took: Option<Duration>,
}

/// What became of a label, as [`WriteBackTally::labels`] orders it.
pub(super) const WRITTEN: [&str; 4] = ["written", "unchanged", "removed", "failed"];

/// How often a cache knew the answer.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CacheUse {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// Rebuilds that have ended, by how: published, held, failed.
#[derive(Debug, Default)]
struct Rebuilds {
    /// When the one began that was counted last.
    counted: Option<Timestamp>,
    ended: [Ended; 3],
}

/// Rebuilds that ended in one way.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Ended {
    /// How many.
    pub(super) count: u64,
    /// How long the last one took, in seconds; nothing if there was none.
    pub(super) seconds: Option<f64>,
}

/// What rebuilds that ended are called, as [`Tallies::rebuilds`] orders them.
pub(super) const RESULTS: [&str; 3] = ["published", "held", "failed"];

impl CacheUse {
    /// The cache was asked.
    pub(crate) fn asked(&self, known: bool) {
        let counter = if known { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }
}

impl Tallies {
    /// A generation came into service, after it was opened, verified and warmed for so long.
    pub(crate) fn swapped(&self, took: Duration) {
        self.swap_nanos.store(took.as_nanos() as u64, Ordering::Relaxed);
        self.swaps.fetch_add(1, Ordering::Relaxed);
    }

    /// How many came into service, and how long the last one took.
    pub(super) fn swaps(&self) -> (u64, Duration) {
        (self.swaps.load(Ordering::Relaxed), Duration::from_nanos(self.swap_nanos.load(Ordering::Relaxed)))
    }

    /// Counts a rebuild, once it has ended. The same one may be told any number of times.
    pub(crate) fn rebuilt(&self, status: &RebuildStatus) {
        let at = match status.state {
            RebuildState::Running => return,
            RebuildState::Published => 0,
            RebuildState::Held => 1,
            RebuildState::Failed => 2,
        };
        let mut rebuilds = self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner);
        if rebuilds.counted == Some(status.started) {
            return;
        }
        rebuilds.counted = Some(status.started);
        rebuilds.ended[at].count += 1;
        rebuilds.ended[at].seconds =
            status.ended.map(|ended| ended.duration_since(status.started).as_secs_f64());
    }

    /// Members of labels were written elsewhere, or could not be at all.
    pub(crate) fn written_back(&self, report: Option<&WriteBackReport>, complete: bool, took: Duration) {
        let mut tally = self.write_back.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(report) = report {
            let failed = report.failed.len() as u64 + u64::from(report.ended.is_some());
            for (all, more) in
                tally.labels.iter_mut().zip([report.written, report.unchanged, report.removed, failed])
            {
                *all += more;
            }
            tally.users += report.users;
        }
        (tally.problem, tally.took) = (!complete, Some(took));
        if complete {
            tally.complete = Some(Timestamp::now());
        }
    }

    /// What was written.
    pub(super) fn write_back(&self) -> WriteBackTally {
        *self.write_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rebuilds that ended, in the order of [`RESULTS`].
    pub(super) fn rebuilds(&self) -> [Ended; 3] {
        self.rebuilds.lock().unwrap_or_else(PoisonError::into_inner).ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rebuild_counts_once_and_only_when_it_has_ended() {
        let tallies = Tallies::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut status = RebuildStatus {
            state: RebuildState::Running,
            started: at(100),
            ended: None,
            generation: None,
            problem: None,
            phase: None,
        };
        tallies.rebuilt(&status);
        assert_eq!(tallies.rebuilds(), [Ended::default(); 3]);
        (status.state, status.ended) = (RebuildState::Held, Some(at(107)));
        tallies.rebuilt(&status);
        tallies.rebuilt(&status);
        let held = Ended { count: 1, seconds: Some(7.0) };
        assert_eq!(tallies.rebuilds(), [Ended::default(), held, Ended::default()]);
        (status.started, status.state) = (at(200), RebuildState::Published);
        (status.ended) = Some(at(203));
        tallies.rebuilt(&status);
        assert_eq!(tallies.rebuilds(), [Ended { count: 1, seconds: Some(3.0) }, held, Ended::default()]);
    }
}
