//! User ids out of a file that somebody uploads: one a line, or a table with the ids in its first column.
//!
//! What is no id is never dropped in silence: it is counted, and the first such lines are kept with their numbers. A line ends at
//! a line feed, quotes or not, so one stray quote cannot swallow the rest of a file.

/// A line that has no id where one should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// The first column, shortened.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Lines, all of them.
    pub lines: u64,
    /// Ids, repeated ones as often as they are there.
    pub ids: u64,
    /// Lines with nothing on them.
    pub blank: u64,
    /// Lines that have no id.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Vec<BadLine>,
    /// The first line's first column, if that is a heading.
    pub heading: Option<String>,
}

/// Bad lines that are kept.
const KEPT_MAX: usize = 20;
/// Characters kept of a bad line.
const SHOWN_CHARS: usize = 60;
/// Bytes of a line's beginning in which its id must be.
const LINE_BYTES_MAX: usize = 4 << 10;

/// Reads ids from bytes that come in pieces, cut anywhere.
#[derive(Debug, Default)]
pub struct IdReader {
    parsed: Parsed,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    /// Whether the line is longer than what is kept of it.
    cut: bool,
    /// Whether any byte of the line was seen.
    begun: bool,
}

impl IdReader {
    /// A reader at the beginning of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the file and adds its ids.
    pub fn feed(&mut self, bytes: &[u8], ids: &mut Vec<u64>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add(&rest[..end]);
            self.end_line(ids);
            rest = &rest[end + 1..];
        }
        self.begun |= !rest.is_empty();
        self.add(rest);
    }

    /// Ends the file; what was read of it.
    pub fn finish(mut self, ids: &mut Vec<u64>) -> Parsed {
        if self.begun {
            self.end_line(ids);
        }
        self.parsed
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, ids: &mut Vec<u64>) {
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.cut);
        self.begun = false;
        self.parsed.lines += 1;
        let mut bytes = line.as_slice();
        if self.parsed.lines == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        if text.trim().is_empty() && !cut {
            self.parsed.blank += 1;
            return;
        }
        let column = first_column(&text);
        match read_id(column) {
            Ok(id) => {
                self.parsed.ids += 1;
                ids.push(id);
            }
            Err(_) if self.is_heading(column) => self.parsed.heading = Some(shown(column)),
            Err(why) => self.add_bad(column, why),
        }
        // The buffer is used again.
        self.line = line;
        self.line.clear();
    }

    /// Whether this is the first line with something on it, and names a column.
    fn is_heading(&self, column: &str) -> bool {
        self.parsed.lines == self.parsed.blank + 1
            && column.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
    }

    fn add_bad(&mut self, column: &str, why: &'static str) {
        self.parsed.bad += 1;
        if self.parsed.first_bad.len() < KEPT_MAX {
            self.parsed.first_bad.push(BadLine { line: self.parsed.lines, text: shown(column), why });
        }
    }
}

/// The first column, without quotes around it.
fn first_column(line: &str) -> &str {
    let column = line.split([',', ';', '\t']).next().unwrap_or_default().trim();
    column.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).map_or(column, str::trim)
}

fn read_id(column: &str) -> Result<u64, &'static str> {
    if column.is_empty() {
        return Err("there is no id in the first column");
    }
    if !column.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it is not a whole number");
    }
    column.parse().map_err(|_| "it is greater than 18446744073709551615")
}

fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> (Vec<u64>, Parsed) {
        let (mut reader, mut ids) = (IdReader::new(), Vec::new());
        reader.feed(text, &mut ids);
        let parsed = reader.finish(&mut ids);
        (ids, parsed)
    }

    #[test]
    fn plain_text_and_tables() {
        let (ids, parsed) = read(b"\xef\xbb\xbfuser_id,name\r\n1,a\r\n\"2\",\"b, c\"\r\n 3 ;x\n\n4\t5");
        assert_eq!(ids, [1, 2, 3, 4]);
        assert_eq!(parsed.heading.as_deref(), Some("user_id"));
        assert_eq!((parsed.lines, parsed.ids, parsed.blank, parsed.bad), (6, 4, 1, 0));
        assert_eq!(read(b"7\n8\n").0, [7, 8]);
        assert_eq!(read(b"").1, Parsed::default());
    }

    #[test]
    fn what_is_no_id_is_told() {
        let (ids, parsed) = read(b"1\nx\n-2\n1.0\n18446744073709551616\n,5\n\"6\n0x7\n18446744073709551615");
        assert_eq!(ids, [1, u64::MAX]);
        assert_eq!((parsed.lines, parsed.bad), (9, 7));
        let lines: Vec<u64> = parsed.first_bad.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            parsed.first_bad[0],
            BadLine { line: 2, text: "x".into(), why: "it is not a whole number" }
        );
        assert_eq!(parsed.first_bad[4].why, "there is no id in the first column");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let (mut reader, mut ids) = (IdReader::new(), Vec::new());
        for _ in 0..1_000 {
            reader.feed(&[b'9'; 4_096], &mut ids);
        }
        assert!(reader.line.capacity() < 64 << 10);
        reader.feed(b"\n5\n", &mut ids);
        let parsed = reader.finish(&mut ids);
        assert_eq!((ids.as_slice(), parsed.bad, parsed.lines), ([5].as_slice(), 1, 2));
    }

    #[test]
    fn only_the_first_line_can_be_a_heading() {
        assert_eq!(read(b"\n id \nname\n1").1.heading.as_deref(), Some("id"));
        assert_eq!(read(b"\n id \nname\n1").1.bad, 1);
        assert_eq!(read(b"-\n1").1.bad, 1);
    }

    proptest! {
        #[test]
        fn every_line_is_accounted_for(bytes in prop::collection::vec(prop_oneof![
            Just(b'\n'), Just(b','), Just(b'"'), Just(b'\r'), b'0'..=b'9', any::<u8>()], 0..300), cuts in prop::collection::vec(0usize..300, 0..5)) {
            let (ids, parsed) = read(&bytes);
            prop_assert_eq!(ids.len() as u64, parsed.ids);
            let headings = u64::from(parsed.heading.is_some());
            prop_assert_eq!(parsed.lines, parsed.ids + parsed.blank + parsed.bad + headings);
            let lines = bytes.split(|byte| *byte == b'\n').count() as u64 - 1;
            prop_assert_eq!(parsed.lines, lines + u64::from(bytes.last().is_some_and(|last| *last != b'\n')));

            // However the bytes are cut.
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let (mut reader, mut again, mut from) = (IdReader::new(), Vec::new(), 0);
            for cut in cuts {
                reader.feed(&bytes[from..cut], &mut again);
                from = cut;
            }
            reader.feed(&bytes[from..], &mut again);
            prop_assert_eq!((reader.finish(&mut again), again), (parsed, ids));
        }
    }
}
