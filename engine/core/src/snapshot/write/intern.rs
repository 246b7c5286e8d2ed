//! Distinct values as they arrive, each with a provisional code; sorted into a dictionary at the end.

use hashbrown::HashTable;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::dictionary::Distinct;
use crate::batch::Keys;

/// Keys below this are found without hashing.
const SMALL_KEYS: usize = 1 << 12;

/// Values seen so far, of one width.
#[derive(Debug)]
pub(super) struct Interner {
    values: Distinct,
    table: HashTable<u32>,
    /// Provisional code of each small key, plus one.
    small: Vec<u32>,
}

impl Interner {
    fn new(values: Distinct) -> Self {
        Self { values, table: HashTable::new(), small: Vec::new() }
    }

    pub(super) fn fixed8() -> Self {
        Self { small: vec![0; SMALL_KEYS], ..Self::new(Distinct::Fixed8(Vec::new())) }
    }

    pub(super) fn fixed16() -> Self {
        Self::new(Distinct::Fixed16(Vec::new()))
    }

    pub(super) fn bytes() -> Self {
        Self::new(Distinct::Bytes { ends: Vec::new(), bytes: Vec::new() })
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The provisional code of the value at an index; `None` if its width is not the interner's.
    pub(super) fn code_of(&mut self, keys: &Keys, index: usize) -> Option<u32> {
        match keys {
            Keys::Bool(keys) => self.code8(keys[index].into()),
            Keys::Fixed8(keys) => self.code8(keys[index]),
            Keys::Fixed16(keys) => self.code16(keys[index]),
            Keys::Bytes { .. } => self.code_bytes(text_of(keys, index)?),
        }
    }

    fn code8(&mut self, key: u64) -> Option<u32> {
        let Distinct::Fixed8(keys) = &mut self.values else { return None };
        let next = keys.len() as u32;
        if let Some(code) = self.small.get_mut(key as usize) {
            if *code == 0 {
                keys.push(key);
                *code = next + 1;
            }
            return Some(*code - 1);
        }
        let found =
            self.table.entry(mix(key), |&code| keys[code as usize] == key, |&code| mix(keys[code as usize]));
        let code = *found.or_insert(next).get();
        if code == next {
            keys.push(key);
        }
        Some(code)
    }

    fn code16(&mut self, key: u128) -> Option<u32> {
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

    fn code_bytes(&mut self, value: &[u8]) -> Option<u32> {
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

    /// The value of a provisional code as bytes that sort as the values do; for texts and 128-bit keys. `room` is for
    /// the latter.
    pub(super) fn bytes_of<'a>(&'a self, code: u32, room: &'a mut [u8; 16]) -> &'a [u8] {
        match &self.values {
            Distinct::Bytes { ends, bytes } => slice(ends, bytes, code),
            Distinct::Fixed16(keys) => {
                *room = keys[code as usize].to_be_bytes();
                room
            }
            Distinct::Fixed8(_) => &[],
        }
    }

    /// The provisional codes in the order of their values.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.values.len() as u32).collect();
        match &self.values {
            Distinct::Fixed8(keys) => order.par_sort_unstable_by_key(|&code| keys[code as usize]),
            Distinct::Fixed16(keys) => order.par_sort_unstable_by_key(|&code| keys[code as usize]),
            Distinct::Bytes { ends, bytes } => {
                order.par_sort_unstable_by(|&a, &b| slice(ends, bytes, a).cmp(slice(ends, bytes, b)));
            }
        }
        order
    }

    /// For each provisional code its final one.
    pub(super) fn finals(&self) -> Vec<u32> {
        finals_of(&self.order(), self.len())
    }

    /// The dictionary of the values whose codes are `used`, and for each provisional code its final one.
    pub(super) fn sorted(&self, used: impl Fn(u32) -> bool) -> (Distinct, Vec<u32>) {
        let mut order = self.order();
        order.retain(|&code| used(code));
        let sorted = match &self.values {
            Distinct::Fixed8(keys) => {
                Distinct::Fixed8(order.iter().map(|&code| keys[code as usize]).collect())
            }
            Distinct::Fixed16(keys) => {
                Distinct::Fixed16(order.iter().map(|&code| keys[code as usize]).collect())
            }
            Distinct::Bytes { ends, bytes } => {
                let mut sorted = (Vec::with_capacity(ends.len()), Vec::with_capacity(bytes.len()));
                for &code in &order {
                    sorted.1.extend_from_slice(slice(ends, bytes, code));
                    sorted.0.push(sorted.1.len() as u64);
                }
                Distinct::Bytes { ends: sorted.0, bytes: sorted.1 }
            }
        };
        (sorted, finals_of(&order, self.len()))
    }
}

/// The bytes of a text, or of a 128-bit key.
pub(super) fn text_of(keys: &Keys, index: usize) -> Option<&[u8]> {
    let Keys::Bytes { ends, bytes } = keys else { return None };
    let start = index.checked_sub(1).map_or(0, |before| ends[before]);
    bytes.get(start as usize..ends[index] as usize)
}

fn finals_of(order: &[u32], codes: usize) -> Vec<u32> {
    let mut finals = vec![0; codes];
    for (code, &provisional) in (0..).zip(order) {
        finals[provisional as usize] = code;
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
