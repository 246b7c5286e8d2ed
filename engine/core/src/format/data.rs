//! `data.bin` as checked sections: bytes are verified, once, before their first use.
//!
//! All offsets that come from the file pass through [`Section::range`] and the typed readers here, so nothing above
//! can index out of bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::{AnyBitPattern, NoUninit};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::manifest::Manifest;
use super::records::{DATA_MAGIC, DataHeader};
use super::{BLOCK_BYTES, DATA_FILE, FORMAT};
use crate::error::{Error, Result};
use crate::storage::Bytes;

/// The data file with its checksums.
#[derive(Debug)]
pub struct DataFile {
    bytes: Bytes,
    /// End of the checksummed part.
    covered: usize,
    /// Checksum of each block; empty when trusted.
    checksums: Vec<u64>,
    /// A bit per block that has been checked.
    checked: Vec<AtomicU64>,
}

/// Whether bytes are checked before use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// Check every block once, when it is first used.
    #[default]
    CheckOnUse,
    /// The whole snapshot was verified before; check nothing.
    Verified,
}

impl DataFile {
    /// Takes the bytes and checks sizes, header and the checksum table; nothing else is read.
    pub fn new(bytes: Bytes, manifest: &Manifest, trust: Trust) -> Result<Arc<Self>> {
        let all = bytes.as_slice();
        if all.len() as u64 != manifest.data.bytes {
            return Err(corrupt(
                "its size",
                format!("{} bytes, the manifest says {}", all.len(), manifest.data.bytes),
            ));
        }
        let covered = manifest.data.checksums_at as usize;
        let Some((_, table)) = all.split_at_checked(covered) else {
            return Err(corrupt("its size", "checksums are missing".to_owned()));
        };
        let blocks = covered.div_ceil(BLOCK_BYTES);
        if table.len() != blocks * 8 {
            return Err(corrupt("checksums", format!("{} bytes for {blocks} blocks", table.len())));
        }
        if format!("{:016x}", xxh3_64(table)) != manifest.data.checksums_xxh3 {
            return Err(corrupt("checksums", "they do not match the manifest".to_owned()));
        }
        let checksums = match trust {
            Trust::CheckOnUse => table.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect(),
            Trust::Verified => Vec::new(),
        };
        let checked = (0..checksums.len().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let file = Arc::new(Self { bytes, covered, checksums, checked });
        file.check_header(manifest)?;
        Ok(file)
    }

    /// Bytes that this process made and keeps in memory: there is nothing to check.
    pub fn made(bytes: &[u8]) -> Arc<Self> {
        let (bytes, covered) = (Bytes::from_slice(bytes), bytes.len());
        Arc::new(Self { bytes, covered, checksums: Vec::new(), checked: Vec::new() })
    }

    fn check_header(self: &Arc<Self>, manifest: &Manifest) -> Result<()> {
        let section = Section::new(self, "header", 0, self.covered as u64)?;
        let header: DataHeader = section.record(0)?;
        if header.magic != DATA_MAGIC || header.format != manifest.format || header.format > FORMAT {
            return Err(corrupt("header", "it is not a data file of this format".to_owned()));
        }
        if header.generation != manifest.generation || header.rows != manifest.rows {
            return Err(corrupt("header", "it belongs to another snapshot than the manifest".to_owned()));
        }
        Ok(())
    }

    /// Checks all blocks again, on all cores, whatever was checked before. `progress` hears how many bytes more are done.
    pub fn verify(
        &self,
        owner: &(dyn Fn(usize) -> String + Sync),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let (covered, table) = self.bytes.as_slice().split_at(self.covered);
        covered.par_chunks(BLOCK_BYTES).zip(table.par_chunks_exact(8)).enumerate().try_for_each(
            |(block, (bytes, sum))| {
                if xxh3_64(bytes) != bytemuck::pod_read_unaligned::<u64>(sum) {
                    let what = format!("checksum of block {block} does not match");
                    return Err(corrupt(&owner(block * BLOCK_BYTES), what));
                }
                progress(bytes.len() as u64);
                Ok(())
            },
        )?;
        Ok(self.covered as u64)
    }

    fn check_blocks(&self, start: usize, end: usize, name: &str) -> Result<()> {
        if self.checksums.is_empty() || start == end {
            return Ok(());
        }
        for block in start / BLOCK_BYTES..=(end - 1) / BLOCK_BYTES {
            let (word, bit) = (&self.checked[block / 64], 1_u64 << (block % 64));
            // Relaxed is enough: the bytes never change, a bit seen late only repeats the check.
            if word.load(Ordering::Relaxed) & bit != 0 {
                continue;
            }
            let from = block * BLOCK_BYTES;
            let bytes = &self.bytes.as_slice()[from..(from + BLOCK_BYTES).min(self.covered)];
            if xxh3_64(bytes) != self.checksums[block] {
                return Err(corrupt(name, format!("checksum of block {block} does not match")));
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A part of the data file that is known to lie inside it. Cheap to clone; keeps the file mapped.
#[derive(Debug, Clone)]
pub struct Section {
    file: Arc<DataFile>,
    name: Arc<str>,
    start: usize,
    len: usize,
}

impl Section {
    /// A named part of the file.
    pub fn new(file: &Arc<DataFile>, name: &str, at: u64, bytes: u64) -> Result<Self> {
        if at.checked_add(bytes).is_none_or(|end| end > file.covered as u64) {
            return Err(corrupt(name, "it reaches behind the end of the file".to_owned()));
        }
        Ok(Self { file: Arc::clone(file), name: name.into(), start: at as usize, len: bytes as usize })
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it starts in the file.
    pub fn start(&self) -> usize {
        self.start
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where this section starts in one that it is a part of.
    pub fn offset_in(&self, outer: &Self) -> u64 {
        self.start.saturating_sub(outer.start) as u64
    }

    /// An error about this section.
    pub fn corrupt(&self, what: impl Into<String>) -> Error {
        corrupt(&self.name, what.into())
    }

    /// A part of this section, not yet checked.
    pub fn range(&self, at: u64, bytes: u64) -> Result<Self> {
        if at.checked_add(bytes).is_none_or(|end| end > self.len as u64) {
            return Err(self.corrupt(format!("{bytes} bytes at {at} reach behind its end at {}", self.len)));
        }
        Ok(Self { start: self.start + at as usize, len: bytes as usize, ..self.clone() })
    }

    /// Checks the blocks under this section, so that [`Section::bytes`] may be used.
    pub fn check(&self) -> Result<()> {
        self.file.check_blocks(self.start, self.start + self.len, &self.name)
    }

    /// The bytes, whether or not they were checked.
    pub fn bytes(&self) -> &[u8] {
        // Cannot be out of bounds: constructors compare with the file's covered length.
        &self.file.bytes.as_slice()[self.start..self.start + self.len]
    }

    /// A record at an offset, checked.
    pub fn record<T: AnyBitPattern>(&self, at: u64) -> Result<T> {
        let part = self.range(at, size_of::<T>() as u64)?;
        part.check()?;
        Ok(bytemuck::pod_read_unaligned(part.bytes()))
    }

    /// `count` values of type `T` at an offset, checked on use through [`Values::get`] and [`Values::slice`].
    pub fn values<T: AnyBitPattern + NoUninit>(&self, at: u64, count: u64) -> Result<Values<T>> {
        let bytes = count.checked_mul(size_of::<T>() as u64);
        let part = self.range(at, bytes.ok_or_else(|| self.corrupt("a count is beyond all measure"))?)?;
        if bytemuck::try_cast_slice::<u8, T>(part.bytes()).is_err() {
            return Err(self.corrupt(format!("values at {at} are not aligned")));
        }
        Ok(Values { section: part, marker: std::marker::PhantomData })
    }
}

/// Fixed-width values in a section, read in place.
#[derive(Debug, Clone)]
pub struct Values<T> {
    section: Section,
    marker: std::marker::PhantomData<T>,
}

impl<T: AnyBitPattern + NoUninit> Values<T> {
    /// How many.
    pub fn len(&self) -> usize {
        self.section.len / size_of::<T>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.section.len == 0
    }

    /// One value, checked; an error behind the end.
    pub fn get(&self, index: usize) -> Result<T> {
        self.slice(index, index + 1)?.first().copied().ok_or_else(|| self.section.corrupt("an empty range"))
    }

    /// Values `from..to`, checked.
    pub fn slice(&self, from: usize, to: usize) -> Result<&[T]> {
        if from > to || to > self.len() {
            return Err(self.section.corrupt(format!("values {from}..{to} of {}", self.len())));
        }
        let width = size_of::<T>();
        let start = self.section.start;
        self.section.file.check_blocks(start + from * width, start + to * width, &self.section.name)?;
        Ok(&self.unchecked()[from..to])
    }

    /// Checks all blocks below and returns all values.
    pub fn all(&self) -> Result<&[T]> {
        self.slice(0, self.len())
    }

    /// All values, whether or not their blocks were checked. For loops after [`Values::all`] succeeded once.
    pub fn unchecked(&self) -> &[T] {
        // The cast was tried when this was made; the mapping has not moved since.
        bytemuck::try_cast_slice(self.section.bytes()).unwrap_or_default()
    }

    /// The section below, for errors.
    pub fn section(&self) -> &Section {
        &self.section
    }
}

fn corrupt(section: &str, what: String) -> Error {
    Error::Corrupt { file: DATA_FILE, section: section.to_owned(), what }
}
