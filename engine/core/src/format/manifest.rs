//! The manifest: what a snapshot holds and where, checked as a whole before anything in it is believed.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{DATA_FILE, FORMAT, MANIFEST_FILE, ROWS_MAX};
use crate::error::{Error, Result};
use crate::schema::Schema;

/// Everything about a snapshot but its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version of the writer.
    pub format: u32,
    /// Oldest format version whose reader can read this.
    pub oldest_reader: u32,
    /// Which generation of the store.
    pub generation: u64,
    /// When the source was read, in Unix seconds: `now()` for those who give none.
    pub as_of: i64,
    /// Program and version that wrote it.
    pub written_by: String,
    /// What the source said of its own freshness.
    #[serde(default)]
    pub source_watermark: Option<String>,
    /// Users.
    pub rows: u64,
    /// The table's shape.
    pub schema: Schema,
    /// The data file.
    pub data: DataEntry,
    /// The id region.
    pub ids: RegionEntry,
    /// One region a column, in the schema's order.
    pub columns: Vec<ColumnEntry>,
}

/// The data file's size and checksums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataEntry {
    /// Size of the file.
    pub bytes: u64,
    /// Where the block checksums start: the end of what they cover.
    pub checksums_at: u64,
    /// XXH3-64 of the block checksums, in hex.
    pub checksums_xxh3: String,
}

/// A part of the data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionEntry {
    /// First byte.
    pub at: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A column's part of the data file, and what is worth knowing without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// First byte.
    pub at: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Distinct values, elements or keys.
    pub distinct: u64,
    /// Rows that are not NULL.
    pub present: u64,
}

impl Manifest {
    /// The file's content: JSON and its checksum.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| corrupt(error.to_string()))?;
        let sum = xxh3_64(&bytes);
        bytes.extend_from_slice(format!("\n{sum:016x}\n").as_bytes());
        Ok(bytes)
    }

    /// Reads the file's content, refusing damaged bytes and formats that are too new.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Some((json, trailer)) = bytes.len().checked_sub(18).and_then(|at| bytes.split_at_checked(at))
        else {
            return Err(corrupt("it is cut short".to_owned()));
        };
        if trailer != format!("\n{:016x}\n", xxh3_64(json)).as_bytes() {
            return Err(corrupt("its checksum does not match".to_owned()));
        }
        Self::from_json(json)
    }

    /// Reads the JSON part, whatever its checksum.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let versions: Versions = serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
        if versions.oldest_reader > FORMAT {
            return Err(Error::TooNew {
                found: versions.format,
                needed: versions.oldest_reader,
                ours: FORMAT,
            });
        }
        let manifest: Self = serde_json::from_slice(json).map_err(|error| corrupt(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        if self.rows > ROWS_MAX {
            return Err(corrupt(format!(
                "{} rows are more than a snapshot can hold ({ROWS_MAX})",
                self.rows
            )));
        }
        if self.columns.len() != self.schema.columns.len() {
            return Err(corrupt(format!(
                "it places {} columns, its schema has {}",
                self.columns.len(),
                self.schema.columns.len()
            )));
        }
        if self.data.checksums_at > self.data.bytes {
            return Err(corrupt(format!("checksums start behind the end of {DATA_FILE}")));
        }
        let regions = self.columns.iter().map(|c| (c.at, c.bytes)).chain([(self.ids.at, self.ids.bytes)]);
        for (at, bytes) in regions {
            let end = at.checked_add(bytes);
            if end.is_none_or(|end| end > self.data.checksums_at) || at % super::ALIGN as u64 != 0 {
                return Err(corrupt(format!(
                    "the region at {at} of {bytes} bytes does not fit into {DATA_FILE}"
                )));
            }
        }
        Ok(())
    }
}

/// The fields every version keeps.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    oldest_reader: u32,
}

fn corrupt(what: String) -> Error {
    Error::Corrupt { file: MANIFEST_FILE, section: "manifest".to_owned(), what }
}
