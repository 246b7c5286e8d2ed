//! Distinct values in order, on their way into a region.

use std::path::PathBuf;

use super::region::RegionOut;
use super::spool::Stream;
use super::texts::Group;
use crate::error::Result;
use crate::format::records::{DICTIONARY_4, DICTIONARY_8, DICTIONARY_16, DICTIONARY_BYTES, DictionaryRecord};

/// Where what does not fit into memory goes while a column is encoded.
#[derive(Debug, Clone)]
pub(super) struct Scratch {
    pub(super) dir: PathBuf,
    /// Of the column, for names of files.
    pub(super) name: String,
    /// Bytes that may stay in memory.
    pub(super) keep: usize,
}

/// Distinct values.
#[derive(Debug)]
pub(super) enum Distinct {
    Fixed8(Vec<u64>),
    Fixed16(Vec<u128>),
    Bytes { ends: Vec<u64>, bytes: Vec<u8> },
}

impl Distinct {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Fixed8(keys) => keys.len(),
            Self::Fixed16(keys) => keys.len(),
            Self::Bytes { ends, .. } => ends.len(),
        }
    }

    /// Puts the values into a region; they are sorted.
    pub(super) fn put(self, out: &mut RegionOut) -> DictionaryRecord {
        let mut record = DictionaryRecord { count: self.len() as u32, ..DictionaryRecord::default() };
        match self {
            Self::Fixed8(keys) => {
                if let Some(distances) = near(&keys) {
                    record.kind = DICTIONARY_4;
                    record.bytes_at = keys[0];
                    record.keys_at = out.put(distances);
                } else {
                    record.kind = DICTIONARY_8;
                    record.keys_at = out.put(keys);
                }
            }
            Self::Fixed16(keys) => {
                record.kind = DICTIONARY_16;
                record.keys_at = out.put(keys);
            }
            Self::Bytes { ends, bytes } => {
                record.kind = DICTIONARY_BYTES;
                record.bytes_len = bytes.len() as u64;
                if !even(&ends) {
                    put_starts(out, ends, &mut record);
                }
                record.bytes_at = out.put(bytes);
            }
        }
        record
    }
}

/// The keys as distances from the first, if they are near enough.
fn near(keys: &[u64]) -> Option<Vec<u32>> {
    let first = *keys.first()?;
    u32::try_from(keys.last()? - first).ok()?;
    Some(keys.iter().map(|key| (key - first) as u32).collect())
}

/// Whether all values have as many bytes.
fn even(ends: &[u64]) -> bool {
    let Some(&width) = ends.first() else { return false };
    ends.windows(2).all(|pair| pair[1] - pair[0] == width)
}

fn put_starts(out: &mut RegionOut, ends: Vec<u64>, record: &mut DictionaryRecord) {
    if u32::try_from(record.bytes_len).is_ok() {
        record.offset_width = 4;
        let starts = std::iter::once(0).chain(ends.iter().map(|&end| end as u32));
        record.keys_at = out.put(starts.collect::<Vec<u32>>());
    } else {
        record.offset_width = 8;
        let mut starts = ends;
        starts.insert(0, 0);
        record.keys_at = out.put(starts);
    }
}

/// Distinct texts as they are found, more than memory may hold.
#[derive(Debug)]
pub(super) struct TextsOut {
    bytes: Stream,
    /// The end of each, unless all are as long as the first.
    ends: Vec<u64>,
    count: u64,
    width: u64,
}

impl TextsOut {
    pub(super) fn new(scratch: &Scratch) -> Self {
        let name = format!("{}-texts", scratch.name);
        let bytes = Stream::new(&scratch.dir, name, scratch.keep);
        Self { bytes, ends: Vec::new(), count: 0, width: 0 }
    }

    pub(super) fn push(&mut self, group: &Group) -> Result<()> {
        let mut last = 0;
        for &end in &group.ends {
            let at = self.bytes.len() + last;
            let len = end - last;
            if self.count == 0 {
                self.width = len;
            }
            if self.ends.is_empty() && len != self.width {
                // Until here they were even; the first end is missing no more.
                self.ends.extend((1..=self.count).map(|nth| nth * self.width));
            }
            if !self.ends.is_empty() {
                self.ends.push(at + len);
            }
            self.count += 1;
            last = end;
        }
        self.bytes.extend(&group.bytes)
    }

    pub(super) fn put(self, out: &mut RegionOut) -> DictionaryRecord {
        let mut record = DictionaryRecord {
            kind: DICTIONARY_BYTES,
            count: self.count as u32,
            bytes_len: self.bytes.len(),
            ..DictionaryRecord::default()
        };
        // None at all have no width either: rows that had texts may all have been left out.
        if self.count == 0 || !self.ends.is_empty() {
            put_starts(out, self.ends, &mut record);
        }
        record.bytes_at = out.put_stream(self.bytes);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_of_texts_that_were_all_left_out_has_starts() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch { dir: dir.path().to_owned(), name: "none".into(), keep: 100 };
        let mut out = RegionOut::default();
        let record = TextsOut::new(&scratch).put(&mut out);
        assert_eq!((record.count, record.bytes_len, record.offset_width), (0, 0, 4));
        // Whichever way they came.
        let other = Distinct::Bytes { ends: Vec::new(), bytes: Vec::new() }.put(&mut RegionOut::default());
        assert_eq!((other.count, other.offset_width), (0, 4));
    }
}
