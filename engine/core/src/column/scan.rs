//! The codes of many rows of a chunk at once: where the values of one row are looked for by rank, those of many are walked.

use super::{Codes, Layout, ValueColumn};
use crate::bitmap::{Bits, Scratch, Set, WORDS};
use crate::format::{CHUNK_ROWS, rows_in_chunk};

impl ValueColumn {
    /// Calls `f` with the code of each of these rows of a chunk that has a value, in the order of the rows.
    /// [`ValueColumn::check_codes`] must have succeeded.
    pub(crate) fn for_each_code(
        &self,
        chunk: u32,
        rows: &Bits,
        scratch: &mut Scratch,
        mut f: impl FnMut(u32),
    ) {
        let chunk_rows = rows_in_chunk(self.table_rows(), chunk);
        let first = (chunk * CHUNK_ROWS) as usize;
        let Some(presence) = self.presence() else {
            return self.walk((first, chunk_rows as usize), rows, None, f);
        };
        let Some(entry) = presence.entry(chunk) else { return };
        let present = Set::from(presence.container_of(entry)).into_bits(chunk_rows, scratch);
        if self.layout() == Layout::Sparse {
            self.walk((entry.rank as usize, entry.rows as usize), rows, Some(&present), &mut f);
        } else {
            let mut both = scratch.dirty();
            both.iter_mut().zip(rows).zip(present.iter()).for_each(|((both, a), b)| *both = a & b);
            self.walk((first, chunk_rows as usize), &both, None, &mut f);
            scratch.give(Set::OwnBits(both));
        }
        scratch.give(Set::OwnBits(present));
    }

    /// Walks codes that begin at a place: of each row, or of each present one.
    fn walk(
        &self,
        (first, len): (usize, usize),
        rows: &Bits,
        present: Option<&Bits>,
        mut f: impl FnMut(u32),
    ) {
        let span = first..first + len;
        match self.codes() {
            Codes::U8(codes) => {
                walk(codes.unchecked().get(span).unwrap_or_default(), rows, present, |code| f(code.into()));
            }
            Codes::U16(codes) => {
                walk(codes.unchecked().get(span).unwrap_or_default(), rows, present, |code| f(code.into()));
            }
            Codes::U32(codes) => walk(codes.unchecked().get(span).unwrap_or_default(), rows, present, f),
            Codes::None => self.walk_truths(first, rows, f),
        }
    }

    /// Of booleans, the code is whether the row is true.
    fn walk_truths(&self, first: usize, rows: &Bits, mut f: impl FnMut(u32)) {
        let truths = self.truths().map(|truths| truths.container((first as u32) / CHUNK_ROWS));
        for (word, &rows) in rows.iter().enumerate() {
            each_bit(rows, |bit| {
                let row = (word * 64) as u16 + bit as u16;
                f(truths.is_some_and(|truths| truths.contains(row)).into());
            });
        }
    }
}

fn walk<T: Copy>(codes: &[T], rows: &Bits, present: Option<&Bits>, mut f: impl FnMut(T)) {
    let mut one = |at: usize| {
        if let Some(&code) = codes.get(at) {
            f(code);
        }
    };
    let Some(present) = present else {
        for (word, &rows) in rows.iter().enumerate() {
            each_bit(rows, |bit| one(word * 64 + bit as usize));
        }
        return;
    };
    // The rank of a row is what is present before it: counted up word by word.
    let mut before = 0;
    for word in 0..WORDS {
        let held = present[word];
        each_bit(rows[word] & held, |bit| one(before + (held & ((1 << bit) - 1)).count_ones() as usize));
        before += held.count_ones() as usize;
    }
}

#[inline]
fn each_bit(mut bits: u64, mut f: impl FnMut(u32)) {
    while bits != 0 {
        f(bits.trailing_zeros());
        bits &= bits - 1;
    }
}
