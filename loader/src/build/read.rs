//! Reading: an input's batches, converted side by side, into the snapshot writer. Each input is read once.

use arrow_array::ArrayRef;
use muster_engine::batch::{Batch, ColumnData, Values};
use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};
use muster_engine::snapshot::SnapshotWriter;
use rayon::prelude::*;

use super::Input;
use super::ids::user_ids;
use super::table::{InputTable, Version};
use crate::columns::{JsonFindings, convert};
use crate::error::{LoadError, Result};
use crate::progress::Progress;

/// What came out of reading an input.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) rows: u64,
    /// In memory, as they came from the source.
    pub(super) bytes: u64,
    /// By column of the input.
    pub(super) findings: Vec<JsonFindings>,
}

impl InputTable {
    pub(super) fn read(
        &self,
        at: usize,
        input: &Input<'_>,
        writer: &mut SnapshotWriter,
        progress: &dyn Progress,
    ) -> Result<Read> {
        let expected = input.source.rows();
        progress.begin(&phase(at, input), expected);
        writer.expect_rows(at, expected.unwrap_or(0));
        let findings = vec![JsonFindings::default(); self.columns.len()];
        let mut read = Read { rows: 0, bytes: 0, findings };
        for batch in input.source.batches(&self.indexes)? {
            let batch = batch?;
            let ids = user_ids(&self.id_field, batch.column(0))?;
            let rows = ids.len() as u64;
            read.rows += rows;
            read.bytes += batch.get_array_memory_size() as u64;
            let converted: Vec<(ColumnData, JsonFindings)> = self
                .columns
                .par_iter()
                .zip(&batch.columns()[1..])
                .map(|(column, array): (&ColumnSchema, &ArrayRef)| convert(column, array, &ids))
                .collect::<Result<_>>()?;
            let extra = match &self.version {
                Some(Version::Extra(column)) => {
                    batch.columns().last().map(|array| convert(column, array, &ids)).transpose()?
                }
                _ => None,
            };
            drop(batch);
            let (columns, found): (Vec<_>, Vec<_>) = converted.into_iter().unzip();
            read.findings.iter_mut().zip(found).for_each(|(all, found)| all.add(found));
            let versions = match (&self.version, extra) {
                (Some(Version::Column(at)), _) => values(&columns[*at]).cloned(),
                (_, Some((ColumnData::Scalar(values), _))) => Some(values),
                _ => None,
            };
            writer.push_to(at, Batch { user_ids: ids, columns }, versions.as_ref())?;
            progress.advance(rows);
        }
        progress.end();
        match expected {
            Some(expected) if expected != read.rows => Err(LoadError::Source(format!(
                "{} said it has {expected} rows and delivered {}; read it again when nobody changes it.",
                input.source.description(),
                read.rows
            ))),
            _ => Ok(read),
        }
    }
}

/// What reading this input is called, in progress and reports.
pub(super) fn phase(at: usize, input: &Input<'_>) -> String {
    if at == 0 { "read".to_owned() } else { format!("read {}", input.name) }
}

fn values(column: &ColumnData) -> Option<&Values> {
    match column {
        ColumnData::Scalar(values) => Some(values),
        ColumnData::List { .. } | ColumnData::Map { .. } => None,
    }
}

/// Whether a column's values tell which of two rows is newer: numbers and times of up to 64 bits.
pub(super) fn orders(column: &ColumnSchema) -> bool {
    match &column.ty {
        ColumnType::Scalar(ty) => match ty {
            ScalarType::String
            | ScalarType::Enum
            | ScalarType::Uuid
            | ScalarType::Ipv4
            | ScalarType::Ipv6 => false,
            ScalarType::Int { bits } | ScalarType::UInt { bits } => *bits <= 64,
            ScalarType::Decimal { precision, .. } => *precision <= 18,
            _ => true,
        },
        ColumnType::Array(_) | ColumnType::Map(_) => false,
    }
}
