//! Codes of a value column on one chunk: differences of prefixes, slices of the order, or a scan.
//!
//! A range of codes is the rows below its end without the rows below its start. Both are prefixes of the chunk's order, and a
//! prefix is the nearest step (a stored bitmap) with the rows between flipped. So all of it is a sum modulo two: of stored
//! bitmaps and of short lists of rows, in any order.

use super::Evaluator;
use crate::bitmap::{Bits, Container, Part, Scratch, Set, and, kernel, toggle};
use crate::column::{Codes as StoredCodes, Layout, Steps, ValueColumn};
use crate::format::records::StepEntry;
use crate::plan::Codes;
use crate::rule::bind::ranges::Range;

/// Up to so many rows are laid out one by one; more are the difference of two prefixes.
const SLICE_ROWS_MAX: usize = 1536;
/// Up to so many rows are kept as an array.
const SORTED_ROWS_MAX: usize = 32;
/// With more ranges than this, every code of the chunk is looked at.
const RANGES_MAX: usize = 64;

impl<'p> Evaluator<'p> {
    pub(super) fn codes(&mut self, codes: &'p Codes) -> Part<'p> {
        let column = &codes.column;
        let presence = column.presence().map_or(Container::Full, |leaf| leaf.container(self.chunk));
        if matches!(presence, Container::Empty) {
            return Part::is(Set::Empty);
        }
        if codes.ranges.len() <= RANGES_MAX {
            if column.has_order() {
                return self.ordered(column, &codes.ranges, presence);
            }
            if let Some(steps) = column.steps() {
                return self.stepped(column, steps, &codes.ranges, presence);
            }
        }
        self.touched += (self.chunk_rows as usize * column.code_width() + presence.bytes()) as u64;
        let found = self.scan(codes, &presence.into());
        let mut terms = self.spare.pop().unwrap_or_default();
        terms.push(Part::is(found), &mut self.scratch);
        terms.push(Part::is(presence), &mut self.scratch);
        let both = and(&mut terms, self.chunk_rows, &mut self.scratch);
        self.spare.push(terms);
        both
    }

    /// Of a column with an order.
    fn ordered(&mut self, column: &'p ValueColumn, ranges: &[Range], presence: Container<'p>) -> Part<'p> {
        let order = Order { column, chunk: self.chunk, rows: column.order_of_chunk(self.chunk), presence };
        let (mut sum, mut found) = (Sum::default(), 0);
        for &(from, to) in ranges {
            let (first, last) = (order.bound(from), order.bound(to));
            let slice = order.rows.get(first.position..last.position).unwrap_or_default();
            found += slice.len();
            if ranges.len() == 1 && slice.len() <= SORTED_ROWS_MAX {
                self.touched += size_of_val(slice) as u64;
                return self.short(slice);
            }
            if slice.len() <= SLICE_ROWS_MAX {
                sum.flip(slice, &mut self.scratch);
            } else {
                order.add_prefix(&first, &mut sum, &mut self.scratch);
                order.add_prefix(&last, &mut sum, &mut self.scratch);
            }
        }
        self.touched += sum.touched;
        sum.finish(found, &mut self.scratch)
    }

    /// A few rows, in any order.
    fn short(&mut self, rows: &[u16]) -> Part<'p> {
        if rows.is_empty() {
            return Part::is(Set::Empty);
        }
        let mut array = self.scratch.array();
        array.extend_from_slice(rows);
        array.sort_unstable();
        // A damaged order could repeat a row.
        array.dedup();
        Part::is(Set::OwnArray(array))
    }

    /// Of a column with a bitmap per value.
    fn stepped(
        &mut self,
        column: &'p ValueColumn,
        steps: &'p Steps,
        ranges: &[Range],
        presence: Container<'p>,
    ) -> Part<'p> {
        let values = Values { column, chunk: self.chunk, steps, presence };
        let (mut sum, mut found) = (Sum::default(), 0_usize);
        for &(from, to) in ranges {
            let (first, last) = (values.steps_around(from), values.steps_around(to));
            if first.below_at == last.below_at {
                // No step between the ends: only a few rows or values.
                found += values.add_values(from, to, &mut sum, &mut self.scratch);
            } else {
                values.add_prefix(from, &first, &mut sum, &mut self.scratch);
                values.add_prefix(to, &last, &mut sum, &mut self.scratch);
                // A step more has a row more.
                found += 1;
            }
        }
        self.touched += sum.touched;
        sum.finish(found, &mut self.scratch)
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
}

/// A sum modulo two of bitmaps and rows. As long as it is one stored bitmap, nothing is copied.
#[derive(Default)]
struct Sum<'p> {
    stored: Option<Container<'p>>,
    own: Option<Box<Bits>>,
    not: bool,
    /// Stored bytes of all that was added.
    touched: u64,
}

impl<'p> Sum<'p> {
    fn add(&mut self, container: Container<'p>, scratch: &mut Scratch) {
        self.touched += container.bytes() as u64;
        match (container, &self.own, self.stored) {
            (Container::Empty, ..) => {}
            (Container::Full, ..) => self.not = !self.not,
            (_, None, None) => self.stored = Some(container),
            (Container::Bits(b), None, Some(Container::Bits(a))) => {
                let mut own = scratch.dirty();
                kernel::xor_into(&mut own, &[a, b]);
                (self.own, self.stored) = (Some(own), None);
            }
            _ => toggle(self.bits(scratch), container),
        }
    }

    fn flip(&mut self, rows: &[u16], scratch: &mut Scratch) {
        if !rows.is_empty() {
            self.touched += size_of_val(rows) as u64;
            kernel::flip_rows(self.bits(scratch), rows);
        }
    }

    /// What there is so far, as bits that can be changed.
    fn bits(&mut self, scratch: &mut Scratch) -> &mut Bits {
        let stored = self.stored.take();
        self.own.get_or_insert_with(|| match stored {
            Some(Container::Bits(bits)) => {
                let mut own = scratch.dirty();
                own.copy_from_slice(bits);
                own
            }
            other => {
                let mut own = scratch.zeroed();
                toggle(&mut own, other.unwrap_or(Container::Empty));
                own
            }
        })
    }

    /// The sum, which has no rows if none were `found`.
    fn finish(self, found: usize, scratch: &mut Scratch) -> Part<'p> {
        let set = match (self.own, self.stored) {
            (Some(own), _) if found == 0 => {
                scratch.give(Set::OwnBits(own));
                return Part::is(Set::Empty);
            }
            (Some(own), _) => Set::OwnBits(own),
            (None, Some(stored)) => stored.into(),
            (None, None) => Set::Empty,
        };
        Part { set, not: self.not }
    }
}

/// An end of a range on one chunk.
struct Bound<'p> {
    /// Rows of the chunk below it.
    position: usize,
    /// The last step that is not behind it.
    below: Option<&'p StepEntry>,
    /// The first step that is behind it.
    above: Option<&'p StepEntry>,
}

/// The order of one chunk.
struct Order<'p> {
    column: &'p ValueColumn,
    chunk: u32,
    rows: &'p [u16],
    presence: Container<'p>,
}

impl<'p> Order<'p> {
    fn bound(&self, code: u32) -> Bound<'p> {
        if code == 0 {
            return Bound { position: 0, below: None, above: None };
        }
        if code >= self.column.dictionary().len() {
            return Bound { position: self.rows.len(), below: None, above: None };
        }
        let steps = self.column.steps().map_or(&[][..], |steps| steps.of_chunk(self.chunk));
        let after = steps.partition_point(|step| step.code <= code);
        let below = after.checked_sub(1).and_then(|at| steps.get(at));
        let above = steps.get(after);
        let low = below.map_or(0, |step| step.rows as usize);
        let position = match below {
            Some(step) if step.code == code => low,
            _ => {
                let high = above.map_or(self.rows.len(), |step| step.rows as usize);
                self.column.position(self.chunk, code, (low, high)).min(self.rows.len())
            }
        };
        Bound { position, below, above }
    }

    /// Adds all rows below a bound.
    fn add_prefix(&self, bound: &Bound<'p>, sum: &mut Sum<'p>, scratch: &mut Scratch) {
        let all = self.rows.len();
        let (low, high) = (
            bound.below.map_or(0, |step| step.rows as usize),
            bound.above.map_or(all, |step| step.rows as usize),
        );
        let position = bound.position;
        // An end without steps on either side is the chunk's start or end, or the chunk has none.
        let (step, rows) = if position - low.min(position) <= high.max(position) - position {
            (bound.below, self.rows.get(low..position))
        } else if bound.above.is_none() {
            sum.add(self.presence, scratch);
            (None, self.rows.get(position..all))
        } else {
            (bound.above, self.rows.get(position..high))
        };
        if let (Some(step), Some(steps)) = (step, self.column.steps()) {
            sum.add(steps.container(step), scratch);
        }
        sum.flip(rows.unwrap_or_default(), scratch);
    }
}

/// A chunk of a column with a bitmap per value.
struct Values<'p> {
    column: &'p ValueColumn,
    chunk: u32,
    steps: &'p Steps,
    presence: Container<'p>,
}

/// The steps on both sides of a code.
struct Around<'p> {
    /// How many steps are not behind it.
    below_at: usize,
    below: Option<&'p StepEntry>,
    above: Option<&'p StepEntry>,
}

impl<'p> Values<'p> {
    fn steps_around(&self, code: u32) -> Around<'p> {
        let steps = self.steps.of_chunk(self.chunk);
        let below_at = steps.partition_point(|step| step.code <= code);
        let below = below_at.checked_sub(1).and_then(|at| steps.get(at));
        Around { below_at, below, above: steps.get(below_at) }
    }

    /// Adds the rows of these codes; tells how many.
    fn add_values(&self, from: u32, to: u32, sum: &mut Sum<'p>, scratch: &mut Scratch) -> usize {
        let mut rows = 0;
        for leaf in (from..to).filter_map(|code| self.column.opened_leaf(code)) {
            if let Some(entry) = leaf.entry(self.chunk) {
                sum.add(leaf.container_of(entry), scratch);
                rows += entry.rows as usize;
            }
        }
        rows
    }

    /// Adds all rows below a code, from the side on which fewer values are between it and a step.
    fn add_prefix(&self, code: u32, around: &Around<'p>, sum: &mut Sum<'p>, scratch: &mut Scratch) {
        let low = around.below.map_or(0, |step| step.code);
        let high = around.above.map_or(self.column.dictionary().len(), |step| step.code);
        if code - low.min(code) <= high.max(code) - code {
            if let Some(step) = around.below {
                sum.add(self.steps.container(step), scratch);
            }
            self.add_values(low, code, sum, scratch);
        } else {
            match around.above {
                Some(step) => sum.add(self.steps.container(step), scratch),
                None => sum.add(self.presence, scratch),
            }
            self.add_values(code, high, sum, scratch);
        }
    }
}

/// Sets a bit for each chosen code.
fn fill<T: Copy + Into<u32>>(bits: &mut Bits, stored: Option<&[T]>, codes: &Codes) {
    let stored = stored.unwrap_or_default();
    if let [(from, to)] = codes.ranges[..] {
        let span = to - from;
        kernel::set_where(bits, stored, |code| code.into().wrapping_sub(from) < span);
    } else {
        kernel::set_where(bits, stored, |code| codes.contains(code.into()));
    }
}
