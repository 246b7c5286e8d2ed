//! A dictionary: the distinct values of a column, ascending; a value's position is its code.

use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{
    DICTIONARY_4, DICTIONARY_8, DICTIONARY_16, DICTIONARY_BYTES, DICTIONARY_NONE, DictionaryRecord,
};

/// Distinct ascending values, searched in place.
#[derive(Debug, Clone)]
pub enum Dictionary {
    /// No values.
    None,
    /// Keys of up to 64 bits.
    Fixed8(Keys8),
    /// Keys of 128 bits.
    Fixed16(Values<u128>),
    /// Bytes.
    Bytes {
        /// Where each value starts; one more than there are values.
        starts: Starts,
        /// All values.
        bytes: Section,
    },
}

/// Ascending keys of up to 64 bits.
#[derive(Debug, Clone)]
pub enum Keys8 {
    /// As they are.
    Wide(Values<u64>),
    /// As distances from a base.
    Near {
        /// The base.
        base: u64,
        /// Distances.
        distances: Values<u32>,
    },
}

impl Keys8 {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Wide(keys) => keys.len(),
            Self::Near { distances, .. } => distances.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One key, checked.
    pub fn get(&self, index: usize) -> Result<u64> {
        match self {
            Self::Wide(keys) => keys.get(index),
            Self::Near { base, distances } => Ok(base.wrapping_add(distances.get(index)?.into())),
        }
    }

    /// One key, if there is one. [`Keys8::check`] must have succeeded.
    pub fn checked(&self, index: usize) -> Option<u64> {
        match self {
            Self::Wide(keys) => keys.unchecked().get(index).copied(),
            Self::Near { base, distances } => {
                distances.unchecked().get(index).map(|&distance| base.wrapping_add(distance.into()))
            }
        }
    }

    /// Checks the checksums of all keys.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Wide(keys) => keys.section().check(),
            Self::Near { distances, .. } => distances.section().check(),
        }
    }

    /// Where they are in the file.
    pub fn start(&self) -> usize {
        match self {
            Self::Wide(keys) => keys.section().start(),
            Self::Near { distances, .. } => distances.section().start(),
        }
    }

    fn ascend(&self) -> Result<bool> {
        Ok(match self {
            Self::Wide(keys) => keys.all()?.is_sorted_by(|a, b| a < b),
            Self::Near { base, distances } => {
                let distances = distances.all()?;
                distances.is_sorted_by(|a, b| a < b)
                    && distances.last().is_none_or(|&last| base.checked_add(last.into()).is_some())
            }
        })
    }
}

/// Offsets of values' bytes.
#[derive(Debug, Clone)]
pub enum Starts {
    /// All values have as many bytes.
    Even {
        /// How many values.
        count: u32,
        /// Bytes of each.
        width: u64,
    },
    /// Below 4 GiB.
    Narrow(Values<u32>),
    /// Above.
    Wide(Values<u64>),
}

impl Starts {
    fn get(&self, index: usize) -> Result<u64> {
        match self {
            Self::Even { width, .. } => Ok(index as u64 * width),
            Self::Narrow(starts) => starts.get(index).map(u64::from),
            Self::Wide(starts) => starts.get(index),
        }
    }

    /// Checks the checksums of all offsets.
    fn check(&self) -> Result<()> {
        match self {
            Self::Even { .. } => Ok(()),
            Self::Narrow(starts) => starts.section().check(),
            Self::Wide(starts) => starts.section().check(),
        }
    }

    /// One offset, if there is one. [`Starts::check`] must have succeeded.
    fn checked(&self, index: usize) -> Option<usize> {
        match self {
            Self::Even { width, .. } => Some(index * *width as usize),
            Self::Narrow(starts) => starts.unchecked().get(index).map(|&start| start as usize),
            Self::Wide(starts) => starts.unchecked().get(index).map(|&start| start as usize),
        }
    }
}

impl Dictionary {
    /// Opens a dictionary of a region; reads no values.
    pub fn open(region: &Section, record: &DictionaryRecord) -> Result<Self> {
        let count = u64::from(record.count);
        match (record.kind, record.offset_width) {
            (DICTIONARY_NONE, _) if count == 0 => Ok(Self::None),
            (DICTIONARY_8, _) => Ok(Self::Fixed8(Keys8::Wide(region.values(record.keys_at, count)?))),
            (DICTIONARY_4, _) => {
                let distances = region.values(record.keys_at, count)?;
                Ok(Self::Fixed8(Keys8::Near { base: record.bytes_at, distances }))
            }
            (DICTIONARY_16, _) => Ok(Self::Fixed16(region.values(record.keys_at, count)?)),
            (DICTIONARY_BYTES, 0) if count > 0 && record.bytes_len.is_multiple_of(count) => {
                let starts = Starts::Even { count: record.count, width: record.bytes_len / count };
                Ok(Self::Bytes { starts, bytes: region.range(record.bytes_at, record.bytes_len)? })
            }
            (DICTIONARY_BYTES, 4 | 8) => {
                let starts = if record.offset_width == 4 {
                    Starts::Narrow(region.values(record.keys_at, count + 1)?)
                } else {
                    Starts::Wide(region.values(record.keys_at, count + 1)?)
                };
                Ok(Self::Bytes { starts, bytes: region.range(record.bytes_at, record.bytes_len)? })
            }
            (kind, _) => Err(region.corrupt(format!("there is no dictionary of kind {kind}"))),
        }
    }

    /// How many values.
    pub fn len(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Fixed8(keys) => keys.len() as u32,
            Self::Fixed16(keys) => keys.len() as u32,
            Self::Bytes { starts: Starts::Even { count, .. }, .. } => *count,
            Self::Bytes { starts: Starts::Narrow(starts), .. } => starts.len() as u32 - 1,
            Self::Bytes { starts: Starts::Wide(starts), .. } => starts.len() as u32 - 1,
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The 64-bit key of a code.
    pub fn key8(&self, code: u32) -> Result<Option<u64>> {
        match self {
            Self::Fixed8(keys) => keys.get(code as usize).map(Some),
            _ => Ok(None),
        }
    }

    /// The 128-bit key of a code.
    pub fn key16(&self, code: u32) -> Result<Option<u128>> {
        match self {
            Self::Fixed16(keys) => keys.get(code as usize).map(Some),
            _ => Ok(None),
        }
    }

    /// The bytes of a code.
    pub fn bytes(&self, code: u32) -> Result<Option<&[u8]>> {
        let Self::Bytes { starts, bytes } = self else { return Ok(None) };
        let (from, to) = (starts.get(code as usize)?, starts.get(code as usize + 1)?);
        let len = to.checked_sub(from).ok_or_else(|| bytes.corrupt("its text offsets descend"))?;
        bytes.range(from, len)?.check()?;
        Ok(bytes.bytes().get(from as usize..to as usize))
    }

    /// Checks the checksums of all values, so that [`Dictionary::checked_bytes`] and its kin may be used.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Fixed8(keys) => keys.check(),
            Self::Fixed16(keys) => keys.section().check(),
            Self::Bytes { starts, bytes } => {
                starts.check()?;
                bytes.check()
            }
        }
    }

    /// The 64-bit key of a code. [`Dictionary::check`] must have succeeded.
    pub fn checked_key8(&self, code: u32) -> Option<u64> {
        match self {
            Self::Fixed8(keys) => keys.checked(code as usize),
            _ => None,
        }
    }

    /// The 128-bit key of a code. [`Dictionary::check`] must have succeeded.
    pub fn checked_key16(&self, code: u32) -> Option<u128> {
        match self {
            Self::Fixed16(keys) => keys.unchecked().get(code as usize).copied(),
            _ => None,
        }
    }

    /// The bytes of a code. [`Dictionary::check`] must have succeeded.
    pub fn checked_bytes(&self, code: u32) -> Option<&[u8]> {
        let Self::Bytes { starts, bytes } = self else { return None };
        bytes.bytes().get(starts.checked(code as usize)?..starts.checked(code as usize + 1)?)
    }

    /// The first code whose 64-bit key is not below `key`.
    pub fn lower8(&self, key: u64) -> Result<u32> {
        self.search(|code| Ok(self.key8(code)?.is_some_and(|other| other < key)))
    }

    /// The first code whose 128-bit key is not below `key`.
    pub fn lower16(&self, key: u128) -> Result<u32> {
        self.search(|code| Ok(self.key16(code)?.is_some_and(|other| other < key)))
    }

    /// The first code whose bytes are not below `value`.
    pub fn lower_bytes(&self, value: &[u8]) -> Result<u32> {
        self.search(|code| Ok(self.bytes(code)?.is_some_and(|other| other < value)))
    }

    /// The code of exactly these bytes.
    pub fn find_bytes(&self, value: &[u8]) -> Result<Option<u32>> {
        let code = self.lower_bytes(value)?;
        Ok((code < self.len() && self.bytes(code)? == Some(value)).then_some(code))
    }

    /// The first code for which `below` is false.
    pub fn search(&self, below: impl Fn(u32) -> Result<bool>) -> Result<u32> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if below(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Whether all values ascend strictly: for `verify`.
    pub fn check_ascends(&self) -> Result<bool> {
        Ok(match self {
            Self::None => true,
            Self::Fixed8(keys) => keys.ascend()?,
            Self::Fixed16(keys) => keys.all()?.is_sorted_by(|a, b| a < b),
            Self::Bytes { .. } => {
                for code in 1..self.len() {
                    if self.bytes(code - 1)? >= self.bytes(code)? {
                        return Ok(false);
                    }
                }
                true
            }
        })
    }
}
