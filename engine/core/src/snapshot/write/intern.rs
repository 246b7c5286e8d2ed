//! Distinct values as they arrive, each with a provisional code; sorted into a dictionary at the end.

use hashbrown::HashTable;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::encode::Distinct;

/// Values seen so far, of one width.
#[derive(Debug)]
pub(super) struct Interner {
    values: Distinct,
    table: HashTable<u32>,
}

impl Interner {
    pub(super) fn fixed8() -> Self {
        Self { values: Distinct::Fixed8(Vec::new()), table: HashTable::new() }
    }

    pub(super) fn fixed16() -> Self {
        Self { values: Distinct::Fixed16(Vec::new()), table: HashTable::new() }
    }

    pub(super) fn bytes() -> Self {
        Self { values: Distinct::Bytes { ends: Vec::new(), bytes: Vec::new() }, table: HashTable::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The provisional code of a 64-bit key; `None` if this interner is of another width.
    pub(super) fn code8(&mut self, key: u64) -> Option<u32> {
        let Distinct::Fixed8(keys) = &mut self.values else { return None };
        let next = keys.len() as u32;
        let found =
            self.table.entry(mix(key), |&code| keys[code as usize] == key, |&code| mix(keys[code as usize]));
        let code = *found.or_insert(next).get();
        if code == next {
            keys.push(key);
        }
        Some(code)
    }

    /// The provisional code of a 128-bit key.
    pub(super) fn code16(&mut self, key: u128) -> Option<u32> {
        let Distinct::Fixed16(keys) = &mut self.values else { return None };
        let hash = |key: u128| mix(key as u64 ^ mix((key >> 64) as u64));
        let next = keys.len() as u32;
        let found = self.table.entry(
            hash(key),
            |&code| keys[code as usize] == key,
            |&code| hash(keys[code as usize]),
        );
        let code = *found.or_insert(next).get();
        if code == next {
            keys.push(key);
        }
        Some(code)
    }

    /// The provisional code of bytes.
    pub(super) fn code_bytes(&mut self, value: &[u8]) -> Option<u32> {
        let Distinct::Bytes { ends, bytes } = &mut self.values else { return None };
        let next = ends.len() as u32;
        let found = self.table.entry(
            xxh3_64(value),
            |&code| slice(ends, bytes, code) == value,
            |&code| xxh3_64(slice(ends, bytes, code)),
        );
        let code = *found.or_insert(next).get();
        if code == next {
            bytes.extend_from_slice(value);
            ends.push(bytes.len() as u64);
        }
        Some(code)
    }

    /// The 64-bit keys by provisional code.
    pub(super) fn keys8(&self) -> &[u64] {
        match &self.values {
            Distinct::Fixed8(keys) => keys,
            _ => &[],
        }
    }

    /// For each provisional code its final one.
    pub(super) fn finals(&self) -> Vec<u32> {
        finals_of(&self.order())
    }

    /// The provisional codes in the order of their values.
    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        match &self.values {
            Distinct::Fixed8(keys) => order.par_sort_unstable_by_key(|&code| keys[code as usize]),
            Distinct::Fixed16(keys) => order.par_sort_unstable_by_key(|&code| keys[code as usize]),
            Distinct::Bytes { ends, bytes } => {
                order.par_sort_unstable_by(|&a, &b| slice(ends, bytes, a).cmp(slice(ends, bytes, b)));
            }
            Distinct::None => {}
        }
        order
    }

    /// The dictionary, and for each provisional code its final one.
    pub(super) fn into_sorted(mut self) -> (Distinct, Vec<u32>) {
        self.table = HashTable::new();
        let order = self.order();
        let sorted = match self.values {
            Distinct::Fixed8(keys) => {
                Distinct::Fixed8(order.iter().map(|&code| keys[code as usize]).collect())
            }
            Distinct::Fixed16(keys) => {
                Distinct::Fixed16(order.iter().map(|&code| keys[code as usize]).collect())
            }
            Distinct::Bytes { ends, bytes } => {
                let mut sorted = (Vec::with_capacity(ends.len()), Vec::with_capacity(bytes.len()));
                for &code in &order {
                    sorted.1.extend_from_slice(slice(&ends, &bytes, code));
                    sorted.0.push(sorted.1.len() as u64);
                }
                Distinct::Bytes { ends: sorted.0, bytes: sorted.1 }
            }
            Distinct::None => Distinct::None,
        };
        (sorted, finals_of(&order))
    }
}

fn finals_of(order: &[u32]) -> Vec<u32> {
    let mut finals = vec![0; order.len()];
    for (code, &provisional) in order.iter().enumerate() {
        finals[provisional as usize] = code as u32;
    }
    finals
}

fn slice<'a>(ends: &[u64], bytes: &'a [u8], code: u32) -> &'a [u8] {
    let start = if code == 0 { 0 } else { ends[code as usize - 1] };
    &bytes[start as usize..ends[code as usize] as usize]
}

/// Spreads a key over all bits; the table uses the top seven and the low ones.
fn mix(key: u64) -> u64 {
    let wide = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xa076_1d64_78bd_642f;
    (wide >> 64) as u64 ^ wide as u64
}
