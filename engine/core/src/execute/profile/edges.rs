//! Where bins of numbers begin and end: at round numbers, evenly or by decades, never more of them than wanted.
//!
//! Edges are made from what all users have, never from an audience, so that pictures of several audiences can be laid side by
//! side. What a float cannot hold exactly is put right afterwards by who knows the values.

use serde::{Deserialize, Serialize};

/// How bins are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// As the users spread over more bins.
    #[default]
    Auto,
    /// Of equal width; times by the calendar.
    Linear,
    /// By decades; times by their age.
    Log,
}

/// What edges of numbers are made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    /// Least number.
    pub(super) min: f64,
    /// Greatest number.
    pub(super) max: f64,
    /// Whether all are whole because their type is.
    pub(super) whole: bool,
    /// Those below zero.
    pub(super) negative: Option<Side>,
    /// Those above zero.
    pub(super) positive: Option<Side>,
}

/// How far from zero the numbers on one side of it are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Side {
    /// The least.
    pub(super) least: f64,
    /// What one in a hundred is below.
    pub(super) small: f64,
    /// The greatest.
    pub(super) most: f64,
}

/// A round number: 1, 2 or 5 times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Round {
    digit: u8,
    exponent: i32,
}

impl Round {
    /// The least one that is not below.
    fn at_least(number: f64) -> Self {
        let mut round = Self { digit: 1, exponent: number.log10().floor() as i32 - 1 };
        while round.times(1.0) < number && round.exponent < 308 {
            round = round.next();
        }
        round
    }

    fn next(self) -> Self {
        match self.digit {
            1 => Self { digit: 2, ..self },
            2 => Self { digit: 5, ..self },
            _ => Self { digit: 1, exponent: self.exponent + 1 },
        }
    }

    /// Divides by powers below one instead of multiplying with them, so that 3 times 0.1 is 0.3.
    fn times(self, count: f64) -> f64 {
        scaled(count * f64::from(self.digit), self.exponent)
    }

    /// Which multiple is the last that is not above.
    fn floor(self, number: f64) -> f64 {
        let near = (number / self.times(1.0)).floor();
        [near + 1.0, near].into_iter().find(|&count| self.times(count) <= number).unwrap_or(near - 1.0)
    }

    /// Which multiple is the first that is not below.
    fn ceil(self, number: f64) -> f64 {
        -self.floor(-number)
    }
}

/// A number times a power of ten.
fn scaled(number: f64, exponent: i32) -> f64 {
    match exponent {
        0.. => number * 10_f64.powi(exponent),
        // A power that no float holds is taken in two steps.
        ..-300 => number / 10_f64.powi(300) / 10_f64.powi(-300 - exponent),
        _ => number / 10_f64.powi(-exponent),
    }
}

/// Edges at equal distances; one bin for each whole number where there is room for that.
pub(super) fn linear(numbers: &Numbers, bins: usize) -> Vec<f64> {
    let Numbers { min, max, whole, .. } = *numbers;
    let bins = bins.max(1);
    let width = max / bins as f64 - min / bins as f64;
    let width = if width > 0.0 { width } else { min.abs() / 100.0 };
    let mut step = match (whole, width > 0.0) {
        (true, _) => Round::at_least(width.max(1.0)),
        (false, true) => Round::at_least(width),
        (false, false) => Round { digit: 1, exponent: 0 },
    };
    loop {
        let first = step.floor(min);
        // A whole number has a bin of its own, the last one too.
        let single = whole && step.times(1.0) == 1.0;
        let last = if single { max + 1.0 } else { step.ceil(max).max(first + 1.0) };
        let count = last - first;
        let fits = count <= bins as f64;
        if !fits && bins > 1 && step.exponent < 308 {
            step = step.next();
            continue;
        }
        let multiples = if fits { count as usize } else { 1 };
        let edge = |at: usize| step.times(if at == multiples { last } else { first + at as f64 });
        let edges = (0..=multiples).map(edge);
        return tidy(edges.collect(), numbers);
    }
}

/// Which round numbers of a decade are edges, or how many decades one takes.
#[derive(Debug, Clone, Copy)]
enum Decades {
    Within(&'static [u8]),
    Every(i32),
}

/// From the finest to the coarsest.
const DECADES: [Decades; 8] = [
    Decades::Within(&[1, 2, 5]),
    Decades::Within(&[1, 3]),
    Decades::Every(1),
    Decades::Every(2),
    Decades::Every(3),
    Decades::Every(6),
    Decades::Every(30),
    Decades::Every(100),
];

impl Decades {
    /// From the last edge that is not above `from` to the first that is not below `to` (above it, where `past`).
    fn edges(self, from: f64, to: f64, past: bool) -> Vec<f64> {
        let (digits, by) = match self {
            Self::Within(digits) => (digits, 1),
            Self::Every(by) => (&[1][..], by),
        };
        let mut exponent = (from.log10().floor() as i32 - 1).div_euclid(by) * by;
        let mut edges: Vec<f64> = Vec::new();
        while exponent <= 308 {
            for &digit in digits {
                let edge = scaled(digit.into(), exponent);
                if edge <= from {
                    edges.clear();
                }
                if edge > 0.0 && edge.is_finite() {
                    edges.push(edge);
                }
                if edge > to || edge == to && !past {
                    return edges;
                }
            }
            exponent += by;
        }
        edges.push(to);
        edges
    }
}

/// Edges by decades, on both sides of zero; zero and what is too small to matter has a bin of its own. `None` if no layout has few
/// enough bins.
pub(super) fn log(numbers: &Numbers, bins: usize) -> Option<Vec<f64>> {
    // What is nearest to zero, if there is room for all of it; else but for one in a hundred.
    let least = DECADES.iter().take(1).map(|decades| (decades, false));
    let small = DECADES.iter().map(|decades| (decades, true));
    let layouts = least.chain(small).map(|(decades, small)| both_sides(numbers, *decades, small));
    layouts.map(|edges| tidy(edges, numbers)).find(|edges| edges.len() <= bins + 1)
}

fn both_sides(numbers: &Numbers, decades: Decades, small: bool) -> Vec<f64> {
    let side = |side: Side| {
        let from = if small { side.small } else { side.least };
        // Whole numbers up to two have a bin of their own.
        decades.edges(from, side.most, numbers.whole && side.most < 5.0)
    };
    let mut edges: Vec<f64> = Vec::new();
    if let Some(negative) = numbers.negative {
        edges.extend(side(negative).into_iter().rev().map(|edge| -edge));
    }
    let positive = numbers.positive.map(side).unwrap_or_default();
    let reaches_zero = edges.last().is_some_and(|&edge| edge < numbers.max)
        && (positive.is_empty() || numbers.min < 0.0)
        || positive.first().is_some_and(|&edge| edge > numbers.min);
    if reaches_zero || edges.is_empty() && positive.is_empty() {
        edges.push(0.0);
    }
    if positive.is_empty() && numbers.max >= 0.0 {
        // Zero itself, the greatest there is.
        edges.push(1.0);
    }
    edges.extend(positive);
    edges
}

/// Ascending edges, the first not above and the last not below all numbers.
fn tidy(mut edges: Vec<f64>, numbers: &Numbers) -> Vec<f64> {
    edges.retain(|edge| edge.is_finite());
    if edges.first().is_none_or(|&first| first > numbers.min) {
        edges.insert(0, numbers.min);
    }
    if edges.last().is_none_or(|&last| last < numbers.max) {
        edges.push(numbers.max);
    }
    edges.dedup_by(|after, before| after <= before);
    if let [only] = edges[..] {
        edges.push(only.next_up());
    }
    edges
}

/// Over how many bins users spread: as many as there are if all hold as many, one if one holds all. It is the number of equal
/// bins that would have the same entropy.
pub(super) fn spread(counts: &[u64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let shares = counts.iter().filter(|&&count| count > 0).map(|&count| count as f64 / total);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(values: &[f64], whole: bool) -> Numbers {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let side = |mut of: Vec<f64>| {
            of.sort_by(f64::total_cmp);
            let small = *of.get(of.len() / 100)?;
            Some(Side { least: of[0], small, most: of[of.len() - 1] })
        };
        Numbers {
            min: values[0],
            max: values[values.len() - 1],
            whole,
            negative: side(values.iter().filter(|v| **v < 0.0).map(|v| -v).collect()),
            positive: side(values.iter().filter(|v| **v > 0.0).copied().collect()),
        }
    }

    #[test]
    fn edges_are_those_that_a_person_would_choose() {
        let of = |values: &[f64], whole, bins| linear(&numbers(values, whole), bins);
        assert_eq!(of(&[0.0, 100.0], true, 20), (0..=20).map(|i| f64::from(i) * 5.0).collect::<Vec<_>>());
        assert_eq!(of(&[1.0, 4.0], true, 20), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(of(&[0.05, 0.62], false, 8), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]);
        assert_eq!(of(&[-7.0, 12.0], false, 5), [-10.0, -5.0, 0.0, 5.0, 10.0, 15.0]);
        assert_eq!(of(&[65.3], false, 8), [65.0, 66.0]);
        assert_eq!(of(&[0.0], false, 8), [0.0, 1.0]);
        assert_eq!(of(&[-5.0, 3.0], false, 1).len(), 2);
    }

    #[test]
    fn decades_surround_zero() {
        let of = |values: &[f64], whole, bins| log(&numbers(values, whole), bins).unwrap();
        assert_eq!(
            of(&[0.0, 1.0, 400.0], true, 20),
            [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]
        );
        assert_eq!(of(&[3.0, 40.0], false, 20), [2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(of(&[0.0, 3.0, 40.0], false, 20), [0.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(of(&[-40.0, 0.0, 3.0], false, 20), [-50.0, -20.0, 0.0, 2.0, 5.0]);
        assert_eq!(of(&[-40.0, -3.0], false, 20), [-50.0, -20.0, -10.0, -5.0, -2.0]);
        assert_eq!(of(&[-40.0, 0.0], true, 20), [-50.0, -20.0, 0.0, 1.0]);
        assert_eq!(of(&[0.0, 1.0], true, 20), [0.0, 1.0, 2.0]);
        assert_eq!(of(&[0.0, 2.0, 3e6], false, 7), [0.0, 1.0, 100.0, 10_000.0, 1e6, 1e8]);
        assert_eq!(of(&[0.0], false, 20), [0.0, 1.0]);
    }

    #[test]
    fn the_spread_is_the_number_of_bins_in_use() {
        assert!((spread(&[5, 5, 5, 5]) - 4.0).abs() < 1e-9);
        assert!((spread(&[0, 7, 0]) - 1.0).abs() < 1e-9);
        assert!(spread(&[1_000_000, 1, 1, 1]) < 1.001);
    }

    proptest! {
        #[test]
        fn edges_ascend_and_hold_all_numbers(
            values in prop::collection::vec(prop_oneof![
                any::<f64>().prop_filter("finite", |v| v.is_finite()),
                -100.0..100.0,
                (-50_i32..50).prop_map(f64::from),
                (-320.0..308.0).prop_map(|e: f64| 10_f64.powf(e)),
            ], 1..20),
            whole in any::<bool>(),
            bins in 1_usize..60,
        ) {
            let whole = whole && values.iter().all(|v| v.fract() == 0.0);
            let numbers = numbers(&values, whole);
            for (name, edges) in [("linear", Some(linear(&numbers, bins))), ("log", log(&numbers, bins))] {
                let Some(edges) = edges else { continue };
                prop_assert!((2..=bins + 1).contains(&edges.len()), "{} {:?}", name, edges);
                prop_assert!(edges.is_sorted_by(|a, b| a < b), "{} {:?}", name, edges);
                prop_assert!(edges[0] <= numbers.min && edges[edges.len() - 1] >= numbers.max, "{} {:?}", name, edges);
            }
        }
    }
}
