//! How long things took, by buckets: counters of a fixed size, so that measuring neither allocates nor waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in nanoseconds: from a membership to the longest count.
const ENDS: [u64; 21] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// How often something took how long.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// By bucket, each for itself; the last is of all that took longer.
    counts: [AtomicU64; ENDS.len() + 1],
    nanos: AtomicU64,
}

/// A histogram as it is at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    /// Upper ends in seconds, and how many took that long at most.
    pub(super) buckets: Vec<(f64, u64)>,
    /// How many in all.
    pub(super) count: u64,
    /// Their times, added.
    pub(super) seconds: f64,
}

impl Histogram {
    /// Something took so long.
    pub(super) fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = ENDS.partition_point(|&end| end < nanos);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was added so far. The count is that of the buckets, so the two never contradict each other.
    pub(super) fn distribution(&self) -> Distribution {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(ENDS.len());
        for (at, found) in self.counts.iter().enumerate() {
            count += found.load(Ordering::Relaxed);
            if let Some(&end) = ENDS.get(at) {
                buckets.push((Duration::from_nanos(end).as_secs_f64(), count));
            }
        }
        let seconds = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        Distribution { buckets, count, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_whose_end_they_do_not_pass() {
        let histogram = Histogram::default();
        for nanos in [0, 10_000, 10_001, 60_000_000_000, 60_000_000_001] {
            histogram.add(Duration::from_nanos(nanos));
        }
        let told = histogram.distribution();
        assert_eq!(told.buckets[..2], [(0.00001, 2), (0.000_025, 3)]);
        assert_eq!(told.buckets.last(), Some(&(60.0, 4)));
        assert_eq!(told.count, 5);
        assert!((told.seconds - 120.000_020_002).abs() < 1e-9, "{}", told.seconds);
    }

    #[test]
    fn ends_ascend() {
        assert!(ENDS.is_sorted_by(|a, b| a < b));
    }
}
