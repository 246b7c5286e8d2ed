//! The algebra on one chunk: operands borrowed from leaves, results in reused buffers.
//!
//! Sparse results are sorted arrays, dense ones bitsets; a complement is never built where it can be subtracted.

use super::build::iterate;
use super::{ARRAY_MAX, Bits, Container, Run, WORDS};

/// Rows of one chunk.
#[derive(Debug)]
pub enum Set<'a> {
    /// No rows.
    Empty,
    /// All rows of the chunk.
    Full,
    /// Ascending rows, borrowed.
    Array(&'a [u16]),
    /// Bits, borrowed.
    Bits(&'a Bits),
    /// Runs, borrowed.
    Runs(&'a [Run]),
    /// Ascending rows in a scratch buffer.
    OwnArray(Vec<u16>),
    /// Bits in a scratch buffer.
    OwnBits(Box<Bits>),
}

/// Buffers that results live in, so that a running count allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    // Boxed so that a buffer moves between the pool and a set without being copied.
    #[allow(clippy::vec_box)]
    bits: Vec<Box<Bits>>,
    arrays: Vec<Vec<u16>>,
}

impl Scratch {
    /// A bitset with all bits clear.
    pub fn zeroed(&mut self) -> Box<Bits> {
        let mut bits = self.dirty();
        bits.fill(0);
        bits
    }

    /// A bitset with any content.
    pub fn dirty(&mut self) -> Box<Bits> {
        self.bits.pop().unwrap_or_else(|| Box::new([0; WORDS]))
    }

    /// An empty array.
    pub fn array(&mut self) -> Vec<u16> {
        let mut array = self.arrays.pop().unwrap_or_else(|| Vec::with_capacity(ARRAY_MAX));
        array.clear();
        array
    }

    /// Takes a set's buffer back.
    pub fn give(&mut self, set: Set<'_>) {
        match set {
            Set::OwnArray(array) => self.arrays.push(array),
            Set::OwnBits(bits) => self.bits.push(bits),
            _ => {}
        }
    }
}

impl<'a> From<Container<'a>> for Set<'a> {
    fn from(container: Container<'a>) -> Self {
        match container {
            Container::Empty => Self::Empty,
            Container::Full => Self::Full,
            Container::Array(rows) => Self::Array(rows),
            Container::Bits(bits) => Self::Bits(bits),
            Container::Runs(runs) => Self::Runs(runs),
        }
    }
}

impl Set<'_> {
    /// The same rows, borrowing this set's buffer.
    pub fn view(&self) -> Container<'_> {
        match self {
            Self::Empty => Container::Empty,
            Self::Full => Container::Full,
            Self::Array(rows) => Container::Array(rows),
            Self::OwnArray(rows) => Container::Array(rows),
            Self::Bits(bits) => Container::Bits(bits),
            Self::OwnBits(bits) => Container::Bits(bits),
            Self::Runs(runs) => Container::Runs(runs),
        }
    }

    /// Rows set, of a chunk with `chunk_rows` rows.
    pub fn count(&self, chunk_rows: u32) -> u32 {
        self.view().count(chunk_rows)
    }

    /// Calls `f` with each row, ascending.
    pub fn for_each(&self, chunk_rows: u32, f: impl FnMut(u16)) {
        match self.view() {
            Container::Empty => {}
            Container::Full => (0..chunk_rows).map(|row| row as u16).for_each(f),
            Container::Array(rows) => rows.iter().copied().for_each(f),
            Container::Bits(bits) => iterate(bits).for_each(f),
            Container::Runs(runs) => runs.iter().flat_map(|run| run.first..=run.last).for_each(f),
        }
    }

    /// These rows as bits: borrowed if they are bits already.
    pub fn into_bits<'s>(self, chunk_rows: u32, scratch: &mut Scratch) -> Set<'s>
    where
        Self: 's,
    {
        match self {
            Set::Bits(bits) => {
                let mut own = scratch.dirty();
                own.copy_from_slice(bits);
                Set::OwnBits(own)
            }
            Set::OwnBits(bits) => Set::OwnBits(bits),
            other => {
                let mut bits = scratch.zeroed();
                union_into(&mut bits, other.view(), chunk_rows);
                scratch.give(other);
                Set::OwnBits(bits)
            }
        }
    }
}

/// `a AND b`, or `a AND NOT b` when `minus`.
pub fn and<'a>(a: Set<'a>, b: Set<'a>, minus: bool, chunk_rows: u32, scratch: &mut Scratch) -> Set<'a> {
    match (&a, &b, minus) {
        (Set::Empty, ..) | (_, Set::Empty, true) | (_, Set::Full, false) => {
            scratch.give(b);
            return a;
        }
        (_, Set::Empty, false) | (_, Set::Full, true) => {
            scratch.give(a);
            return Set::Empty;
        }
        (Set::Full, _, false) => return b,
        _ => {}
    }
    let result = match (a.view(), b.view()) {
        (Container::Array(rows), other) => keep_rows(rows, other, minus, scratch),
        (other, Container::Array(rows)) if !minus => keep_rows(rows, other, false, scratch),
        _ => {
            let Set::OwnBits(mut bits) = a.into_bits(chunk_rows, scratch) else { return Set::Empty };
            if minus {
                subtract_from(&mut bits, b.view());
            } else {
                intersect_into(&mut bits, b.view());
            }
            scratch.give(b);
            return Set::OwnBits(bits);
        }
    };
    scratch.give(a);
    scratch.give(b);
    result
}

/// The rows of a sorted array that are (not) in a container.
fn keep_rows<'s>(rows: &[u16], other: Container<'_>, minus: bool, scratch: &mut Scratch) -> Set<'s> {
    let mut kept = scratch.array();
    match other {
        Container::Array(others) => merge(rows, others, minus, &mut kept),
        Container::Bits(bits) => {
            // Branchless: every row is written, the length moves only for those that stay.
            kept.resize(rows.len(), 0);
            let mut len = 0;
            for &row in rows {
                kept[len] = row;
                let set = bits[row as usize / 64] >> (row % 64) & 1 == 1;
                len += usize::from(set != minus);
            }
            kept.truncate(len);
        }
        other => kept.extend(rows.iter().copied().filter(|&row| other.contains(row) != minus)),
    }
    Set::OwnArray(kept)
}

fn merge(rows: &[u16], others: &[u16], minus: bool, kept: &mut Vec<u16>) {
    // Far fewer rows than others: search each; else walk both.
    if rows.len() * 16 < others.len() {
        let mut rest = others;
        for &row in rows {
            let at = gallop(rest, row);
            rest = &rest[at..];
            if (rest.first() == Some(&row)) != minus {
                kept.push(row);
            }
        }
        return;
    }
    let mut at = 0;
    for &row in rows {
        while at < others.len() && others[at] < row {
            at += 1;
        }
        if (others.get(at) == Some(&row)) != minus {
            kept.push(row);
        }
    }
}

/// Index of the first element not below `row`, found by doubling steps.
fn gallop(rows: &[u16], row: u16) -> usize {
    let mut high = 1;
    while high < rows.len() && rows[high] < row {
        high *= 2;
    }
    let low = high / 2;
    let end = rows.len().min(high + 1);
    if low >= end { end } else { low + rows[low..end].partition_point(|&other| other < row) }
}

/// Any of these sets.
pub fn or<'a>(parts: &mut Vec<Set<'a>>, chunk_rows: u32, scratch: &mut Scratch) -> Set<'a> {
    if parts.iter().any(|part| matches!(part, Set::Full)) {
        parts.drain(..).for_each(|part| scratch.give(part));
        return Set::Full;
    }
    parts.retain(|part| !matches!(part, Set::Empty));
    match parts.len() {
        0 => return Set::Empty,
        1 => return parts.pop().unwrap_or(Set::Empty),
        _ => {}
    }
    let sparse = parts.iter().try_fold(0, |sum, part| match part.view() {
        Container::Array(rows) => Some(sum + rows.len()),
        _ => None,
    });
    if parts.len() == 2 && sparse.is_some_and(|sum| sum <= ARRAY_MAX) {
        let mut merged = scratch.array();
        if let (Container::Array(a), Container::Array(b)) = (parts[0].view(), parts[1].view()) {
            union_arrays(a, b, &mut merged);
        }
        parts.drain(..).for_each(|part| scratch.give(part));
        return Set::OwnArray(merged);
    }
    // Start from an own bitset if there is one, else copy a borrowed one, else from nothing.
    let first = parts
        .iter()
        .position(|part| matches!(part, Set::OwnBits(_)))
        .or_else(|| parts.iter().position(|part| matches!(part, Set::Bits(_))))
        .unwrap_or(0);
    let Set::OwnBits(mut bits) = parts.swap_remove(first).into_bits(chunk_rows, scratch) else {
        return Set::Empty;
    };
    for part in parts.drain(..) {
        union_into(&mut bits, part.view(), chunk_rows);
        scratch.give(part);
    }
    Set::OwnBits(bits)
}

fn union_arrays(a: &[u16], b: &[u16], out: &mut Vec<u16>) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        out.push(x.min(y));
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
}

/// Adds a container's rows to a bitset.
pub(super) fn union_into(bits: &mut Bits, other: Container<'_>, chunk_rows: u32) {
    match other {
        Container::Empty => {}
        Container::Full => fill(bits, 0, chunk_rows.saturating_sub(1) as u16, true),
        Container::Array(rows) => {
            for &row in rows {
                bits[row as usize / 64] |= 1 << (row % 64);
            }
        }
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a |= b),
        Container::Runs(runs) => runs.iter().for_each(|run| fill(bits, run.first, run.last, true)),
    }
}

fn intersect_into(bits: &mut Bits, other: Container<'_>) {
    match other {
        Container::Empty => bits.fill(0),
        Container::Full => {}
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a &= b),
        Container::Array(rows) => {
            let mut kept: Bits = [0; WORDS];
            for &row in rows {
                kept[row as usize / 64] |= bits[row as usize / 64] & (1 << (row % 64));
            }
            bits.copy_from_slice(&kept);
        }
        Container::Runs(runs) => {
            let mut next = 0_u32;
            for run in runs {
                if u32::from(run.first) > next {
                    fill(bits, next as u16, run.first - 1, false);
                }
                next = next.max(u32::from(run.last) + 1);
            }
            if let Ok(next) = u16::try_from(next) {
                fill(bits, next, u16::MAX, false);
            }
        }
    }
}

fn subtract_from(bits: &mut Bits, other: Container<'_>) {
    match other {
        Container::Empty => {}
        Container::Full => bits.fill(0),
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a &= !b),
        Container::Array(rows) => {
            for &row in rows {
                bits[row as usize / 64] &= !(1 << (row % 64));
            }
        }
        Container::Runs(runs) => runs.iter().for_each(|run| fill(bits, run.first, run.last, false)),
    }
}

/// Sets or clears `first..=last`.
fn fill(bits: &mut Bits, first: u16, last: u16, value: bool) {
    if first > last {
        return;
    }
    let (from, to) = (first as usize / 64, last as usize / 64);
    for (word, bits) in bits.iter_mut().enumerate().take(to + 1).skip(from) {
        let low = if word == from { u64::MAX << (first % 64) } else { u64::MAX };
        let high = if word == to { u64::MAX >> (63 - last % 64) } else { u64::MAX };
        if value {
            *bits |= low & high;
        } else {
            *bits &= !(low & high);
        }
    }
}

/// How many rows are in all of `keep` and in none of `minus`: one pass, nothing written.
pub fn count_bits(keep: &[&Bits], minus: &[&Bits]) -> u32 {
    const LANE: usize = 16;
    let mut count = 0;
    for at in (0..WORDS).step_by(LANE) {
        let mut lane = [u64::MAX; LANE];
        for bits in keep {
            lane.iter_mut().zip(&bits[at..at + LANE]).for_each(|(a, b)| *a &= b);
        }
        for bits in minus {
            lane.iter_mut().zip(&bits[at..at + LANE]).for_each(|(a, b)| *a &= !b);
        }
        count += lane.iter().map(|word| word.count_ones()).sum::<u32>();
    }
    count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const ROWS: u32 = 65_536;

    /// A set in each of its shapes, made from the same rows.
    fn shapes(rows: &BTreeSet<u16>) -> Vec<Set<'static>> {
        let list: Vec<u16> = rows.iter().copied().collect();
        let mut bits = Box::new([0; WORDS]);
        union_into(&mut bits, Container::Array(&list), ROWS);
        let mut runs: Vec<Run> = Vec::new();
        for &row in &list {
            match runs.last_mut() {
                Some(run) if run.last + 1 == row => run.last = row,
                _ => runs.push(Run { first: row, last: row }),
            }
        }
        let runs: &'static [Run] = Box::leak(runs.into_boxed_slice());
        vec![Set::OwnArray(list), Set::OwnBits(bits), Set::Runs(runs)]
    }

    fn rows_of(set: &Set<'_>) -> BTreeSet<u16> {
        let mut rows = BTreeSet::new();
        set.for_each(ROWS, |row| assert!(rows.insert(row)));
        assert_eq!(set.count(ROWS) as usize, rows.len());
        rows
    }

    fn some_rows() -> impl Strategy<Value = BTreeSet<u16>> {
        prop_oneof![
            proptest::collection::btree_set(any::<u16>(), 0..50),
            proptest::collection::btree_set(0_u16..400, 0..300),
            (any::<u16>(), any::<u16>()).prop_map(|(a, b)| (a.min(b)..=a.max(b)).collect()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_pair_of_shapes_obeys_set_algebra(a in some_rows(), b in some_rows()) {
            let mut scratch = Scratch::default();
            for i in 0..3 {
                for j in 0..3 {
                    let take = |rows: &BTreeSet<u16>, shape: usize| shapes(rows).swap_remove(shape);
                    let both = and(take(&a, i), take(&b, j), false, ROWS, &mut scratch);
                    prop_assert_eq!(rows_of(&both), a.intersection(&b).copied().collect());
                    let minus = and(take(&a, i), take(&b, j), true, ROWS, &mut scratch);
                    prop_assert_eq!(rows_of(&minus), a.difference(&b).copied().collect());
                    let any = or(&mut vec![take(&a, i), take(&b, j)], ROWS, &mut scratch);
                    prop_assert_eq!(rows_of(&any), a.union(&b).copied().collect());
                    for set in [both, minus, any] {
                        scratch.give(set);
                    }
                }
                let not = and(Set::Full, shapes(&a).swap_remove(i), true, ROWS, &mut scratch);
                prop_assert_eq!(rows_of(&not).len(), 65_536 - a.len());
            }
        }
    }
}
