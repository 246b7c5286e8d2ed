//! Text tests on a dictionary: each distinct value is tested once, whatever the number of users.

use rayon::prelude::*;
use regex::bytes::{Regex, RegexBuilder};

use super::Result;
use super::ranges::Range;
use crate::column::Dictionary;
use crate::rule::ast::TextTest;
use crate::rule::error::RuleError;

/// Codes tested by one task.
const BATCH: u32 = 4096;

/// The codes whose value passes a test, not in normal form.
pub(super) fn codes_matching(dictionary: &Dictionary, test: TextTest, pattern: &str) -> Result<Vec<Range>> {
    let (like, regex) = match Matcher::new(test, pattern)? {
        Matcher::Prefix(prefix) => return Ok(vec![prefix_codes(dictionary, &prefix)?]),
        Matcher::Like(like, regex) => (like, regex),
    };
    // Only what starts with the text before the first wildcard can match.
    let (from, to) =
        if like.ignore_case { (0, dictionary.len()) } else { prefix_codes(dictionary, &like.prefix)? };
    let batches: Vec<Vec<Range>> = (from / BATCH..to.div_ceil(BATCH))
        .into_par_iter()
        .map(|batch| {
            let mut found: Vec<Range> = Vec::new();
            for code in (batch * BATCH).max(from)..((batch + 1) * BATCH).min(to) {
                if like.matches(&regex, dictionary.bytes(code)?.unwrap_or_default()) {
                    match found.last_mut() {
                        Some(last) if last.1 == code => last.1 += 1,
                        _ => found.push((code, code + 1)),
                    }
                }
            }
            Ok(found)
        })
        .collect::<crate::error::Result<_>>()?;
    Ok(batches.concat())
}

/// The codes whose value starts with these bytes.
fn prefix_codes(dictionary: &Dictionary, prefix: &[u8]) -> Result<Range> {
    let from = dictionary.lower_bytes(prefix)?;
    let to = dictionary.search(|code| {
        let value = dictionary.bytes(code)?.unwrap_or_default();
        Ok(value < prefix || value.starts_with(prefix))
    })?;
    Ok((from, to))
}

/// A test, ready for any text.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Starts with these bytes.
    Prefix(Box<[u8]>),
    /// Like a pattern.
    Like(Like, Regex),
}

impl Matcher {
    pub(super) fn new(test: TextTest, pattern: &str) -> Result<Self> {
        let like = match test {
            TextTest::StartsWith => return Ok(Self::Prefix(pattern.as_bytes().into())),
            TextTest::Like => Like::parse(pattern)?,
            TextTest::ILike => Like { ignore_case: true, ..Like::parse(pattern)? },
        };
        let regex = like.regex()?;
        Ok(Self::Like(like, regex))
    }

    /// Whether a text passes.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => value.starts_with(prefix),
            Self::Like(like, regex) => like.matches(regex, value),
        }
    }

    /// A text that passes: the pattern with nothing for `%` and a letter for `_`.
    pub(crate) fn example(&self) -> String {
        match self {
            Self::Prefix(prefix) => String::from_utf8_lossy(prefix).into_owned(),
            Self::Like(like, _) => like
                .core
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Char(c) => Some(*c),
                    Piece::One => Some('a'),
                    Piece::Any => None,
                })
                .collect(),
        }
    }
}

/// A LIKE pattern.
#[derive(Debug)]
pub(crate) struct Like {
    /// Text before the first wildcard.
    prefix: Vec<u8>,
    /// The pattern between its outer `%`.
    core: Vec<Piece>,
    open_start: bool,
    open_end: bool,
    ignore_case: bool,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Char(char),
    /// `_`: one character.
    One,
    /// `%`: any text.
    Any,
}

impl Like {
    fn parse(pattern: &str) -> Result<Self> {
        let mut pieces = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '%' if pieces.last() == Some(&Piece::Any) => {}
                '%' => pieces.push(Piece::Any),
                '_' => pieces.push(Piece::One),
                '\\' => match chars.next() {
                    Some(c @ ('%' | '_' | '\\')) => pieces.push(Piece::Char(c)),
                    // Before anything else a backslash is itself.
                    Some(c) => pieces.extend([Piece::Char('\\'), Piece::Char(c)]),
                    None => {
                        let error =
                            RuleError::new(format!("the pattern '{pattern}' ends in a lone backslash"));
                        return Err(error.hint("write \\\\ for a backslash").into());
                    }
                },
                c => pieces.push(Piece::Char(c)),
            }
        }
        let prefix: String = pieces
            .iter()
            .map_while(|piece| if let Piece::Char(c) = piece { Some(*c) } else { None })
            .collect();
        let open_start = pieces.first() == Some(&Piece::Any);
        if open_start {
            pieces.remove(0);
        }
        let open_end = pieces.last() == Some(&Piece::Any) || (pieces.is_empty() && open_start);
        if pieces.last() == Some(&Piece::Any) {
            pieces.pop();
        }
        Ok(Self { prefix: prefix.into_bytes(), core: pieces, open_start, open_end, ignore_case: false })
    }

    /// The core as a regular expression. The outer `%` are its missing anchors: they match any bytes, while wildcards inside
    /// match whole UTF-8 characters only.
    fn regex(&self) -> Result<Regex> {
        let mut source = String::from(if self.open_start { "" } else { r"\A" });
        for piece in &self.core {
            match piece {
                Piece::One => source.push('.'),
                Piece::Any => source.push_str(".*"),
                Piece::Char(c) => source.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        if !self.open_end {
            source.push_str(r"\z");
        }
        let regex =
            RegexBuilder::new(&source).dot_matches_new_line(true).case_insensitive(self.ignore_case).build();
        regex.map_err(|_| {
            RuleError::new("the LIKE pattern is too long to be searched for")
                .hint("shorten it or use startsWith")
                .into()
        })
    }

    fn matches(&self, regex: &Regex, value: &[u8]) -> bool {
        // Nothing between the outer wildcards, or nothing at all, needs no search.
        if self.core.is_empty() {
            self.open_start || self.open_end || value.is_empty()
        } else {
            regex.is_match(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_what_clickhouse_makes_of_it() {
        let cases = [
            ("US", "U%", true),
            ("us", "U%", false),
            ("a\\b", "a\\b", true),
            ("axb", "a\\b", false),
            ("50%", "50\\%", true),
            ("505", "50\\%", false),
            ("é", "_", true),
            ("éx", "_", false),
            ("a\nb", "a%b", true),
            ("", "%", true),
            ("", "", true),
            ("x", "", false),
            ("abc", "%%b%", true),
            ("abc", "%d%", false),
        ];
        for (value, pattern, expected) in cases {
            let like = Like::parse(pattern).unwrap();
            assert_eq!(
                like.matches(&like.regex().unwrap(), value.as_bytes()),
                expected,
                "{value} LIKE {pattern}"
            );
        }
        let like = Like { ignore_case: true, ..Like::parse("%ß_É%").unwrap() };
        assert!(like.matches(&like.regex().unwrap(), "xẞyéz".as_bytes()));
        assert!(Like::parse("abc\\").is_err());
        let like = Like::parse("a%").unwrap();
        assert!(like.matches(&like.regex().unwrap(), b"a\xff"));
        let like = Like::parse("a%b").unwrap();
        assert!(!like.matches(&like.regex().unwrap(), b"a\xffb"));
    }
}
