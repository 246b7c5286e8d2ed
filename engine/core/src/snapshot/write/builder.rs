//! The collector of one column, whatever its kind.

use std::path::Path;

use super::choose::Sample;
use super::dictionary::Scratch;
use super::list::ListBuilder;
use super::map::MapBuilder;
use super::place::Places;
use super::region::Region;
use super::scalar::ScalarBuilder;
use super::sort_key::SortKey;
use crate::batch::ColumnData;
use crate::error::Result;
use crate::schema::ColumnType;

/// Collects one column.
#[derive(Debug)]
pub(super) enum Builder {
    Scalar(ScalarBuilder),
    List(ListBuilder),
    Map(MapBuilder),
}

impl Builder {
    pub(super) fn new(ty: &ColumnType) -> Self {
        match ty {
            ColumnType::Scalar(ty) => Self::Scalar(ScalarBuilder::new(ty)),
            ColumnType::Array(ty) => Self::List(ListBuilder::new(ty)),
            ColumnType::Map(_) => Self::Map(MapBuilder::default()),
        }
    }

    pub(super) fn push(&mut self, first_row: u32, rows: usize, data: ColumnData) -> Result<(), String> {
        match (self, data) {
            (Self::Scalar(builder), ColumnData::Scalar(values)) => builder.push(first_row, rows, &values),
            (Self::List(builder), ColumnData::List { ends, elements, present }) => {
                builder.push(first_row, rows, &ends, &elements, present.as_deref())
            }
            (Self::Map(builder), ColumnData::Map { ends, keys, values, present }) => {
                builder.push(rows, &ends, &keys, &values, present.as_deref())
            }
            _ => Err("its data is not of the schema's kind (scalar, list or map)".to_owned()),
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        match self {
            Self::Scalar(builder) => builder.buffered_bytes(),
            Self::List(builder) => builder.buffered_bytes(),
            Self::Map(builder) => builder.buffered_bytes(),
        }
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        match self {
            Self::Scalar(builder) => builder.spill(dir, name),
            Self::List(builder) => builder.spill(dir, name),
            Self::Map(builder) => builder.spill(dir, name),
        }
    }

    /// Values to be encoded, for the memory estimate.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Scalar(builder) => builder.values(),
            Self::List(builder) => builder.values(),
            Self::Map(builder) => builder.values(),
        }
    }

    /// The column as a key to sort rows by; `None` for texts of too many kinds.
    pub(super) fn sort_key(&self) -> Result<Option<SortKey<'_>>> {
        match self {
            Self::Scalar(builder) => builder.sort_key(),
            Self::List(builder) => builder.sort_key().map(Some),
            Self::Map(builder) => Ok(Some(builder.sort_key())),
        }
    }

    /// Whether each value, or length, gets a bitmap.
    pub(super) fn has_leaves(&self) -> bool {
        match self {
            Self::Scalar(builder) => builder.has_leaves(),
            Self::List(_) => true,
            Self::Map(_) => false,
        }
    }

    /// Which rows of a sample hold each list element or map key.
    pub(super) fn holders(&self, sample: &Sample, places: &Places) -> Result<Vec<Vec<u32>>> {
        match self {
            Self::Scalar(_) => Ok(Vec::new()),
            Self::List(builder) => builder
                .coded()
                .map_or_else(|| Ok(Vec::new()), |(owners, codes)| sample.holders(&owners, codes, places)),
            Self::Map(builder) => {
                let (owners, keys) = builder.coded();
                sample.holders(&owners, keys, places)
            }
        }
    }

    pub(super) fn finish(self, places: &Places, scratch: &Scratch) -> Result<Region> {
        match self {
            Self::Scalar(builder) => builder.finish(places, scratch),
            Self::List(builder) => builder.finish(places, scratch),
            Self::Map(builder) => builder.finish(places),
        }
    }
}
