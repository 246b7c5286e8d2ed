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
}

impl<T> Default for Spool<T> {
    fn default() -> Self {
        Self { buffer: Vec::new(), spilled: None, spilled_len: 0 }
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
        self.spilled_len + self.buffer.len()
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

    /// Ends the spool: all values as one slice. Its file is removed at once; the mapping keeps the bytes.
    pub(super) fn finish(mut self) -> Result<Spooled<T>> {
        let Some((path, file)) = self.spilled.take() else { return Ok(Spooled::Memory(self.buffer)) };
        let mut file = file;
        file.write_all(bytemuck::cast_slice(&self.buffer)).map_err(Error::io("write", &path))?;
        drop(file);
        let bytes = Bytes::map(&path)?;
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        Ok(Spooled::File(bytes))
    }
}

/// All values of a spool.
#[derive(Debug)]
pub(super) enum Spooled<T> {
    Memory(Vec<T>),
    File(Bytes),
}

impl<T: AnyBitPattern> Spooled<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::Memory(values) => values,
            Self::File(bytes) => bytemuck::cast_slice(bytes.as_slice()),
        }
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
