//! Two fixed tables for snapshots that are kept: one with every type, one with more than a chunk of rows.
//!
//! They follow from row numbers alone, so that they stay the same whatever happens to the random ones.

use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType, Schema};

use super::cell::Cell;
use super::table::Table;

/// 2026-11-20 10:00:00 UTC: when the samples are as of.
pub const NOW: i64 = 1_795_168_800;

fn empty(time_zone: &str, user_ids: Vec<u64>) -> Table {
    Table {
        schema: Schema { user_id: "user_id".into(), time_zone: time_zone.into(), columns: Vec::new() },
        user_ids,
        columns: Vec::new(),
        physical: Vec::new(),
    }
}

fn add(table: &mut Table, name: &str, ty: ColumnType, held_as: HeldAs, cell: impl Fn(i64) -> Cell) {
    let cells: Vec<Cell> = (0..table.rows() as i64).map(cell).collect();
    table.physical.push(ty.to_string());
    let nullable = cells.contains(&Cell::Null);
    table.schema.columns.push(ColumnSchema { name: name.into(), ty, nullable, held_as });
    table.columns.push(cells);
}

fn scalar(table: &mut Table, name: &str, ty: ScalarType, cell: impl Fn(i64) -> Cell) {
    add(table, name, ColumnType::Scalar(ty), HeldAs::Native, cell);
}

/// NULL once in `every` rows.
fn now_and_then(every: i64, cell: impl Fn(i64) -> Cell) -> impl Fn(i64) -> Cell {
    move |row| if row % every == every - 1 { Cell::Null } else { cell(row) }
}

/// 300 users, out of order, with a column of every type and of every way to hold it.
pub fn every_type() -> Table {
    let ids = (0..300u64).map(|row| if row == 299 { u64::MAX } else { 1_000_000 + row * 7919 % 300 });
    let mut table = empty("Europe/Berlin", ids.collect());
    let t = &mut table;
    scalar(t, "flag", ScalarType::Bool, |row| Cell::Bool(row % 3 == 0));
    scalar(t, "maybe", ScalarType::Bool, now_and_then(4, |row| Cell::Bool(row % 5 == 0)));
    for bits in [8u8, 16, 32, 64, 128] {
        let signed = move |row: i64| {
            Cell::Int(match row {
                0 => i128::MIN >> (128 - bits),
                1 => !(i128::MIN >> (128 - bits)),
                row => i128::from(row % 100 - 50),
            })
        };
        scalar(t, &format!("i{bits}"), ScalarType::Int { bits }, now_and_then(11, signed));
        let unsigned = move |row: i64| match row {
            0 if bits == 128 => Cell::Big(u128::MAX),
            0 => Cell::Int((1 << bits) - 1),
            row => Cell::Int(i128::from(row % 100)),
        };
        scalar(t, &format!("u{bits}"), ScalarType::UInt { bits }, unsigned);
    }
    scalar(t, "f32", ScalarType::Float { bits: 32 }, |row| Cell::Float(f64::from(row as f32 / 8.0)));
    let float = |row| {
        Cell::Float(match row {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -0.0,
            row => row as f64 / 10.0 - 5.0,
        })
    };
    scalar(t, "f64", ScalarType::Float { bits: 64 }, now_and_then(7, float));
    let decimal = |row| Cell::Decimal(i128::from(row) * 5 - 500);
    scalar(t, "price", ScalarType::Decimal { precision: 9, scale: 2 }, decimal);
    let wide = |row: i64| Cell::Decimal(i128::from(row - 150) * 10i128.pow(30) + i128::from(row));
    scalar(t, "wide", ScalarType::Decimal { precision: 38, scale: 10 }, now_and_then(13, wide));
    scalar(t, "day", ScalarType::Date, now_and_then(9, |row| Cell::Date(20_700 + row as i32 / 2)));
    // Through the end of summer time.
    let hour = |row| Cell::DateTime(1_792_882_800 + row * 1800);
    scalar(t, "at", ScalarType::DateTime { zone: None }, hour);
    let zone = Some("America/New_York".to_owned());
    scalar(t, "there", ScalarType::DateTime { zone }, now_and_then(10, hour));
    let ticks = |row| Cell::DateTime64(1_795_168_800_000 + (row - 150) * 333);
    scalar(t, "ms", ScalarType::DateTime64 { scale: 3, zone: None }, ticks);
    let nanos = |row| Cell::DateTime64((row - 150) * 1_000_000_007);
    scalar(t, "ns", ScalarType::DateTime64 { scale: 9, zone: None }, nanos);
    let words = ["", "US", "CN", "us", "Größe", "it's", "50%", "a_b"];
    let word = move |row: i64| Cell::text(words[(row as usize * 3 + row as usize / 8) % 8]);
    scalar(t, "country", ScalarType::String, now_and_then(6, word));
    let wallet = |row: i64| Cell::text(&format!("0x{:06x}", row * 40_503 % 300_000));
    scalar(t, "wallet", ScalarType::String, wallet);
    scalar(t, "tier", ScalarType::Enum, |row| Cell::text(["bronze", "silver", "gold"][row as usize % 3]));
    scalar(t, "uuid", ScalarType::Uuid, |row| Cell::Uuid((row as u128) << 64 | 7));
    scalar(t, "v4", ScalarType::Ipv4, |row| Cell::Ipv4(0x0a00_0000 + row as u32));
    scalar(t, "v6", ScalarType::Ipv6, |row| Cell::Ipv6((0x2001_0db8 << 96) + row as u128));
    lists_and_maps(t);
    table
}

fn lists_and_maps(t: &mut Table) {
    let chains = ["ethereum", "base", "solana", "bnb", ""];
    let list = move |row: i64| match row % 10 {
        9 => Cell::Null,
        8 => Cell::Array(vec![]),
        7 => Cell::Array(vec![Cell::text("base"), Cell::Null, Cell::text("base")]),
        length => Cell::Array((0..length).map(|at| Cell::text(chains[((row + at) % 5) as usize])).collect()),
    };
    add(t, "active_chains", ColumnType::Array(ScalarType::String), HeldAs::JsonArray, list);
    let wallets = |row: i64| {
        Cell::Array((0..row % 3).map(|at| Cell::text(&format!("0x{:04x}", (row * 3 + at) % 700))).collect())
    };
    add(t, "wallets", ColumnType::Array(ScalarType::String), HeldAs::Native, wallets);
    let numbers = |row: i64| Cell::Array((0..row % 4).map(|at| Cell::Int((row + at).into())).collect());
    add(t, "numbers", ColumnType::Array(ScalarType::UInt { bits: 32 }), HeldAs::Native, numbers);
    let holdings = |row: i64| match row % 8 {
        7 => Cell::Null,
        6 => Cell::Map(vec![]),
        _ => Cell::Map(vec![
            ("USDT".into(), Cell::Float(row as f64)),
            (format!("TOKEN{}", row % 40), Cell::Float(0.5)),
            ("USDT".into(), Cell::Float(-1.0)),
            ("NONE".into(), Cell::Null),
        ]),
    };
    add(t, "holdings", ColumnType::Map(ScalarType::Float { bits: 64 }), HeldAs::JsonMap, holdings);
    let counts = |row: i64| Cell::Map(vec![(["a", "b"][row as usize % 2].into(), Cell::Int(row.into()))]);
    add(t, "counts", ColumnType::Map(ScalarType::UInt { bits: 64 }), HeldAs::Native, counts);
}

/// 66,000 users: bitmaps of every kind of container, and a sorted column over two chunks.
pub fn two_chunks() -> Table {
    let mut table = empty("UTC", (0..66_000u64).map(|row| 10 + row * 3).collect());
    let t = &mut table;
    let mixed = |row: i64| ((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as i64;
    scalar(t, "dense", ScalarType::Bool, move |row| Cell::Bool(mixed(row) % 2 == 0));
    scalar(t, "sparse", ScalarType::Bool, |row| Cell::Bool(row % 1999 == 5));
    scalar(t, "runs", ScalarType::Bool, |row| Cell::Bool(row / 5000 % 2 == 0));
    scalar(t, "all", ScalarType::Bool, |_| Cell::Bool(true));
    scalar(
        t,
        "score",
        ScalarType::UInt { bits: 16 },
        now_and_then(17, move |row| Cell::Int((mixed(row) % 400).into())),
    );
    scalar(t, "country", ScalarType::String, move |row| {
        Cell::text(["US", "CN", "DE", "JP"][mixed(row) as usize % 4])
    });
    table
}
