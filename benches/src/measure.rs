//! Measuring: warm up, repeat within bounds, sort.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How often something is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeats {
    /// At least so often, whatever it takes.
    pub(crate) min: usize,
    /// At most so often.
    pub(crate) max: usize,
    /// No more than `min` once this has passed.
    pub(crate) within: Duration,
}

impl Repeats {
    /// These bounds.
    pub(crate) const fn new(min: usize, max: usize, within_ms: u64) -> Self {
        Self { min, max, within: Duration::from_millis(within_ms) }
    }

    /// A tenth of it, for trying things.
    pub(crate) fn quick(self) -> Self {
        let min = self.min.div_ceil(10);
        Self { min, max: self.max.div_ceil(10).max(min), within: self.within / 10 }
    }
}

/// Times of one thing in nanoseconds, ascending.
#[derive(Debug, Clone)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(0.5)
    }

    /// The smallest time that at least this share of all does not exceed.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let rank = (self.0.len() as f64 * share).ceil() as usize;
        self.0[rank.clamp(1, self.0.len()) - 1]
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Repeats what tells its own time in nanoseconds; the first, which warms up, does not count.
pub(crate) fn repeat(repeats: Repeats, mut once: impl FnMut() -> Result<f64>) -> Result<Samples> {
    once()?;
    let begun = Instant::now();
    let mut times = Vec::with_capacity(repeats.max);
    while times.len() < repeats.min || (times.len() < repeats.max && begun.elapsed() < repeats.within) {
        times.push(once()?);
    }
    times.sort_by(f64::total_cmp);
    Ok(Samples(times))
}

/// How long something took, in nanoseconds, and what it yielded. The yield goes through a black box.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let yielded = std::hint::black_box(work());
    (begun.elapsed().as_nanos() as f64, yielded)
}

/// The geometric mean; `None` of nothing.
pub(crate) fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_stay_within_their_bounds() {
        let mut calls = 0_u32;
        let mut once = || {
            calls += 1;
            Ok(f64::from(calls))
        };
        let samples = repeat(Repeats::new(3, 10, 0), &mut once).unwrap();
        assert_eq!((samples.len(), samples.median(), samples.percentile(0.99)), (3, 3.0, 4.0));
        let samples = repeat(Repeats::new(1, 10, 60_000), &mut once).unwrap();
        assert_eq!(samples.len(), 10);
    }

    #[test]
    fn a_geometric_mean_is_of_ratios() {
        assert!((geometric_mean([1.0, 100.0]).unwrap() - 10.0).abs() < 1e-9);
        assert_eq!(geometric_mean([]), None);
    }
}
