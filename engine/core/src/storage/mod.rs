//! Where bytes come from: a mapped file or memory. The only place that maps files.
//!
//! Readers above take [`Bytes`] and cannot tell which it is, so tests and fuzzers hand in memory.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Read-only bytes, aligned to at least 16, that live as long as this value.
#[derive(Debug)]
pub enum Bytes {
    /// A mapped file.
    Mapped(memmap2::Mmap),
    /// Memory; `u128` words so that it is aligned, and the length in bytes.
    Memory(Vec<u128>, usize),
}

impl Bytes {
    /// Maps a file. The file must not be changed while it is mapped: snapshots are immutable, and the store
    /// removes a generation's files only by unlinking them, which leaves mappings alone.
    pub fn map(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let len = file.metadata().map_err(Error::io("read the size of", path))?.len();
        if len == 0 {
            return Ok(Self::Memory(Vec::new(), 0));
        }
        // SAFETY: the mapping is read-only and private to this value; the store never truncates or rewrites a
        // published file (it writes aside, renames, and later unlinks), which is what soundness rests on.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Error::io("map", path))?;
        Ok(Self::Mapped(map))
    }

    /// Copies bytes into aligned memory.
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut words = vec![0_u128; bytes.len().div_ceil(16)];
        bytemuck::cast_slice_mut::<u128, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self::Memory(words, bytes.len())
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Memory(words, len) => &bytemuck::cast_slice(words)[..*len],
        }
    }
}
