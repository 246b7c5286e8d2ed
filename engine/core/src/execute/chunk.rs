//! A plan on one chunk: the rows it yields, or only how many, straight from the stored containers.

use crate::bitmap::{ARRAY_MAX, Bits, Container, Leaf as Bitmap, Scratch, Set, and, count_bits, or};
use crate::column::{Codes as StoredCodes, Ids, Layout};
use crate::format::rows_in_chunk;
use crate::plan::{Codes, NodeId, Op, Pair, Plan};
use crate::rule::bind::condition::bucket_of;

/// With fewer rows left than this, an expensive term is asked about each row rather than evaluated.
const PROBE_ROWS_MAX: u32 = 512;

/// Evaluates a plan chunk by chunk on one thread, reusing its buffers.
#[derive(Debug)]
pub(super) struct Evaluator<'p> {
    plan: &'p Plan,
    ids: &'p Ids,
    table_rows: u32,
    chunk: u32,
    chunk_rows: u32,
    scratch: Scratch,
    memo: Vec<Option<Set<'p>>>,
}

/// The terms of an AND on one chunk, sorted by what they are there.
#[derive(Default)]
struct Terms<'p> {
    arrays: Vec<&'p [u16]>,
    keep: Vec<&'p Bits>,
    minus: Vec<&'p Bits>,
    /// Runs to keep, and anything but bits to subtract.
    others: Vec<(Set<'p>, bool)>,
    /// Terms that are not stored bitmaps.
    computed: Vec<NodeId>,
}

impl<'p> Evaluator<'p> {
    pub(super) fn new(plan: &'p Plan, ids: &'p Ids, table_rows: u32) -> Self {
        let memo = (0..plan.memo_slots()).map(|_| None).collect();
        Self { plan, ids, table_rows, chunk: 0, chunk_rows: 0, scratch: Scratch::default(), memo }
    }

    /// Goes to a chunk.
    pub(super) fn enter(&mut self, chunk: u32) {
        self.chunk = chunk;
        self.chunk_rows = rows_in_chunk(self.table_rows, chunk);
        for slot in &mut self.memo {
            if let Some(set) = slot.take() {
                self.scratch.give(set);
            }
        }
    }

    /// Rows in the chunk.
    pub(super) fn chunk_rows(&self) -> u32 {
        self.chunk_rows
    }

    /// Takes a set's buffer back.
    pub(super) fn give(&mut self, set: Set<'p>) {
        self.scratch.give(set);
    }

    /// The rows of a set as bits.
    pub(super) fn bits(&mut self, set: Set<'p>) -> Set<'p> {
        set.into_bits(self.chunk_rows, &mut self.scratch)
    }

    /// How many rows of this chunk a node yields.
    pub(super) fn count(&mut self, id: NodeId) -> u32 {
        let plan = self.plan;
        let node = plan.node(id);
        match &node.op {
            Op::Bitmap(leaf) => leaf.entry(self.chunk).map_or(0, |entry| entry.rows),
            Op::NotBitmap(leaf) => self.chunk_rows - leaf.entry(self.chunk).map_or(0, |entry| entry.rows),
            Op::And(terms) if node.memo.is_none() => self.count_and(terms),
            _ => {
                let set = self.eval(id);
                let count = set.count(self.chunk_rows);
                self.scratch.give(set);
                count
            }
        }
    }

    /// The rows of this chunk that a node yields.
    pub(super) fn eval(&mut self, id: NodeId) -> Set<'p> {
        let Some(slot) = self.plan.node(id).memo else { return self.compute(id) };
        if self.memo[slot].is_none() {
            let set = self.compute(id);
            self.memo[slot] = Some(set);
        }
        let (memo, scratch) = (&self.memo, &mut self.scratch);
        memo[slot].as_ref().map_or(Set::Empty, |set| copy(set, scratch))
    }

    fn compute(&mut self, id: NodeId) -> Set<'p> {
        let plan = self.plan;
        match &plan.node(id).op {
            Op::None => Set::Empty,
            Op::All => Set::Full,
            Op::Bitmap(leaf) => leaf.container(self.chunk).into(),
            Op::NotBitmap(leaf) => self.complement(leaf.container(self.chunk).into()),
            Op::Rows(rows) => self.rows(rows),
            Op::NotRows(rows) => {
                let inside = self.rows(rows);
                self.complement(inside)
            }
            Op::Codes(codes) => self.codes(codes),
            Op::UserIds(ranges) => {
                let ranges = ranges.as_slice();
                self.by_id(move |id| in_ranges(ranges, id))
            }
            Op::Bucket { seed, low, high, inside } => {
                let (seed, low, high, inside) = (*seed, *low, *high, *inside);
                self.by_id(move |id| (low..high).contains(&bucket_of(seed, id)) == inside)
            }
            Op::Pair(pair) => self.pair(pair),
            Op::And(terms) => self.and(terms),
            Op::Or(terms) => {
                let mut parts = Vec::with_capacity(terms.len());
                for &term in terms {
                    let part = self.eval(term);
                    let full = matches!(part, Set::Full);
                    parts.push(part);
                    if full {
                        break;
                    }
                }
                or(&mut parts, self.chunk_rows, &mut self.scratch)
            }
            Op::AtLeast(k, terms) => self.at_least(*k, terms),
        }
    }

    fn complement(&mut self, set: Set<'p>) -> Set<'p> {
        and(Set::Full, set, true, self.chunk_rows, &mut self.scratch)
    }

    /// Explicit rows, as far as they are in this chunk.
    fn rows(&mut self, rows: &[u32]) -> Set<'p> {
        let from = rows.partition_point(|&row| row >> 16 < self.chunk);
        let here = rows[from..].iter().take_while(|&&row| row >> 16 == self.chunk);
        let mut array = self.scratch.array();
        array.extend(here.map(|&row| row as u16));
        if array.is_empty() {
            self.scratch.give(Set::OwnArray(array));
            return Set::Empty;
        }
        Set::OwnArray(array)
    }

    fn by_id(&mut self, holds: impl Fn(u64) -> bool) -> Set<'p> {
        let base = self.chunk << 16;
        let ids = self.ids.ids(base, base + self.chunk_rows).unwrap_or_default();
        let mut bits = self.scratch.zeroed();
        set_where(&mut bits, ids, holds);
        Set::OwnBits(bits)
    }

    /// Compares two columns on the rows where both have a value.
    fn pair(&mut self, pair: &'p Pair) -> Set<'p> {
        let mut both = Set::Full;
        for leaf in pair.presences() {
            both = and(both, leaf.container(self.chunk).into(), false, self.chunk_rows, &mut self.scratch);
        }
        let (base, mut bits) = (self.chunk << 16, self.scratch.zeroed());
        both.for_each(self.chunk_rows, |row| {
            let hit = pair.matches_present(base | u32::from(row));
            bits[row as usize / 64] |= u64::from(hit) << (row % 64);
        });
        self.scratch.give(both);
        Set::OwnBits(bits)
    }

    /// Sorts the terms of an AND by what they are on this chunk; `None` if one of them is empty here.
    fn sort_terms(&self, terms: &[NodeId]) -> Option<Terms<'p>> {
        let mut sorted = Terms::default();
        let plan = self.plan;
        for &term in terms {
            match &plan.node(term).op {
                Op::Bitmap(leaf) => match leaf.container(self.chunk) {
                    Container::Empty => return None,
                    Container::Full => {}
                    Container::Array(rows) => sorted.arrays.push(rows),
                    Container::Bits(bits) => sorted.keep.push(bits),
                    Container::Runs(runs) => sorted.others.push((Set::Runs(runs), false)),
                },
                Op::NotBitmap(leaf) => match leaf.container(self.chunk) {
                    Container::Empty => {}
                    Container::Full => return None,
                    Container::Bits(bits) => sorted.minus.push(bits),
                    other => sorted.others.push((other.into(), true)),
                },
                Op::All => {}
                Op::None => return None,
                _ => sorted.computed.push(term),
            }
        }
        sorted.arrays.sort_unstable_by_key(|rows| rows.len());
        Some(sorted)
    }

    fn count_and(&mut self, terms: &[NodeId]) -> u32 {
        let Some(sorted) = self.sort_terms(terms) else { return 0 };
        let only_bits = sorted.arrays.is_empty() && sorted.others.is_empty() && sorted.computed.is_empty();
        if only_bits && !sorted.keep.is_empty() {
            return count_bits(&sorted.keep, &sorted.minus);
        }
        let set = self.and_sorted(sorted);
        let count = set.count(self.chunk_rows);
        self.scratch.give(set);
        count
    }

    fn and(&mut self, terms: &[NodeId]) -> Set<'p> {
        match self.sort_terms(terms) {
            Some(sorted) => self.and_sorted(sorted),
            None => Set::Empty,
        }
    }

    fn and_sorted(&mut self, sorted: Terms<'p>) -> Set<'p> {
        let rows = self.chunk_rows;
        let mut arrays = sorted.arrays.into_iter();
        let mut set = match arrays.next() {
            Some(smallest) => Set::Array(smallest),
            None if sorted.keep.is_empty() => Set::Full,
            None => self.and_bits(&sorted.keep, &sorted.minus),
        };
        for array in arrays {
            set = and(set, Set::Array(array), false, rows, &mut self.scratch);
        }
        // Bits went in together above, unless the set began otherwise.
        if matches!(set, Set::Array(_) | Set::OwnArray(_) | Set::Full) {
            for bits in sorted.keep {
                set = and(set, Set::Bits(bits), false, rows, &mut self.scratch);
            }
            for bits in sorted.minus {
                set = and(set, Set::Bits(bits), true, rows, &mut self.scratch);
            }
        }
        for (other, minus) in sorted.others {
            set = and(set, other, minus, rows, &mut self.scratch);
        }
        for term in sorted.computed {
            let left = set.count(rows);
            if left == 0 {
                self.scratch.give(set);
                return Set::Empty;
            }
            set = if left <= PROBE_ROWS_MAX {
                self.keep_where(set, term)
            } else {
                let other = self.eval(term);
                and(set, other, false, rows, &mut self.scratch)
            };
        }
        set
    }

    fn and_bits(&mut self, keep: &[&'p Bits], minus: &[&'p Bits]) -> Set<'p> {
        if let ([only], []) = (keep, minus) {
            return Set::Bits(only);
        }
        let mut out = self.scratch.dirty();
        out.copy_from_slice(keep[0]);
        for bits in &keep[1..] {
            out.iter_mut().zip(*bits).for_each(|(a, b)| *a &= b);
        }
        for bits in minus {
            out.iter_mut().zip(*bits).for_each(|(a, b)| *a &= !b);
        }
        Set::OwnBits(out)
    }

    /// The few rows of a set for which a node holds.
    fn keep_where(&mut self, set: Set<'p>, id: NodeId) -> Set<'p> {
        let mut kept = self.scratch.array();
        let base = self.chunk << 16;
        set.for_each(self.chunk_rows, |row| {
            if holds(self.plan, self.ids, id, base | u32::from(row)) {
                kept.push(row);
            }
        });
        self.scratch.give(set);
        Set::OwnArray(kept)
    }

    fn codes(&mut self, codes: &'p Codes) -> Set<'p> {
        let column = &codes.column;
        let presence: Set<'p> = column.presence().map_or(Set::Full, |leaf| leaf.container(self.chunk).into());
        if matches!(presence, Set::Empty) {
            return Set::Empty;
        }
        if column.has_order() && codes.ranges.len() <= 64 {
            let mut array = self.scratch.array();
            let mut slices: [&[u16]; 64] = [&[]; 64];
            let (mut found, mut all) = (0, 0);
            for (slice, &(from, to)) in slices.iter_mut().zip(&codes.ranges) {
                let (rows, present) = column.ordered_rows(self.chunk, from, to).unwrap_or_default();
                (*slice, all) = (rows, present);
                found += rows.len();
            }
            if found == all {
                self.scratch.give(Set::OwnArray(array));
                return presence;
            }
            if found <= ARRAY_MAX {
                for slice in slices {
                    array.extend_from_slice(slice);
                }
                array.sort_unstable();
                // A damaged order could repeat a row.
                array.dedup();
                return Set::OwnArray(array);
            }
            self.scratch.give(Set::OwnArray(array));
            if found <= ARRAY_MAX * 4 {
                let mut bits = self.scratch.zeroed();
                for &row in slices.iter().copied().flatten() {
                    bits[row as usize / 64] |= 1 << (row % 64);
                }
                return Set::OwnBits(bits);
            }
        }
        let found = self.scan(codes, &presence);
        and(found, presence, false, self.chunk_rows, &mut self.scratch)
    }

    /// Looks at every code of the chunk. Dense codes of rows without a value are looked at too, and mean nothing.
    fn scan(&mut self, codes: &Codes, presence: &Set<'p>) -> Set<'p> {
        let mut bits = self.scratch.zeroed();
        let column = &codes.column;
        if column.layout() == Layout::Sparse {
            let mut rank = column.presence().map_or(0, |leaf| leaf.rank_of_chunk(self.chunk)) as usize;
            presence.for_each(self.chunk_rows, |row| {
                let code = match column.codes() {
                    StoredCodes::None => None,
                    StoredCodes::U8(stored) => stored.unchecked().get(rank).map(|&code| code.into()),
                    StoredCodes::U16(stored) => stored.unchecked().get(rank).map(|&code| code.into()),
                    StoredCodes::U32(stored) => stored.unchecked().get(rank).copied(),
                };
                rank += 1;
                let hit = code.is_some_and(|code| codes.contains(code));
                bits[row as usize / 64] |= u64::from(hit) << (row % 64);
            });
            return Set::OwnBits(bits);
        }
        let start = self.chunk as usize * 65_536;
        let end = start + self.chunk_rows as usize;
        match column.codes() {
            StoredCodes::None => {}
            StoredCodes::U8(stored) => fill(&mut bits, stored.unchecked().get(start..end), codes),
            StoredCodes::U16(stored) => fill(&mut bits, stored.unchecked().get(start..end), codes),
            StoredCodes::U32(stored) => fill(&mut bits, stored.unchecked().get(start..end), codes),
        }
        Set::OwnBits(bits)
    }

    /// Counts in bit slices: plane `i` holds bit `i` of every row's number of terms.
    fn at_least(&mut self, k: u32, terms: &[NodeId]) -> Set<'p> {
        let planes_needed = (usize::BITS - terms.len().leading_zeros()) as usize;
        let mut planes: Vec<Box<Bits>> = (0..planes_needed).map(|_| self.scratch.zeroed()).collect();
        for &term in terms {
            let set = self.eval(term);
            if matches!(set, Set::Empty) {
                continue;
            }
            let Set::OwnBits(mut carry) = set.into_bits(self.chunk_rows, &mut self.scratch) else { continue };
            for plane in &mut planes {
                let mut any = 0;
                for (sum, carry) in plane.iter_mut().zip(carry.iter_mut()) {
                    let both = *sum & *carry;
                    *sum ^= *carry;
                    *carry = both;
                    any |= both;
                }
                if any == 0 {
                    break;
                }
            }
            self.scratch.give(Set::OwnBits(carry));
        }
        let mut above = self.scratch.zeroed();
        for (word, above) in above.iter_mut().enumerate() {
            let (mut more, mut equal) = (0_u64, u64::MAX);
            for (bit, plane) in planes.iter().enumerate().rev() {
                if k >> bit & 1 == 1 {
                    equal &= plane[word];
                } else {
                    more |= equal & plane[word];
                    equal &= !plane[word];
                }
            }
            *above = more | equal;
        }
        for plane in planes {
            self.scratch.give(Set::OwnBits(plane));
        }
        Set::OwnBits(above)
    }
}

/// Sets a bit for each chosen code.
fn fill<T: Copy + Into<u32>>(bits: &mut Bits, stored: Option<&[T]>, codes: &Codes) {
    let stored = stored.unwrap_or_default();
    if let [(from, to)] = codes.ranges[..] {
        let span = to - from;
        set_where(bits, stored, |code| code.into().wrapping_sub(from) < span);
    } else {
        set_where(bits, stored, |code| codes.contains(code.into()));
    }
}

/// Sets bit `i` where the test holds for value `i`. The tests of 64 values are independent bytes first, so that the compiler
/// can do many at once, and then one word.
fn set_where<T: Copy>(bits: &mut Bits, values: &[T], holds: impl Fn(T) -> bool) {
    let (groups, rest) = values.as_chunks::<64>();
    let mut hits = [0_u8; 64];
    for (word, group) in bits.iter_mut().zip(groups) {
        for (hit, &value) in hits.iter_mut().zip(group) {
            *hit = holds(value).into();
        }
        *word = pack(&hits);
    }
    if let Some(word) = bits.get_mut(groups.len()) {
        for (bit, &value) in rest.iter().enumerate() {
            *word |= u64::from(holds(value)) << bit;
        }
    }
}

/// 64 bytes of 0 or 1 as 64 bits.
fn pack(hits: &[u8; 64]) -> u64 {
    let (groups, _) = hits.as_chunks::<8>();
    groups.iter().rev().fold(0, |word, group| {
        // The factor moves bit 0 of byte i to bit 56 + i, and nothing else reaches the top byte.
        word << 8 | u64::from_le_bytes(*group).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

fn copy<'p>(set: &Set<'p>, scratch: &mut Scratch) -> Set<'p> {
    match set {
        Set::Empty => Set::Empty,
        Set::Full => Set::Full,
        Set::Array(rows) => Set::Array(rows),
        Set::Bits(bits) => Set::Bits(bits),
        Set::Runs(runs) => Set::Runs(runs),
        Set::OwnArray(rows) => {
            let mut own = scratch.array();
            own.extend_from_slice(rows);
            Set::OwnArray(own)
        }
        Set::OwnBits(bits) => {
            let mut own = scratch.dirty();
            own.copy_from_slice(&bits[..]);
            Set::OwnBits(own)
        }
    }
}

fn in_ranges(ranges: &[(u64, u64)], id: u64) -> bool {
    let after = ranges.partition_point(|range| range.0 <= id);
    after > 0 && id <= ranges[after - 1].1
}

/// Whether a node holds for one row. Touches only what it needs.
pub(super) fn holds(plan: &Plan, ids: &Ids, id: NodeId, row: u32) -> bool {
    let any_id = |test: &dyn Fn(u64) -> bool| ids.id(row).is_ok_and(test);
    let set = |leaf: &Bitmap| leaf.contains(row);
    match &plan.node(id).op {
        Op::None => false,
        Op::All => true,
        Op::Bitmap(leaf) => set(leaf),
        Op::NotBitmap(leaf) => !set(leaf),
        Op::Rows(rows) => rows.binary_search(&row).is_ok(),
        Op::NotRows(rows) => rows.binary_search(&row).is_err(),
        Op::Codes(codes) => codes.column.code(row).ok().flatten().is_some_and(|code| codes.contains(code)),
        Op::UserIds(ranges) => any_id(&|id| in_ranges(ranges, id)),
        Op::Bucket { seed, low, high, inside } => {
            any_id(&|id| (*low..*high).contains(&bucket_of(*seed, id)) == *inside)
        }
        Op::Pair(pair) => pair.matches(row),
        Op::And(terms) => terms.iter().all(|&term| holds(plan, ids, term, row)),
        Op::Or(terms) => terms.iter().any(|&term| holds(plan, ids, term, row)),
        Op::AtLeast(k, terms) => {
            let mut needed = *k;
            needed == 0
                || terms.iter().any(|&term| {
                    needed -= u32::from(holds(plan, ids, term, row));
                    needed == 0
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_set_where_the_test_holds() {
        for len in [0_u32, 1, 63, 64, 65, 1000, 65_536] {
            let values: Vec<u32> = (0..len).map(|i| i.wrapping_mul(0x9e37_79b9) >> 16).collect();
            let mut bits: Bits = [0; 1024];
            set_where(&mut bits, &values, |value| value % 3 == 1);
            for (i, value) in values.iter().enumerate() {
                assert_eq!(bits[i / 64] >> (i % 64) & 1 == 1, value % 3 == 1, "{i} of {len}");
            }
            assert_eq!(
                bits.iter().map(|w| w.count_ones()).sum::<u32>() as usize,
                values.iter().filter(|v| **v % 3 == 1).count()
            );
        }
    }
}
