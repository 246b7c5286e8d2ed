//! Numbers on their way to the encoder, in blocks of the width that their values need: in memory, or in a file once the
//! budget is used up. They are read in the order they came, block by block, so that a file never has to be in memory.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// Values of a block.
const BLOCK: usize = 8192;

/// The same; `MUSTER_SPOOL_VALUES` makes it less, so that tests meet several blocks in small tables.
fn block_values() -> usize {
    static VALUES: OnceLock<usize> = OnceLock::new();
    *VALUES.get_or_init(|| {
        let wanted = std::env::var("MUSTER_SPOOL_VALUES").ok().and_then(|values| values.parse().ok());
        wanted.unwrap_or(BLOCK).clamp(1, BLOCK)
    })
}

/// A file that is gone when the process is: it has no name any more.
#[derive(Debug)]
pub(super) struct SpillFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl SpillFile {
    /// A new file of this name, which is removed from its folder at once.
    pub(super) fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!("{name}.tmp"));
        let mut options = File::options();
        let options = options.read(true).write(true).create_new(true);
        let file = options.open(&path).map_err(Error::io("create", &path))?;
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        Ok(Self { path, file, len: 0 })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<u64> {
        let at = self.len;
        self.file.write_all_at(bytes, at).map_err(Error::io("write", &self.path))?;
        self.len += bytes.len() as u64;
        Ok(at)
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads what was appended at a place; several threads may.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, at).map_err(Error::io("read", &self.path))
    }

    /// Copies everything to a writer.
    pub(super) fn copy_to(&self, to: &mut impl Write) -> std::io::Result<()> {
        let mut from = &self.file;
        from.seek(SeekFrom::Start(0))?;
        let copied = std::io::copy(&mut from.take(self.len), to)?;
        let short = std::io::ErrorKind::UnexpectedEof;
        if copied == self.len { Ok(()) } else { Err(short.into()) }
    }
}

/// A growing list of numbers.
#[derive(Debug)]
pub(super) struct Spool {
    /// Values of a block.
    block: usize,
    /// The last block, not yet full.
    tail: Vec<u64>,
    blocks: Vec<Block>,
    /// The blocks from `spilled` on.
    packed: Vec<u8>,
    file: Option<SpillFile>,
    /// Blocks that are in the file.
    spilled: usize,
    /// The least and the greatest value of the blocks.
    bounds: (u64, u64),
}

/// Values as distances from the least of them.
#[derive(Debug, Clone, Copy)]
struct Block {
    base: u64,
    /// In the file or in memory.
    at: u64,
    /// Bytes a value: 0, 1, 2, 4 or 8.
    width: u8,
}

impl Default for Spool {
    fn default() -> Self {
        let (tail, blocks, packed) = (Vec::new(), Vec::new(), Vec::new());
        Self { block: block_values(), tail, blocks, packed, file: None, spilled: 0, bounds: (u64::MAX, 0) }
    }
}

impl Spool {
    pub(super) fn push(&mut self, value: u64) {
        self.tail.push(value);
        if self.tail.len() == self.block {
            self.pack();
        }
    }

    pub(super) fn extend(&mut self, values: impl IntoIterator<Item = u64>) {
        let mut values = values.into_iter();
        loop {
            self.tail.extend(values.by_ref().take(self.block - self.tail.len()));
            if self.tail.len() < self.block {
                return;
            }
            self.pack();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len() * self.block + self.tail.len()
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.packed.capacity()
    }

    fn pack(&mut self) {
        let base = self.tail.iter().copied().min().unwrap_or(0);
        let most = self.tail.iter().copied().max().unwrap_or(0);
        self.bounds = (self.bounds.0.min(base), self.bounds.1.max(most));
        let range = most - base;
        let at = self.packed.len() as u64;
        let distances = self.tail.iter().map(|value| value - base);
        let width = match range {
            0 => 0,
            1..=0xff => {
                self.packed.extend(distances.map(|distance| distance as u8));
                1
            }
            0x100..=0xffff => {
                self.packed.extend(distances.flat_map(|distance| (distance as u16).to_le_bytes()));
                2
            }
            0x1_0000..=0xffff_ffff => {
                self.packed.extend(distances.flat_map(|distance| (distance as u32).to_le_bytes()));
                4
            }
            _ => {
                self.packed.extend(distances.flat_map(u64::to_le_bytes));
                8
            }
        };
        self.blocks.push(Block { base, at, width });
        self.tail.clear();
    }

    /// Moves what is in memory to a file of this name.
    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        if self.packed.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(SpillFile::create(dir, name)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let at = file.append(&self.packed)?;
        self.blocks[self.spilled..].iter_mut().for_each(|block| block.at += at);
        self.spilled = self.blocks.len();
        self.packed = Vec::new();
        Ok(())
    }

    /// The least and the greatest value; of no values anything.
    pub(super) fn bounds(&self) -> (u64, u64) {
        let (low, high) = self.tail.iter().fold(self.bounds, |(low, high), &v| (low.min(v), high.max(v)));
        (low.min(high), high)
    }

    /// A reader of values at ascending places.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader { spool: self, block: usize::MAX, values: Vec::new(), bytes: Vec::new() }
    }

    /// Calls `f` with all values in order, a slice at a time.
    pub(super) fn each_slice(&self, mut f: impl FnMut(&[u64])) -> Result<()> {
        let mut reader = self.reader();
        for block in 0..self.len().div_ceil(self.block) {
            reader.load(block)?;
            f(&reader.values);
        }
        Ok(())
    }

    /// All values in order.
    pub(super) fn each(&self, mut f: impl FnMut(u64)) -> Result<()> {
        self.each_slice(|values| values.iter().for_each(|&value| f(value)))
    }
}

/// Reads values one after the other, a block in memory at a time.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    spool: &'a Spool,
    block: usize,
    values: Vec<u64>,
    bytes: Vec<u8>,
}

impl Reader<'_> {
    /// The value at a place; cheap if places ascend.
    pub(super) fn get(&mut self, at: usize) -> Result<u64> {
        let block = at / self.spool.block;
        if block != self.block {
            self.load(block)?;
        }
        Ok(self.values[at % self.spool.block])
    }

    fn load(&mut self, block: usize) -> Result<()> {
        self.block = block;
        self.values.clear();
        let Some(&Block { base, at, width }) = self.spool.blocks.get(block) else {
            self.values.extend_from_slice(&self.spool.tail);
            return Ok(());
        };
        let count = self.spool.block;
        let len = count * usize::from(width);
        let bytes = match &self.spool.file {
            Some(file) if block < self.spool.spilled => {
                self.bytes.resize(len, 0);
                file.read(at, &mut self.bytes)?;
                &self.bytes[..]
            }
            _ => &self.spool.packed[at as usize..at as usize + len],
        };
        match width {
            0 => self.values.resize(count, base),
            1 => self.values.extend(bytes.iter().map(|&byte| base + u64::from(byte))),
            2 => self.values.extend(chunks(bytes).map(|bytes| base + u64::from(u16::from_le_bytes(bytes)))),
            4 => self.values.extend(chunks(bytes).map(|bytes| base + u64::from(u32::from_le_bytes(bytes)))),
            _ => self.values.extend(chunks(bytes).map(|bytes| base + u64::from_le_bytes(bytes))),
        }
        Ok(())
    }
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Bytes written once, in order: in memory, or in a file from some size on.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) buffer: Vec<u8>,
    pub(super) file: Option<SpillFile>,
    dir: PathBuf,
    name: String,
    keep: usize,
}

impl Stream {
    /// Keeps up to so many bytes in memory.
    pub(super) fn new(dir: &Path, name: String, keep: usize) -> Self {
        Self { buffer: Vec::new(), file: None, dir: dir.to_owned(), name, keep }
    }

    pub(super) fn len(&self) -> u64 {
        self.buffer.len() as u64 + self.file.as_ref().map_or(0, SpillFile::len)
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() > self.keep {
            if self.file.is_none() {
                self.file = Some(SpillFile::create(&self.dir, &self.name)?);
            }
            if let Some(file) = &mut self.file {
                file.append(&self.buffer)?;
            }
            self.buffer.clear();
        }
        Ok(())
    }
}
