//! Every type that a column may have, value by value: what is loaded is what the server holds.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use muster_engine::batch::{ColumnData, Keys, Values};
use muster_engine::execute::Audience;
use muster_engine::key;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};
use muster_engine::snapshot::Store;
use muster_loader::build::{BuildOptions, build};
use muster_loader::columns::{ColumnOptions, convert, plan};
use muster_loader::config::{Config, SourceConfig};
use muster_loader::progress::NoProgress;
use muster_loader::source::{Source, WireFormat};

use super::clickhouse::ClickHouse;
use super::{open, source_of};

const ROWS: u64 = 3000;

/// A column: its type, its value in row `n` with the hash `h`, and how the server writes a value of it so that nothing is
/// lost, `?` being the value.
type Column = (&'static str, &'static str, &'static str);

const TEXT: &str = "toString(?)";
const HEX: &str = "hex(toString(?))";
const BITS: &str = "hex(reinterpretAsString(toFloat64(?)))";
const TICKS: &str = "toString(reinterpretAsInt64(?))";
/// Between 1906 and 2255, which nanoseconds can count.
const TIME: &str = "concat(toString(toInt64(h % 11000000000) - 2000000000), '.123456789')";

/// What both servers know.
const COLUMNS: [Column; 33] = [
    ("Int8", "toInt8(h)", TEXT),
    ("Int16", "toInt16(h)", TEXT),
    ("Int32", "toInt32(h)", TEXT),
    ("Int64", "if(n = 0, toInt64(-9223372036854775807) - 1, toInt64(h))", TEXT),
    ("UInt8", "toUInt8(h)", TEXT),
    ("UInt16", "toUInt16(h)", TEXT),
    ("UInt32", "toUInt32(h)", TEXT),
    ("UInt64", "if(n = 0, 18446744073709551615, h)", TEXT),
    ("Float32", "toFloat32(toInt32(h)) / 3", BITS),
    ("Float64", "multiIf(n = 0, nan, n = 1, inf, n = 2, -inf, n = 3, 1e-300, toInt64(h) / 7)", BITS),
    ("Decimal(9, 2)", "toDecimal32(concat(toString(toInt64(h % 9999999) - 4999999), '.37'), 2)", TEXT),
    ("Decimal(18, 4)", "toDecimal64(concat(toString(toInt64(h % 9999999) - 4999999), '.3701'), 4)", TEXT),
    ("Decimal(38, 10)", "toDecimal128(concat(toString(toInt64(h)), '.0123456789'), 10)", TEXT),
    ("Date", "toDate(toUInt16(h))", "toString(toUInt16(?))"),
    ("DateTime", "toDateTime(toUInt32(h))", "toString(toUInt32(?))"),
    ("DateTime('Asia/Tokyo')", "toDateTime(toUInt32(h), 'Asia/Tokyo')", "toString(toUInt32(?))"),
    ("String", "if(n % 5 = 0, '', concat('s', reinterpretAsString(h)))", HEX),
    ("FixedString(5)", "toFixedString(substring(hex(h), 1, n % 6), 5)", HEX),
    ("Enum8('a' = -1, 'b\\'x' = 2, 'c, = 3' = 3)", "arrayElement(['a', 'b\\'x', 'c, = 3'], h % 3 + 1)", HEX),
    ("Enum16('long' = 300, '' = -300)", "arrayElement(['long', ''], h % 2 + 1)", HEX),
    ("UUID", "generateUUIDv4()", TEXT),
    ("Nullable(UInt32)", "if(n % 7 = 0, NULL, toUInt32(h))", TEXT),
    ("Nullable(Float64)", "if(n % 7 = 0, NULL, toInt64(h) / 7)", BITS),
    ("Nullable(String)", "if(n % 7 = 0, NULL, hex(h))", HEX),
    ("Nullable(DateTime)", "if(n % 7 = 0, NULL, toDateTime(toUInt32(h)))", "toString(toUInt32(?))"),
    ("Nullable(Enum8('x' = 1, 'y' = 2))", "if(n % 7 = 0, NULL, arrayElement(['x', 'y'], h % 2 + 1))", HEX),
    ("Nullable(FixedString(3))", "if(n % 7 = 0, NULL, toFixedString(substring(hex(h), 1, 2), 3))", HEX),
    ("Array(UInt16)", "arrayMap(i -> toUInt16(h + i), range(n % 4))", TEXT),
    ("Array(String)", "arrayMap(i -> hex(h + i), range(n % 4))", HEX),
    ("Array(Nullable(String))", "arrayMap(i -> if(i = 1, NULL, hex(h + i)), range(n % 4))", HEX),
    ("Array(DateTime)", "arrayMap(i -> toDateTime(toUInt32(h + i)), range(n % 3))", "toString(toUInt32(?))"),
    ("Array(Float32)", "arrayMap(i -> toFloat32(i + 1) / 3, range(n % 3))", BITS),
    ("Array(FixedString(4))", "arrayMap(i -> toFixedString(toString(i), 4), range(n % 3))", HEX),
];

/// What only the current server knows.
const NEWER: [Column; 38] = [
    ("Bool", "h % 2 = 0", "toString(toUInt8(?))"),
    ("Int128", "toInt128(toInt64(h)) * toInt128(intHash64(n + 1))", TEXT),
    ("UInt128", "if(n = 0, bitNot(toUInt128(0)), toUInt128(h) * toUInt128(h))", TEXT),
    ("Decimal(60, 10)", "toDecimal256(concat(toString(toInt64(h)), '.0123456789'), 10)", TEXT),
    ("Date32", "addDays(toDate32('1900-01-01'), h % 140000)", "toString(toInt32(?))"),
    ("DateTime64(0)", "CAST(toDecimal128(@, 0) AS DateTime64(0))", TICKS),
    ("DateTime64(1)", "CAST(toDecimal128(@, 1) AS DateTime64(1))", TICKS),
    ("DateTime64(3)", "CAST(toDecimal128(@, 3) AS DateTime64(3))", TICKS),
    ("DateTime64(5, 'Asia/Tokyo')", "CAST(toDecimal128(@, 5) AS DateTime64(5))", TICKS),
    ("DateTime64(6, 'UTC')", "CAST(toDecimal128(@, 6) AS DateTime64(6))", TICKS),
    // Up to 2286: more than 64 bits of nanoseconds.
    ("DateTime64(7)", "CAST(toDecimal128(toInt64(h % 12000000000) - 2000000000, 7) AS DateTime64(7))", TICKS),
    ("DateTime64(9)", "CAST(toDecimal128(@, 9) AS DateTime64(9))", TICKS),
    ("LowCardinality(String)", "toString(h % 300)", HEX),
    ("LowCardinality(Nullable(String))", "if(n % 7 = 0, NULL, toString(h % 7))", HEX),
    ("LowCardinality(FixedString(2))", "toFixedString(toString(h % 7), 2)", HEX),
    ("IPv4", "toIPv4(IPv4NumToString(toUInt32(h)))", TEXT),
    ("IPv6", "toIPv6(concat('2001:db8::', lower(hex(toUInt16(h)))))", TEXT),
    ("Nullable(Bool)", "if(n % 7 = 0, NULL, h % 2 = 0)", "toString(toUInt8(?))"),
    ("Nullable(Decimal(18, 4))", "if(n % 7 = 0, NULL, toDecimal64(toInt32(h), 4))", TEXT),
    ("Nullable(UUID)", "if(n % 7 = 0, NULL, generateUUIDv4())", TEXT),
    ("Nullable(DateTime64(5))", "if(n % 7 = 0, NULL, CAST(toDecimal128(@, 5) AS DateTime64(5)))", TICKS),
    (
        "Nullable(Date32)",
        "if(n % 7 = 0, NULL, addDays(toDate32('1900-01-01'), h % 140000))",
        "toString(toInt32(?))",
    ),
    ("Nullable(IPv6)", "if(n % 7 = 0, NULL, toIPv6('::1'))", TEXT),
    ("Nullable(Int128)", "if(n % 7 = 0, NULL, toInt128(toInt64(h)))", TEXT),
    (
        "Array(LowCardinality(Nullable(String)))",
        "arrayMap(i -> if(i = 1, NULL, toString(i)), range(n % 4))",
        HEX,
    ),
    ("Array(Nullable(Enum8('p' = 1, 'q' = 2)))", "arrayMap(i -> if(i = 1, NULL, 'q'), range(n % 4))", HEX),
    (
        "Array(Nullable(DateTime64(1)))",
        "arrayMap(i -> if(i = 1, NULL, CAST(toDecimal128(@, 1) AS DateTime64(1))), range(n % 4))",
        TICKS,
    ),
    ("Array(Decimal(18, 4))", "arrayMap(i -> toDecimal64(toInt32(h + i), 4), range(n % 3))", TEXT),
    ("Array(UUID)", "arrayMap(i -> generateUUIDv4(i), range(n % 3))", TEXT),
    ("Array(Bool)", "arrayMap(i -> i = 1, range(n % 3))", "toString(toUInt8(?))"),
    ("Array(Int128)", "arrayMap(i -> toInt128(toInt64(h + i)), range(n % 3))", TEXT),
    ("Array(IPv4)", "arrayMap(i -> toIPv4(IPv4NumToString(toUInt32(h + i))), range(n % 3))", TEXT),
    ("Array(Date)", "arrayMap(i -> toDate(toUInt16(h + i)), range(n % 3))", "toString(toUInt16(?))"),
    ("Map(String, UInt64)", "mapFromArrays(['a', 'b'], [h, n])", TEXT),
    (
        "Map(LowCardinality(String), Nullable(Float64))",
        "map(toString(h % 3), if(n % 2 = 0, NULL, h / 3))",
        BITS,
    ),
    ("Map(String, Decimal(18, 4))", "if(n % 2 = 0, map(), map('k', toDecimal64(toInt32(h), 4)))", TEXT),
    ("SimpleAggregateFunction(max, UInt64)", "h", TEXT),
    ("SimpleAggregateFunction(anyLast, Nullable(String))", "if(n % 7 = 0, NULL, hex(h))", HEX),
];

/// A table with these columns, `c0` and on.
fn create(server: &ClickHouse, columns: &[Column], name: &str) {
    let mut create = format!("CREATE TABLE {name} (user_id UInt64");
    let mut select = "SELECT n AS user_id".to_owned();
    for (place, (ty, value, _)) in columns.iter().enumerate() {
        _ = write!(create, ", c{place} {ty}");
        let value = if ty.contains("Enum") && !ty.contains("Array") {
            format!("CAST({value} AS {ty})")
        } else {
            value.replace('@', TIME)
        };
        _ = write!(select, ", {value}");
    }
    server.run(&format!("{create}) ENGINE = MergeTree ORDER BY user_id"), "UTC");
    let from = format!("(SELECT number AS n, intHash64(number) AS h FROM system.numbers LIMIT {ROWS})");
    server.run(&format!("INSERT INTO {name} {select} FROM {from}"), "UTC");
}

/// Each value as the server writes it.
fn theirs(server: &ClickHouse, name: &str, place: usize, ty: &str, text: &str) -> Vec<String> {
    let value = |name: &str| format!("ifNull({}, 'NULL')", text.replace('?', name));
    let column = format!("c{place}");
    let written = if ty.starts_with("Array") {
        format!("arrayStringConcat(arrayMap(e -> {}, {column}), ',')", value("e"))
    } else if ty.starts_with("Map") {
        let entry = format!("concat(hex(k), '=', {})", value("v"));
        format!("arrayStringConcat(arrayMap((k, v) -> {entry}, mapKeys({column}), mapValues({column})), ',')")
    } else {
        value(&column)
    };
    let answer = server.query(&format!("SELECT {written} FROM {name} ORDER BY user_id FORMAT TSVRaw"), "UTC");
    answer.strip_suffix('\n').unwrap().split('\n').map(str::to_owned).collect()
}

/// A scalar as the server wrote it, in the words of [`our_value`].
fn their_value(ty: &ScalarType, text: &str) -> String {
    match ty {
        _ if text == "NULL" => text.to_owned(),
        ScalarType::Float { .. } => {
            let mut bytes = [0; 8];
            for (byte, place) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
                *byte = u8::from_str_radix(&text[place..place + 2], 16).unwrap();
            }
            format!("{:?}", f64::from_le_bytes(bytes))
        }
        ScalarType::Decimal { scale, .. } => {
            let (whole, part) = text.split_once('.').unwrap_or((text, ""));
            let digits = format!("{whole}{part:0<width$}", width = usize::from(*scale));
            digits.parse::<i128>().unwrap().to_string()
        }
        ScalarType::Uuid => u128::from_str_radix(&text.replace('-', ""), 16).unwrap().to_string(),
        ScalarType::Ipv4 => u32::from(text.parse::<Ipv4Addr>().unwrap()).to_string(),
        ScalarType::Ipv6 => u128::from(text.parse::<Ipv6Addr>().unwrap()).to_string(),
        _ => text.to_owned(),
    }
}

/// A scalar as it was loaded.
fn our_value(ty: &ScalarType, values: &Values, row: usize) -> String {
    if values.present.as_ref().is_some_and(|present| !present[row]) {
        return "NULL".to_owned();
    }
    let signed = matches!(
        ty,
        ScalarType::Int { .. }
            | ScalarType::Decimal { .. }
            | ScalarType::Date
            | ScalarType::DateTime { .. }
            | ScalarType::DateTime64 { .. }
    );
    match &values.keys {
        Keys::Bool(keys) => u8::from(keys[row]).to_string(),
        Keys::Fixed8(keys) if matches!(ty, ScalarType::Float { .. }) => {
            format!("{:?}", key::to_float(keys[row]))
        }
        Keys::Fixed8(keys) if signed => key::to_int(keys[row]).to_string(),
        Keys::Fixed8(keys) => keys[row].to_string(),
        Keys::Fixed16(keys) if signed => key::to_wide_int(keys[row]).to_string(),
        Keys::Fixed16(keys) => keys[row].to_string(),
        Keys::Bytes { ends, bytes } => {
            let start = if row == 0 { 0 } else { ends[row - 1] };
            bytes[start as usize..ends[row] as usize].iter().fold(String::new(), |mut text, byte| {
                _ = write!(text, "{byte:02X}");
                text
            })
        }
    }
}

fn element(ty: &ColumnType) -> &ScalarType {
    match ty {
        ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty) => ty,
    }
}

/// A row as it was loaded, in the words of [`theirs`] after [`their_value`].
fn ours(column: &ColumnSchema, data: &ColumnData, row: usize) -> String {
    let ty = element(&column.ty);
    let range = |ends: &[u32]| {
        let start = if row == 0 { 0 } else { ends[row - 1] };
        start as usize..ends[row] as usize
    };
    match data {
        ColumnData::Scalar(values) => our_value(ty, values, row),
        ColumnData::List { ends, elements, .. } => {
            range(ends).map(|index| our_value(ty, elements, index)).collect::<Vec<_>>().join(",")
        }
        ColumnData::Map { ends, keys, values, .. } => {
            let entry = |index: usize| {
                let key = our_value(&ScalarType::String, keys, index);
                format!("{key}={}", our_value(ty, values, index))
            };
            range(ends).map(entry).collect::<Vec<_>>().join(",")
        }
    }
}

/// What the server wrote of a row, its values in the words of [`our_value`].
fn their_row(column: &ColumnSchema, text: &str) -> String {
    let ty = element(&column.ty);
    if matches!(column.ty, ColumnType::Scalar(_)) {
        return their_value(ty, text);
    }
    if text.is_empty() {
        return String::new();
    }
    let part = |part: &str| match part.split_once('=') {
        Some((key, value)) => format!("{key}={}", their_value(ty, value)),
        None => their_value(ty, part),
    };
    text.split(',').map(part).collect::<Vec<_>>().join(",")
}

/// Reads the table and compares every value of it.
fn compare(server: &ClickHouse, columns: &[Column], name: &str, config: &SourceConfig) {
    let source = open(config).unwrap();
    let schema = source.schema();
    assert_eq!(schema.fields().len(), columns.len() + 1);
    let planned: Vec<ColumnSchema> = (1..=columns.len())
        .map(|at| plan(schema.field(at), &ColumnOptions::default()).unwrap().unwrap())
        .collect();
    let mut found = vec![vec![String::new(); ROWS as usize]; columns.len()];
    let mut rows = 0;
    let all: Vec<usize> = (0..=columns.len()).collect();
    for batch in source.batches(&all).unwrap() {
        let batch = batch.unwrap();
        let id = plan(schema.field(0), &ColumnOptions::default()).unwrap().unwrap();
        let (ColumnData::Scalar(Values { keys: Keys::Fixed8(ids), .. }), _) =
            convert(&id, batch.column(0), &[]).unwrap()
        else {
            panic!("ids are numbers");
        };
        for (place, column) in planned.iter().enumerate() {
            let (data, _) = convert(column, batch.column(place + 1), &ids).unwrap();
            for (row, &id) in ids.iter().enumerate() {
                found[place][id as usize] = ours(column, &data, row);
            }
        }
        rows += ids.len() as u64;
    }
    assert_eq!(rows, ROWS);
    for (place, (ty, _, text)) in columns.iter().enumerate() {
        let theirs = theirs(server, name, place, ty, text);
        assert_eq!(theirs.len() as u64, ROWS, "{ty}");
        let mut distinct = std::collections::HashSet::new();
        for (row, (ours, theirs)) in found[place].iter().zip(&theirs).enumerate() {
            assert_eq!(*ours, their_row(&planned[place], theirs), "{ty}, row {row}");
            distinct.insert(ours);
        }
        assert!(distinct.len() > 1, "{ty}: a column of one value proves little");
    }
}

#[test]
#[ignore = "needs ClickHouse"]
fn every_type_comes_as_the_server_holds_it() {
    let server = ClickHouse::connect();
    let columns: Vec<Column> = COLUMNS.iter().chain(&NEWER).copied().collect();
    create(&server, &columns, "types");
    let plain = source_of(&server, "types");
    compare(&server, &columns, "types", &plain);
    compare(&server, &columns, "types", &SourceConfig { format: WireFormat::Native, ..plain.clone() });
    let ranges = SourceConfig { range_rows: 1000, pulls: Some(2), strict: true, ..plain.clone() };
    compare(&server, &columns, "types", &ranges);
    for compression in ["lz4", "zstd"] {
        compare(
            &server,
            &columns,
            "types",
            &SourceConfig { compression: compression.parse().unwrap(), ..plain.clone() },
        );
    }
    // As it comes to one who may change nothing: packed, and whatever else the server prefers.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "secret\n").unwrap();
    let reader = SourceConfig {
        user: Some("strict_reader".into()),
        password_file: Some(dir.path().join("password")),
        strict: true,
        ..plain
    };
    compare(&server, &columns, "types", &reader);
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn every_type_of_an_old_server_comes_as_it_holds_it() {
    let server = ClickHouse::connect_old();
    create(&server, &COLUMNS, "types");
    let plain = source_of(&server, "types");
    compare(&server, &COLUMNS, "types", &plain);
    compare(&server, &COLUMNS, "types", &SourceConfig { range_rows: 1000, pulls: Some(2), ..plain.clone() });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("password"), "secret\n").unwrap();
    let reader = SourceConfig {
        user: Some("strict_reader".into()),
        password_file: Some(dir.path().join("password")),
        ..plain
    };
    compare(&server, &COLUMNS, "types", &reader);
}

/// Rules over each column that tell rows apart, by a value that one of them has.
fn rules(server: &ClickHouse, place: usize, column: &ColumnSchema) -> Vec<String> {
    let name = format!("c{place}");
    let (of, literal_of) = match &column.ty {
        ColumnType::Scalar(_) => (name.clone(), name.clone()),
        ColumnType::Array(_) => (name.clone(), format!("{name}[1]")),
        ColumnType::Map(_) => (name.clone(), format!("mapValues({name})[1]")),
    };
    let ty = element(&column.ty);
    let text = format!(
        "SELECT toString({literal_of}) AS v FROM types WHERE v != '' AND isValidUTF8(v) ORDER BY user_id"
    );
    let sample = server.query(&format!("{text} LIMIT 1 OFFSET 100 FORMAT TSVRaw"), "UTC");
    let sample = sample.trim_end_matches('\n');
    let quoted = format!("'{}'", sample.replace('\\', "\\\\").replace('\'', "\\'"));
    let value = match ty {
        ScalarType::Bool
        | ScalarType::Int { .. }
        | ScalarType::UInt { .. }
        | ScalarType::Float { .. }
        | ScalarType::Decimal { .. } => sample.to_owned(),
        ScalarType::Date => "toDate('2026-01-01')".to_owned(),
        ScalarType::DateTime { .. } => "toDateTime('2026-01-01 00:00:00')".to_owned(),
        _ => quoted,
    };
    let ordered = !matches!(ty, ScalarType::Bool | ScalarType::Uuid | ScalarType::Enum | ScalarType::String);
    let mut rules = match &column.ty {
        ColumnType::Scalar(_) if ordered => {
            vec![format!("{of} >= {value}"), format!("{of} < {value}"), format!("{of} = {value}")]
        }
        ColumnType::Scalar(_) => vec![format!("{of} = {value}"), format!("{of} != {value}")],
        ColumnType::Array(_) => {
            let has = matches!(
                ty,
                ScalarType::String | ScalarType::Enum | ScalarType::Int { .. } | ScalarType::UInt { .. }
            );
            let has = has.then(|| format!("has({of}, {value})"));
            has.into_iter().chain([format!("length({of}) >= 2"), format!("empty({of})")]).collect()
        }
        ColumnType::Map(_) => ["a", "k", "1"]
            .iter()
            .flat_map(|key| {
                [
                    format!("{of}['{key}'] >= {value}"),
                    format!("{of}['{key}'] IS NULL"),
                    format!("mapContains({of}, '{key}')"),
                ]
            })
            .collect(),
    };
    if column.nullable {
        rules.push(format!("{of} IS NULL"));
    }
    rules
}

#[test]
#[ignore = "needs ClickHouse"]
fn rules_over_every_type_select_the_server_s_users() {
    let server = ClickHouse::connect();
    let columns: Vec<Column> = COLUMNS.iter().chain(&NEWER).copied().collect();
    create(&server, &columns, "types");
    let dir = tempfile::tempdir().unwrap();
    for format in [WireFormat::Arrow, WireFormat::Native] {
        let config = Config {
            store: dir.path().join(format!("{format:?}")),
            source: SourceConfig { format, range_rows: 1000, ..source_of(&server, "types") },
            ..Config::default()
        };
        build(&*config.open_source().unwrap(), &BuildOptions::from(&config), &NoProgress).unwrap();
        let snapshot = Store::open(&config.store).unwrap().current().unwrap();
        let limits = Limits::default();
        let now = 1_790_000_000;
        let (mut asked, mut telling) = (0, 0);
        for (place, column) in snapshot.schema().columns.iter().enumerate() {
            for text in rules(&server, place, column) {
                let named = |error: &dyn std::fmt::Display| format!("{} {text}: {error}", columns[place].0);
                let rule = Rule::parse(&text, &limits).unwrap_or_else(|error| panic!("{}", named(&error)));
                let scope = Scope { now, labels: &NoLabels, limits: &limits };
                let audience = Audience::new(&snapshot, &rule, &scope)
                    .unwrap_or_else(|error| panic!("{}", named(&error)));
                let options = SqlOptions { now: Some(now), labels: &NoLabels, limits: &limits };
                let condition = render(&rule, snapshot.schema(), &options).unwrap();
                let theirs = server.query(&format!("SELECT count() FROM types WHERE {condition}"), "UTC");
                assert_eq!(audience.count().to_string(), theirs.trim(), "{format:?} {}", named(&condition));
                asked += 1;
                telling += usize::from(audience.count() > 0 && audience.count() < ROWS);
            }
        }
        assert!(
            asked > 2 * columns.len() && telling * 10 > asked * 8,
            "{telling} of {asked} tell users apart"
        );
    }
}
