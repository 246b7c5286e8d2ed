//! Two columns compared on one chunk.

use super::Evaluator;
use crate::bitmap::{Bits, Part, Set, Terms, and};
use crate::column::Codes;
use crate::plan::Pair;

impl<'p> Evaluator<'p> {
    /// The rows where both columns have a value and the comparison is as wanted.
    pub(super) fn pair(&mut self, pair: &'p Pair) -> Part<'p> {
        let mut terms = self.spare.pop().unwrap_or_default();
        for leaf in pair.presences() {
            let presence = self.container(leaf);
            terms.push(Part::is(presence), &mut self.scratch);
        }
        let part = match pair.aligned() {
            _ if terms.is_none() => and(&mut terms, self.chunk_rows, &mut self.scratch),
            Some((left, right, places)) => {
                let mut bits = self.scratch.zeroed();
                let span = self.chunk_span();
                self.touched += ((left.code_width() + right.code_width()) * self.chunk_rows as usize) as u64;
                compare(&mut bits, left.codes(), right.codes(), span, places, pair.orders());
                terms.push(Part::is(Set::OwnBits(bits)), &mut self.scratch);
                and(&mut terms, self.chunk_rows, &mut self.scratch)
            }
            None => self.pair_by_row(pair, &mut terms),
        };
        self.spare.push(terms);
        part
    }

    /// Looks at both values of each row that has them.
    fn pair_by_row(&mut self, pair: &Pair, both: &mut Terms<'p>) -> Part<'p> {
        let both = and(both, self.chunk_rows, &mut self.scratch).into_set(self.chunk_rows, &mut self.scratch);
        let (base, mut bits) = (self.chunk << 16, self.scratch.zeroed());
        both.for_each(self.chunk_rows, |row| {
            let hit = pair.matches_present(base | u32::from(row));
            bits[row as usize / 64] |= u64::from(hit) << (row % 64);
        });
        self.scratch.give(both);
        Part::is(Set::OwnBits(bits))
    }

    /// Where the chunk's rows are in a list of all rows.
    fn chunk_span(&self) -> (usize, usize) {
        let start = (self.chunk as usize) << 16;
        (start, start + self.chunk_rows as usize)
    }
}

/// Sets the bits of the rows whose codes are ordered in one of the wanted ways. Rows without a value get any bit.
fn compare(bits: &mut Bits, left: &Codes, right: &Codes, span: (usize, usize), places: &[u32], orders: u8) {
    match left {
        Codes::None => {}
        Codes::U8(left) => with_left(bits, left.unchecked().get(span.0..span.1), right, span, places, orders),
        Codes::U16(left) => {
            with_left(bits, left.unchecked().get(span.0..span.1), right, span, places, orders);
        }
        Codes::U32(left) => {
            with_left(bits, left.unchecked().get(span.0..span.1), right, span, places, orders);
        }
    }
}

fn with_left<L: Copy + Into<u32>>(
    bits: &mut Bits,
    left: Option<&[L]>,
    right: &Codes,
    span: (usize, usize),
    places: &[u32],
    orders: u8,
) {
    let left = left.unwrap_or_default();
    match right {
        Codes::None => {}
        Codes::U8(right) => by_place(bits, left, right.unchecked().get(span.0..span.1), places, orders),
        Codes::U16(right) => by_place(bits, left, right.unchecked().get(span.0..span.1), places, orders),
        Codes::U32(right) => by_place(bits, left, right.unchecked().get(span.0..span.1), places, orders),
    }
}

fn by_place<L: Copy + Into<u32>, R: Copy + Into<u32>>(
    bits: &mut Bits,
    left: &[L],
    right: Option<&[R]>,
    places: &[u32],
    orders: u8,
) {
    let right = right.unwrap_or_default();
    for (word, (left, right)) in bits.iter_mut().zip(left.chunks(64).zip(right.chunks(64))) {
        for (bit, (&left, &right)) in left.iter().zip(right).enumerate() {
            let left = left.into().wrapping_mul(2) + 1;
            // A code behind the dictionary is damage; any place will do.
            let right = places.get(right.into() as usize).copied().unwrap_or(0);
            let order = 1 + u8::from(left > right) - u8::from(left < right);
            *word |= u64::from(orders >> order & 1) << bit;
        }
    }
}
