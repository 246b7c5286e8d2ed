//! The inner loops over a chunk's words and rows, compiled for what the processor can do.
//!
//! Each loop is written once, in portable Rust that compilers turn into vector code, and compiled three times on x86-64: for
//! any processor, for AVX2 and for AVX-512. Which one runs is decided once a process, by asking the processor;
//! `MUSTER_KERNEL=portable|avx2|avx512` asks for less than it has, so that tests cover every one. Elsewhere (NEON is part of
//! every 64-bit ARM) the portable loops are the vector code.

// A loop must become part of each function that is compiled for other instructions.
#![allow(clippy::inline_always)]

use std::sync::OnceLock;

use super::{Bits, WORDS};

/// Which compilation of the loops runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// For any processor.
    Portable,
    /// AVX2, BMI and POPCNT.
    Avx2,
    /// AVX-512 with the byte, word and population count instructions.
    Avx512,
}

/// The kernel that this process uses.
pub fn kernel() -> Kernel {
    static CHOSEN: OnceLock<Kernel> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let wanted = match std::env::var("MUSTER_KERNEL").as_deref() {
            Ok("portable") => Kernel::Portable,
            Ok("avx2") => Kernel::Avx2,
            _ => Kernel::Avx512,
        };
        wanted.min(best())
    })
}

#[cfg(target_arch = "x86_64")]
fn best() -> Kernel {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq");
    match (avx512, avx2) {
        (true, _) => Kernel::Avx512,
        (_, true) => Kernel::Avx2,
        _ => Kernel::Portable,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn best() -> Kernel {
    Kernel::Portable
}

/// Compiles each loop of `body` for every kernel, and makes the function that calls the right one.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)?;)*) => {
        $(
            $(#[$doc])*
            pub fn $name($($arg: $ty),*) $(-> $out)? {
                #[cfg(target_arch = "x86_64")]
                match kernel() {
                    // SAFETY: `kernel` is this only if the processor was asked for every feature that the function uses.
                    Kernel::Avx512 => return unsafe { avx512::$name($($arg),*) },
                    // SAFETY: as above.
                    Kernel::Avx2 => return unsafe { avx2::$name($($arg),*) },
                    Kernel::Portable => {}
                }
                body::$name($($arg),*)
            }
        )*

        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            use super::*;
            $(
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
                pub(super) fn $name($($arg: $ty),*) $(-> $out)? {
                    body::$name($($arg),*)
                }
            )*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use super::*;
            $(
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
                pub(super) fn $name($($arg: $ty),*) $(-> $out)? {
                    body::$name($($arg),*)
                }
            )*
        }
    };
}

kernels! {
    /// How many rows are in all of `keep` and in none of `minus`. Without `keep`, all 65,536 are.
    fn count_and(keep: &[&Bits], minus: &[&Bits]) -> u32;
    /// Makes `out` the rows in all of `keep` and in none of `minus`; tells how many.
    fn and_into(out: &mut Bits, keep: &[&Bits], minus: &[&Bits]) -> u32;
    /// Keeps in `out` the rows in all of `keep` and in none of `minus`; tells how many are left.
    fn and_assign(out: &mut Bits, keep: &[&Bits], minus: &[&Bits]) -> u32;
    /// How many rows are in any of `of`.
    fn count_or(of: &[&Bits]) -> u32;
    /// Makes `out` the rows in any of `of`.
    fn or_into(out: &mut Bits, of: &[&Bits]);
    /// Makes `out` the rows in an odd number of `of`.
    fn xor_into(out: &mut Bits, of: &[&Bits]);
    /// How many rows are set.
    fn count(bits: &Bits) -> u32;
    /// How many rows are set in these words, and in how many runs of neighbours.
    fn rows_and_runs(words: &[u64]) -> (u32, u32);
    /// Flips rows.
    fn flip_rows(bits: &mut Bits, rows: &[u16]);
    /// Adds rows.
    fn add_rows(bits: &mut Bits, rows: &[u16]);
    /// Takes rows away; tells how many were there.
    fn remove_rows(bits: &mut Bits, rows: &[u16]) -> u32;
    /// How many of the rows are in all of `keep` and in none of `minus`.
    fn count_rows(rows: &[u16], keep: &[&Bits], minus: &[&Bits]) -> u32;
    /// Makes `kept` the rows that are in all of `keep` and in none of `minus`.
    fn filter_rows(rows: &[u16], keep: &[&Bits], minus: &[&Bits], kept: &mut Vec<u16>);
    /// Adds one to the number of each row of `term`: `reached[i]` are the rows with at least `i + 1`. Those below `from` matter
    /// no more.
    fn raise(reached: &mut [Box<Bits>], from: usize, term: &Bits, not: bool);
    /// The same for a sparse term.
    fn raise_rows(reached: &mut [Box<Bits>], from: usize, rows: &[u16]);
    /// Sets the bit of each value whose hash with the seed, modulo 10,000, is in `low..high`, or not if `!inside`.
    fn in_bucket(bits: &mut Bits, ids: &[u64], seed: u64, span: (u32, u32), inside: bool);
}

/// The loops.
mod body {
    use super::{Bits, WORDS, set_where};
    use crate::key::bucket_of;

    // All loops over words are written as one expression per word over operands of a known number: that is what compilers turn
    // into vector code. Longer lists are taken four at a time through a result that stays in the first-level cache.

    #[inline(always)]
    fn store(out: &mut Bits, word: impl Fn(usize) -> u64) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = word(i);
        }
    }

    #[inline(always)]
    fn total(word: impl Fn(usize) -> u64) -> u32 {
        let mut count = 0;
        for i in 0..WORDS {
            count += u64::from(word(i).count_ones());
        }
        count as u32
    }

    #[inline(always)]
    pub(super) fn count_and(keep: &[&Bits], minus: &[&Bits]) -> u32 {
        match (keep, minus) {
            ([a], []) => total(|i| a[i]),
            ([a, b], []) => total(|i| a[i] & b[i]),
            ([a, b, c], []) => total(|i| a[i] & b[i] & c[i]),
            ([a, b, c, d], []) => total(|i| a[i] & b[i] & c[i] & d[i]),
            ([a], [b]) => total(|i| a[i] & !b[i]),
            ([a, b], [c]) => total(|i| a[i] & b[i] & !c[i]),
            ([a, b, c], [d]) => total(|i| a[i] & b[i] & c[i] & !d[i]),
            ([a], [b, c]) => total(|i| a[i] & !b[i] & !c[i]),
            ([a, b], [c, d]) => total(|i| a[i] & b[i] & !c[i] & !d[i]),
            ([a, b, c, d, e], []) => total(|i| a[i] & b[i] & c[i] & d[i] & e[i]),
            ([a, b, c, d, e, f], []) => total(|i| a[i] & b[i] & c[i] & d[i] & e[i] & f[i]),
            _ => count_many(keep, minus),
        }
    }

    /// Eight at first, the last ones while counting, and the others in between.
    #[inline(always)]
    fn count_many(keep: &[&Bits], minus: &[&Bits]) -> u32 {
        let mut all = [0; WORDS];
        let [a, b, c, d, e, f, g, h, keep @ ..] = keep else {
            return and_into(&mut all, keep, minus);
        };
        store(&mut all, |i| a[i] & b[i] & c[i] & d[i] & e[i] & f[i] & g[i] & h[i]);
        match (keep, minus) {
            ([], [a]) => total(|i| all[i] & !a[i]),
            ([], [a, b]) => total(|i| all[i] & !a[i] & !b[i]),
            ([a], []) => total(|i| all[i] & a[i]),
            ([a], [b]) => total(|i| all[i] & a[i] & !b[i]),
            ([a, b], []) => total(|i| all[i] & a[i] & b[i]),
            _ => and_assign(&mut all, keep, minus),
        }
    }

    #[inline(always)]
    pub(super) fn and_into(out: &mut Bits, keep: &[&Bits], minus: &[&Bits]) -> u32 {
        let (keep, minus) = match (keep, minus) {
            ([a, b, c, d, keep @ ..], _) => {
                store(out, |i| a[i] & b[i] & c[i] & d[i]);
                (keep, minus)
            }
            ([a, b, c], [d, minus @ ..]) => {
                store(out, |i| a[i] & b[i] & c[i] & !d[i]);
                (&[][..], minus)
            }
            ([a, b, c], []) => {
                store(out, |i| a[i] & b[i] & c[i]);
                (&[][..], minus)
            }
            ([a, b], [c, d, minus @ ..]) => {
                store(out, |i| a[i] & b[i] & !c[i] & !d[i]);
                (&[][..], minus)
            }
            ([a, b], [c]) => {
                store(out, |i| a[i] & b[i] & !c[i]);
                (&[][..], &[][..])
            }
            ([a, b], []) => {
                store(out, |i| a[i] & b[i]);
                (&[][..], minus)
            }
            ([a], [b, minus @ ..]) => {
                store(out, |i| a[i] & !b[i]);
                (&[][..], minus)
            }
            ([a], []) => {
                store(out, |i| a[i]);
                (&[][..], minus)
            }
            ([], _) => {
                out.fill(u64::MAX);
                (keep, minus)
            }
        };
        and_assign(out, keep, minus)
    }

    #[inline(always)]
    pub(super) fn and_assign(out: &mut Bits, keep: &[&Bits], minus: &[&Bits]) -> u32 {
        let (fours, rest) = keep.as_chunks::<4>();
        for [a, b, c, d] in fours {
            for i in 0..WORDS {
                out[i] &= a[i] & b[i] & c[i] & d[i];
            }
        }
        for a in rest {
            for i in 0..WORDS {
                out[i] &= a[i];
            }
        }
        let (fours, rest) = minus.as_chunks::<4>();
        for [a, b, c, d] in fours {
            for i in 0..WORDS {
                out[i] &= !(a[i] | b[i] | c[i] | d[i]);
            }
        }
        for a in rest {
            for i in 0..WORDS {
                out[i] &= !a[i];
            }
        }
        count(out)
    }

    #[inline(always)]
    pub(super) fn count_or(of: &[&Bits]) -> u32 {
        match of {
            [] => 0,
            [a] => total(|i| a[i]),
            [a, b] => total(|i| a[i] | b[i]),
            [a, b, c] => total(|i| a[i] | b[i] | c[i]),
            [a, b, c, d] => total(|i| a[i] | b[i] | c[i] | d[i]),
            _ => {
                let mut any = [0; WORDS];
                or_into(&mut any, of);
                count(&any)
            }
        }
    }

    #[inline(always)]
    pub(super) fn or_into(out: &mut Bits, of: &[&Bits]) {
        let rest = match of {
            [] => {
                out.fill(0);
                of
            }
            [a] => {
                store(out, |i| a[i]);
                &[]
            }
            [a, b] => {
                store(out, |i| a[i] | b[i]);
                &[]
            }
            [a, b, c, rest @ ..] => {
                store(out, |i| a[i] | b[i] | c[i]);
                rest
            }
        };
        let (fours, rest) = rest.as_chunks::<4>();
        for [a, b, c, d] in fours {
            for i in 0..WORDS {
                out[i] |= a[i] | b[i] | c[i] | d[i];
            }
        }
        for a in rest {
            for i in 0..WORDS {
                out[i] |= a[i];
            }
        }
    }

    #[inline(always)]
    pub(super) fn xor_into(out: &mut Bits, of: &[&Bits]) {
        match of {
            [] => out.fill(0),
            [a] => out.copy_from_slice(*a),
            [a, b, rest @ ..] => {
                for i in 0..WORDS {
                    out[i] = a[i] ^ b[i];
                }
                for bits in rest {
                    for i in 0..WORDS {
                        out[i] ^= bits[i];
                    }
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn count(bits: &Bits) -> u32 {
        total(|i| bits[i])
    }

    #[inline(always)]
    pub(super) fn rows_and_runs(words: &[u64]) -> (u32, u32) {
        let Some(&first) = words.first() else { return (0, 0) };
        // A run starts at each set bit whose lower neighbour is clear.
        let (mut rows, mut runs) =
            (u64::from(first.count_ones()), u64::from((first & !(first << 1)).count_ones()));
        for (&before, &word) in words.iter().zip(&words[1..]) {
            rows += u64::from(word.count_ones());
            runs += u64::from((word & !(word << 1 | before >> 63)).count_ones());
        }
        (rows as u32, runs as u32)
    }

    /// Does something with the word and the bit of each row. Neighbours in a sorted list often share a word, and each change would
    /// wait for the one before; so four parts of the list are walked side by side.
    #[inline(always)]
    fn each_row(rows: &[u16], mut f: impl FnMut(usize, u32)) {
        let mut one = |row: u16| f(row as usize / 64, u32::from(row % 64));
        let quarter = rows.len() / 4;
        let (first, rest) = rows.split_at(quarter);
        let (second, rest) = rest.split_at(quarter);
        let (third, fourth) = rest.split_at(quarter);
        for (((&a, &b), &c), &d) in first.iter().zip(second).zip(third).zip(fourth) {
            one(a);
            one(b);
            one(c);
            one(d);
        }
        fourth[quarter..].iter().for_each(|&row| one(row));
    }

    #[inline(always)]
    pub(super) fn flip_rows(bits: &mut Bits, rows: &[u16]) {
        each_row(rows, |word, bit| bits[word] ^= 1 << bit);
    }

    #[inline(always)]
    pub(super) fn add_rows(bits: &mut Bits, rows: &[u16]) {
        each_row(rows, |word, bit| bits[word] |= 1 << bit);
    }

    #[inline(always)]
    pub(super) fn remove_rows(bits: &mut Bits, rows: &[u16]) -> u32 {
        let mut known = 0;
        each_row(rows, |word, bit| {
            known += bits[word] >> bit & 1;
            bits[word] &= !(1 << bit);
        });
        known as u32
    }

    /// 1 if the row is in all of `keep` and in none of `minus`.
    #[inline(always)]
    fn hit(row: u16, keep: &[&Bits], minus: &[&Bits]) -> u64 {
        let (word, bit) = (row as usize / 64, row % 64);
        let kept = keep.iter().fold(u64::MAX, |all, bits| all & bits[word]);
        let lost = minus.iter().fold(0, |any, bits| any | bits[word]);
        (kept & !lost) >> bit & 1
    }

    #[inline(always)]
    pub(super) fn count_rows(rows: &[u16], keep: &[&Bits], minus: &[&Bits]) -> u32 {
        let total: u64 = match (keep, minus) {
            ([a], []) => rows.iter().map(|&row| hit(row, &[a], &[])).sum(),
            ([], [a]) => rows.iter().map(|&row| hit(row, &[], &[a])).sum(),
            ([a, b], []) => rows.iter().map(|&row| hit(row, &[a, b], &[])).sum(),
            _ => rows.iter().map(|&row| hit(row, keep, minus)).sum(),
        };
        total as u32
    }

    #[inline(always)]
    pub(super) fn filter_rows(rows: &[u16], keep: &[&Bits], minus: &[&Bits], kept: &mut Vec<u16>) {
        // Without branches: every row is written, the length moves only for those that stay.
        kept.clear();
        kept.resize(rows.len(), 0);
        let mut len = 0;
        for &row in rows {
            kept[len] = row;
            len += hit(row, keep, minus) as usize;
        }
        kept.truncate(len);
    }

    #[inline(always)]
    pub(super) fn raise(reached: &mut [Box<Bits>], from: usize, term: &Bits, not: bool) {
        let flip = if not { u64::MAX } else { 0 };
        for at in (from.max(1)..reached.len()).rev() {
            let (below, here) = reached.split_at_mut(at);
            if let (Some(below), Some(here)) = (below.last(), here.first_mut()) {
                for i in 0..WORDS {
                    here[i] |= below[i] & (term[i] ^ flip);
                }
            }
        }
        if let (0, Some(first)) = (from, reached.first_mut()) {
            for i in 0..WORDS {
                first[i] |= term[i] ^ flip;
            }
        }
    }

    #[inline(always)]
    pub(super) fn raise_rows(reached: &mut [Box<Bits>], from: usize, rows: &[u16]) {
        match (from, reached) {
            (0, [first]) => add_rows(first, rows),
            (0, [first, second]) => {
                each_row(rows, |word, bit| {
                    second[word] |= first[word] & (1 << bit);
                    first[word] |= 1 << bit;
                });
            }
            (1, [first, second]) => {
                each_row(rows, |word, bit| second[word] |= first[word] & (1 << bit));
            }
            (_, reached) => {
                for &row in rows {
                    let (word, bit) = (row as usize / 64, 1 << (row % 64));
                    let mut carry = bit;
                    for plane in &mut *reached {
                        let known = plane[word];
                        plane[word] = known | carry;
                        carry &= known;
                    }
                }
            }
        }
    }

    #[inline(always)]
    pub(super) fn in_bucket(bits: &mut Bits, ids: &[u64], seed: u64, span: (u32, u32), inside: bool) {
        let (low, width) = (span.0, span.1.saturating_sub(span.0));
        let holds = |id: u64| (bucket_of(seed, id).wrapping_sub(low) < width) == inside;
        set_where(bits, ids, holds);
    }
}

/// 64 bytes of 0 or 1 as 64 bits.
#[inline(always)]
pub fn pack(hits: &[u8; 64]) -> u64 {
    let (groups, _) = hits.as_chunks::<8>();
    groups.iter().rev().fold(0, |word, group| {
        // The factor moves bit 0 of byte i to bit 56 + i, and nothing else reaches the top byte.
        word << 8 | u64::from_le_bytes(*group).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

/// Sets bit `i` where the test holds for value `i`. The tests of 64 values are independent bytes first, so that the compiler
/// can do many at once, and then one word.
#[inline(always)]
pub fn set_where<T: Copy>(bits: &mut Bits, values: &[T], holds: impl Fn(T) -> bool) {
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
            assert_eq!(count(&bits) as usize, values.iter().filter(|v| **v % 3 == 1).count());
        }
    }
}
