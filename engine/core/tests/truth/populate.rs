//! Random tables: every type, every extreme, from no rows to several chunks.

use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};

use super::cell::Cell;
use super::rng::Rng;
use super::table::Table;

/// What a random table must be good for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub rows: usize,
    pub columns: usize,
    /// Whether the warehouse can hold it too: no NULL arrays, only dates and times in its range.
    pub warehouse: bool,
}

/// Row counts worth trying: mostly few, so that many rules can be tried; sometimes more than one or two chunks.
pub fn rows(rng: &mut Rng) -> usize {
    match rng.below(64) {
        0..4 => rng.below(3),
        4..40 => 3 + rng.below(60),
        40..60 => 60 + rng.below(500),
        60..63 => 500 + rng.below(5000),
        _ if rng.one_in(2) => 65_530 + rng.below(12),
        _ => 131_080 + rng.below(9000),
    }
}

/// Of whole, half and quarter hours; one moves its clocks by half an hour, one at midnight.
const ZONES: [&str; 7] = [
    "UTC",
    "UTC",
    "Asia/Shanghai",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Asia/Beirut",
];
const WORDS: [&str; 24] = [
    "",
    "a",
    "A",
    "ab",
    "abc",
    "US",
    "CN",
    "usdt",
    "USDT",
    "ethereum",
    "base",
    "solana",
    "50%",
    "a_b",
    "back\\slash",
    "it's",
    "line\nbreak",
    "Größe",
    "GRÖSSE",
    "ﬀ",
    "日本語",
    "🦀 crab",
    " ",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
];
/// Length of FixedString columns.
const FIXED_BYTES: usize = 6;
const SCALES: [u8; 4] = [0, 3, 6, 9];

/// A table with a column for each of a few random types.
pub fn table(rng: &mut Rng, options: Options) -> Table {
    let columns: Vec<_> = (0..options.columns).map(|position| column(rng, position, options)).collect();
    let cells: Vec<_> = columns.iter().map(|(column, _)| cells(rng, column, options)).collect();
    let user_id = if rng.one_in(8) { "uid" } else { "user_id" };
    let physical = columns.iter().zip(&cells).map(|((_, name), cells)| name_enum(name, cells)).collect();
    Table {
        schema: Schema {
            user_id: user_id.into(),
            time_zone: (*rng.pick(&ZONES)).into(),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
        },
        user_ids: user_ids(rng, options.rows),
        columns: cells,
        physical,
    }
}

/// Distinct, in any order, dense or spread, now and then up to the largest.
fn user_ids(rng: &mut Rng, rows: usize) -> Vec<u64> {
    let (start, step) = match rng.below(4) {
        0 => (0, 1),
        1 => (1_000_000, 1 + rng.below(50) as u64),
        2 => (u64::MAX - rows as u64 * 7, 7),
        _ => (rng.next() / 2, u64::MAX / 2 / (rows as u64 + 1)),
    };
    let mut ids: Vec<u64> = (1..=rows as u64).map(|row| start + row * step).collect();
    if rng.one_in(2) {
        rng.shuffle(&mut ids);
    }
    ids
}

fn column(rng: &mut Rng, position: usize, options: Options) -> (ColumnSchema, String) {
    let (ty, held_as, physical) = match rng.below(20) {
        0 => (ColumnType::Array(ScalarType::String), HeldAs::JsonArray, "String".into()),
        1 => (ColumnType::Map(ScalarType::Float { bits: 64 }), HeldAs::JsonMap, "String".into()),
        2 | 3 => {
            let (ty, name) = scalar(rng);
            // The warehouse has no such arrays, or prints them in ways of its own.
            (ColumnType::Array(ty), HeldAs::Native, name.replace("LowCardinality(String)", "String"))
        }
        4 => {
            let (ty, name) = map_value(rng);
            (ColumnType::Map(ty), HeldAs::Native, name)
        }
        5 => {
            let ty = if rng.one_in(3) { ColumnType::Array } else { ColumnType::Scalar };
            (ty(ScalarType::String), HeldAs::FixedString, format!("FixedString({FIXED_BYTES})"))
        }
        _ => {
            let (ty, name) = scalar(rng);
            (ColumnType::Scalar(ty), HeldAs::Native, name)
        }
    };
    let json = matches!(held_as, HeldAs::JsonArray | HeldAs::JsonMap);
    let simple = matches!(ty, ColumnType::Scalar(_)) || json;
    let nullable = rng.one_in(2) && (simple || !options.warehouse);
    let name = match rng.below(40) {
        0 => format!("order {position}"),
        1 => format!("größe{position}"),
        2 => format!("select`{position}"),
        _ => format!("c{position}"),
    };
    (ColumnSchema { name, ty, nullable, held_as }, physical)
}

fn map_value(rng: &mut Rng) -> (ScalarType, String) {
    let ty = match rng.below(5) {
        0 => ScalarType::UInt { bits: 64 },
        1 => ScalarType::Int { bits: 32 },
        2 => ScalarType::Float { bits: 32 },
        3 => ScalarType::Decimal { precision: 18, scale: 4 },
        _ => ScalarType::Float { bits: 64 },
    };
    let name = ty.to_string();
    (ty, name)
}

fn scalar(rng: &mut Rng) -> (ScalarType, String) {
    let zone = |rng: &mut Rng| rng.one_in(3).then(|| (*rng.pick(&ZONES)).to_owned());
    let ty = match rng.below(19) {
        0 | 1 => ScalarType::Bool,
        2 | 3 => ScalarType::Int { bits: *rng.pick(&[8, 16, 32, 64, 64, 128]) },
        4 | 5 => ScalarType::UInt { bits: *rng.pick(&[8, 16, 32, 64, 64, 128]) },
        6 => ScalarType::Float { bits: 64 },
        7 => ScalarType::Float { bits: 32 },
        8 => {
            let precision = *rng.pick(&[3, 9, 18, 19, 30, 38]);
            ScalarType::Decimal { precision, scale: rng.below(usize::from(precision).min(16) + 1) as u8 }
        }
        9 | 10 => ScalarType::Date,
        11 | 12 => ScalarType::DateTime { zone: zone(rng) },
        13 => ScalarType::DateTime64 { scale: *rng.pick(&SCALES), zone: zone(rng) },
        14 => ScalarType::Enum,
        15 => match rng.below(3) {
            0 => ScalarType::Uuid,
            1 => ScalarType::Ipv4,
            _ => ScalarType::Ipv6,
        },
        _ => ScalarType::String,
    };
    let physical = match &ty {
        ScalarType::Date if rng.one_in(2) => "Date32".into(),
        ScalarType::String if rng.one_in(2) => "LowCardinality(String)".into(),
        ty => ty.to_string(),
    };
    (ty, physical)
}

/// The warehouse wants an Enum's names listed.
fn name_enum(physical: &str, cells: &[Cell]) -> String {
    fn collect<'a>(cell: &'a Cell, into: &mut Vec<&'a [u8]>) {
        match cell {
            Cell::Text(name) if !into.contains(&&name[..]) => into.push(name),
            Cell::Array(elements) => {
                for element in elements {
                    collect(element, into);
                }
            }
            _ => {}
        }
    }
    if physical != "Enum" {
        return physical.into();
    }
    let mut names: Vec<&[u8]> = vec![b"none"];
    for cell in cells {
        collect(cell, &mut names);
    }
    let quoted = names.iter().enumerate().map(|(value, name)| {
        format!("'{}' = {value}", String::from_utf8_lossy(name).replace('\\', "\\\\").replace('\'', "\\'"))
    });
    format!("Enum16({})", quoted.collect::<Vec<_>>().join(", "))
}

/// Values for one column.
pub fn cells(rng: &mut Rng, column: &ColumnSchema, options: Options) -> Vec<Cell> {
    // One row in this many has a value, of those that may have none.
    let null_share = if column.nullable { *rng.pick(&[0.0, 0.01, 0.3, 0.9, 0.99, 1.0]) } else { 0.0 };
    let (ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty)) = &column.ty;
    let json = matches!(column.held_as, HeldAs::JsonArray | HeldAs::JsonMap);
    let pool_size = *rng.pick(&[1, 2, 3, 8, 40, 400, options.rows.clamp(1, 100_000)]);
    let mut pool: Vec<Cell> = (0..pool_size).map(|rank| value(rng, ty, rank, json)).collect();
    if column.held_as == HeldAs::FixedString {
        pool.iter_mut().for_each(fix_length);
    }
    let keys = map_keys(rng);
    let longest = *rng.pick(&[1, 3, 3, 6]);
    let null_elements = !json && rng.one_in(3) && matches!(ty, ScalarType::String | ScalarType::UInt { .. });
    let null_numbers = rng.one_in(3);
    let draw = |rng: &mut Rng| pool[rng.skewed(pool.len())].clone();
    let mut cells = Vec::with_capacity(options.rows);
    for _ in 0..options.rows {
        cells.push(match &column.ty {
            _ if rng.unit() < null_share => Cell::Null,
            ColumnType::Scalar(_) => draw(rng),
            ColumnType::Array(_) => {
                let length = rng.skewed(longest + 1);
                let element = |_| if null_elements && rng.one_in(5) { Cell::Null } else { draw(rng) };
                Cell::Array((0..length).map(element).collect())
            }
            ColumnType::Map(_) => {
                let entries = rng.skewed(longest + 1);
                let number =
                    |rng: &mut Rng| if null_numbers && rng.one_in(5) { Cell::Null } else { draw(rng) };
                Cell::Map((0..entries).map(|_| (keys[rng.skewed(keys.len())].clone(), number(rng))).collect())
            }
        });
    }
    cells
}

/// What fits, and does not end in the zeros that fill it up; still UTF-8 if it was.
fn fix_length(cell: &mut Cell) {
    let Cell::Text(text) = cell else { return };
    let end = match std::str::from_utf8(text) {
        Ok(text) => text.floor_char_boundary(FIXED_BYTES),
        Err(_) => FIXED_BYTES.min(text.len()),
    };
    text.truncate(end);
    while text.last() == Some(&0) {
        text.pop();
    }
}

/// Few or many, the first ones far more common than the rest.
fn map_keys(rng: &mut Rng) -> Vec<String> {
    let many = *rng.pick(&[1, 5, 5, 30, 1000]);
    (0..many)
        .map(|rank| WORDS.get(rank + 5).map_or_else(|| format!("TOKEN{rank}"), |&word| word.into()))
        .collect()
}

/// The value of some rank in a column's pool.
fn value(rng: &mut Rng, ty: &ScalarType, rank: usize, json: bool) -> Cell {
    match ty {
        ScalarType::Bool => Cell::Bool(rng.one_in(2)),
        ScalarType::Int { bits } => {
            let low = i128::MIN >> (128 - bits);
            Cell::Int(integer(rng, low, !low))
        }
        ScalarType::UInt { bits: 128 } if rng.one_in(3) => Cell::Big(u128::MAX - rng.below(3) as u128),
        ScalarType::UInt { bits } => {
            Cell::Int(integer(rng, 0, if *bits == 128 { i128::MAX } else { (1 << bits) - 1 }))
        }
        ScalarType::Float { bits } => {
            let value = float(rng, json);
            Cell::Float(if *bits == 32 { f64::from(value as f32) } else { value })
        }
        ScalarType::Decimal { precision, .. } => {
            let end = 10i128.pow(u32::from(*precision)) - 1;
            Cell::Decimal(integer(rng, -end, end))
        }
        // 1970 to 2148, where both day types of the warehouse can go.
        ScalarType::Date => Cell::Date(match rng.below(4) {
            0 => rng.between(0, 65_000) as i32,
            _ => 20_500 + rng.below(300) as i32,
        }),
        ScalarType::DateTime { .. } => Cell::DateTime(match rng.below(12) {
            0 => 0,
            1 => i64::from(u32::MAX),
            2..5 => rng.between(200_000, i64::from(u32::MAX) - 200_000),
            // Whole days and hours, so that days and times meet.
            5..9 => 1_795_132_800 + 3600 * rng.between(-2000, 2000),
            _ => 1_795_132_800 + rng.between(-10_000_000, 1_000_000),
        }),
        ScalarType::DateTime64 { scale, .. } => {
            let unit = 10i64.pow(u32::from(*scale));
            let seconds = match rng.below(4) {
                0 => rng.between(-2_000_000_000, 9_000_000_000),
                1 => 1_795_132_800 + 3600 * rng.between(-2000, 2000),
                _ => 1_795_132_800 + rng.between(-100_000, 100_000),
            };
            Cell::DateTime64(seconds * unit + if rng.one_in(2) { 0 } else { rng.between(0, unit - 1) })
        }
        ScalarType::String | ScalarType::Enum => text(rng, rank, *ty == ScalarType::String && !json),
        ScalarType::Uuid => Cell::Uuid((u128::from(rng.next()) << 64) | u128::from(rng.next())),
        ScalarType::Ipv4 => Cell::Ipv4(*rng.pick(&[0, u32::MAX, 0x0102_0304, 0x0102_030a, 0x7f00_0001])),
        ScalarType::Ipv6 => Cell::Ipv6(*rng.pick(&[0, u128::MAX, 1, 1 << 127, 0xffff_0102_0304])),
    }
}

fn integer(rng: &mut Rng, low: i128, high: i128) -> i128 {
    let near = |rng: &mut Rng, to: i128| to.saturating_add(i128::from(rng.between(-2, 2))).clamp(low, high);
    match rng.below(12) {
        0 => near(rng, low),
        1 => near(rng, high),
        2 => near(rng, 1 << 53),
        3 => i128::from(rng.next() as i64).clamp(low, high),
        4..7 => i128::from(rng.between(0, 1000)).clamp(low, high),
        _ => i128::from(rng.between(-8, 20)).clamp(low, high),
    }
}

fn float(rng: &mut Rng, json: bool) -> f64 {
    match rng.below(16) {
        0 if !json => *rng.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
        1 => *rng.pick(&[-0.0, 0.0]),
        2 => *rng.pick(&[
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            9_007_199_254_740_992.0,
            18_446_744_073_709_551_616.0,
        ]),
        3 => *rng.pick(&[0.1, 0.2, 0.3, 1e-7, 1.1]),
        4..8 => rng.between(-50, 50) as f64 / 4.0,
        8..12 => (rng.unit() * 12.0).exp(),
        _ => rng.between(-5, 1000) as f64,
    }
}

fn text(rng: &mut Rng, rank: usize, any_bytes: bool) -> Cell {
    match rng.below(40) {
        0 if any_bytes => Cell::Text(vec![0xff, b'a', 0xfe]),
        1 if any_bytes => Cell::Text(vec![b'a', 0, b'b']),
        _ => match WORDS.get(rank) {
            Some(_) => Cell::text(rng.pick::<&str>(&WORDS)),
            None => Cell::text(&format!("{}{rank}", WORDS[5 + rank % 6])),
        },
    }
}
