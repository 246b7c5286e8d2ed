//! The terms of an AND on one chunk, sorted by what they are there, and the ways to combine them.

use super::set::{GROUP, as_bits, each_group, intersect_runs, subtract_from, union_into};
use super::{Bits, Container, Part, Run, Scratch, Set, WORDS, kernel};

/// Searching each row of the smaller array beats laying out the larger above this ratio.
const SEARCH_RATIO: usize = 24;

/// Terms of an AND. Its lists keep their capacity from chunk to chunk.
#[derive(Debug, Default)]
pub struct Terms<'a> {
    /// A term has no rows here.
    none: bool,
    keep: Sorted<'a>,
    minus: Sorted<'a>,
    /// Rows of all sets added so far, if that is known and there is just one.
    sole_rows: Option<u32>,
    spare: Vec<Set<'a>>,
}

/// Sets by their shape.
#[derive(Debug, Default)]
struct Sorted<'a> {
    arrays: Vec<Set<'a>>,
    bits: Vec<Set<'a>>,
    runs: Vec<Set<'a>>,
}

impl<'a> Sorted<'a> {
    fn is_empty(&self) -> bool {
        self.arrays.is_empty() && self.bits.is_empty() && self.runs.is_empty()
    }

    fn lists(&mut self) -> [&mut Vec<Set<'a>>; 3] {
        [&mut self.arrays, &mut self.bits, &mut self.runs]
    }
}

impl<'a> Terms<'a> {
    /// Adds a stored term, whose directory knows how many rows it has.
    pub fn push_stored(&mut self, part: Part<'a>, rows: u32, scratch: &mut Scratch) {
        let before = self.sets();
        self.push(part, scratch);
        if before == 0 && self.sets() == 1 {
            self.sole_rows = Some(rows);
        }
    }

    /// How many sets there are.
    fn sets(&self) -> usize {
        let of = |side: &Sorted<'_>| side.arrays.len() + side.bits.len() + side.runs.len();
        of(&self.keep) + of(&self.minus)
    }

    /// How many rows are in all terms, if there is but one and a directory tells.
    pub(super) fn sole_count(&self, chunk_rows: u32) -> Option<u32> {
        let rows = self.sole_rows.filter(|_| self.sets() == 1)?;
        Some(if self.only_complements() { chunk_rows.saturating_sub(rows) } else { rows })
    }

    /// Adds a term.
    pub fn push(&mut self, part: Part<'a>, scratch: &mut Scratch) {
        if self.sets() == 0 {
            self.sole_rows = None;
        }
        if part.is_none() {
            self.none = true;
        }
        let side = if part.not { &mut self.minus } else { &mut self.keep };
        match part.set.view() {
            Container::Array(_) => side.arrays.push(part.set),
            Container::Bits(_) => side.bits.push(part.set),
            Container::Runs(_) => side.runs.push(part.set),
            Container::Empty | Container::Full => scratch.give(part.set),
        }
    }

    /// Whether a term has no rows here, so that nothing is left.
    pub fn is_none(&self) -> bool {
        self.none
    }

    /// The size of the smallest array among the terms: no more rows than that are left.
    pub fn rows_at_most(&self) -> Option<usize> {
        self.keep.arrays.iter().filter_map(|set| array_of(set).map(<[u16]>::len)).min()
    }

    /// Whether there is nothing to keep, only rows to leave out.
    pub(super) fn only_complements(&self) -> bool {
        self.keep.is_empty()
    }

    /// Takes all sets whose rows are left out.
    pub(super) fn take_complements(&mut self) -> Vec<Set<'a>> {
        self.sole_rows = None;
        let mut all = std::mem::take(&mut self.spare);
        self.minus.lists().into_iter().for_each(|list| all.append(list));
        all
    }

    /// Takes a list back, and its sets' buffers.
    pub(super) fn give_list(&mut self, mut list: Vec<Set<'a>>, scratch: &mut Scratch) {
        list.drain(..).for_each(|set| scratch.give(set));
        self.spare = list;
    }

    /// Gives all buffers back and starts anew.
    pub fn give_all(&mut self, scratch: &mut Scratch) {
        (self.none, self.sole_rows) = (false, None);
        for list in self.keep.lists().into_iter().chain(self.minus.lists()) {
            list.drain(..).for_each(|set| scratch.give(set));
        }
    }

    /// The rows in all terms, of which one at least is kept.
    pub(super) fn intersect(&mut self, chunk_rows: u32, scratch: &mut Scratch) -> Set<'a> {
        if let Some(only) = self.take_only() {
            return only;
        }
        let set = if self.keep.arrays.is_empty() {
            Set::OwnBits(self.intersect_bits(chunk_rows, scratch).0)
        } else {
            let rows = self.filter_arrays(scratch);
            let kept = self.through_bits(rows, scratch);
            Set::OwnArray(kept)
        };
        self.give_all(scratch);
        set
    }

    /// How many rows are in all terms, of which one at least is kept.
    pub(super) fn count(&mut self, chunk_rows: u32, scratch: &mut Scratch) -> u32 {
        let count = if self.keep.arrays.is_empty() {
            self.count_bits(chunk_rows, scratch)
        } else if let Some(count) = self.count_two_arrays(scratch) {
            count
        } else {
            let rows = self.filter_arrays(scratch);
            let count = self.count_through_bits(&rows, scratch);
            scratch.give(Set::OwnArray(rows));
            count
        };
        self.give_all(scratch);
        count
    }

    /// The only term, if there is just one.
    fn take_only(&mut self) -> Option<Set<'a>> {
        let kept = self.keep.arrays.len() + self.keep.bits.len() + self.keep.runs.len();
        if kept != 1 || !self.minus.is_empty() {
            return None;
        }
        self.keep.lists().into_iter().find_map(Vec::pop)
    }

    fn count_bits(&mut self, chunk_rows: u32, scratch: &mut Scratch) -> u32 {
        let small = self.keep.bits.len() <= GROUP && self.minus.bits.len() <= GROUP;
        let runs = !self.keep.runs.is_empty() || !self.minus.runs.is_empty();
        if !small || runs || self.minus.arrays.len() > 1 {
            let (bits, count) = self.intersect_bits(chunk_rows, scratch);
            scratch.give(Set::OwnBits(bits));
            return count;
        }
        with_refs(&self.keep.bits, &self.minus.bits, |keep, minus| {
            let lost = match self.minus.arrays.first().and_then(array_of) {
                Some(rows) => kernel::count_rows(rows, keep, minus),
                None => 0,
            };
            kernel::count_and(keep, minus).saturating_sub(lost)
        })
    }

    /// All terms, none of the kept ones being an array, as bits, and how many.
    fn intersect_bits(&mut self, chunk_rows: u32, scratch: &mut Scratch) -> (Box<Bits>, u32) {
        let mut out = scratch.dirty();
        let mut runs = self.keep.runs.iter();
        let mut count = 0;
        if self.keep.bits.is_empty() {
            out.fill(0);
            if let Some(first) = runs.next() {
                union_into(&mut out, first.view(), chunk_rows);
            }
        } else if self.keep.bits.len() <= GROUP && self.minus.bits.len() <= GROUP {
            count = with_refs(&self.keep.bits, &self.minus.bits, |keep, minus| {
                kernel::and_into(&mut out, keep, minus)
            });
        } else {
            out.fill(u64::MAX);
            each_group(self.keep.bits.iter().filter_map(as_bits), |group| {
                count = kernel::and_assign(&mut out, group, &[]);
            });
        }
        if self.keep.bits.is_empty() || self.keep.bits.len() > GROUP || self.minus.bits.len() > GROUP {
            each_group(self.minus.bits.iter().filter_map(as_bits), |group| {
                kernel::and_assign(&mut out, &[], group);
            });
            count = kernel::count(&out);
        }
        let more_runs = runs.len() + self.minus.runs.len() > 0;
        runs.filter_map(runs_of).for_each(|runs| intersect_runs(&mut out, runs));
        self.minus.runs.iter().for_each(|set| subtract_from(&mut out, set.view()));
        if more_runs {
            count = kernel::count(&out);
        }
        for rows in self.minus.arrays.iter().filter_map(array_of) {
            count -= kernel::remove_rows(&mut out, rows);
        }
        (out, count)
    }

    /// The commonest cases of sparse sets: two arrays and nothing else, both kept or one of them left out.
    fn count_two_arrays(&self, scratch: &mut Scratch) -> Option<u32> {
        let others =
            self.keep.bits.len() + self.keep.runs.len() + self.minus.bits.len() + self.minus.runs.len();
        match (&self.keep.arrays[..], &self.minus.arrays[..], others) {
            ([a, b], [], 0) => Some(count_common(array_of(a)?, array_of(b)?, scratch)),
            ([a], [b], 0) => {
                let (a, b) = (array_of(a)?, array_of(b)?);
                // Damaged rows may repeat.
                Some((a.len() as u32).saturating_sub(count_common(a, b, scratch)))
            }
            _ => None,
        }
    }

    /// The rows in all kept arrays and runs and in no array or run that is left out.
    fn filter_arrays(&mut self, scratch: &mut Scratch) -> Vec<u16> {
        self.keep.arrays.sort_by_key(|set| array_of(set).map_or(0, <[u16]>::len));
        let mut arrays = self.keep.arrays.iter().filter_map(array_of);
        let mut rows = scratch.array();
        let mut other = scratch.array();
        let smallest = arrays.next().unwrap_or_default();
        match arrays.next() {
            Some(next) => keep_common(smallest, next, &mut rows, scratch),
            None => rows.extend_from_slice(smallest),
        }
        for array in arrays {
            if rows.is_empty() {
                break;
            }
            keep_common(&rows, array, &mut other, scratch);
            std::mem::swap(&mut rows, &mut other);
        }
        for array in self.minus.arrays.iter().filter_map(array_of) {
            if rows.is_empty() {
                break;
            }
            if rows.len() * SEARCH_RATIO < array.len() {
                rows.retain(|row| array.binary_search(row).is_err());
            } else if array.len() * SEARCH_RATIO < rows.len() {
                other.clear();
                search(array, &rows, |row| other.push(row));
                remove_few(&mut rows, &other);
            } else {
                scratch.with_rows(array, |_, laid| kernel::filter_rows(&rows, &[], &[laid], &mut other));
                std::mem::swap(&mut rows, &mut other);
            }
        }
        for runs in &self.keep.runs {
            rows.retain(|&row| runs.view().contains(row));
        }
        for runs in &self.minus.runs {
            rows.retain(|&row| !runs.view().contains(row));
        }
        scratch.give(Set::OwnArray(other));
        rows
    }

    /// The rows that all bitsets let through.
    fn through_bits(&self, rows: Vec<u16>, scratch: &mut Scratch) -> Vec<u16> {
        let (mut rows, mut other) = (rows, scratch.array());
        each_group(self.keep.bits.iter().filter_map(as_bits), |group| {
            kernel::filter_rows(&rows, group, &[], &mut other);
            std::mem::swap(&mut rows, &mut other);
        });
        each_group(self.minus.bits.iter().filter_map(as_bits), |group| {
            kernel::filter_rows(&rows, &[], group, &mut other);
            std::mem::swap(&mut rows, &mut other);
        });
        scratch.give(Set::OwnArray(other));
        rows
    }

    fn count_through_bits(&self, rows: &[u16], scratch: &mut Scratch) -> u32 {
        let (keep, minus) = (self.keep.bits.len(), self.minus.bits.len());
        if keep + minus == 0 {
            return rows.len() as u32;
        }
        if keep <= GROUP && minus <= GROUP {
            return with_refs(&self.keep.bits, &self.minus.bits, |keep, minus| {
                kernel::count_rows(rows, keep, minus)
            });
        }
        let mut copy = scratch.array();
        copy.extend_from_slice(rows);
        let kept = self.through_bits(copy, scratch);
        let count = kept.len() as u32;
        scratch.give(Set::OwnArray(kept));
        count
    }
}

/// Lends two lists of at most [`GROUP`] bitsets each.
fn with_refs<T>(keep: &[Set<'_>], minus: &[Set<'_>], f: impl FnOnce(&[&Bits], &[&Bits]) -> T) -> T {
    static NONE: Bits = [0; WORDS];
    let (mut kept, mut lost): ([&Bits; GROUP], [&Bits; GROUP]) = ([&NONE; GROUP], [&NONE; GROUP]);
    for (to, from) in kept.iter_mut().zip(keep.iter().filter_map(as_bits)) {
        *to = from;
    }
    for (to, from) in lost.iter_mut().zip(minus.iter().filter_map(as_bits)) {
        *to = from;
    }
    f(&kept[..keep.len().min(GROUP)], &lost[..minus.len().min(GROUP)])
}

fn array_of<'s>(set: &'s Set<'_>) -> Option<&'s [u16]> {
    match set.view() {
        Container::Array(rows) => Some(rows),
        _ => None,
    }
}

fn runs_of<'s>(set: &'s Set<'_>) -> Option<&'s [Run]> {
    match set.view() {
        Container::Runs(runs) => Some(runs),
        _ => None,
    }
}

/// Makes `out` the rows of both arrays, `small` being no larger than `large`.
fn keep_common(small: &[u16], large: &[u16], out: &mut Vec<u16>, scratch: &mut Scratch) {
    out.clear();
    if small.len() * SEARCH_RATIO < large.len() {
        search(small, large, |row| out.push(row));
    } else {
        scratch.with_rows(small, |_, laid| kernel::filter_rows(large, &[laid], &[], out));
    }
}

/// How many rows two arrays have in common.
pub(super) fn count_common(a: &[u16], b: &[u16], scratch: &mut Scratch) -> u32 {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if small.len() * SEARCH_RATIO < large.len() {
        return search(small, large, |_| {});
    }
    scratch.with_rows(small, |_, laid| kernel::count_rows(large, &[laid], &[]))
}

/// Takes a few rows out of an array that has them all; both ascend.
fn remove_few(rows: &mut Vec<u16>, few: &[u16]) {
    let (mut from, mut to) = (0, 0);
    for &row in few {
        let at = from + rows[from..].partition_point(|&other| other < row);
        rows.copy_within(from..at, to);
        to += at - from;
        // Damaged rows may not ascend.
        from = (at + 1).min(rows.len());
    }
    let left = rows.len() - from;
    rows.copy_within(from.., to);
    rows.truncate(to + left);
}

/// Looks for each row of `small` in `large` by doubling steps; tells how many were found.
fn search(small: &[u16], large: &[u16], mut found: impl FnMut(u16)) -> u32 {
    let (mut rest, mut count) = (large, 0);
    for &row in small {
        let mut high = 1;
        while high < rest.len() && rest[high] < row {
            high *= 2;
        }
        let low = (high / 2).min(rest.len());
        let end = rest.len().min(high + 1);
        let at = low + rest[low..end].partition_point(|&other| other < row);
        rest = &rest[at..];
        if rest.first() == Some(&row) {
            count += 1;
            found(row);
        }
    }
    count
}
