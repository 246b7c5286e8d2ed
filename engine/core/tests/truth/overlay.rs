//! Cells as an overlay takes them, and rows changed at random together with the overlay that says the same.

use muster_engine::execute::Feature;
use muster_engine::key;
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::limits::Limits;
use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};
use muster_engine::value::Value;

use super::cell::Cell;
use super::naive::LabelRules;
use super::populate::{self, Options};
use super::rng::Rng;
use super::table::Table;

/// Replaces some cells of a table of one row, and says which feature has which value now.
pub fn random(rng: &mut Rng, table: &mut Table) -> Vec<(String, Feature)> {
    let mut overlaid = Vec::new();
    let share = *rng.pick(&[2, 3, 6]);
    for index in 0..table.columns.len() {
        if !rng.one_in(share) {
            continue;
        }
        let column = table.schema.columns[index].clone();
        let options = Options { rows: 8, columns: 1, warehouse: false };
        let values = populate::cells(rng, &column, options);
        let drawn = if rng.one_in(6) { Cell::Null } else { rng.pick(&values).clone() };
        let cell = &mut table.columns[index][0];
        if let (ColumnType::Map(ty), true) = (&column.ty, rng.one_in(2)) {
            // Some keys alone, in place of the whole map.
            let Cell::Map(entries) = drawn else { continue };
            let mut done: Vec<String> = Vec::new();
            for (key, value) in entries {
                if done.contains(&key) {
                    continue;
                }
                done.push(key.clone());
                let operand = Operand::MapValue { column: column.name.clone(), key: key.clone() };
                overlaid.push((operand.to_string(), Feature::Value(scalar(&value, ty).unwrap())));
                set_key(cell, &key, value);
            }
            continue;
        }
        let Some(value) = feature(&drawn, &column.ty) else { continue };
        overlaid.push((column.name, value));
        *cell = drawn;
    }
    overlaid
}

/// Puts a value under a key: NULL leaves a NULL map as it is.
pub fn set_key(cell: &mut Cell, key: &str, value: Cell) {
    if cell.is_null() {
        if value.is_null() {
            return;
        }
        *cell = Cell::Map(Vec::new());
    }
    let Cell::Map(entries) = cell else { panic!("{cell:?} has no keys") };
    entries.retain(|(name, _)| name != key);
    entries.push((key.to_owned(), value));
}

/// All features of a row; `None` if one cannot be written as text.
pub fn all_of(table: &Table, row: usize) -> Option<Vec<(String, Feature)>> {
    let columns = table.schema.columns.iter().zip(&table.columns);
    columns.map(|(column, cells)| Some((column.name.clone(), feature(&cells[row], &column.ty)?))).collect()
}

/// A cell as a feature; `None` if it is text that is not UTF-8.
pub fn feature(cell: &Cell, ty: &ColumnType) -> Option<Feature> {
    Some(match (cell, ty) {
        (Cell::Null, _) => Feature::Value(Value::Null),
        (Cell::Array(elements), ColumnType::Array(ty)) => {
            Feature::List(elements.iter().map(|element| scalar(element, ty)).collect::<Option<_>>()?)
        }
        (Cell::Map(entries), ColumnType::Map(ty)) => {
            let entry = |(key, value): &(String, Cell)| Some((Value::Text(key.clone()), scalar(value, ty)?));
            Feature::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        (cell, ColumnType::Scalar(ty)) => Feature::Value(scalar(cell, ty)?),
        _ => panic!("{cell:?} in a column of {ty}"),
    })
}

fn scalar(cell: &Cell, ty: &ScalarType) -> Option<Value> {
    let wide = matches!(ty, ScalarType::Decimal { precision: 19.., .. });
    Some(match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => Value::Bool(*value),
        Cell::Int(value) => Value::Int(*value),
        Cell::Big(value) => Value::UInt(*value),
        Cell::Float(value) if matches!(ty, ScalarType::Float { bits: 32 }) => {
            Value::from_key8(ty, key::float(*value))
        }
        Cell::Float(value) => Value::Float(*value),
        Cell::Decimal(value) if wide => Value::from_key16(ty, key::wide_int(*value)),
        Cell::Decimal(value) => Value::from_key8(ty, key::int(i64::try_from(*value).unwrap())),
        Cell::Date(value) => Value::from_key8(ty, key::int(i64::from(*value))),
        Cell::DateTime(value) | Cell::DateTime64(value) => Value::from_key8(ty, key::int(*value)),
        Cell::Text(bytes) => Value::Text(String::from_utf8(bytes.clone()).ok()?),
        Cell::Uuid(value) | Cell::Ipv6(value) => Value::from_key16(ty, *value),
        Cell::Ipv4(value) => Value::from_key8(ty, u64::from(*value)),
        other => panic!("{other:?} in a column of {ty}"),
    })
}

/// Whether a rule asks who a user is, so that two users with the same features may differ.
pub fn depends_on_identity(rule: &Rule, table: &Table, labels: &LabelRules) -> bool {
    match rule {
        Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => {
            of.iter().any(|rule| depends_on_identity(rule, table, labels))
        }
        Rule::Not(inner) => depends_on_identity(inner, table, labels),
        Rule::Label(name) => depends_on_identity(&labels[name], table, labels),
        Rule::Bucket { .. } => true,
        leaf => leaf.columns().contains(table.schema.user_id.as_str()),
    }
}

/// Puts a feature, as an overlay names it, into a table of one row.
pub fn apply(table: &mut Table, name: &str, value: &Feature) {
    let schema = table.schema.clone();
    let operand =
        Operand::parse(name, &Limits::default()).unwrap_or_else(|_| Operand::Column(name.to_owned()));
    match (schema.column(name), operand) {
        (Some((index, column)), _) => table.columns[index][0] = cell(value, &column.ty),
        (None, Operand::Column(name)) => {
            let (index, column) = schema.column(&name).unwrap();
            table.columns[index][0] = cell(value, &column.ty);
        }
        (None, Operand::MapValue { column, key }) => {
            let (index, ColumnSchema { ty: ColumnType::Map(ty), .. }) = schema.column(&column).unwrap()
            else {
                panic!("{name} is no map's key")
            };
            let Feature::Value(value) = value else { panic!("{value} under a key") };
            set_key(&mut table.columns[index][0], &key, scalar_cell(value, ty));
        }
        (None, other) => panic!("{other:?} is no feature"),
    }
}

fn cell(feature: &Feature, ty: &ColumnType) -> Cell {
    match (feature, ty) {
        (Feature::Value(Value::Null), _) => Cell::Null,
        (Feature::Value(value), ColumnType::Scalar(ty)) => scalar_cell(value, ty),
        (Feature::List(elements), ColumnType::Array(ty)) => {
            Cell::Array(elements.iter().map(|element| scalar_cell(element, ty)).collect())
        }
        (Feature::Map(entries), ColumnType::Map(ty)) => {
            Cell::Map(entries.iter().map(|(key, value)| (key.to_string(), scalar_cell(value, ty))).collect())
        }
        _ => panic!("{feature} in a column of {ty}"),
    }
}

fn scalar_cell(value: &Value, ty: &ScalarType) -> Cell {
    let nanos = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
    match (value, ty) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), _) => Cell::Bool(*value),
        (Value::Int(value), _) => Cell::Int(*value),
        (Value::UInt(value), _) => i128::try_from(*value).map_or(Cell::Big(*value), Cell::Int),
        (Value::Float(value), ScalarType::Float { bits: 32 }) => Cell::Float((*value as f32).into()),
        (Value::Float(value), _) => Cell::Float(*value),
        (Value::Text(text), ScalarType::Decimal { .. }) => {
            Cell::Decimal(text.replace('.', "").parse().unwrap())
        }
        (Value::Text(text), ScalarType::Date) => {
            let day: jiff::civil::Date = text.parse().unwrap();
            Cell::Date(day.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days())
        }
        (Value::Text(text), ScalarType::DateTime { .. }) => {
            Cell::DateTime((nanos(text) / 1_000_000_000) as i64)
        }
        (Value::Text(text), ScalarType::DateTime64 { scale, .. }) => {
            Cell::DateTime64(nanos(text).div_euclid(10_i128.pow(9 - u32::from(*scale))) as i64)
        }
        (Value::Text(text), ScalarType::Uuid) => {
            Cell::Uuid(u128::from_str_radix(&text.replace('-', ""), 16).unwrap())
        }
        (Value::Text(text), ScalarType::Ipv4) => {
            Cell::Ipv4(text.parse::<std::net::Ipv4Addr>().unwrap().to_bits())
        }
        (Value::Text(text), ScalarType::Ipv6) => {
            Cell::Ipv6(text.parse::<std::net::Ipv6Addr>().unwrap().to_bits())
        }
        (Value::Text(text), _) => Cell::text(text),
    }
}
