//! Two sorted dictionaries merged: which code of the one has the value of which code of the other.

use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::column::Dictionary;
use crate::error::{Error, Result};

/// Codes that one thread merges at a time, at most.
const TOGETHER_MAX: u32 = 1 << 14;
/// Parts per thread: elements of a list may be very unequal work.
const PARTS: u32 = 16;
/// No code: a value that the other dictionary does not have.
pub(super) const NO_CODE: u32 = u32::MAX;

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// In both, under these codes: before and after.
    Both(u32, u32),
    /// Before only.
    Before(u32),
    /// After only.
    After(u32),
}

impl Found {
    fn mirrored(self) -> Self {
        match self {
            Self::Both(a, b) => Self::Both(b, a),
            Self::Before(code) => Self::After(code),
            Self::After(code) => Self::Before(code),
        }
    }
}

/// Looks at every value of two dictionaries of one type, in parts, on all cores. What a part makes is returned in the order of the
/// values; within a part values ascend.
pub(super) fn merge<T: Send>(
    before: &Dictionary,
    after: &Dictionary,
    make: impl Fn() -> T + Sync,
    look: impl Fn(&mut T, Found) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    before.check()?;
    after.check()?;
    if before.len() >= after.len() {
        merge_larger(before, after, make, look)
    } else {
        merge_larger(after, before, make, |made, found| look(made, found.mirrored()))
    }
}

/// The same with the larger dictionary first, by which the work is divided.
fn merge_larger<T: Send>(
    left: &Dictionary,
    right: &Dictionary,
    make: impl Fn() -> T + Sync,
    look: impl Fn(&mut T, Found) -> Result<()> + Sync,
) -> Result<Vec<T>> {
    let with = (make, look);
    match (left, right) {
        (Dictionary::Fixed8(_), Dictionary::Fixed8(_) | Dictionary::None) => {
            let key = |of: &Dictionary, code| of.checked_key8(code).unwrap_or(u64::MAX);
            merge_by((left.len(), |code| key(left, code)), (right.len(), |code| key(right, code)), &with)
        }
        (Dictionary::Fixed16(_), Dictionary::Fixed16(_) | Dictionary::None) => {
            let key = |of: &Dictionary, code| of.checked_key16(code).unwrap_or(u128::MAX);
            merge_by((left.len(), |code| key(left, code)), (right.len(), |code| key(right, code)), &with)
        }
        (Dictionary::Bytes { .. }, Dictionary::Bytes { .. } | Dictionary::None) => merge_by(
            (left.len(), |code| left.checked_bytes(code).unwrap_or_default()),
            (right.len(), |code| right.checked_bytes(code).unwrap_or_default()),
            &with,
        ),
        (left, right) if left.is_empty() && right.is_empty() => Ok(Vec::new()),
        _ => Err(Error::input(
            "two columns of one type have dictionaries of different kinds; verify both generations",
        )),
    }
}

fn merge_by<K: Ord, T: Send>(
    (left_len, left): (u32, impl Fn(u32) -> K + Sync),
    (right_len, right): (u32, impl Fn(u32) -> K + Sync),
    (make, look): &(impl Fn() -> T + Sync, impl Fn(&mut T, Found) -> Result<()> + Sync),
) -> Result<Vec<T>> {
    let parts = PARTS * rayon::current_num_threads() as u32;
    let together = left_len.div_ceil(parts).clamp(1, TOGETHER_MAX);
    let lower = |key: &K| {
        let (mut low, mut high) = (0, right_len);
        while low < high {
            let middle = low + (high - low) / 2;
            if right(middle) < *key { low = middle + 1 } else { high = middle }
        }
        low
    };
    (0..left_len.div_ceil(together))
        .into_par_iter()
        .map(|part| {
            let (from, to) = (part * together, left_len.min((part + 1) * together));
            let end = if to == left_len { right_len } else { lower(&left(to)) };
            let mut at = if part == 0 { 0 } else { lower(&left(from)) };
            let mut made = make();
            for code in from..to {
                let key = left(code);
                while at < end && right(at) < key {
                    look(&mut made, Found::After(at))?;
                    at += 1;
                }
                if at < end && right(at) == key {
                    look(&mut made, Found::Both(code, at))?;
                    at += 1;
                } else {
                    look(&mut made, Found::Before(code))?;
                }
            }
            (at..end).try_for_each(|code| look(&mut made, Found::After(code)))?;
            Ok(made)
        })
        .collect()
}

/// Codes before as codes after.
#[derive(Debug)]
pub(super) enum Translation {
    /// Both dictionaries are the same.
    Same,
    /// For each code before the code after, or [`NO_CODE`].
    Table(Vec<u32>),
}

impl Translation {
    pub(super) fn new(before: &Dictionary, after: &Dictionary) -> Result<Self> {
        let table: Vec<AtomicU32> = (0..before.len()).map(|_| AtomicU32::new(NO_CODE)).collect();
        let same = merge(
            before,
            after,
            || true,
            |same, found| {
                if let Found::Both(before, after) = found
                    && let Some(slot) = table.get(before as usize)
                {
                    // Each slot is written once, and read after all threads were joined.
                    slot.store(after, Ordering::Relaxed);
                    *same &= before == after;
                } else {
                    *same = false;
                }
                Ok(())
            },
        )?;
        if same.into_iter().all(|same| same) {
            return Ok(Self::Same);
        }
        Ok(Self::Table(table.into_iter().map(AtomicU32::into_inner).collect()))
    }

    /// The code after; `NO_CODE` where there is none.
    pub(super) fn code(&self, before: u32) -> u32 {
        match self {
            Self::Same => before,
            Self::Table(table) => table.get(before as usize).copied().unwrap_or(NO_CODE),
        }
    }
}
