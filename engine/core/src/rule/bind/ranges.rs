//! Sets of codes as ascending, disjoint, non-touching half-open ranges.

/// Codes `from..to`.
pub type Range = (u32, u32);

/// Codes in any of the ranges, in normal form.
pub fn normalise(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.retain(|range| range.0 < range.1);
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Codes of either.
pub fn union(a: &[Range], b: &[Range]) -> Vec<Range> {
    normalise(a.iter().chain(b).copied().collect())
}

/// Codes below `count` that are in none of the ranges.
pub fn complement(ranges: &[Range], count: u32) -> Vec<Range> {
    let mut gaps = Vec::with_capacity(ranges.len() + 1);
    let mut next = 0;
    for &(from, to) in ranges {
        if next < from {
            gaps.push((next, from.min(count)));
        }
        next = to;
    }
    if next < count {
        gaps.push((next, count));
    }
    gaps
}

/// Codes of both.
pub fn intersect(a: &[Range], b: &[Range]) -> Vec<Range> {
    let (mut i, mut j, mut both) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        let (from, to) = (a[i].0.max(b[j].0), a[i].1.min(b[j].1));
        if from < to {
            both.push((from, to));
        }
        if a[i].1 < b[j].1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

/// Whether a code is in one of the ranges.
pub fn contains(ranges: &[Range], code: u32) -> bool {
    let after = ranges.partition_point(|range| range.0 <= code);
    after > 0 && code < ranges[after - 1].1
}

/// How many codes.
pub fn len(ranges: &[Range]) -> u32 {
    ranges.iter().map(|range| range.1 - range.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algebra_on_ranges_is_algebra_on_sets() {
        let set = |ranges: &[Range]| (0..40).filter(|&code| contains(ranges, code)).collect::<Vec<u32>>();
        let a = normalise(vec![(30, 35), (3, 5), (5, 9), (20, 20), (8, 12)]);
        let b = normalise(vec![(0, 4), (11, 31)]);
        assert_eq!(a, [(3, 12), (30, 35)]);
        assert_eq!(set(&intersect(&a, &b)), [3, 11, 30]);
        assert_eq!(set(&union(&a, &b)), (0..35).collect::<Vec<_>>());
        assert_eq!(set(&complement(&a, 40)), (0..40).filter(|c| !contains(&a, *c)).collect::<Vec<_>>());
        assert_eq!(complement(&[], 0), []);
        assert_eq!(len(&a), 14);
    }
}
