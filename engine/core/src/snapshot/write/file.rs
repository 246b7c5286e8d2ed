//! `data.bin` while it is written: regions appended, then checksums, then everything made durable.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::region::RegionOut;
use crate::error::{Error, Result};
use crate::format::manifest::{DataEntry, RegionEntry};
use crate::format::records::{DATA_MAGIC, DataHeader};
use crate::format::{ALIGN, BLOCK_BYTES, DATA_FILE, FORMAT};

/// Appends regions.
#[derive(Debug)]
pub(super) struct DataWriter {
    path: PathBuf,
    out: Summed,
}

/// A file that is written from front to back, with the checksum of each block.
struct Summed {
    file: File,
    at: u64,
    sums: Vec<u64>,
    /// Of the block that is not full.
    open: Box<Xxh3>,
}

impl std::fmt::Debug for Summed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Summed").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let mut rest = &bytes[..written];
        while !rest.is_empty() {
            let room = BLOCK_BYTES - (self.at % BLOCK_BYTES as u64) as usize;
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.open.update(now);
            self.at += now.len() as u64;
            if now.len() == room {
                self.sums.push(self.open.digest());
                self.open.reset();
            }
            rest = later;
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Summed {
    fn pad(&mut self) -> std::io::Result<()> {
        let zeros = [0; ALIGN];
        let to = self.at.next_multiple_of(ALIGN as u64);
        self.write_all(&zeros[..(to - self.at) as usize])
    }

    /// Checksums of all blocks, the last of them perhaps not full.
    fn table(&self) -> Vec<u64> {
        let mut sums = self.sums.clone();
        if !self.at.is_multiple_of(BLOCK_BYTES as u64) {
            sums.push(self.open.digest());
        }
        sums
    }

    /// Forgets everything from a place on.
    fn truncate(&mut self, at: u64) -> std::io::Result<()> {
        self.file.set_len(at)?;
        let block = at / BLOCK_BYTES as u64;
        self.sums.truncate(block as usize);
        let mut part = vec![0; (at % BLOCK_BYTES as u64) as usize];
        self.file.seek(SeekFrom::Start(at - part.len() as u64))?;
        self.file.read_exact(&mut part)?;
        self.open.reset();
        self.open.update(&part);
        self.at = at;
        Ok(())
    }
}

impl DataWriter {
    pub(super) fn create(dir: &Path, generation: u64, rows: u64) -> Result<Self> {
        let path = dir.join(DATA_FILE);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(Error::io("create", &path))?;
        let mut out = Summed { file, at: 0, sums: Vec::new(), open: Box::new(Xxh3::new()) };
        let header =
            DataHeader { magic: DATA_MAGIC, format: FORMAT, generation, rows, ..DataHeader::default() };
        out.write_all(bytemuck::bytes_of(&header)).map_err(Error::io("write", &path))?;
        Ok(Self { path, out })
    }

    pub(super) fn append(&mut self, region: RegionOut) -> Result<RegionEntry> {
        let out = &mut self.out;
        let write = || -> std::io::Result<RegionEntry> {
            out.pad()?;
            let at = out.at;
            let bytes = region.write_to(out)?;
            Ok(RegionEntry { at, bytes })
        };
        write().map_err(Error::io("write", &self.path))
    }

    /// Where the next region would start.
    pub(super) fn end(&self) -> u64 {
        self.out.at.next_multiple_of(ALIGN as u64)
    }

    /// Writes the checksums; what is there can be opened then. More can be appended after [`DataWriter::reopen`].
    pub(super) fn close(&mut self) -> Result<DataEntry> {
        let out = &mut self.out;
        let mut write = || -> std::io::Result<DataEntry> {
            out.pad()?;
            let checksums_at = out.at;
            let table = out.table();
            let table: &[u8] = bytemuck::cast_slice(&table);
            out.file.write_all(table)?;
            let checksums_xxh3 = format!("{:016x}", xxh3_64(table));
            Ok(DataEntry { bytes: checksums_at + table.len() as u64, checksums_at, checksums_xxh3 })
        };
        write().map_err(Error::io("write", &self.path))
    }

    /// Takes everything from a place on away, the checksums too.
    pub(super) fn reopen(&mut self, at: u64) -> Result<()> {
        self.out.truncate(at).map_err(Error::io("truncate", &self.path))
    }

    /// Makes what was written durable.
    pub(super) fn sync(self) -> Result<()> {
        self.out.file.sync_all().map_err(Error::io("sync", &self.path))
    }
}

/// Writes a small file and makes it durable.
pub(in crate::snapshot) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", path))
}
