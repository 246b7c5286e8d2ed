//! An open snapshot: the manifest, the mapped data, and its columns opened on first use.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::column::{Alignments, Ids, ListColumn, MapColumn, ValueColumn};
use crate::error::{Error, Result};
use crate::format::DATA_FILE;
use crate::format::data::{DataFile, Section};
use crate::format::manifest::Manifest;
use crate::schema::{ColumnType, Schema};
use crate::storage::Bytes;

use super::masked::MaskedNow;
use super::store::{Pin, pinned_manifest};
use crate::format::data::Trust;

/// How to open a snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// Whether bytes are checked before their first use.
    pub trust: Trust,
}

/// One generation of the feature table, immutable and mapped. Opening reads the manifest and a few pages.
#[derive(Debug)]
pub struct Snapshot {
    manifest: Manifest,
    file: Arc<DataFile>,
    ids: Ids,
    columns: Vec<OnceLock<Column>>,
    alignments: Alignments,
    pub(super) masked_now: MaskedNow,
    /// Keeps the store from removing the files; content that came from memory has none.
    _pin: Option<Pin>,
}

/// A column by its kind.
#[derive(Debug, Clone)]
pub enum Column {
    /// One value a user.
    Value(ValueColumn),
    /// A list of values.
    List(ListColumn),
    /// Numbers by key.
    Map(MapColumn),
}

impl Snapshot {
    /// Opens the snapshot in a directory, checking bytes as they are used. As long as it is open, no store removes it.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, OpenOptions::default())
    }

    /// Opens the snapshot in a directory.
    pub fn open_with(dir: &Path, options: OpenOptions) -> Result<Self> {
        let (manifest, pin) = pinned_manifest(dir)?;
        let snapshot = Self::from_bytes(&manifest, Bytes::map(&dir.join(DATA_FILE))?, options)?;
        Ok(Self { _pin: Some(pin), ..snapshot })
    }

    /// Opens a snapshot from the content of its two files.
    pub fn from_bytes(manifest: &[u8], data: Bytes, options: OpenOptions) -> Result<Self> {
        Self::from_parts(Manifest::from_bytes(manifest)?, data, options)
    }

    /// Opens a snapshot from a manifest that is believed, and its data.
    pub fn from_parts(manifest: Manifest, data: Bytes, options: OpenOptions) -> Result<Self> {
        let file = DataFile::new(data, &manifest, options.trust)?;
        let region = Section::new(&file, "ids", manifest.ids.at, manifest.ids.bytes)?;
        let ids = Ids::open(&region, manifest.rows as u32)?;
        let columns = manifest.columns.iter().map(|_| OnceLock::new()).collect();
        Ok(Self {
            manifest,
            file,
            ids,
            columns,
            alignments: Alignments::default(),
            masked_now: MaskedNow::default(),
            _pin: None,
        })
    }

    /// What the snapshot says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Dictionaries of two columns side by side.
    pub fn alignments(&self) -> &Alignments {
        &self.alignments
    }

    /// The table's shape.
    pub fn schema(&self) -> &Schema {
        &self.manifest.schema
    }

    /// Users whose features are in the files, those too who are masked: [`Snapshot::users`] are those in answers.
    pub fn rows(&self) -> u32 {
        self.manifest.rows as u32
    }

    /// Which generation this is.
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// Names its bytes: the same for two that were opened from the same files, another for any other.
    pub(crate) fn content(&self) -> u64 {
        let told = format!("{} {}", self.manifest.generation, self.manifest.data.checksums_xxh3);
        xxhash_rust::xxh3::xxh3_64(told.as_bytes())
    }

    /// When the source was read, in Unix seconds.
    pub fn as_of(&self) -> i64 {
        self.manifest.as_of
    }

    /// External ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(super) fn file(&self) -> &Arc<DataFile> {
        &self.file
    }

    /// The column at a position of the schema.
    pub fn column(&self, index: usize) -> Result<&Column> {
        let (Some(cell), Some(schema)) = (self.columns.get(index), self.schema().columns.get(index)) else {
            return Err(Error::input(format!("there is no column {index}")));
        };
        if let Some(column) = cell.get() {
            return Ok(column);
        }
        let entry = &self.manifest.columns[index];
        let region = Section::new(&self.file, &format!("column {}", schema.name), entry.at, entry.bytes)?;
        let rows = self.rows();
        let column = match &schema.ty {
            ColumnType::Scalar(_) => Column::Value(ValueColumn::open(&region, 0, rows)?),
            ColumnType::Array(_) => Column::List(ListColumn::open(&region, rows)?),
            ColumnType::Map(_) => Column::Map(MapColumn::open(&region, rows)?),
        };
        Ok(cell.get_or_init(|| column))
    }
}
