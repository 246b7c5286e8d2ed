//! A source table in memory, and what the snapshot writer takes made from it.

use muster_engine::batch::{Batch, ColumnData, Keys, Values};
use muster_engine::key;
use muster_engine::schema::{ColumnType, ScalarType, Schema};

use super::cell::Cell;
use super::rng::Rng;

/// A table: a cell for every column and row, and what the warehouse would call each column's type.
#[derive(Debug, Clone)]
pub struct Table {
    pub schema: Schema,
    pub user_ids: Vec<u64>,
    /// By column, then by row.
    pub columns: Vec<Vec<Cell>>,
    /// The warehouse's type of each column, where the schema's leaves a choice (Date or Date32, an Enum's names).
    pub physical: Vec<String>,
}

impl Table {
    pub fn rows(&self) -> usize {
        self.user_ids.len()
    }

    /// The same table with only these rows.
    pub fn take(&self, rows: &[usize]) -> Self {
        Self {
            schema: self.schema.clone(),
            user_ids: rows.iter().map(|&row| self.user_ids[row]).collect(),
            columns: self
                .columns
                .iter()
                .map(|cells| rows.iter().map(|&row| cells[row].clone()).collect())
                .collect(),
            physical: self.physical.clone(),
        }
    }

    /// The same rows with only these columns.
    pub fn select(&self, names: &[&str]) -> Self {
        let wanted = |at: &usize| names.contains(&self.schema.columns[*at].name.as_str());
        let kept: Vec<usize> = (0..self.columns.len()).filter(wanted).collect();
        let mut table = self.clone();
        table.schema.columns = kept.iter().map(|&at| self.schema.columns[at].clone()).collect();
        table.columns = kept.iter().map(|&at| self.columns[at].clone()).collect();
        table.physical = kept.iter().map(|&at| self.physical[at].clone()).collect();
        table
    }

    /// All rows in order, cut into batches at random places.
    pub fn batches(&self, rng: &mut Rng) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut start = 0;
        while start < self.rows() {
            let most = (self.rows() - start).min(if rng.one_in(3) { 7 } else { 50_000 });
            let end = start + 1 + rng.below(most);
            batches.push(self.batch(start, end));
            start = end;
        }
        batches
    }

    fn batch(&self, start: usize, end: usize) -> Batch {
        let columns = self.schema.columns.iter().zip(&self.columns).map(|(column, cells)| {
            let cells = &cells[start..end];
            match &column.ty {
                ColumnType::Scalar(ty) => ColumnData::Scalar(values(ty, cells.iter())),
                ColumnType::Array(ty) => list(ty, cells),
                ColumnType::Map(ty) => map(ty, cells),
            }
        });
        Batch { user_ids: self.user_ids[start..end].to_vec(), columns: columns.collect() }
    }
}

fn list(ty: &ScalarType, cells: &[Cell]) -> ColumnData {
    let mut ends = Vec::new();
    let mut elements = Vec::new();
    for cell in cells {
        match cell {
            Cell::Array(values) => elements.extend(values),
            Cell::Null => {}
            other => panic!("{other:?} in an array column"),
        }
        ends.push(elements.len() as u32);
    }
    ColumnData::List { ends, elements: values(ty, elements.into_iter()), present: presence(cells.iter()) }
}

fn map(ty: &ScalarType, cells: &[Cell]) -> ColumnData {
    let mut ends = Vec::new();
    let mut keys = Vec::new();
    let mut numbers = Vec::new();
    for cell in cells {
        match cell {
            Cell::Map(entries) => {
                for (key, value) in entries {
                    keys.push(Cell::text(key));
                    numbers.push(value);
                }
            }
            Cell::Null => {}
            other => panic!("{other:?} in a map column"),
        }
        ends.push(keys.len() as u32);
    }
    ColumnData::Map {
        ends,
        keys: values(&ScalarType::String, keys.iter()),
        values: values(ty, numbers.into_iter()),
        present: presence(cells.iter()),
    }
}

/// `None` when nothing is NULL, so that both ways of saying so are used.
fn presence<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<Vec<bool>> {
    let present: Vec<bool> = cells.map(|cell| !cell.is_null()).collect();
    present.contains(&false).then_some(present)
}

fn values<'a>(ty: &ScalarType, cells: impl Iterator<Item = &'a Cell> + Clone) -> Values {
    let present = presence(cells.clone());
    let keys = match ty {
        ScalarType::Bool => Keys::Bool(cells.map(|cell| *cell == Cell::Bool(true)).collect()),
        ScalarType::String | ScalarType::Enum => {
            let mut ends = Vec::new();
            let mut bytes = Vec::new();
            for cell in cells {
                if let Cell::Text(text) = cell {
                    bytes.extend_from_slice(text);
                }
                ends.push(bytes.len() as u32);
            }
            Keys::Bytes { ends, bytes }
        }
        _ if is_wide(ty) => Keys::Fixed16(cells.map(|cell| wide_key(ty, cell)).collect()),
        _ => Keys::Fixed8(cells.map(|cell| narrow_key(ty, cell)).collect()),
    };
    Values { keys, present }
}

fn is_wide(ty: &ScalarType) -> bool {
    match ty {
        ScalarType::Int { bits } | ScalarType::UInt { bits } => *bits == 128,
        ScalarType::Decimal { precision, .. } => *precision > 18,
        ScalarType::Uuid | ScalarType::Ipv6 => true,
        _ => false,
    }
}

fn narrow_key(ty: &ScalarType, cell: &Cell) -> u64 {
    match (ty, cell) {
        // What stands at an absent position is ignored: make sure of it.
        (_, Cell::Null) => 0x5555_5555,
        (ScalarType::Int { .. }, Cell::Int(value)) | (ScalarType::Decimal { .. }, Cell::Decimal(value)) => {
            key::int(i64::try_from(*value).unwrap())
        }
        (ScalarType::UInt { .. }, Cell::Int(value)) => u64::try_from(*value).unwrap(),
        (ScalarType::Float { .. }, Cell::Float(value)) => key::float(*value),
        (ScalarType::Date, Cell::Date(days)) => key::int(i64::from(*days)),
        (ScalarType::DateTime { .. }, Cell::DateTime(seconds)) => key::int(*seconds),
        (ScalarType::DateTime64 { .. }, Cell::DateTime64(ticks)) => key::int(*ticks),
        (ScalarType::Ipv4, Cell::Ipv4(address)) => u64::from(*address),
        _ => panic!("{cell:?} in a column of {ty}"),
    }
}

fn wide_key(ty: &ScalarType, cell: &Cell) -> u128 {
    match (ty, cell) {
        (_, Cell::Null) => 0x5555_5555,
        (ScalarType::Int { .. }, Cell::Int(value)) | (ScalarType::Decimal { .. }, Cell::Decimal(value)) => {
            key::wide_int(*value)
        }
        (ScalarType::UInt { .. }, Cell::Int(value)) => u128::try_from(*value).unwrap(),
        (ScalarType::UInt { .. }, Cell::Big(value))
        | (ScalarType::Uuid, Cell::Uuid(value))
        | (ScalarType::Ipv6, Cell::Ipv6(value)) => *value,
        _ => panic!("{cell:?} in a column of {ty}"),
    }
}
