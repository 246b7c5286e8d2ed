//! String columns that hold JSON: an object of numbers becomes a map, an array of strings a list.
//!
//! What counts is what the warehouse's JSON functions give for the rendered SQL:
//!
//! - text that is not JSON, or is another kind of value, is NULL (and counted);
//! - under a key: a number, `true` as 1, `false` as 0, a string that reads as a float; anything else is as if the key were
//!   absent (and counted); of duplicate keys the first counts, even where its value is none of these;
//! - in an array: strings, and integers that 64 bits can't hold as the text of their digits; any other element counts
//!   towards the length and matches nothing.

mod scan;
#[cfg(test)]
mod tests;

use muster_engine::batch::{ColumnData, Keys, Values};
use muster_engine::key;
use muster_engine::schema::HeldAs;
use serde::Serialize;

use scan::{Malformed, Scanned, Scanner};

/// Malformed values shown in a report.
const EXAMPLES_MAX: usize = 3;
/// Bytes shown of each.
const EXCERPT_BYTES: usize = 80;

/// What was odd in a JSON column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JsonFindings {
    /// Values that are not a JSON document of the right kind; they became NULL.
    pub malformed: u64,
    /// Map entries without a number; they were left out.
    pub not_numbers: u64,
    /// The first few malformed values.
    pub examples: Vec<Example>,
}

/// A malformed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Whose.
    pub user_id: u64,
    /// How it begins.
    pub text: String,
}

impl JsonFindings {
    /// Adds the findings of the rows that follow.
    pub fn add(&mut self, later: Self) {
        self.malformed += later.malformed;
        self.not_numbers += later.not_numbers;
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(later.examples.into_iter().take(room));
    }

    fn malformed(&mut self, user_id: u64, text: &[u8]) {
        self.malformed += 1;
        if self.examples.len() < EXAMPLES_MAX {
            let shown = &text[..text.len().min(EXCERPT_BYTES)];
            self.examples.push(Example { user_id, text: String::from_utf8_lossy(shown).into_owned() });
        }
    }
}

/// Parses a column. `rows` yields each row's text, `None` where it is NULL; `utf8` says that texts are known to be UTF-8.
pub(super) fn parse<'a>(
    held_as: HeldAs,
    rows: impl ExactSizeIterator<Item = Option<&'a [u8]>>,
    utf8: bool,
    user_ids: &[u64],
) -> (ColumnData, JsonFindings) {
    let mut builder = Builder::new(rows.len());
    let mut findings = JsonFindings::default();
    for (row, text) in rows.enumerate() {
        let Some(text) = text else {
            builder.end_row(false);
            continue;
        };
        let valid = utf8 || std::str::from_utf8(text).is_ok();
        let parsed = match held_as {
            _ if !valid => Err(Malformed),
            HeldAs::JsonMap => builder.object(text),
            _ => builder.array(text),
        };
        if parsed.is_ok() {
            findings.not_numbers += builder.left_out.len() as u64;
            builder.end_row(true);
        } else {
            builder.undo_row();
            builder.end_row(false);
            findings.malformed(user_ids[row], text);
        }
    }
    (builder.finish(held_as), findings)
}

/// Lists or maps under construction.
struct Builder {
    row_ends: Vec<u32>,
    row_present: Vec<bool>,
    ends: Vec<u32>,
    bytes: Vec<u8>,
    /// Per entry: map values, or 0.
    numbers: Vec<u64>,
    /// Per element: whether it is a string. Unused in maps.
    strings: Vec<bool>,
    scratch: Vec<u8>,
    /// Keys of the current row whose value is no number.
    left_out: Vec<Vec<u8>>,
}

impl Builder {
    fn new(rows: usize) -> Self {
        Self {
            row_ends: Vec::with_capacity(rows),
            row_present: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows * 3),
            bytes: Vec::with_capacity(rows * 24),
            numbers: Vec::new(),
            strings: Vec::new(),
            scratch: Vec::new(),
            left_out: Vec::new(),
        }
    }

    fn object(&mut self, text: &[u8]) -> Scanned<()> {
        let mut scanner = Scanner::new(text);
        if scanner.next_token() != b'{' {
            return Err(Malformed);
        }
        scanner.members(0, self, |scanner, depth, builder| {
            if scanner.next_token() != b'"' {
                return Err(Malformed);
            }
            let start = builder.bytes.len();
            scanner.string(&mut builder.bytes)?;
            scanner.colon()?;
            let number = number(scanner, depth, &mut builder.scratch)?;
            builder.entry(start, number);
            Ok(())
        })?;
        scanner.end()
    }

    /// The key's bytes from `start` are already there.
    fn entry(&mut self, start: usize, number: Option<f64>) {
        let name = &self.bytes[start..];
        if !self.left_out.is_empty() && self.left_out.iter().any(|left_out| left_out == name) {
            self.bytes.truncate(start);
        } else if let Some(number) = number {
            self.ends.push(self.bytes.len() as u32);
            self.numbers.push(key::float(number));
        } else {
            self.left_out.push(name.to_vec());
            self.bytes.truncate(start);
        }
    }

    fn array(&mut self, text: &[u8]) -> Scanned<()> {
        let mut scanner = Scanner::new(text);
        if scanner.next_token() != b'[' {
            return Err(Malformed);
        }
        scanner.members(0, self, |scanner, depth, builder| {
            let string = match scanner.next_token() {
                b'"' => scanner.string(&mut builder.bytes).map(|()| true)?,
                b'-' | b'0'..=b'9' => scanner.huge_integer(&mut builder.bytes)?,
                _ => scanner.skip(depth, &mut builder.scratch).map(|()| false)?,
            };
            builder.ends.push(builder.bytes.len() as u32);
            builder.strings.push(string);
            Ok(())
        })?;
        scanner.end()
    }

    fn end_row(&mut self, present: bool) {
        self.row_ends.push(self.ends.len() as u32);
        self.row_present.push(present);
        self.left_out.clear();
    }

    /// Takes back what the current row added.
    fn undo_row(&mut self) {
        let entries = self.row_ends.last().copied().unwrap_or(0) as usize;
        self.ends.truncate(entries);
        self.numbers.truncate(entries);
        self.strings.truncate(entries);
        self.bytes.truncate(self.ends.last().copied().unwrap_or(0) as usize);
    }

    fn finish(self, held_as: HeldAs) -> ColumnData {
        let present = some_if_any_absent(self.row_present);
        let texts = Keys::Bytes { ends: self.ends, bytes: self.bytes };
        if held_as == HeldAs::JsonMap {
            ColumnData::Map {
                ends: self.row_ends,
                keys: Values { keys: texts, present: None },
                values: Values { keys: Keys::Fixed8(self.numbers), present: None },
                present,
            }
        } else {
            let elements = Values { keys: texts, present: some_if_any_absent(self.strings) };
            ColumnData::List { ends: self.row_ends, elements, present }
        }
    }
}

fn some_if_any_absent(present: Vec<bool>) -> Option<Vec<bool>> {
    present.contains(&false).then_some(present)
}

/// The number that the value here stands for, if it stands for one.
fn number(scanner: &mut Scanner<'_>, depth: usize, scratch: &mut Vec<u8>) -> Scanned<Option<f64>> {
    match scanner.next_token() {
        b'-' | b'0'..=b'9' => scanner.number().map(Some),
        b'"' => {
            scratch.clear();
            scanner.string(scratch)?;
            // The warehouse reads exactly what Rust reads here, spelled-out infinities and NaN included.
            Ok(std::str::from_utf8(scratch).ok().and_then(|text| text.parse().ok()))
        }
        b't' => scanner.skip(depth, scratch).map(|()| Some(1.0)),
        b'f' => scanner.skip(depth, scratch).map(|()| Some(0.0)),
        _ => scanner.skip(depth, scratch).map(|()| None),
    }
}
