//! The algebra on one chunk: operands borrowed from leaves, results in reused buffers.
//!
//! A set may stand for the rows it does *not* have ([`Part::not`]), so a complement is never built. AND takes [`Part`]s apart
//! by what they are on this chunk, combines all bitsets in one pass and filters the smallest array by the rest; OR is the AND
//! of complements where a part is one, and else a union. Counting writes nothing where that can be helped.

use std::rc::Rc;

use super::build::iterate;
use super::terms::Terms;
use super::{Bits, Container, Run, WORDS, kernel};

/// Arrays up to this many rows are merged; above, a bitset is cheaper.
const MERGE_MAX: usize = 64;

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
    /// Ascending rows that are kept for other uses too.
    SharedArray(Rc<Vec<u16>>),
    /// Bits that are kept for other uses too.
    SharedBits(Rc<Box<Bits>>),
}

/// A set, or all rows that it does not have.
#[derive(Debug)]
pub struct Part<'a> {
    /// The set.
    pub set: Set<'a>,
    /// Whether its complement is meant.
    pub not: bool,
}

/// Buffers of each kind that are kept for the next result; more are in use at once only in rules of very many terms.
const KEPT_MAX: usize = 256;

/// Buffers that results live in, so that a running count allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    // Boxed so that a buffer moves between the pool and a set without being copied.
    #[allow(clippy::vec_box)]
    bits: Vec<Box<Bits>>,
    arrays: Vec<Vec<u16>>,
    /// All clear whenever nobody is using it.
    blank: Option<Box<Bits>>,
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
        let mut array = self.arrays.pop().unwrap_or_default();
        array.clear();
        array
    }

    /// Lends a clear bitset with these rows added, and clears it again.
    pub(super) fn with_rows<T>(&mut self, rows: &[u16], f: impl FnOnce(&mut Self, &Bits) -> T) -> T {
        let mut bits = self.blank.take().unwrap_or_else(|| Box::new([0; WORDS]));
        kernel::flip_rows(&mut bits, rows);
        let result = f(self, &bits);
        for &row in rows {
            bits[row as usize / 64] = 0;
        }
        self.blank = Some(bits);
        result
    }

    /// Takes a set's buffer back, wherever it came from. What is too many to keep goes.
    pub fn give(&mut self, set: Set<'_>) {
        let (array, bits) = match set {
            Set::OwnArray(array) => (Some(array), None),
            Set::OwnBits(bits) => (None, Some(bits)),
            Set::SharedArray(array) => (Rc::into_inner(array), None),
            Set::SharedBits(bits) => (None, Rc::into_inner(bits)),
            Set::Empty | Set::Full | Set::Array(_) | Set::Bits(_) | Set::Runs(_) => return,
        };
        if self.arrays.len() < KEPT_MAX {
            self.arrays.extend(array);
        }
        if self.bits.len() < KEPT_MAX {
            self.bits.extend(bits);
        }
    }

    /// Bytes of the buffers that wait for their next use.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        let arrays: usize = self.arrays.iter().map(|array| array.capacity() * size_of::<u16>()).sum();
        arrays + self.bits.len() * size_of::<Bits>()
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

impl<'a> Set<'a> {
    /// The same rows, borrowing this set's buffer.
    pub fn view(&self) -> Container<'_> {
        match self {
            Self::Empty => Container::Empty,
            Self::Full => Container::Full,
            Self::Array(rows) => Container::Array(rows),
            Self::OwnArray(rows) => Container::Array(rows),
            Self::SharedArray(rows) => Container::Array(rows),
            Self::Bits(bits) => Container::Bits(bits),
            Self::OwnBits(bits) => Container::Bits(bits),
            Self::SharedBits(bits) => Container::Bits(bits),
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

    /// These rows as bits of their own.
    pub fn into_bits<'s>(self, chunk_rows: u32, scratch: &mut Scratch) -> Box<Bits>
    where
        Self: 's,
    {
        match self {
            Set::OwnBits(bits) => bits,
            other => {
                let mut bits = scratch.dirty();
                match other.view() {
                    Container::Bits(words) => bits.copy_from_slice(words),
                    view => {
                        bits.fill(0);
                        union_into(&mut bits, view, chunk_rows);
                    }
                }
                scratch.give(other);
                bits
            }
        }
    }

    /// The rows that another set does not have.
    #[must_use]
    pub fn without(self, other: Container<'_>, chunk_rows: u32, scratch: &mut Scratch) -> Self {
        match (self, other) {
            (set, Container::Empty) => set,
            (Self::Empty, _) => Self::Empty,
            (set @ (Self::Array(_) | Self::OwnArray(_) | Self::SharedArray(_)), other) => {
                let mut kept = scratch.array();
                set.for_each(chunk_rows, |row| kept.extend((!other.contains(row)).then_some(row)));
                scratch.give(set);
                Self::OwnArray(kept)
            }
            (set, other) => {
                let mut bits = set.into_bits(chunk_rows, scratch);
                subtract_from(&mut bits, other);
                Self::OwnBits(bits)
            }
        }
    }

    /// The same set, whose buffer can be shared.
    #[must_use]
    pub fn shared(self) -> Self {
        match self {
            Self::OwnArray(rows) => Self::SharedArray(Rc::new(rows)),
            Self::OwnBits(bits) => Self::SharedBits(Rc::new(bits)),
            other => other,
        }
    }

    /// Another hold of a set that is borrowed or shared; `None` if it is somebody's own.
    pub fn again(&self) -> Option<Set<'a>> {
        Some(match self {
            Self::Empty => Set::Empty,
            Self::Full => Set::Full,
            Self::Array(rows) => Set::Array(rows),
            Self::Bits(bits) => Set::Bits(bits),
            Self::Runs(runs) => Set::Runs(runs),
            Self::SharedArray(rows) => Set::SharedArray(Rc::clone(rows)),
            Self::SharedBits(bits) => Set::SharedBits(Rc::clone(bits)),
            Self::OwnArray(_) | Self::OwnBits(_) => return None,
        })
    }
}

impl<'a> Part<'a> {
    /// The set itself.
    pub fn is(set: impl Into<Set<'a>>) -> Self {
        Self { set: set.into(), not: false }
    }

    /// Everything but the set.
    pub fn is_not(set: impl Into<Set<'a>>) -> Self {
        Self { set: set.into(), not: true }
    }

    /// The other rows.
    #[must_use]
    pub fn inverted(self) -> Self {
        Self { set: self.set, not: !self.not }
    }

    /// Whether it is known to have no rows.
    pub fn is_none(&self) -> bool {
        matches!((&self.set, self.not), (Set::Empty, false) | (Set::Full, true))
    }

    /// Whether it is known to have all rows.
    pub fn is_all(&self) -> bool {
        matches!((&self.set, self.not), (Set::Empty, true) | (Set::Full, false))
    }

    /// Rows it stands for.
    pub fn count(&self, chunk_rows: u32) -> u32 {
        let count = self.set.count(chunk_rows);
        // Damaged bits may be set behind the chunk's end.
        if self.not { chunk_rows.saturating_sub(count) } else { count }
    }

    /// The rows it stands for as a set.
    pub fn into_set(self, chunk_rows: u32, scratch: &mut Scratch) -> Set<'a> {
        match (self.not, self.set) {
            (false, set) => set,
            (true, Set::Empty) => Set::Full,
            (true, Set::Full) => Set::Empty,
            (true, set) => {
                let mut bits = scratch.zeroed();
                union_into(&mut bits, Container::Full, chunk_rows);
                subtract_from(&mut bits, set.view());
                scratch.give(set);
                Set::OwnBits(bits)
            }
        }
    }
}

/// The rows in all of the parts. Takes the parts out of `parts`.
pub fn and<'a>(parts: &mut Terms<'a>, chunk_rows: u32, scratch: &mut Scratch) -> Part<'a> {
    if parts.is_none() {
        parts.give_all(scratch);
        return Part::is(Set::Empty);
    }
    if parts.only_complements() {
        // Outside of all of these is outside of their union.
        let of = parts.take_complements();
        return Part::is_not(union(of, parts, chunk_rows, scratch));
    }
    let set = parts.intersect(chunk_rows, scratch);
    Part::is(set)
}

/// How many rows are in all of the parts.
pub fn count_and(parts: &mut Terms<'_>, chunk_rows: u32, scratch: &mut Scratch) -> u32 {
    if parts.is_none() {
        parts.give_all(scratch);
        return 0;
    }
    if let Some(count) = parts.sole_count(chunk_rows) {
        parts.give_all(scratch);
        return count;
    }
    if parts.only_complements() {
        let of = parts.take_complements();
        return chunk_rows.saturating_sub(count_union(of, parts, chunk_rows, scratch));
    }
    parts.count(chunk_rows, scratch)
}

/// The union of sets, whose list goes back to `pool`.
fn union<'a>(mut of: Vec<Set<'a>>, pool: &mut Terms<'a>, chunk_rows: u32, scratch: &mut Scratch) -> Set<'a> {
    let set = match of.len() {
        0 => Set::Empty,
        1 => of.pop().unwrap_or(Set::Empty),
        _ => match few_rows(&of, scratch) {
            Some(rows) => Set::OwnArray(rows),
            None => Set::OwnBits(union_bits(&of, chunk_rows, scratch)),
        },
    };
    pool.give_list(of, scratch);
    set
}

fn count_union<'a>(of: Vec<Set<'a>>, pool: &mut Terms<'a>, chunk_rows: u32, scratch: &mut Scratch) -> u32 {
    let count = match &of[..] {
        [] => 0,
        [only] => only.count(chunk_rows),
        _ => {
            if let Some(rows) = few_rows(&of, scratch) {
                let count = rows.len() as u32;
                scratch.give(Set::OwnArray(rows));
                count
            } else if let Some(count) = count_bits(&of) {
                count
            } else {
                let bits = union_bits(&of, chunk_rows, scratch);
                let count = kernel::count(&bits);
                scratch.give(Set::OwnBits(bits));
                count
            }
        }
    };
    pool.give_list(of, scratch);
    count
}

/// The size of the union, if all sets are bitsets.
fn count_bits(of: &[Set<'_>]) -> Option<u32> {
    if of.len() > GROUP || of.iter().any(|set| as_bits(set).is_none()) {
        return None;
    }
    let mut count = 0;
    each_group(of.iter().filter_map(as_bits), |group| count = kernel::count_or(group));
    Some(count)
}

/// The union as an array, if all sets are arrays and have few rows together.
fn few_rows(of: &[Set<'_>], scratch: &mut Scratch) -> Option<Vec<u16>> {
    let mut total = 0;
    for set in of {
        let Container::Array(rows) = set.view() else { return None };
        total += rows.len();
        if total > MERGE_MAX {
            return None;
        }
    }
    let mut all = scratch.array();
    for set in of {
        if let Container::Array(rows) = set.view() {
            all.extend_from_slice(rows);
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// The union as bits: all bitsets in one pass, then runs, then arrays row by row.
fn union_bits(of: &[Set<'_>], chunk_rows: u32, scratch: &mut Scratch) -> Box<Bits> {
    let mut out = scratch.dirty();
    let mut begun = false;
    each_group(of.iter().filter_map(as_bits), |group| {
        if begun {
            for bits in group {
                union_into(&mut out, Container::Bits(bits), chunk_rows);
            }
        } else {
            kernel::or_into(&mut out, group);
            begun = true;
        }
    });
    if !begun {
        out.fill(0);
    }
    for set in of {
        match set.view() {
            Container::Bits(_) => {}
            view => union_into(&mut out, view, chunk_rows),
        }
    }
    out
}

/// How many bitsets are combined in one pass.
pub(super) const GROUP: usize = 32;

/// Hands over bitsets in groups that fit one pass.
pub(super) fn each_group<'b>(of: impl Iterator<Item = &'b Bits>, mut f: impl FnMut(&[&'b Bits])) {
    static NONE: Bits = [0; WORDS];
    let mut group: [&Bits; GROUP] = [&NONE; GROUP];
    let mut len = 0;
    for bits in of {
        group[len] = bits;
        len += 1;
        if len == GROUP {
            f(&group);
            len = 0;
        }
    }
    if len > 0 {
        f(&group[..len]);
    }
}

/// The bits of a set that is a bitset.
pub(super) fn as_bits<'s>(set: &'s Set<'_>) -> Option<&'s Bits> {
    match set.view() {
        Container::Bits(bits) => Some(bits),
        _ => None,
    }
}

/// Adds a container's rows to a bitset.
pub(super) fn union_into(bits: &mut Bits, other: Container<'_>, chunk_rows: u32) {
    match other {
        Container::Empty => {}
        Container::Full if chunk_rows == 0 => {}
        Container::Full => fill(bits, 0, (chunk_rows - 1) as u16, true),
        Container::Array(rows) => kernel::add_rows(bits, rows),
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a |= b),
        Container::Runs(runs) => runs.iter().for_each(|run| fill(bits, run.first, run.last, true)),
    }
}

/// Takes away all rows outside of the runs.
pub(super) fn intersect_runs(bits: &mut Bits, runs: &[Run]) {
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

/// Takes away a container's rows.
pub(super) fn subtract_from(bits: &mut Bits, other: Container<'_>) {
    match other {
        Container::Empty => {}
        Container::Full => bits.fill(0),
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a &= !b),
        Container::Array(rows) => {
            kernel::remove_rows(bits, rows);
        }
        Container::Runs(runs) => runs.iter().for_each(|run| fill(bits, run.first, run.last, false)),
    }
}

/// Sets or clears `first..=last`.
fn fill(bits: &mut Bits, first: u16, last: u16, value: bool) {
    if value {
        each_word(bits, first, last, |word, mask| *word |= mask);
    } else {
        each_word(bits, first, last, |word, mask| *word &= !mask);
    }
}

/// Flips a container's rows, which is not a full one.
pub fn toggle(bits: &mut Bits, other: Container<'_>) {
    match other {
        Container::Empty | Container::Full => {}
        Container::Array(rows) => kernel::flip_rows(bits, rows),
        Container::Bits(other) => bits.iter_mut().zip(other).for_each(|(a, b)| *a ^= b),
        Container::Runs(runs) => {
            for run in runs {
                each_word(bits, run.first, run.last, |word, mask| *word ^= mask);
            }
        }
    }
}

/// The words that hold `first..=last`, with a mask of those bits.
fn each_word(bits: &mut Bits, first: u16, last: u16, f: impl Fn(&mut u64, u64)) {
    if first > last {
        return;
    }
    let (from, to) = (first as usize / 64, last as usize / 64);
    let (low, high) = (u64::MAX << (first % 64), u64::MAX >> (63 - last % 64));
    if from == to {
        f(&mut bits[from], low & high);
        return;
    }
    f(&mut bits[from], low);
    bits[from + 1..to].iter_mut().for_each(|word| f(word, u64::MAX));
    f(&mut bits[to], high);
}
