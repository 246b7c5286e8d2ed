//! A table as the warehouse takes it: its DDL, and its rows in the RowBinary format.

use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};

use super::cell::Cell;
use super::rng::Rng;
use super::table::Table;

/// `CREATE TABLE` for this table under a name.
pub fn create(table: &Table, name: &str) -> String {
    let mut columns = vec![format!("{} UInt64", quote(&table.schema.user_id))];
    for (column, physical) in table.schema.columns.iter().zip(&table.physical) {
        columns.push(format!("{} {}", quote(&column.name), column_type(column, physical)));
    }
    format!(
        "CREATE TABLE {name} ({}) ENGINE = MergeTree ORDER BY {} SETTINGS index_granularity = 128",
        columns.join(", "),
        quote(&table.schema.user_id)
    )
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

fn column_type(column: &ColumnSchema, physical: &str) -> String {
    let scalar = is_json(column) || matches!(column.ty, ColumnType::Scalar(_));
    match &column.ty {
        _ if scalar && !column.nullable => physical.into(),
        _ if scalar => match physical.strip_prefix("LowCardinality(") {
            Some(inner) => format!("LowCardinality(Nullable({inner})"),
            None => format!("Nullable({physical})"),
        },
        ColumnType::Array(ty) if null_elements(ty) => format!("Array(Nullable({physical}))"),
        ColumnType::Array(_) => format!("Array({physical})"),
        _ => format!("Map(String, Nullable({physical}))"),
    }
}

fn is_json(column: &ColumnSchema) -> bool {
    matches!(column.held_as, HeldAs::JsonArray | HeldAs::JsonMap)
}

/// Whether arrays of this type may hold NULL in the warehouse.
fn null_elements(ty: &ScalarType) -> bool {
    matches!(ty, ScalarType::String | ScalarType::UInt { .. })
}

/// All rows, in RowBinary.
pub fn rows(table: &Table) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rng = Rng::new(table.rows() as u64);
    for row in 0..table.rows() {
        out.extend(table.user_ids[row].to_le_bytes());
        for ((column, cells), physical) in
            table.schema.columns.iter().zip(&table.columns).zip(&table.physical)
        {
            write_column(&mut out, column, physical, &cells[row], &mut rng);
        }
    }
    out
}

fn write_column(out: &mut Vec<u8>, column: &ColumnSchema, physical: &str, cell: &Cell, rng: &mut Rng) {
    match &column.ty {
        _ if is_json(column) => {
            let text = if *cell == Cell::Null {
                not_a_document(rng, column.nullable)
            } else {
                Some(json(cell, rng))
            };
            let text = text.map_or(Cell::Null, |text| Cell::text(&text));
            write_nullable(out, &ScalarType::String, physical, &text, column.nullable);
        }
        ColumnType::Scalar(ty) => write_nullable(out, ty, physical, cell, column.nullable),
        ColumnType::Array(ty) => {
            let Cell::Array(elements) = cell else { panic!("the warehouse has no NULL arrays") };
            write_length(out, elements.len());
            for element in elements {
                write_nullable(out, ty, physical, element, null_elements(ty));
            }
        }
        ColumnType::Map(ty) => {
            let Cell::Map(entries) = cell else { panic!("the warehouse has no NULL maps") };
            write_length(out, entries.len());
            for (key, value) in entries {
                write_value(out, &ScalarType::String, "String", &Cell::text(key));
                write_nullable(out, ty, physical, value, true);
            }
        }
    }
}

fn write_length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 128 {
        out.push(length as u8 | 128);
        length >>= 7;
    }
    out.push(length as u8);
}

fn write_nullable(out: &mut Vec<u8>, ty: &ScalarType, physical: &str, cell: &Cell, nullable: bool) {
    if nullable {
        out.push(u8::from(cell.is_null()));
    }
    if !cell.is_null() {
        write_value(out, ty, physical, cell);
    }
}

fn write_value(out: &mut Vec<u8>, ty: &ScalarType, physical: &str, cell: &Cell) {
    let bits = match ty {
        ScalarType::Int { bits } | ScalarType::UInt { bits } | ScalarType::Float { bits } => *bits,
        ScalarType::Decimal { precision, .. } if *precision <= 9 => 32,
        ScalarType::Decimal { precision, .. } if *precision <= 18 => 64,
        _ => 128,
    };
    match cell {
        Cell::Bool(value) => out.push(u8::from(*value)),
        Cell::Int(value) | Cell::Decimal(value) => out.extend(&value.to_le_bytes()[..usize::from(bits / 8)]),
        Cell::Big(value) => out.extend(value.to_le_bytes()),
        Cell::Float(value) if bits == 32 => out.extend((*value as f32).to_le_bytes()),
        Cell::Float(value) => out.extend(value.to_le_bytes()),
        Cell::Date(days) if physical == "Date32" => out.extend(days.to_le_bytes()),
        Cell::Date(days) => out.extend(u16::try_from(*days).unwrap().to_le_bytes()),
        Cell::DateTime(seconds) => out.extend(u32::try_from(*seconds).unwrap().to_le_bytes()),
        Cell::DateTime64(ticks) => out.extend(ticks.to_le_bytes()),
        Cell::Text(name) if *ty == ScalarType::Enum => out.extend(enum_value(physical, name).to_le_bytes()),
        Cell::Text(text) if physical.starts_with("FixedString") => {
            let length: usize = physical["FixedString(".len()..physical.len() - 1].parse().unwrap();
            out.extend(text);
            out.resize(out.len() + length - text.len(), 0);
        }
        Cell::Text(text) => {
            write_length(out, text.len());
            out.extend(text);
        }
        // Two little-endian halves, the first one first.
        Cell::Uuid(value) => {
            out.extend(((value >> 64) as u64).to_le_bytes());
            out.extend((*value as u64).to_le_bytes());
        }
        Cell::Ipv4(address) => out.extend(address.to_le_bytes()),
        Cell::Ipv6(address) => out.extend(address.to_be_bytes()),
        Cell::Null | Cell::Array(_) | Cell::Map(_) => panic!("{cell:?} is no single value"),
    }
}

/// The number of a name in `Enum16('none' = 0, ...)`.
fn enum_value(physical: &str, name: &[u8]) -> i16 {
    let name = String::from_utf8(name.to_vec()).unwrap().replace('\\', "\\\\").replace('\'', "\\'");
    let start = physical.find(&format!("'{name}' = ")).unwrap() + name.len() + 5;
    physical[start..].split([',', ')']).next().unwrap().parse().unwrap()
}

/// What a JSON column holds where there is no document: NULL, or something that is none.
fn not_a_document(rng: &mut Rng, nullable: bool) -> Option<String> {
    let texts = ["", "null", "12", "\"text\"", "true", "{\"a\": ", "[\"a\",]", "nonsense"];
    if nullable && rng.one_in(2) { None } else { Some((*rng.pick(&texts)).into()) }
}

/// The document, with things in it that must not count.
fn json(cell: &Cell, rng: &mut Rng) -> String {
    let text = |text: &str| serde_json::to_string(text).unwrap();
    match cell {
        Cell::Array(elements) => {
            let elements = elements.iter().map(|element| match element {
                Cell::Text(bytes) => text(std::str::from_utf8(bytes).unwrap()),
                // Anything but a string.
                Cell::Null => (*rng.pick(&["null", "1", "true", "[\"a\"]", "{}"])).into(),
                other => panic!("{other:?} in a JSON array"),
            });
            format!("[{}]", elements.collect::<Vec<_>>().join(", "))
        }
        Cell::Map(entries) => {
            let mut parts = Vec::new();
            for (key, value) in entries {
                let value = match value {
                    Cell::Float(value) => number(*value, rng),
                    // Anything that is no number.
                    Cell::Null => (*rng.pick(&["null", "[1]", "\"many\"", "\"\"", "{\"a\": 1}"])).into(),
                    other => panic!("{other:?} in a JSON map"),
                };
                parts.push(format!("{}: {value}", text(key)));
            }
            format!("{{{}}}", parts.join(", "))
        }
        other => panic!("{other:?} is no document"),
    }
}

fn number(value: f64, rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => format!("{value:e}"),
        // Amounts are often held as text.
        1 => format!("\"{value}\""),
        _ => serde_json::to_string(&value).unwrap(),
    }
}
