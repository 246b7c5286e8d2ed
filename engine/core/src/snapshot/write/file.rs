//! `data.bin` while it is written: regions appended, then checksums, then the header that makes it whole.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};
use crate::format::manifest::{DataEntry, RegionEntry};
use crate::format::records::{DATA_MAGIC, DataHeader};
use crate::format::{ALIGN, BLOCK_BYTES, DATA_FILE, FORMAT};
use crate::storage::Bytes;

/// Appends regions.
#[derive(Debug)]
pub(super) struct DataWriter {
    path: PathBuf,
    file: File,
    at: u64,
}

impl DataWriter {
    pub(super) fn create(dir: &Path, generation: u64, rows: u64) -> Result<Self> {
        let path = dir.join(DATA_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        let header =
            DataHeader { magic: DATA_MAGIC, format: FORMAT, generation, rows, ..DataHeader::default() };
        file.write_all(bytemuck::bytes_of(&header)).map_err(Error::io("write", &path))?;
        Ok(Self { path, file, at: size_of::<DataHeader>() as u64 })
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<RegionEntry> {
        let at = self.at.next_multiple_of(ALIGN as u64);
        let mut write = || -> std::io::Result<()> {
            self.file.seek(SeekFrom::Start(at))?;
            self.file.write_all(bytes)
        };
        write().map_err(Error::io("write", &self.path))?;
        self.at = at + bytes.len() as u64;
        Ok(RegionEntry { at, bytes: bytes.len() as u64 })
    }

    pub(super) fn finish(mut self) -> Result<DataEntry> {
        let checksums_at = self.at.next_multiple_of(ALIGN as u64);
        self.file.set_len(checksums_at).map_err(Error::io("extend", &self.path))?;
        let written = Bytes::map(&self.path)?;
        let sums: Vec<u64> = written.as_slice().par_chunks(BLOCK_BYTES).map(xxh3_64).collect();
        drop(written);
        let table: &[u8] = bytemuck::cast_slice(&sums);
        let write = |file: &mut File| -> std::io::Result<()> {
            file.seek(SeekFrom::Start(checksums_at))?;
            file.write_all(table)?;
            file.sync_all()
        };
        write(&mut self.file).map_err(Error::io("write", &self.path))?;
        Ok(DataEntry {
            bytes: checksums_at + table.len() as u64,
            checksums_at,
            checksums_xxh3: format!("{:016x}", xxh3_64(table)),
        })
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
