//! Choosing from a ranked list whose head is far more common than its tail, in constant time.

use super::random::Random;

/// Vose's alias table over ranks: one random number picks a slot and decides between its two ranks.
pub(crate) struct Ranked {
    /// Per slot: below this the slot's own rank, otherwise the alias.
    thresholds: Vec<u32>,
    aliases: Vec<u32>,
}

impl Ranked {
    /// Rank `k` (from 0) has weight `1 / (k + 1 + flatten) ^ (1 + quarters / 4)`, a Zipf-Mandelbrot law whose
    /// exponent is a multiple of a quarter, so that square roots, exact everywhere, suffice.
    pub(crate) fn new(len: usize, flatten: f64, quarters: u32) -> Self {
        let weights: Vec<f64> = (0..len)
            .map(|rank| {
                let base = rank as f64 + 1.0 + flatten;
                let quarter = base.sqrt().sqrt();
                (0..quarters).fold(1.0 / base, |weight, _| weight / quarter)
            })
            .collect();
        Self::from_weights(&weights)
    }

    fn from_weights(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut share: Vec<f64> = weights.iter().map(|w| w / total * weights.len() as f64).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..share.len()).partition(|&i| share[i] < 1.0);
        let mut table = Self {
            thresholds: vec![u32::MAX; share.len()],
            aliases: (0..share.len()).map(|i| i as u32).collect(),
        };
        while let (Some(low), Some(&high)) = (poor.pop(), rich.last()) {
            table.thresholds[low] = (share[low] * 4_294_967_296.0) as u32;
            table.aliases[low] = high as u32;
            share[high] -= 1.0 - share[low];
            if share[high] < 1.0 {
                rich.pop();
                poor.push(high);
            }
        }
        table
    }

    /// A rank, the first the most likely.
    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let bits = random.bits();
        let slot = (((bits >> 32) * self.thresholds.len() as u64) >> 32) as usize;
        if (bits as u32) < self.thresholds[slot] { slot } else { self.aliases[slot] as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_weights() {
        let table = Ranked::from_weights(&[5.0, 3.0, 2.0]);
        let mut random = Random::new(1, 0, 1);
        let mut seen = [0_u32; 3];
        for _ in 0..100_000 {
            seen[table.pick(&mut random)] += 1;
        }
        for (count, share) in seen.iter().zip([0.5, 0.3, 0.2]) {
            assert!((f64::from(*count) / 1e5 - share).abs() < 0.01, "{seen:?}");
        }
    }
}
