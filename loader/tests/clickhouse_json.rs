//! JSON columns against a real ClickHouse: random documents, most of them slightly broken, mean the same to both.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
mod clickhouse;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use clickhouse::ClickHouse;
use muster_engine::batch::{ColumnData, Keys};
use muster_engine::key;
use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};
use muster_loader::columns::convert;

const DOCUMENTS: usize = 20_000;

/// Numbers good and bad.
const NUMBERS: [&str; 40] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "1e3",
    "1E-3",
    "1.5e+2",
    "123456789012345678",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "-9223372036854775809",
    "1e308",
    "1e-400",
    "0.000001",
    "3.141592653589793",
    "9007199254740993",
    "123456789.123456789",
    "2.2250738585072014e-308",
    "4.9e-324",
    "12345678901234567890123",
    "0.30000000000000004",
    "999999999999999",
    "9999999999999999",
    "1234567.8901234567",
    "-0.0",
    "1e5",
    "1e309",
    "-1e400",
    "01",
    "1.",
    ".5",
    "+1",
    "0x1",
    "-",
    "1e",
    "NaN",
    "1_0",
    "00",
];

/// What stands between quotes, good and bad.
const TEXTS: [&str; 36] = [
    "a",
    "b",
    "USDT",
    "",
    "é",
    "日本",
    "😀",
    "a\\n",
    "\\u0061",
    "\\ud83d\\ude00",
    "\\u00e9",
    "\\u0000",
    "\\/",
    "\\\\",
    "\\\"",
    "1",
    "1e3",
    "nan",
    "inf",
    "-inf",
    " 1",
    "1.",
    "0x10",
    "Infinity",
    "true",
    "a.b",
    "1e400",
    "-0",
    "x\x7f",
    "\\b\\f\\r\\t",
    "\\ud83d",
    "\\ude00",
    "\\q",
    "\t",
    "\\u12",
    "\\ud83d\\u0041",
];

struct Documents(u64);

impl Documents {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    /// From the start of a list nine times in ten: the ends hold what is not JSON.
    fn of(&mut self, list: &[&'static str], good: usize) -> &'static str {
        let among = if self.below(30) == 0 { list.len() } else { good };
        list[self.below(among)]
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", "", "", "", "", " ", "\n", "\t\r", "  "][self.below(11)]
    }

    fn value(&mut self, depth: usize, out: &mut String) {
        match self.below(20) {
            0..=7 => out.push_str(self.of(&NUMBERS, 28)),
            8..=11 => _ = write!(out, "\"{}\"", self.of(&TEXTS, 30)),
            12..=14 => out.push_str(["true", "false", "null"][self.below(3)]),
            _ if depth > 3 => out.push('1'),
            15..=17 => self.array(depth + 1, out),
            _ => self.object(depth + 1, out),
        }
    }

    fn array(&mut self, depth: usize, out: &mut String) {
        out.push('[');
        for place in 0..self.below(4) {
            out.push_str(if place > 0 { "," } else { "" });
            out.push_str(self.space());
            self.value(depth, out);
            out.push_str(self.space());
        }
        out.push(']');
    }

    fn object(&mut self, depth: usize, out: &mut String) {
        out.push('{');
        for place in 0..self.below(5) {
            out.push_str(if place > 0 { "," } else { "" });
            // Few different keys, so that they repeat.
            let among = if self.below(5) == 0 { TEXTS.len() } else { 9 };
            let name = self.below(among);
            _ = write!(out, "{}\"{}\"{}:{}", self.space(), TEXTS[name], self.space(), self.space());
            self.value(depth, out);
            out.push_str(self.space());
        }
        out.push('}');
    }

    fn next(&mut self) -> Vec<u8> {
        let mut text = self.space().to_owned();
        match self.below(10) {
            0..=3 => self.array(0, &mut text),
            4..=8 => self.object(0, &mut text),
            _ => self.value(0, &mut text),
        }
        text.push_str(self.space());
        let mut bytes = text.into_bytes();
        if self.below(20) == 0 {
            bytes.splice(0..0, *b"\xef\xbb\xbf");
        }
        if self.below(3) == 0 && !bytes.is_empty() {
            let odd = b"\"\\{}[],:0-.e \x00\xff\xc3u"[self.below(17)];
            let at = self.below(bytes.len());
            let end = at + self.below(2);
            bytes.splice(at..end, (self.below(3) > 0).then_some(odd));
        }
        bytes
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02X}");
        text
    })
}

fn pieces(keys: &Keys) -> Vec<String> {
    let Keys::Bytes { ends, bytes } = keys else { panic!("not text") };
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(&start, &end)| hex(&bytes[start as usize..end as usize])).collect()
}

fn rows(ends: &[u32]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(&start, &end)| start as usize..end as usize)
}

/// Each document as the loader sees it, in the form that the query below answers in.
fn ours(documents: &[Vec<u8>]) -> Vec<String> {
    let array: ArrayRef =
        Arc::new(documents.iter().map(|text| Some(text.as_slice())).collect::<BinaryArray>());
    let ids: Vec<u64> = (0..documents.len() as u64).collect();
    let load = |ty: ColumnType, held_as: HeldAs| {
        let column = ColumnSchema { name: "c".into(), ty, nullable: true, held_as };
        convert(&column, &array, &ids).unwrap().0
    };
    let mut lines = vec![String::new(); documents.len()];

    let map = load(ColumnType::Map(ScalarType::Float { bits: 64 }), HeldAs::JsonMap);
    let ColumnData::Map { ends, keys, values, present } = map else { panic!() };
    let (names, Keys::Fixed8(numbers)) = (pieces(&keys.keys), values.keys) else { panic!() };
    for (row, range) in rows(&ends).enumerate().filter(|(row, _)| present.as_ref().is_none_or(|p| p[*row])) {
        let mut entries = BTreeMap::new();
        for index in range {
            let number = key::to_float(numbers[index]);
            let text = if number.is_nan() { "nan".to_owned() } else { number.to_bits().to_string() };
            entries.entry(names[index].clone()).or_insert(text);
        }
        let entries: Vec<String> =
            entries.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines[row] = format!("Object {}", entries.join(","));
    }

    let list = load(ColumnType::Array(ScalarType::String), HeldAs::JsonArray);
    let ColumnData::List { ends, elements, present } = list else { panic!() };
    let names = pieces(&elements.keys);
    for (row, range) in rows(&ends).enumerate().filter(|(row, _)| present.as_ref().is_none_or(|p| p[*row])) {
        let text = |index: usize| {
            let string = elements.present.as_ref().is_none_or(|present| present[index]);
            if string { format!("'{}", names[index]) } else { "-".to_owned() }
        };
        lines[row] = format!("Array {}", range.map(text).collect::<Vec<_>>().join(","));
    }
    lines
}

#[test]
#[ignore = "needs ClickHouse"]
fn random_documents_mean_what_clickhouse_says() {
    let server = ClickHouse::connect();
    let mut source = Documents(7);
    let documents: Vec<Vec<u8>> = (0..DOCUMENTS).map(|_| source.next()).collect();
    server.run("CREATE TABLE documents (i UInt32, d String) ENGINE = Memory", "UTC");
    let values: Vec<String> =
        documents.iter().enumerate().map(|(row, text)| format!("({row}, unhex('{}'))", hex(text))).collect();
    for part in values.chunks(2_000) {
        server.run(&format!("INSERT INTO documents VALUES {}", part.join(",")), "UTC");
    }
    let theirs = server.query(
        "SELECT multiIf(
            JSONType(d) = 'Object', concat('Object ', arrayStringConcat(arrayFilter(entry -> entry != '', arrayMap(
                k -> if(JSONExtract(d, k, 'Nullable(Float64)') IS NULL, '', concat(hex(k), '=', if(
                    ifNull(isNaN(JSONExtract(d, k, 'Nullable(Float64)')), 0), 'nan',
                    toString(reinterpret(assumeNotNull(JSONExtract(d, k, 'Nullable(Float64)')) + 0., 'UInt64'))))),
                arraySort(arrayDistinct(JSONExtractKeys(d))))), ',')),
            JSONType(d) = 'Array', concat('Array ', arrayStringConcat(arrayMap(
                raw -> if(startsWith(raw, '\"'), concat('''', hex(JSONExtractString(raw))), '-'),
                JSONExtractArrayRaw(d)), ',')),
            '')
         FROM documents ORDER BY i FORMAT TSVRaw",
        "UTC",
    );
    let (mut valid, mut lines) = (0, 0);
    for ((document, ours), theirs) in documents.iter().zip(ours(&documents)).zip(theirs.lines()) {
        assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(document));
        lines += 1;
        valid += usize::from(!ours.is_empty());
    }
    assert_eq!(lines, DOCUMENTS);
    assert!((DOCUMENTS / 4..DOCUMENTS * 9 / 10).contains(&valid), "{valid} documents are valid");
}
