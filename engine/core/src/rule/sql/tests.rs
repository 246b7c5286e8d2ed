//! Tests of SQL: its text, and what a real server makes of it.
//!
//! The second kind runs where `MUSTER_TEST_CLICKHOUSE` names a server's HTTP address, as in
//! `127.0.0.1:8123`; elsewhere it passes without having looked.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::rule::labels::NoLabels;
use crate::schema::{ColumnSchema, ColumnType};

/// 2026-11-20 10:00:00 UTC, 05:00 in New York.
const NOW: i64 = 1_795_168_800;

/// Name, warehouse type, logical type, and how it is held.
fn columns() -> Vec<(&'static str, &'static str, ColumnType, HeldAs)> {
    use ColumnType::{Array, Map, Scalar};
    use ScalarType::{
        Bool, Date, DateTime, DateTime64, Decimal, Enum, Float, Int, Ipv4, Ipv6, String, UInt, Uuid,
    };
    let native = HeldAs::Native;
    let tokyo = Some("Asia/Tokyo".to_owned());
    vec![
        ("b", "Bool", Scalar(Bool), native),
        ("nb", "Nullable(Bool)", Scalar(Bool), native),
        ("i8", "Int8", Scalar(Int { bits: 8 }), native),
        ("u64", "UInt64", Scalar(UInt { bits: 64 }), native),
        ("nu", "Nullable(UInt32)", Scalar(UInt { bits: 32 }), native),
        ("i128", "Int128", Scalar(Int { bits: 128 }), native),
        ("u128", "Nullable(UInt128)", Scalar(UInt { bits: 128 }), native),
        ("f", "Float64", Scalar(Float { bits: 64 }), native),
        ("nf", "Nullable(Float64)", Scalar(Float { bits: 64 }), native),
        ("f32", "Nullable(Float32)", Scalar(Float { bits: 32 }), native),
        ("d", "Decimal(9, 2)", Scalar(Decimal { precision: 9, scale: 2 }), native),
        ("nd", "Nullable(Decimal(38, 10))", Scalar(Decimal { precision: 38, scale: 10 }), native),
        ("s", "String", Scalar(String), native),
        ("ns", "Nullable(String)", Scalar(String), native),
        ("lc", "LowCardinality(Nullable(String))", Scalar(String), native),
        ("fs", "FixedString(4)", Scalar(String), HeldAs::FixedString),
        ("e", "Enum8('a' = 1, 'b' = 2)", Scalar(Enum), native),
        ("ne", "Nullable(Enum8('a' = 1, 'b' = 2))", Scalar(Enum), native),
        ("u", "Nullable(UUID)", Scalar(Uuid), native),
        ("ip4", "IPv4", Scalar(Ipv4), native),
        ("ip6", "Nullable(IPv6)", Scalar(Ipv6), native),
        ("day", "Date", Scalar(Date), native),
        ("d32", "Nullable(Date32)", Scalar(Date), native),
        ("t", "DateTime", Scalar(DateTime { zone: None }), native),
        ("nt", "Nullable(DateTime('Asia/Tokyo'))", Scalar(DateTime { zone: tokyo }), native),
        ("t3", "DateTime64(3)", Scalar(DateTime64 { scale: 3, zone: None }), native),
        ("t9", "Nullable(DateTime64(9))", Scalar(DateTime64 { scale: 9, zone: None }), native),
        ("a", "Array(String)", Array(String), native),
        ("afs", "Array(FixedString(4))", Array(String), HeldAs::FixedString),
        ("ai", "Array(Nullable(Int64))", Array(Int { bits: 64 }), native),
        ("af", "Array(Float64)", Array(Float { bits: 64 }), native),
        ("ad", "Array(Decimal(9, 2))", Array(Decimal { precision: 9, scale: 2 }), native),
        ("ae", "Array(Enum8('a' = 1, 'b' = 2))", Array(Enum), native),
        ("aday", "Array(Date)", Array(Date), native),
        ("at", "Array(DateTime)", Array(DateTime { zone: None }), native),
        ("m", "Map(String, Float64)", Map(Float { bits: 64 }), native),
        ("mn", "Map(String, Nullable(Int32))", Map(Int { bits: 32 }), native),
        ("ja", "Nullable(String)", Array(String), HeldAs::JsonArray),
        ("jm", "Nullable(String)", Map(Float { bits: 64 }), HeldAs::JsonMap),
    ]
}

fn schema(time_zone: &str) -> Schema {
    let columns = columns()
        .into_iter()
        .map(|(name, warehouse, ty, held_as)| ColumnSchema {
            name: name.to_owned(),
            nullable: warehouse.contains("Nullable") && !matches!(ty, ColumnType::Array(_))
                || held_as.is_json(),
            ty,
            held_as,
        })
        .collect();
    Schema { user_id: "user_id".to_owned(), time_zone: time_zone.to_owned(), columns }
}

/// The users: 1 is ordinary, 2 empty and zero, 3 has the largest values, 4 the smallest, NaN and oddities,
/// 5 is NULL wherever it can be.
const ROWS: &[&str] = &[
    "1, true, true, 5, 100, 7, 12, 12, 1.5, 0.1, 0.1, 1.15, 1.15, 'abc', 'a%c', 'US', 'ab', 'a', 'a',
     '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '1.2.3.4', '::1', '2026-11-20', '2026-11-20', 1795168800, 1795168800,
     1795168800.5, 1795168800.5, ['x', 'y'], ['ab'], [1, 2, NULL], [1.5, 0], [1.5], ['a'], ['2026-11-20'],
     [1795168800], map('k', 1.5, 'z', 0), map('k', 1, 'n', NULL), '[\"x\", \"y\", 1]', '{\"k\": 1.5, \"t\": \"2.5\", \"n\": null}'",
    "2, false, false, 0, 0, 0, 0, 0, -0.0, 0, 0, 0, 0, '', '', '', '', 'b', 'b',
     '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '1970-01-01', '1900-01-01', 0, 0, 0, 0, [], [], [],
     [-0.0], [0], [], [], [], map(), map(), '[]', '{}'",
    "3, true, NULL, 127, 18446744073709551615, 4294967295, 170141183460469231731687303715884105727,
     340282366920938463463374607431768211455, inf, 1e308, 3e38, 9999999.99, 9999999999999999999999999999, 'é😀', 'ÉA',
     'us', 'abcd', 'b', 'a', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', '::ffff:1.2.3.4',
     '2149-06-06', '2299-12-31', 4294967295, 4294967295, 10413791999.999, 9223372036.854775807, ['é', ''], ['abcd'],
     [9223372036854775807], [nan, inf], [9999999.99], ['a', 'b'], ['2149-06-06', '1970-01-01'], [4294967295],
     map('k', inf, 'K', 2), map('k', 2147483647), '[\"true\", true, \"\", null, \"12\", 12]',
     '{\"k\": 18446744073709551616, \"k\": 5, \"b\": true}'",
    "4, false, true, -128, 1, 1, -170141183460469231731687303715884105728, 5, nan, nan, nan, -9999999.99,
     -0.0000000001, 'a\\nB\\\\', '_%\\\\', 'ſ', 'a\\0b', 'a', 'b', '61f0c404-5cb3-11e7-907b-a6006ad3dba1',
     '1.2.3.10', 'ff00::', '2026-11-19', '2026-11-19', 1795132800, 1795132799, -0.001, -1.5, ['a', 'a'], ['a\\0b'],
     [NULL], [-inf], [-9999999.99], [], ['2026-11-19'], [1795132800], map('', -1, 'k', nan), map('k', -5), 'oops',
     '[1]'",
    "5, false, NULL, 1, 2, NULL, 1, NULL, 2, NULL, NULL, 2, NULL, 'xſx', NULL, NULL, 'b', 'b', NULL, NULL, '1.2.3.5',
     NULL, '2026-11-21', NULL, 1795219200, NULL, 1795219200, NULL, ['NULL'], ['b'], [], [], [2], ['b'], [], [],
     map('kk', 1), map(), NULL, NULL",
];

/// Rule, then who is in and who is out; the others are unknown.
const CASES: &[(&str, &str, &str)] = &[
    (r"b", "1 3", "2 4 5"),
    (r"nb", "1 4", "2"),
    (r"NOT nb", "2", "1 4"),
    (r"nb = false", "2", "1 4"),
    (r"b = 1", "1 3", "2 4 5"),
    (r"b IN (true, 2)", "1 3", "2 4 5"),
    (r"nb IN (false)", "2", "1 4"),
    (r"b > 0.5", "1 3", "2 4 5"),
    (r"b = nb", "1 2", "4"),
    (r"i8 < -127.5", "4", "1 2 3 5"),
    (r"i8 IN (127, 300, -128, 5.0, 0.5)", "1 3 4", "2 5"),
    (r"i8 NOT IN (127, NULL)", "1 2 4 5", "3"),
    (r"i8 IN (NULL)", "", "1 2 3 4 5"),
    (r"i8 NOT IN (NULL)", "1 2 3 4 5", ""),
    (r"nu IN (NULL, 7)", "1", "2 3 4"),
    (r"nu NOT IN (NULL, 7)", "2 3 4", "1"),
    (r"nu IN (2.5)", "", "1 2 3 4"),
    (r"nu NOT IN (2.5)", "1 2 3 4", ""),
    (r"nu = NULL", "", ""),
    (r"u64 > -1", "1 2 3 4 5", ""),
    (r"u64 = 18446744073709551615", "3", "1 2 4 5"),
    (r"u64 < 18446744073709551616", "1 2 3 4 5", ""),
    (r"u64 = 18446744073709551615.0", "", "1 2 3 4 5"),
    (r"u64 IN (18446744073709551616, 100)", "1", "2 3 4 5"),
    (r"user_id IN (1, 3, 77, -1)", "1 3", "2 4 5"),
    (r"user_id BETWEEN 2 AND 4", "2 3 4", "1 5"),
    (r"user_id >= 3.5", "4 5", "1 2 3"),
    (r"i128 = 170141183460469231731687303715884105727", "3", "1 2 4 5"),
    (r"i128 <= -170141183460469231731687303715884105728", "4", "1 2 3 5"),
    (r"i128 IN (170141183460469231731687303715884105727, 0)", "2 3", "1 4 5"),
    (r"u128 > 1e38", "3", "1 2 4"),
    (r"u128 IN (340282366920938463463374607431768211455)", "", "1 2 3 4"),
    (r"u128 != 12", "2 3 4", "1"),
    (r"f = 0", "2", "1 3 4 5"),
    (r"f != 0", "1 3 4 5", "2"),
    (r"f < 2", "1 2", "3 4 5"),
    (r"NOT f < 2", "3 4 5", "1 2"),
    (r"f >= nan", "", "1 2 3 4 5"),
    (r"f != nan", "1 2 3 4 5", ""),
    (r"f IN (nan, 0)", "2 4", "1 3 5"),
    (r"f NOT IN (nan, 0)", "1 3 5", "2 4"),
    (r"nf IN (nan)", "4", "1 2 3"),
    (r"nf NOT IN (nan)", "1 2 3", "4"),
    (r"f IN (inf)", "3", "1 2 4 5"),
    (r"f BETWEEN 0 AND 2", "1 2 5", "3 4"),
    (r"f NOT BETWEEN 0 AND 2", "3", "1 2 4 5"),
    (r"NOT f BETWEEN 0 AND 2", "3 4", "1 2 5"),
    (r"nf = 0.1", "1", "2 3 4"),
    (r"f32 = 0.1", "", "1 2 3 4"),
    (r"f32 IN (0.1, 0)", "2", "1 3 4"),
    (r"f32 > 0.1", "1 3", "2 4"),
    (r"nf IS NULL", "5", "1 2 3 4"),
    (r"nf IS NOT NULL", "1 2 3 4", "5"),
    (r"nf BETWEEN NULL AND 0", "", "1 3 4"),
    (r"nf NOT BETWEEN NULL AND 0", "1 3", ""),
    (r"f = nf", "2", "1 3 4"),
    (r"f > nf", "1 3", "2 4"),
    (r"f32 < nf", "3", "1 2 4"),
    (r"i8 > f", "1", "2 3 4 5"),
    (r"d = 1.15", "1", "2 3 4 5"),
    (r"d IN (1.15, 2)", "1 5", "2 3 4"),
    (r"d < 1.151", "1 2 4", "3 5"),
    (r"d > 1.149", "1 3 5", "2 4"),
    (r"d = 1.151", "", "1 2 3 4 5"),
    (r"d != 1.151", "1 2 3 4 5", ""),
    (r"d >= 9999999.99", "3", "1 2 4 5"),
    (r"d > -1e300", "1 2 3 4 5", ""),
    (r"d < inf", "1 2 3 4 5", ""),
    (r"d = nan", "", "1 2 3 4 5"),
    (r"d != nan", "1 2 3 4 5", ""),
    (r"d < 100000000000000000000000000000000000000000", "1 2 3 4 5", ""),
    (r"nd > 0", "1 3", "2 4"),
    (r"nd < 0", "4", "1 2 3"),
    (r"nd = 1.15", "1", "2 3 4"),
    (r"nd >= -0.0000000001", "1 2 3 4", ""),
    (r"nd > -0.00000000005", "1 2 3", "4"),
    (r"d = nd", "1 2", "3 4"),
    (r"d > i8", "3 5", "1 2 4"),
    (r"nd >= u64", "2 3", "1 4"),
    (r"d < f", "1 3", "2 4 5"),
    (r"d <= i128", "1 2 3", "4 5"),
    (r"s = 'abc'", "1", "2 3 4 5"),
    (r"s < 'b'", "1 2 4", "3 5"),
    (r"s != ''", "1 3 4 5", "2"),
    (r"s IN ('', 'zz')", "2", "1 3 4 5"),
    (r"s LIKE 'a%'", "1 4", "2 3 5"),
    (r"s LIKE '_b_'", "1", "2 3 4 5"),
    (r"s LIKE '__'", "3", "1 2 4 5"),
    (r"s LIKE 'a_B\\\\'", "4", "1 2 3 5"),
    (r"s ILIKE 'A%'", "1 4", "2 3 5"),
    (r"ns LIKE '%\\%%'", "1 4", "2 3"),
    (r"ns LIKE '_\\%c'", "1", "2 3 4"),
    (r"ns NOT LIKE 'a%'", "2 3 4", "1"),
    (r"NOT ns LIKE 'a%'", "2 3 4", "1"),
    (r"ns ILIKE 'éa'", "3", "1 2 4"),
    (r"ns ILIKE '%é%'", "3", "1 2 4"),
    (r"lc ILIKE 'S'", "4", "1 2 3"),
    (r"lc ILIKE '%s%'", "1 3 4", "2"),
    (r"s ILIKE '%s%'", "5", "1 2 3 4"),
    (r"s ILIKE '%\\\\%'", "4", "1 2 3 5"),
    (r"ns ILIKE '%\\%%'", "1 4", "2 3"),
    (r"startsWith(s, 'a')", "1 4", "2 3 5"),
    (r"startsWith(ns, '')", "1 2 3 4", ""),
    (r"startsWith(s, 'é')", "3", "1 2 4 5"),
    (r"lc = 'US'", "1", "2 3 4"),
    (r"lc IN ('US', NULL)", "1", "2 3 4"),
    (r"lc NOT IN ('US', NULL)", "2 3 4", "1"),
    (r"lc IS NULL", "5", "1 2 3 4"),
    (r"s = lc", "2", "1 3 4"),
    (r"s != ns", "1 3 4", "2"),
    (r"fs = 'ab'", "1", "2 3 4 5"),
    (r"fs LIKE 'ab'", "1", "2 3 4 5"),
    (r"fs LIKE '%b'", "1 4 5", "2 3"),
    (r"fs IN ('ab', 'abcdefgh')", "1", "2 3 4 5"),
    (r"fs < 'ab\0'", "1 2 4", "3 5"),
    (r"fs > 'ab'", "3 5", "1 2 4"),
    (r"startsWith(fs, 'ab')", "1 3", "2 4 5"),
    (r"empty(fs)", "2", "1 3 4 5"),
    (r"fs = 'a\0b'", "4", "1 2 3 5"),
    (r"empty(s)", "2", "1 3 4 5"),
    (r"notEmpty(ns)", "1 3 4", "2"),
    (r"e = 'a'", "1 4", "2 3 5"),
    (r"e != 'zzz'", "1 2 3 4 5", ""),
    (r"e IN ('a', 'zzz')", "1 4", "2 3 5"),
    (r"ne NOT IN ('zzz')", "1 2 3 4", ""),
    (r"e = ne", "1 2", "3 4"),
    (r"u = '61f0c404-5cb3-11e7-907b-a6006ad3dba0'", "1", "2 3 4"),
    (r"u IN ('61f0c4045cb311e7907ba6006ad3dba0', 'ffffffff-ffff-ffff-ffff-ffffffffffff')", "1 3", "2 4"),
    (r"ip4 < '1.2.3.5'", "1 2", "3 4 5"),
    (r"ip4 IN ('1.2.3.4')", "1", "2 3 4 5"),
    (r"ip6 = '1.2.3.4'", "3", "1 2 4"),
    (r"ip6 > '::1'", "3 4", "1 2"),
    (r"day = '2026-11-20'", "1", "2 3 4 5"),
    (r"day >= toDate('2026-11-20')", "1 3 5", "2 4"),
    (r"day = toDateTime('2026-11-20 00:00:00')", "1", "2 3 4 5"),
    (r"day < toDateTime('2026-11-20 05:00:00')", "1 2 4", "3 5"),
    (r"day >= toDateTime('2026-11-20 05:00:00')", "3 5", "1 2 4"),
    (r"day != toDateTime('2026-11-20 05:00:00')", "1 2 3 4 5", ""),
    (r"day IN (toDateTime('2026-11-20 00:00:00'), toDateTime('2026-11-19 05:00:00'))", "1", "2 3 4 5"),
    (r"day > '1960-01-01'", "1 2 3 4 5", ""),
    (r"d32 > '1960-01-01'", "1 3 4", "2"),
    (r"d32 = '1900-01-01'", "2", "1 3 4"),
    (r"d32 <= '1900-01-01'", "2", "1 3 4"),
    (r"d32 < '9999-12-31'", "1 2 3 4", ""),
    (r"d32 IN ('2299-12-31', '2026-11-20')", "1 3", "2 4"),
    (r"day = d32", "1 4", "2 3"),
    (r"day = today()", "1", "2 3 4 5"),
    (r"day >= today() - 7", "1 3 4 5", "2"),
    (r"day < now()", "1 2 4", "3 5"),
    (r"d32 >= now()", "3", "1 2 4"),
    (r"day IN (today(), today() - INTERVAL 1 DAY)", "1 4", "2 3 5"),
    (r"t >= now()", "1 3 5", "2 4"),
    (r"t >= now() - INTERVAL 10 HOUR", "1 3 4 5", "2"),
    (r"t = toDate('2026-11-20')", "4", "1 2 3 5"),
    (r"t >= today()", "1 3 4 5", "2"),
    (r"t = '2026-11-20 10:00:00'", "1", "2 3 4 5"),
    (r"t = '2026-11-20T10:00:00Z'", "1", "2 3 4 5"),
    (r"t >= '2026-11-20'", "1 3 4 5", "2"),
    (r"t > '1960-01-01'", "1 2 3 4 5", ""),
    (r"t < '2200-01-01 00:00:00'", "1 2 3 4 5", ""),
    (r"t IN ('2026-11-20', '2026-11-20 10:00:00', '2200-01-01')", "1 4", "2 3 5"),
    (r"t BETWEEN toDateTime('2026-11-20 19:00:00', 'Asia/Tokyo') AND now()", "1", "2 3 4 5"),
    (r"nt = '2026-11-20 10:00:00'", "1", "2 3 4"),
    (r"nt >= '2026-11-20'", "1 3", "2 4"),
    (r"t = nt", "1 2 3", "4"),
    (r"t = day", "2 5", "1 3 4"),
    (r"t > day", "1 4", "2 3 5"),
    (r"t3 = '2026-11-20 10:00:00.5'", "1", "2 3 4 5"),
    (r"t3 > '2026-11-20 10:00:00.4999'", "1 3 5", "2 4"),
    (r"t3 > '2026-11-20 10:00:00.5009'", "3 5", "1 2 4"),
    (r"t3 < '1970-01-01'", "4", "1 2 3 5"),
    (r"t3 > toDateTime('2106-02-07 06:28:15')", "3", "1 2 4 5"),
    (r"t3 IN ('2026-11-20 10:00:00.5', '2026-11-21')", "1 5", "2 3 4"),
    (r"t3 = t", "2 5", "1 3 4"),
    (r"t3 > t", "1 3", "2 4 5"),
    (r"t3 = t9", "1 2", "3 4"),
    (r"t9 < '2299-01-01'", "1 2 3 4", ""),
    (r"t9 = '2026-11-20 10:00:00.500000000'", "1", "2 3 4"),
    (r"t9 > '2026-11-20 10:00:00.499999999'", "1 3", "2 4"),
    (r"t9 >= '9999-12-01'", "", "1 2 3 4"),
    (r"t9 > t3", "", "1 2 3 4"),
    (r"t9 > day", "1 3", "2 4"),
    (r"has(a, 'x')", "1", "2 3 4 5"),
    (r"NOT has(a, 'x')", "2 3 4 5", "1"),
    (r"has(a, '')", "3", "1 2 4 5"),
    (r"hasAny(a, ['x', 'a'])", "1 4", "2 3 5"),
    (r"hasAll(a, ['x', 'y', 'x'])", "1", "2 3 4 5"),
    (r"hasAny(a, [])", "", "1 2 3 4 5"),
    (r"hasAll(a, [])", "1 2 3 4 5", ""),
    (r"length(a) = 2", "1 3 4", "2 5"),
    (r"length(a) > 0", "1 3 4 5", "2"),
    (r"empty(a)", "2", "1 3 4 5"),
    (r"notEmpty(a)", "1 3 4 5", "2"),
    (r"has(afs, 'ab')", "1", "2 3 4 5"),
    (r"hasAny(afs, ['abcdefgh', 'b'])", "5", "1 2 3 4"),
    (r"has(ai, 1)", "1", "2 3 4 5"),
    (r"has(ai, 1.0)", "1", "2 3 4 5"),
    (r"has(ai, 1.5)", "", "1 2 3 4 5"),
    (r"hasAny(ai, [1.5, 2, 18446744073709551615])", "1", "2 3 4 5"),
    (r"hasAll(ai, [1, 1.5])", "", "1 2 3 4 5"),
    (r"hasAny(ai, [9223372036854775807])", "3", "1 2 4 5"),
    (r"has(af, 0)", "1 2", "3 4 5"),
    (r"has(af, nan)", "", "1 2 3 4 5"),
    (r"hasAny(af, [nan, 1.5])", "1", "2 3 4 5"),
    (r"has(ad, 1.5)", "1", "2 3 4 5"),
    (r"has(ad, 1.505)", "", "1 2 3 4 5"),
    (r"hasAny(ad, [2, -9999999.99])", "4 5", "1 2 3"),
    (r"has(ae, 'a')", "1 3", "2 4 5"),
    (r"has(ae, 'zzz')", "", "1 2 3 4 5"),
    (r"hasAny(ae, ['zzz', 'b'])", "3 5", "1 2 4"),
    (r"has(aday, '2026-11-20')", "1", "2 3 4 5"),
    (r"hasAny(aday, ['2149-06-06', '2200-01-01'])", "3", "1 2 4 5"),
    (r"has(at, '2026-11-20 10:00:00')", "1", "2 3 4 5"),
    (r"m['k'] > 1", "1 3", "4"),
    (r"m['k'] IS NULL", "2 5", "1 3 4"),
    (r"m['z'] = 0", "1", ""),
    (r"m['z'] IS NOT NULL", "1", "2 3 4 5"),
    (r"m['zz'] = 0", "", ""),
    (r"NOT m['zz'] = 0", "", ""),
    (r"m['k'] IN (1.5, nan)", "1 4", "3"),
    (r"mapContains(m, 'k')", "1 3 4", "2 5"),
    (r"mapContains(m, '')", "4", "1 2 3 5"),
    (r"m['k'] = m['z']", "", "1"),
    (r"mn['k'] > 0", "1 3", "4"),
    (r"mn['n'] IS NULL", "1 2 3 4 5", ""),
    (r"mapContains(mn, 'n')", "", "1 2 3 4 5"),
    (r"mapContains(mn, 'k')", "1 3 4", "2 5"),
    (r"has(ja, 'x')", "1", "2 3"),
    (r"NOT has(ja, 'x')", "2 3", "1"),
    (r"has(ja, 'true')", "3", "1 2"),
    (r"has(ja, '')", "3", "1 2"),
    (r"has(ja, '1')", "", "1 2 3"),
    (r"has(ja, '12')", "3", "1 2"),
    (r"hasAny(ja, ['x', '12'])", "1 3", "2"),
    (r"hasAll(ja, ['x', 'y'])", "1", "2 3"),
    (r"hasAny(ja, [])", "", "1 2 3"),
    (r"hasAll(ja, [])", "1 2 3", ""),
    (r"length(ja) >= 3", "1 3", "2"),
    (r"length(ja) = 0", "2", "1 3"),
    (r"length(ja) IS NULL", "4 5", "1 2 3"),
    (r"empty(ja)", "2", "1 3"),
    (r"notEmpty(ja)", "1 3", "2"),
    (r"ja IS NULL", "4 5", "1 2 3"),
    (r"ja IS NOT NULL", "1 2 3", "4 5"),
    (r"jm['k'] > 1", "1 3", ""),
    (r"jm['k'] = 18446744073709551616", "3", "1"),
    (r"jm['t'] = 2.5", "1", ""),
    (r"jm['n'] IS NULL", "1 2 3 4 5", ""),
    (r"jm['b'] = 1", "3", ""),
    (r"jm IS NULL", "4 5", "1 2 3"),
    (r"jm IS NOT NULL", "1 2 3", "4 5"),
    (r"mapContains(jm, 'k')", "1 3", "2"),
    (r"mapContains(jm, 'n')", "", "1 2 3"),
    (r"NOT mapContains(jm, 'k')", "2", "1 3"),
    (r"jm['k'] IN (1.5)", "1", "3"),
    (r"jm['k'] NOT IN (1.5)", "3", "1"),
    (r"a IS NULL", "", "1 2 3 4 5"),
    (r"m IS NOT NULL", "1 2 3 4 5", ""),
    (r"at_least(1, nb, b)", "1 3 4", "2"),
    (r"at_least(2, nb, b)", "1", "2 4 5"),
    (r"at_least(2, nb, b, nf > 0)", "1 3", "2 4"),
    (r"at_least(0, nb)", "1 2 3 4 5", ""),
    (r"at_least(3, nb, b)", "", "1 2 3 4 5"),
    (r"NOT at_least(2, nb, b, nf > 0)", "2 4", "1 3"),
    (r"bucket('exp-42', 0, 50)", "1 3", "2 4 5"),
    (r"bucket('exp-42', 50, 100)", "2 4 5", "1 3"),
    (r"bucket('x', 0, 100)", "1 2 3 4 5", ""),
    (r"bucket('x', 5, 5)", "", "1 2 3 4 5"),
    (r"true", "1 2 3 4 5", ""),
    (r"false", "", "1 2 3 4 5"),
    (r"nb AND false", "", "1 2 3 4 5"),
    (r"nb OR true", "1 2 3 4 5", ""),
    (r"nb OR b", "1 3 4", "2"),
    (r"nb AND b", "1", "2 4 5"),
    (r"NOT (nb AND nf > 0)", "2 4", "1"),
];

fn server() -> Option<String> {
    std::env::var("MUSTER_TEST_CLICKHOUSE").ok()
}

/// Runs a query; the answer's body, or the server's error.
fn query(server: &str, sql: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(server).map_err(|error| error.to_string())?;
    // The server's own rewriting of OR into IN compares floats by bits.
    let settings = "optimize_min_equality_disjunction_chain_length=1000000&max_query_size=100000000";
    let head = format!("POST /?{settings} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", sql.len());
    let mut answer = String::new();
    stream
        .write_all(format!("{head}{sql}").as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.contains(" 200 ") { Ok(body.trim().to_owned()) } else { Err(body.trim().to_owned()) }
}

/// A table of the test's users, gone when the name is used again.
fn fill(server: &str, table: &str) {
    let columns: Vec<String> = columns().iter().map(|(name, ty, ..)| format!("`{name}` {ty}")).collect();
    query(server, &format!("DROP TABLE IF EXISTS {table}")).unwrap();
    query(server, &format!("CREATE TABLE {table} (user_id UInt64, {}) ENGINE = Memory", columns.join(", ")))
        .unwrap();
    for row in ROWS {
        query(server, &format!("INSERT INTO {table} VALUES ({row})")).unwrap();
    }
}

/// The users for whom a condition is true.
fn users(server: &str, condition: &str) -> Result<String, String> {
    let select = "SELECT arrayStringConcat(arraySort(groupArray(user_id)), ' ')";
    query(server, &format!("{select} FROM muster_rule_sql WHERE {condition} FORMAT TSVRaw"))
}

/// What a real server makes of a rule and of its negation, beside what it should be.
fn check(server: &str, zone: &str, (text, inside, outside): &(&str, &str, &str)) -> String {
    let options = SqlOptions { now: Some(NOW), labels: &NoLabels, limits: &Limits::default() };
    let rule = Rule::parse(text, options.limits).unwrap();
    let sql = match render(&rule, &schema(zone), &options) {
        Ok(sql) => sql,
        Err(error) => return format!("{text}\n  {error}\n"),
    };
    let negated = render(&Rule::Not(Box::new(rule)), &schema(zone), &options).unwrap();
    let found = (users(server, &sql), users(server, &negated));
    if found == (Ok((*inside).to_owned()), Ok((*outside).to_owned())) {
        return String::new();
    }
    format!("{text}\n  {sql}\n  expected {inside:?} {outside:?}\n  found    {found:?}\n")
}

#[test]
fn a_real_server_selects_the_same_users() {
    let Some(server) = server() else { return };
    fill(&server, "muster_rule_sql");
    let mut wrong: Vec<String> = CASES.iter().map(|case| check(&server, "UTC", case)).collect();
    wrong.extend(NEW_YORK.iter().map(|case| check(&server, "America/New_York", case)));
    // Left to the server, `now()` means the server's, in the store's zone.
    let now = jiff::Timestamp::now().as_second();
    for zone in ["UTC", "America/New_York", "Asia/Tokyo"] {
        for (text, ..) in
            CASES.iter().chain(LIVE).filter(|case| case.0.contains("now()") || case.0.contains("today()"))
        {
            let rule = Rule::parse(text, &Limits::default()).unwrap();
            let rendered = |now| {
                let options = SqlOptions { now, labels: &NoLabels, limits: &Limits::default() };
                render(&rule, &schema(zone), &options).unwrap()
            };
            let (fixed, live) = (rendered(Some(now)), rendered(None));
            let (by_fixed, by_live) = (users(&server, &fixed), users(&server, &live));
            if by_fixed.is_err() || by_fixed != by_live {
                wrong.push(format!("{text}\n  {fixed}\n  {live}\n  {by_fixed:?}\n  {by_live:?}\n"));
            }
        }
    }
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// As [`CASES`], in a store whose days begin at 05:00 UTC.
const NEW_YORK: &[(&str, &str, &str)] = &[
    ("t >= '2026-11-20'", "1 3 5", "2 4"),
    ("t = '2026-11-20 05:00:00'", "1", "2 3 4 5"),
    ("t >= today()", "1 3 5", "2 4"),
    ("day = today()", "1", "2 3 4 5"),
    ("day = toDateTime('2026-11-20 00:00:00')", "1", "2 3 4 5"),
    ("day = toDateTime('2026-11-20 05:00:00', 'UTC')", "1", "2 3 4 5"),
    ("day >= toDateTime('2026-11-20 00:00:00', 'UTC')", "1 3 5", "2 4"),
    ("day > toDateTime('2026-11-20 05:00:00', 'UTC')", "3 5", "1 2 4"),
    ("t > day", "1 4", "2 3 5"),
];

/// More that hangs on the server's clock; the answers are those of the same clock given.
const LIVE: &[(&str, &str, &str)] = &[
    ("t > today() - INTERVAL 3 HOUR", "", ""),
    ("t3 > today() - INTERVAL 1 MONTH", "", ""),
    ("nt < now() + INTERVAL 1 YEAR - INTERVAL 2 QUARTER", "", ""),
    ("day >= now() - INTERVAL 36 HOUR", "", ""),
    ("d32 IN (today(), toDate('2026-11-20'), now())", "", ""),
    ("t IN (today(), '2026-11-20 10:00:00')", "", ""),
    ("t9 BETWEEN now() - INTERVAL 2 WEEK AND now()", "", ""),
];

#[test]
fn sql_is_as_documented() {
    let options = SqlOptions { now: None, labels: &NoLabels, limits: &Limits::default() };
    let cases = [
        ("b AND (nb OR NOT b)", "b AND (nb OR NOT b)"),
        ("t >= now() - INTERVAL 7 DAY", "t >= now('UTC') - INTERVAL 7 DAY"),
        ("t >= today() - INTERVAL 3 HOUR", "t >= toDateTime(toDate(now('UTC')), 'UTC') - INTERVAL 3 HOUR"),
        ("day >= today() - 7", "day >= toDate(now('UTC')) - INTERVAL 7 DAY"),
        ("t < '2026-11-01 00:00:00'", "t < toDateTime('2026-11-01 00:00:00', 'UTC')"),
        ("s LIKE 'it''s\\n%'", "s LIKE 'it''s\\n%'"),
        ("at_least(2, b, nb, b)", "arraySum([ifNull(b, false), ifNull(nb, false), ifNull(b, false)]) >= 2"),
        ("m['k'] > 1", "if(mapContains(m, 'k'), m['k'], NULL) > 1"),
        ("jm['it''s'] > 1", "JSONExtract(jm, 'it''s', 'Nullable(Float64)') > 1"),
    ];
    for (text, expected) in cases {
        let rule = Rule::parse(text, options.limits).unwrap();
        assert_eq!(render(&rule, &schema("UTC"), &options).unwrap(), expected, "of {text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let options = SqlOptions { now: None, labels: &NoLabels, limits: &Limits::default() };
    let cases = [
        ("dayy = 1", "unknown column `dayy`; did you mean `day`?"),
        ("i8", "`i8` is Int8, not Bool, so it is not a condition by itself; compare it with a constant"),
        ("i8 = '5'", "`i8` is Int8 and cannot be compared with text; write a number without quotes"),
        ("s = 5", "`s` is String and cannot be compared with a number; write text in single quotes"),
        ("e < 'b'", "`e` is Enum, which has no order; use =, != or IN"),
        ("a = 'x'", "`a` is Array(String), which cannot be compared; use `has(a, ...)` or `length(a)`"),
        (
            "m['k'] = 'x'",
            "`m['k']` is Float64 and cannot be compared with text; write a number without quotes",
        ),
        ("t = 'soon'", "'soon' is not a date or time; write '2026-11-01' or '2026-11-01 18:30:00'"),
        (
            "i8 LIKE 'x'",
            "LIKE and startsWith need a String column, but `i8` is Int8; compare it with `i8 = ...`",
        ),
        (
            "s > t",
            "`s` is String and `t` is DateTime, which cannot be compared; compare each with a constant",
        ),
        ("label('none')", "unknown label `none`"),
    ];
    for (text, expected) in cases {
        let rule = Rule::parse(text, options.limits).unwrap();
        let found = render(&rule, &schema("UTC"), &options).map_err(|error| error.to_string());
        assert_eq!(found, Err(expected.to_owned()), "of {text}");
    }
}

/// Times worked out before the server sees them are what it would have made of them.
#[test]
fn a_real_server_shifts_times_the_same_way() {
    use crate::rule::ast::Operand;
    use crate::rule::bind::time::{Clock, Moment};
    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Asia/Kolkata",
        "Asia/Tehran",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "Africa/Casablanca",
    ];
    const UNITS: &[&str] = &["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
    let Some(server) = server() else { return };
    // A small generator of its own, for the same times in every run.
    let mut state = 7_u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut wrong = Vec::new();
    for _ in 0..40 {
        let mut expressions = Vec::new();
        for _ in 0..100 {
            let zone = ZONES[below(ZONES.len() as u64) as usize];
            let (year, month, day) = (2010 + below(50), 1 + below(12), 1 + below(28));
            // Mostly the hours in which clocks change.
            let hour = if below(2) == 0 { below(4) } else { below(24) };
            let text = format!("{year}-{month:02}-{day:02} {hour:02}:{:02}:00", 15 * below(4));
            let (count, unit) = (below(40), UNITS[below(8) as usize]);
            let sign = if below(2) == 0 { '-' } else { '+' };
            expressions.push(match below(4) {
                0 => (zone, format!("toDateTime('{text}', '{zone}')")),
                1 => (
                    zone,
                    format!(
                        "toDate('{}') {sign} INTERVAL {count} {}",
                        &text[..10],
                        UNITS[3 + below(5) as usize]
                    ),
                ),
                _ => (zone, format!("toDateTime('{text}', '{zone}') {sign} INTERVAL {count} {unit}")),
            });
        }
        let select: Vec<String> =
            expressions.iter().map(|(_, sql)| format!("toString(toUInt32({sql}))")).collect();
        let answer =
            query(&server, &format!("SELECT arrayJoin([{}]) FORMAT TSVRaw", select.join(", "))).unwrap();
        for ((zone, sql), expected) in expressions.iter().zip(answer.lines()) {
            let operand = super::super::text::parse_operand(sql, &Limits::default()).unwrap();
            let Operand::Time(time) = operand else { panic!("{sql}") };
            let found = match Clock::new(NOW, zone).unwrap().eval(&time) {
                Ok(Moment::Second(second, _)) => second.to_string(),
                Ok(Moment::Day(day)) => day.to_string(),
                Err(error) => error.to_string(),
            };
            if found != expected {
                wrong.push(format!("{sql}: the server has {expected}, we have {found}\n"));
            }
        }
    }
    let count = wrong.len();
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{count} of 4000\n{wrong}");
}
