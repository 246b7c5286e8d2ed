//! Values on their way to the encoder: in memory, or in a file once the budget is used up.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bytemuck::{AnyBitPattern, NoUninit};

use crate::error::{Error, Result};
use crate::storage::Bytes;

/// A growing list of fixed-width values.
#[derive(Debug)]
pub(super) struct Spool<T> {
    buffer: Vec<T>,
    spilled: Option<(PathBuf, File)>,
    spilled_len: usize,
    sealed: Option<Bytes>,
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self { buffer: Vec::new(), spilled: None, spilled_len: 0, sealed: None }
    }
}

impl<T: NoUninit + AnyBitPattern> Spool<T> {
    pub(super) fn push(&mut self, value: T) {
        self.buffer.push(value);
    }

    pub(super) fn extend(&mut self, values: impl IntoIterator<Item = T>) {
        self.buffer.extend(values);
    }

    pub(super) fn len(&self) -> usize {
        self.sealed.as_ref().map_or(self.spilled_len + self.buffer.len(), |_| self.as_slice().len())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.buffer.capacity() * size_of::<T>()
    }

    /// Moves what is in memory to a file of this name.
    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.spilled.is_none() {
            let path = dir.join(format!("{name}.tmp"));
            let mut options = OpenOptions::new();
            let file =
                options.append(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
            self.spilled = Some((path, file));
        }
        if let Some((path, file)) = &mut self.spilled {
            file.write_all(bytemuck::cast_slice(&self.buffer)).map_err(Error::io("write", path))?;
        }
        self.spilled_len += self.buffer.len();
        self.buffer = Vec::new();
        Ok(())
    }

    /// Ends the spool: nothing can be added any more, and all values are one slice. Its file is removed at once; the
    /// mapping keeps the bytes.
    pub(super) fn seal(&mut self) -> Result<()> {
        let Some((path, mut file)) = self.spilled.take() else { return Ok(()) };
        file.write_all(bytemuck::cast_slice(&self.buffer)).map_err(Error::io("write", &path))?;
        drop(file);
        self.buffer = Vec::new();
        self.sealed = Some(Bytes::map(&path)?);
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))
    }

    /// All values of a spool that was sealed.
    pub(super) fn as_slice(&self) -> &[T] {
        self.sealed.as_ref().map_or(&self.buffer[..], |bytes| bytemuck::cast_slice(bytes.as_slice()))
    }
}

/// A growing bitmap: which rows are present, or true.
#[derive(Debug, Default, Clone)]
pub(super) struct RowBits {
    words: Vec<u64>,
    len: usize,
    ones: usize,
}

impl RowBits {
    pub(super) fn push(&mut self, value: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if value {
            self.words[self.len / 64] |= 1 << (self.len % 64);
            self.ones += 1;
        }
        self.len += 1;
    }

    /// Whether a position is set.
    pub(super) fn get(&self, at: u32) -> bool {
        self.words.get(at as usize / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// The bitmap whose position `i` is this one's `order[i]`.
    pub(super) fn reordered(&self, order: &[u32]) -> Self {
        if self.all() || self.ones == 0 {
            return self.clone();
        }
        let word = |rows: &[u32]| {
            rows.iter().enumerate().fold(0, |word, (bit, &row)| word | u64::from(self.get(row)) << bit)
        };
        Self { words: order.chunks(64).map(word).collect(), len: self.len, ones: self.ones }
    }

    /// How many are set below each word's positions.
    pub(super) fn ranks(&self) -> Ranks<'_> {
        let below = self.words.iter().scan(0, |ones, word| {
            let below = *ones;
            *ones += word.count_ones();
            Some(below)
        });
        Ranks { bits: self, below: below.collect() }
    }

    /// How many are set.
    pub(super) fn ones(&self) -> usize {
        self.ones
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All set?
    pub(super) fn all(&self) -> bool {
        self.ones == self.len
    }

    /// The set positions, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            let mut rest = bits;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros();
                    rest &= rest - 1;
                    word as u32 * 64 + bit
                })
            })
        })
    }
}

/// A bitmap that knows how many positions are set below each one.
#[derive(Debug)]
pub(super) struct Ranks<'a> {
    bits: &'a RowBits,
    below: Vec<u32>,
}

impl Ranks<'_> {
    /// How many positions below this one are set, if it is set itself: where its value is among those of all rows that have one.
    pub(super) fn rank(&self, at: u32) -> Option<u32> {
        let (word, bit) = (at as usize / 64, at % 64);
        let bits = *self.bits.words.get(word)?;
        (bits >> bit & 1 == 1).then(|| self.below[word] + (bits & ((1 << bit) - 1)).count_ones())
    }
}
