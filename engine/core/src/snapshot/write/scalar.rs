//! Scalar columns on their way in.

use std::path::Path;

use super::bits::RowBits;
use super::dictionary::Scratch;
use super::encode::{Codes, encode_bits, encode_codes};
use super::place::{Owners, Places};
use super::region::{Region, RegionOut};
use super::sort_key::{SortKey, levels_of};
use super::values::{ValuesBuilder, Width, check_values};
use crate::batch::{Keys, Values};
use crate::error::Result;
use crate::format::LEAF_VALUES_MAX;
use crate::format::records::ColumnRecord;
use crate::schema::ScalarType;

/// Collects one scalar column.
#[derive(Debug)]
pub(super) struct ScalarBuilder {
    present: RowBits,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Bool(RowBits),
    Values(ValuesBuilder),
}

impl ScalarBuilder {
    pub(super) fn new(ty: &ScalarType) -> Self {
        let kind = match Width::of(ty) {
            Width::Bool => Kind::Bool(RowBits::default()),
            width => Kind::Values(ValuesBuilder::new(width)),
        };
        Self { present: RowBits::default(), kind }
    }

    pub(super) fn push(&mut self, first_row: u32, rows: usize, values: &Values) -> Result<(), String> {
        check_values(values, rows)?;
        let marks = values.present.as_deref();
        self.present.extend(rows, marks);
        let here = |row: usize| marks.is_none_or(|marks| marks[row]);
        match (&mut self.kind, &values.keys) {
            (Kind::Bool(truths), Keys::Bool(keys)) => {
                truths.extend_by(rows, |row| keys[row] && here(row));
                Ok(())
            }
            (Kind::Bool(_), _) => Err("its keys are not of its type's width".to_owned()),
            (Kind::Values(builder), keys) => {
                let kept = (0..rows).filter(|&row| here(row)).map(|row| (first_row + row as u32, row));
                builder.push(keys, kept)?;
                let present = &self.present;
                builder.settle(&Owners::One(present))
            }
        }
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.kind {
            Kind::Bool(_) => 0,
            Kind::Values(values) => values.buffered_bytes(),
        }
    }

    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        match &mut self.kind {
            Kind::Bool(_) => Ok(()),
            Kind::Values(values) => values.spill(dir, name),
        }
    }

    pub(super) fn values(&self) -> usize {
        self.present.ones()
    }

    /// The column as a key to sort rows by; `None` for texts of too many kinds.
    pub(super) fn sort_key(&self) -> Result<Option<SortKey<'_>>> {
        let present = &self.present;
        let values = match &self.kind {
            Kind::Bool(truths) => return Ok(Some(SortKey::truths(present, truths))),
            Kind::Values(values) => values,
        };
        if let Some((interner, codes)) = values.few() {
            let mut finals = interner.finals();
            if !self.has_leaves() {
                let mut counts = vec![0; finals.len()];
                codes.each(|code| counts[finals[code as usize] as usize] += 1)?;
                let levels = levels_of(&counts);
                for code in &mut finals {
                    *code = levels[*code as usize];
                }
            }
            return Ok(Some(SortKey::codes(present, codes, finals)));
        }
        values.numbers().map(|numbers| SortKey::keys(present, numbers)).transpose()
    }

    /// Whether each value gets a bitmap, as far as their number tells.
    pub(super) fn has_leaves(&self) -> bool {
        match &self.kind {
            Kind::Bool(_) => true,
            Kind::Values(values) => values.few().is_some_and(|(known, _)| known.len() <= LEAF_VALUES_MAX),
        }
    }

    /// Encodes the column, its rows where they belong.
    pub(super) fn finish(self, places: &Places, scratch: &Scratch) -> Result<Region> {
        let table_rows = places.table_rows();
        let presence = places.bits(&self.present);
        let count = presence.ones() as u64;
        let mut out = RegionOut::default();
        let at = out.reserve(size_of::<ColumnRecord>());
        let values = match self.kind {
            Kind::Bool(truths) => {
                let truths = places.bits(&truths);
                let record = encode_bits(&mut out, table_rows, &presence, &truths);
                out.fill(at, &record);
                let trues = truths.ones() as u64;
                let distinct = u64::from(trues > 0) + u64::from(trues < count);
                return Ok(Region { bytes: out, distinct, present: count });
            }
            Kind::Values(values) => values,
        };
        let mut codes = Codes::new(table_rows);
        let owners = Owners::One(&self.present);
        let dictionary = values.finish(&owners, places, scratch, &mut out, &mut codes)?;
        let record = encode_codes(&mut out, table_rows, &presence, codes, dictionary);
        out.fill(at, &record);
        Ok(Region { bytes: out, distinct: dictionary.count.into(), present: count })
    }
}
