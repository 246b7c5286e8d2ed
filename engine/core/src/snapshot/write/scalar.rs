//! Scalar columns on their way in: few distinct values as provisional codes, many as raw keys.

use std::path::Path;

use rayon::prelude::*;

use super::encode::{Distinct, Present, Region, encode_bits, encode_values, put_record};
use super::intern::Interner;
use super::reorder::{Order, Wanted};
use super::sort_key::{SortKey, levels_of};
use super::spool::{RowBits, Spool};
use crate::batch::{Keys, Values};
use crate::error::Result;
use crate::format::LEAF_VALUES_MAX;
use crate::format::records::ColumnRecord;
use crate::schema::ScalarType;

/// With more distinct 64-bit keys than this, sorting the keys beats looking each of them up.
const INTERNED_MAX: usize = 1 << 16;

/// Collects one scalar column.
#[derive(Debug)]
pub(super) struct ScalarBuilder {
    present: RowBits,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Bool(RowBits),
    /// 64-bit keys while they are few.
    Few {
        interner: Interner,
        codes: Spool<u16>,
    },
    /// 64-bit keys.
    Many(Spool<u64>),
    /// 128-bit keys and bytes.
    Interned {
        interner: Interner,
        codes: Spool<u32>,
    },
}

/// How many bytes a type's keys have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bool,
    Eight,
    Sixteen,
    Bytes,
}

impl Width {
    pub(super) fn of(ty: &ScalarType) -> Self {
        match ty {
            ScalarType::Bool => Self::Bool,
            ScalarType::Int { bits: 128 }
            | ScalarType::UInt { bits: 128 }
            | ScalarType::Uuid
            | ScalarType::Ipv6 => Self::Sixteen,
            ScalarType::Decimal { precision, .. } if *precision > 18 => Self::Sixteen,
            ScalarType::String | ScalarType::Enum => Self::Bytes,
            _ => Self::Eight,
        }
    }
}

impl ScalarBuilder {
    pub(super) fn new(ty: &ScalarType) -> Self {
        let kind = match Width::of(ty) {
            Width::Bool => Kind::Bool(RowBits::default()),
            Width::Eight => Kind::Few { interner: Interner::fixed8(), codes: Spool::default() },
            Width::Sixteen => Kind::Interned { interner: Interner::fixed16(), codes: Spool::default() },
            Width::Bytes => Kind::Interned { interner: Interner::bytes(), codes: Spool::default() },
        };
        Self { present: RowBits::default(), kind }
    }

    pub(super) fn push(&mut self, rows: usize, values: &Values) -> Result<(), String> {
        check_values(values, rows)?;
        let present = values.present.as_deref();
        (0..rows).for_each(|row| self.present.push(present.is_none_or(|present| present[row])));
        let kept = (0..rows).filter(|&row| present.is_none_or(|present| present[row]));
        match (&mut self.kind, &values.keys) {
            (Kind::Bool(truths), Keys::Bool(keys)) => {
                keys.iter().enumerate().for_each(|(row, &key)| {
                    truths.push(key && present.is_none_or(|present| present[row]));
                });
            }
            (Kind::Few { interner, codes }, Keys::Fixed8(keys)) => {
                for row in kept {
                    codes.push(interner.code8(keys[row]).unwrap_or_default() as u16);
                    if interner.len() > INTERNED_MAX {
                        // The last code may not fit 16 bits: the rest, from this row on, goes in as keys.
                        return self.widen(keys, present, row);
                    }
                }
            }
            (Kind::Many(spool), Keys::Fixed8(keys)) => spool.extend(kept.map(|row| keys[row])),
            (Kind::Interned { interner, codes }, keys) => {
                for row in kept {
                    let code = code_of(interner, keys, row);
                    codes.push(code.ok_or("its keys are not of its type's width")?);
                }
            }
            _ => return Err("its keys are not of its type's width".to_owned()),
        }
        Ok(())
    }

    /// Turns codes into keys; `keys[from..]` are still to come, the one at `from` was the last coded.
    fn widen(&mut self, keys: &[u64], present: Option<&[bool]>, from: usize) -> Result<(), String> {
        let Kind::Few { interner, mut codes } =
            std::mem::replace(&mut self.kind, Kind::Many(Spool::default()))
        else {
            return Ok(());
        };
        let Kind::Many(spool) = &mut self.kind else { return Ok(()) };
        codes.seal().map_err(|error| error.to_string())?;
        let known = interner.keys8();
        let coded = codes.as_slice().split_last().map_or(&[][..], |(_, rest)| rest);
        spool.extend(coded.iter().map(|&code| known[code as usize]));
        let rest = (from..keys.len()).filter(|&row| present.is_none_or(|present| present[row]));
        spool.extend(rest.map(|row| keys[row]));
        Ok(())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.kind {
            Kind::Bool(_) => 0,
            Kind::Few { codes, .. } => codes.buffered_bytes(),
            Kind::Many(keys) => keys.buffered_bytes(),
            Kind::Interned { codes, .. } => codes.buffered_bytes(),
        }
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        match &mut self.kind {
            Kind::Bool(_) => Ok(()),
            Kind::Few { codes, .. } => codes.spill(dir, &format!("{name}-few")),
            Kind::Many(keys) => keys.spill(dir, name),
            Kind::Interned { codes, .. } => codes.spill(dir, name),
        }
    }

    pub(super) fn values(&self) -> usize {
        self.present.ones()
    }

    /// The column as a key to sort rows by; `None` for texts of too many kinds.
    pub(super) fn sort_key(&self) -> Option<SortKey<'_>> {
        let present = &self.present;
        Some(match &self.kind {
            Kind::Bool(truths) => SortKey::truths(present, truths),
            Kind::Few { interner, codes } => {
                let codes = codes.as_slice();
                let mut finals = interner.finals();
                if !self.has_leaves() {
                    let mut counts = vec![0; finals.len()];
                    for &code in codes {
                        counts[finals[code as usize] as usize] += 1;
                    }
                    let levels = levels_of(&counts);
                    for code in &mut finals {
                        *code = levels[*code as usize];
                    }
                }
                SortKey::codes16(present, codes, finals)
            }
            Kind::Many(keys) => SortKey::keys(present, keys.as_slice()),
            Kind::Interned { interner, codes } if self.has_leaves() => {
                SortKey::codes32(present, codes.as_slice(), interner.finals())
            }
            Kind::Interned { .. } => return None,
        })
    }

    /// Whether each value gets a bitmap.
    pub(super) fn has_leaves(&self) -> bool {
        match &self.kind {
            Kind::Bool(_) => true,
            Kind::Few { interner, .. } | Kind::Interned { interner, .. } => interner.len() <= LEAF_VALUES_MAX,
            Kind::Many(_) => false,
        }
    }

    /// Nothing comes any more: what was spilled can be read.
    pub(super) fn seal(&mut self) -> Result<()> {
        match &mut self.kind {
            Kind::Bool(_) => Ok(()),
            Kind::Few { codes, .. } => codes.seal(),
            Kind::Many(keys) => keys.seal(),
            Kind::Interned { codes, .. } => codes.seal(),
        }
    }

    /// Encodes the column of a sealed builder, its rows in the given order.
    pub(super) fn finish(self, order: Order<'_>) -> Region {
        let table_rows = self.present.len() as u32;
        let presence = order.bits(&self.present);
        let mut rows = Vec::new();
        let present = Present::new(&presence, &mut rows);
        let count = self.present.ones() as u64;
        let mut out = vec![0; size_of::<ColumnRecord>()];
        if let Kind::Bool(truths) = &self.kind {
            let record = encode_bits(&mut out, table_rows, present, order.bits(truths).iter());
            put_record(&mut out, 0, &record);
            let trues = truths.ones() as u64;
            let distinct = u64::from(trues > 0) + u64::from(trues < count);
            return Region { bytes: out, distinct, present: count };
        }
        let (distinct, codes) = self.kind.into_codes(&order.values(&self.present));
        let dictionary = distinct.put(&mut out);
        drop(distinct);
        let record = encode_values(&mut out, table_rows, present, &codes, dictionary);
        put_record(&mut out, 0, &record);
        Region { bytes: out, distinct: dictionary.count.into(), present: count }
    }
}

impl Kind {
    /// The sorted dictionary, and the code of each value, in the order they are wanted in.
    fn into_codes(self, wanted: &Wanted<'_>) -> (Distinct, Vec<u32>) {
        match self {
            Self::Bool(_) => (Distinct::None, Vec::new()),
            Self::Few { interner, codes } => {
                let (distinct, finals) = interner.into_sorted();
                (distinct, wanted.map(codes.as_slice(), |code| finals[code as usize]))
            }
            Self::Interned { interner, codes } => {
                let (distinct, finals) = interner.into_sorted();
                (distinct, wanted.map(codes.as_slice(), |code| finals[code as usize]))
            }
            Self::Many(keys) => match wanted {
                Wanted::AsGiven => sort_keys(keys.as_slice()),
                Wanted::At(_) => sort_keys(&wanted.map(keys.as_slice(), |key| key)),
            },
        }
    }
}

/// The distinct keys in order, and the code of each key.
pub(super) fn sort_keys(keys: &[u64]) -> (Distinct, Vec<u32>) {
    let mut pairs: Vec<(u64, u32)> = keys.iter().zip(0..).map(|(&key, index)| (key, index)).collect();
    pairs.par_sort_unstable();
    let mut distinct: Vec<u64> = Vec::new();
    let mut codes = vec![0; keys.len()];
    for (key, index) in pairs {
        if distinct.last() != Some(&key) {
            distinct.push(key);
        }
        codes[index as usize] = distinct.len() as u32 - 1;
    }
    (Distinct::Fixed8(distinct), codes)
}

/// The provisional code of the value at an index; `None` if the key's width is not the interner's.
pub(super) fn code_of(interner: &mut Interner, keys: &Keys, index: usize) -> Option<u32> {
    match keys {
        Keys::Bool(keys) => interner.code8(keys[index].into()),
        Keys::Fixed8(keys) => interner.code8(keys[index]),
        Keys::Fixed16(keys) => interner.code16(keys[index]),
        Keys::Bytes { ends, bytes } => {
            let start = if index == 0 { 0 } else { ends[index - 1] };
            interner.code_bytes(bytes.get(start as usize..ends[index] as usize)?)
        }
    }
}

/// Whether there are `count` values.
pub(super) fn check_values(values: &Values, count: usize) -> Result<(), String> {
    let len = match &values.keys {
        Keys::Bool(keys) => keys.len(),
        Keys::Fixed8(keys) => keys.len(),
        Keys::Fixed16(keys) => keys.len(),
        Keys::Bytes { ends, bytes } => {
            if !ends.is_sorted() || ends.last().is_some_and(|&end| end as usize > bytes.len()) {
                return Err("its text offsets do not ascend within its bytes".to_owned());
            }
            ends.len()
        }
    };
    let present = values.present.as_ref().map_or(count, Vec::len);
    if len != count || present != count {
        return Err(format!("it has {len} values and {present} presence marks for {count} rows"));
    }
    Ok(())
}

/// Whether list or map ends fit `rows` rows and ascend; returns how many entries they cover.
pub(super) fn check_ends(ends: &[u32], present: Option<&[bool]>, rows: usize) -> Result<usize, String> {
    if ends.len() != rows || !ends.is_sorted() || present.is_some_and(|present| present.len() != rows) {
        return Err(format!("its row ends do not ascend or are not {rows}"));
    }
    Ok(ends.last().map_or(0, |&end| end as usize))
}
