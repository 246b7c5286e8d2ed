//! "At least k of n": counting in bit slices, 64 rows a word.

use super::Evaluator;
use crate::bitmap::{Bits, Container, Part, Set, kernel};
use crate::plan::NodeId;

/// Up to this `k`, plane `i` is the rows that reached `i + 1`; above, planes are the bits of a number.
const REACHED_MAX: u32 = 4;

impl<'p> Evaluator<'p> {
    pub(super) fn at_least(&mut self, k: u32, of: &[NodeId]) -> Part<'p> {
        if (1..=REACHED_MAX).contains(&k) { self.reached(k, of) } else { self.summed(k, of) }
    }

    /// One plane for each number up to `k`; a sparse term touches its own rows only.
    fn reached(&mut self, k: u32, of: &[NodeId]) -> Part<'p> {
        let mut planes: Vec<Box<Bits>> = (0..k).map(|_| self.scratch.zeroed()).collect();
        for (taken, &id) in of.iter().enumerate() {
            // No row can be higher than the terms taken, and what the terms to come cannot lift to `k` matters no more.
            let high = planes.len().min(taken + 1);
            let low = (k as usize).saturating_sub(of.len() - taken).min(high - 1);
            let part = self.part(id);
            if part.is_all() {
                // As bits: terms with all rows are too rare for a way of their own.
                let mut all = self.scratch.dirty();
                all.fill(u64::MAX);
                kernel::raise(&mut planes[..high], low, &all, false);
                self.scratch.give(Set::OwnBits(all));
            } else {
                match (part.set.view(), part.not) {
                    (Container::Empty, false) | (Container::Full, true) => {}
                    (Container::Array(rows), false) => kernel::raise_rows(&mut planes[..high], low, rows),
                    (Container::Bits(bits), not) => kernel::raise(&mut planes[..high], low, bits, not),
                    _ => {
                        let (not, bits) = (part.not, part.set.into_bits(self.chunk_rows, &mut self.scratch));
                        kernel::raise(&mut planes[..high], low, &bits, not);
                        self.scratch.give(Set::OwnBits(bits));
                        continue;
                    }
                }
            }
            self.scratch.give(part.set);
        }
        let mut result = self.scratch.dirty();
        if let Some(top) = planes.last_mut() {
            trim(top, self.chunk_rows);
            std::mem::swap(top, &mut result);
        }
        for plane in planes {
            self.scratch.give(Set::OwnBits(plane));
        }
        Part::is(Set::OwnBits(result))
    }

    /// Plane `i` holds bit `i` of every row's number of terms.
    fn summed(&mut self, k: u32, of: &[NodeId]) -> Part<'p> {
        let planes_needed = (usize::BITS - of.len().leading_zeros()) as usize;
        let mut planes: Vec<Box<Bits>> = (0..planes_needed).map(|_| self.scratch.zeroed()).collect();
        for &id in of {
            let mut carry = self.bits(id);
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
        trim(&mut above, self.chunk_rows);
        for plane in planes {
            self.scratch.give(Set::OwnBits(plane));
        }
        Part::is(Set::OwnBits(above))
    }
}

/// Clears the bits behind the chunk's last row, which complements set.
fn trim(bits: &mut Bits, chunk_rows: u32) {
    let (word, bit) = (chunk_rows as usize / 64, chunk_rows % 64);
    if let Some(last) = bits.get_mut(word) {
        *last &= (1 << bit) - 1;
        bits[word + 1..].fill(0);
    }
}
