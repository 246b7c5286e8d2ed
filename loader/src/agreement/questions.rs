//! What a ClickHouse server is asked to find users who differ, and what its answers say. Nothing here connects.
//!
//! Only functions that the oldest servers have are used, and no settings.

use super::digest::{Digest, Ranges};
use crate::error::{LoadError, Result};

/// Rows listed of one range, at most: more than are ever asked for, unless the table has very many rows of one user.
const LISTED_MAX: u64 = 100_000;

/// A table whose rows satisfy a condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Selected<'a> {
    /// `TABLE` or `TABLE FINAL`, or a query in brackets.
    pub(super) from: &'a str,
    /// The column of ids, quoted.
    pub(super) id: &'a str,
    /// What rows are meant.
    pub(super) condition: &'a str,
}

impl Selected<'_> {
    /// How to ask for digests by range.
    pub(super) fn digests(&self, ranges: &Ranges) -> String {
        let Self { from, id, .. } = self;
        // A difference of unsigned numbers is signed over there.
        let part = match ranges.width {
            0 => "0".to_owned(),
            width => format!("intDiv(toUInt64(toUInt64({id}) - {}), {width})", ranges.first),
        };
        let condition = self.within(ranges.first, ranges.last);
        format!(
            "SELECT {part} AS part, count(), sum(toUInt64({id})), groupBitXor(intHash64(toUInt64({id}))), \
             min(toUInt64({id})), max(toUInt64({id})) FROM {from} WHERE {condition} GROUP BY part"
        )
    }

    /// How to ask for the ids of a range.
    pub(super) fn members(&self, first: u64, last: u64) -> String {
        let Self { from, id, .. } = self;
        let condition = self.within(first, last);
        format!("SELECT toUInt64({id}) FROM {from} WHERE {condition} ORDER BY {id} LIMIT {LISTED_MAX}")
    }

    fn within(&self, first: u64, last: u64) -> String {
        let Self { id, condition, .. } = self;
        if (first, last) == (0, u64::MAX) {
            return (*condition).to_owned();
        }
        format!("{id} >= {first} AND {id} <= {last} AND ({condition})")
    }
}

/// How to ask what some users have in some columns, both quoted.
pub(super) fn values(from: &str, id: &str, columns: &[String], users: &[u64]) -> String {
    let list = users.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let columns = columns.iter().fold(String::new(), |all, column| all + ", " + column);
    format!(
        "SELECT toUInt64({id}){columns} FROM {from} WHERE {id} IN ({list}) ORDER BY {id} LIMIT {LISTED_MAX}"
    )
}

/// The digest of each part, from the answer.
pub(super) fn read_digests(answer: &str, ranges: &Ranges) -> Result<Vec<Digest>> {
    let mut digests = vec![Digest::default(); ranges.len()];
    for line in answer.lines() {
        let numbers: Option<Vec<u64>> = line.split('\t').map(|field| field.parse().ok()).collect();
        let Some([part, rows, sum, xor, first, last]) = numbers.as_deref() else { return Err(odd(line)) };
        let slot = digests.get_mut(*part as usize).ok_or_else(|| odd(line))?;
        let span = (*rows > 0).then_some((*first, *last));
        *slot = Digest { rows: *rows, sum: *sum, xor: *xor, span };
    }
    Ok(digests)
}

/// Ids, one a line.
pub(super) fn read_ids(answer: &str) -> Result<Vec<u64>> {
    answer.lines().map(|line| line.parse().map_err(|_| odd(line))).collect()
}

/// Rows of an id and values as text; NULL is NULL.
pub(super) fn read_values(answer: &str) -> Result<Vec<(u64, Vec<String>)>> {
    let row = |line: &str| {
        let (id, values) = line.split_once('\t').unwrap_or((line, ""));
        let id = id.parse().map_err(|_| odd(line))?;
        let values =
            if line.contains('\t') { values.split('\t').map(unescaped).collect() } else { Vec::new() };
        Ok((id, values))
    };
    answer.lines().map(row).collect()
}

/// A field of a tab-separated line as it was.
fn unescaped(field: &str) -> String {
    if field == "\\N" {
        return "NULL".to_owned();
    }
    let mut text = String::with_capacity(field.len());
    let mut rest = field.chars();
    while let Some(character) = rest.next() {
        text.push(match character {
            '\\' => match rest.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    text
}

fn odd(line: &str) -> LoadError {
    let shown: String = line.chars().take(200).collect();
    LoadError::Source(format!(
        "the server answered '{shown}' to a question about ids; is this the address of a ClickHouse server?"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECTED: Selected<'_> = Selected { from: "t FINAL", id: "`uid`", condition: "a OR b" };

    #[test]
    fn a_whole_table_is_asked_without_bounds() {
        let query = SELECTED.digests(&Ranges::ALL);
        assert!(query.starts_with("SELECT 0 AS part, count(), sum("), "{query}");
        assert!(query.ends_with("FROM t FINAL WHERE a OR b GROUP BY part"), "{query}");
        let query = SELECTED.digests(&Ranges::new(10, 29, 4));
        assert!(query.contains("intDiv(toUInt64(toUInt64(`uid`) - 10), 5) AS part"), "{query}");
        assert!(query.contains("WHERE `uid` >= 10 AND `uid` <= 29 AND (a OR b) GROUP BY"), "{query}");
    }

    #[test]
    fn answers_are_read_or_refused() {
        let ranges = Ranges::new(0, 9, 2);
        let digests = read_digests("1\t2\t15\t7\t6\t9\n", &ranges).unwrap();
        assert_eq!(digests[0], Digest::default());
        assert_eq!(digests[1], Digest { rows: 2, sum: 15, xor: 7, span: Some((6, 9)) });
        // A table without rows, asked without GROUP BY, says 0 rows of everything.
        let nobody = read_digests("0\t0\t0\t0\t0\t0\n", &ranges).unwrap();
        assert_eq!(nobody, [Digest::default(); 2]);
        for answer in ["<html>", "2\t1\t1\t1\t1\t1\n", "1\t2\n", "0\t-1\t0\t0\t0\t0\n"] {
            assert!(read_digests(answer, &ranges).is_err(), "{answer}");
        }
        assert_eq!(read_ids("3\n18446744073709551615\n").unwrap(), [3, u64::MAX]);
        assert!(read_ids("3\nx\n").is_err());
        let rows = read_values("7\t\\N\ta\\tb\\\\N\t['it\\'s']\n8\n").unwrap();
        assert_eq!(rows[0], (7, vec!["NULL".to_owned(), "a\tb\\N".to_owned(), "['it's']".to_owned()]));
        assert_eq!(rows[1], (8, Vec::new()));
    }
}
