//! Randomness of one user: a pure function of (seed, user index), so that neither threads nor batches matter.
//!
//! Only integer arithmetic and IEEE `+ - * /` and `sqrt` are used: the same seed gives the same bytes on every
//! machine.

/// The random numbers of one user.
pub(crate) struct Random {
    state: u64,
}

/// One step of the SplitMix64 finaliser: a bijection that spreads every input bit.
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Random {
    /// The stream of numbers that belongs to `index` under `seed`; `purpose` keeps streams of one index apart.
    pub(crate) const fn new(seed: u64, purpose: u64, index: u64) -> Self {
        let spread = mix(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        Self { state: mix(spread.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))) }
    }

    /// 64 random bits.
    pub(crate) const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Uniform in `0..bound`. The bias of the multiply-shift is below 2^-32 for the small bounds used here.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        ((self.bits() as u128 * bound as u128) >> 64) as u64
    }

    /// Uniform in `[0, 1)`.
    pub(crate) const fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Close to the standard normal: eight uniforms added up, so it stays within 4.9 of zero.
    pub(crate) fn normal(&mut self) -> f64 {
        let mut sum = 0_u64;
        for _ in 0..2 {
            let bits = self.bits();
            sum += (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        }
        // Eight uniforms on 0..=65535 have mean 4 * 65535 and variance 8/12 * 65536^2 (but for one part in 2^32).
        let scale = 1.224_744_871_391_589 / 65_536.0;
        (sum as f64 - 4.0 * 65_535.0) * scale
    }

    /// How many times in a row something of this probability happens, at most `most` times.
    pub(crate) fn run(&mut self, probability: f64, most: usize) -> usize {
        let mut count = 0;
        while count < most && self.chance(probability) {
            count += 1;
        }
        count
    }
}

/// 2 to the power of `x`, to about six digits, the same on every machine (libm's is not).
pub(crate) fn exp2(x: f64) -> f64 {
    let x = x.clamp(-60.0, 60.0);
    // Moved above zero, where truncation, one instruction everywhere, is rounding down.
    let whole = (x + 64.0) as i64 - 64;
    let t = (x - whole as f64) * std::f64::consts::LN_2;
    let series = 1.0
        + t * (1.0
            + t / 2.0
                * (1.0 + t / 3.0 * (1.0 + t / 4.0 * (1.0 + t / 5.0 * (1.0 + t / 6.0 * (1.0 + t / 7.0))))));
    series * f64::from_bits(((whole + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_has_the_moments_of_a_normal() {
        let mut random = Random::new(7, 0, 3);
        let draws: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn exp2_is_close_to_the_real_one() {
        for x in [-20.3, -1.0, -0.5, 0.0, 0.25, 0.999, 1.0, 7.7, 31.4] {
            assert!((exp2(x) / x.exp2() - 1.0).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn streams_of_neighbours_differ() {
        let first: Vec<u64> = (0..1000).map(|i| Random::new(42, 0, i).bits()).collect();
        let mut unique = first.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), first.len());
        assert_ne!(Random::new(42, 0, 1).bits(), Random::new(42, 1, 1).bits());
        assert_ne!(Random::new(42, 0, 1).bits(), Random::new(43, 0, 1).bits());
    }
}
