//! What this machine has already: the parts of generations in the store, listed once and kept beside their data.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use muster_engine::error::Error;
use muster_engine::format::manifest::Manifest;
use muster_engine::format::{DATA_FILE, MANIFEST_FILE};
use muster_engine::storage::Bytes;
use serde::{Deserialize, Serialize};

use super::cut::cut;
use super::error::{BucketError, Result};
use super::layout::{FORMAT, Index, Part, Sha};
use crate::progress::Progress;

/// In a generation's folder: its parts. A cache; whoever has doubts deletes it.
pub(super) const PARTS_FILE: &str = "parts.json";

/// The content of [`PARTS_FILE`].
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// Of `manifest.json`, so that a list cannot be taken for another generation's.
    manifest_sha256: Sha,
    parts: Vec<Part>,
}

/// The index of the generation in a folder, whose data is hashed unless that was done before.
pub(super) fn index_of(dir: &Path, progress: &dyn Progress) -> Result<Index> {
    let path = dir.join(MANIFEST_FILE);
    let manifest = std::fs::read_to_string(&path).map_err(BucketError::io("read", &path))?;
    let parsed = Manifest::from_bytes(manifest.as_bytes())?;
    let (generation, data_bytes) = (parsed.generation, parsed.data.bytes);
    let index = |parts| Index { format: FORMAT, generation, manifest: manifest.clone(), data_bytes, parts };
    if let Some(parts) = kept(dir, &manifest, data_bytes) {
        return Ok(index(parts));
    }
    let data = Bytes::map(&dir.join(DATA_FILE))?;
    progress.begin("hash", Some(data_bytes));
    let parts = cut(&parsed, data.as_slice(), &|bytes| progress.advance(bytes));
    progress.end();
    let index = index(parts);
    keep(dir, &index);
    Ok(index)
}

fn kept(dir: &Path, manifest: &str, data_bytes: u64) -> Option<Vec<Part>> {
    let kept: Kept = serde_json::from_slice(&std::fs::read(dir.join(PARTS_FILE)).ok()?).ok()?;
    let whole = kept.parts.iter().map(|Part(_, bytes)| *bytes).sum::<u64>() == data_bytes;
    let ours = kept.format == FORMAT && kept.manifest_sha256 == Sha::of(manifest.as_bytes());
    (ours && whole).then_some(kept.parts)
}

/// Keeps the list for the next time. Where that cannot be written, the next time hashes again.
pub(super) fn keep(dir: &Path, index: &Index) {
    let manifest_sha256 = Sha::of(index.manifest.as_bytes());
    let kept = Kept { format: FORMAT, manifest_sha256, parts: index.parts.clone() };
    let aside = dir.join(format!("{PARTS_FILE}.tmp"));
    let written = serde_json::to_vec(&kept).is_ok_and(|bytes| std::fs::write(&aside, bytes).is_ok());
    if !written || std::fs::rename(&aside, dir.join(PARTS_FILE)).is_err() {
        let _ = std::fs::remove_file(&aside);
    }
}

/// Files that hold parts, and where.
#[derive(Debug, Default)]
pub(super) struct LocalParts {
    files: Vec<(PathBuf, File)>,
    places: HashMap<Part, (usize, u64)>,
}

impl LocalParts {
    /// Adds what a file should hold by its index. A file that is not there holds nothing.
    pub(super) fn add(&mut self, data: PathBuf, index: &Index) {
        let Ok(file) = File::open(&data) else { return };
        let number = self.files.len();
        self.files.push((data, file));
        for (at, part) in index.placed() {
            self.places.entry(part).or_insert((number, at));
        }
    }

    /// A part's bytes, if a file has them and they are what they should be.
    pub(super) fn read(&self, part: &Part) -> Option<Vec<u8>> {
        let (number, at) = self.places.get(part)?;
        let (path, file) = &self.files[*number];
        let mut bytes = vec![0; part.1 as usize];
        if file.read_exact_at(&mut bytes, *at).is_ok() && Sha::of(&bytes) == part.0 {
            return Some(bytes);
        }
        tracing::debug!(file = %path.display(), at, "these bytes are not what the list of parts says");
        None
    }
}

/// Reads part of a mapped file, as the list of its parts has it.
pub(super) fn part_of<'a>(data: &'a Bytes, at: u64, part: &Part) -> Result<&'a [u8]> {
    let bytes = data.as_slice().get(at as usize..(at + part.1) as usize);
    bytes.filter(|bytes| Sha::of(bytes) == part.0).ok_or_else(|| {
        let what =
            format!("the {} bytes at {at} are not what {PARTS_FILE} says, which can be deleted", part.1);
        BucketError::Store(Error::Corrupt { file: DATA_FILE, section: "parts".to_owned(), what })
    })
}
