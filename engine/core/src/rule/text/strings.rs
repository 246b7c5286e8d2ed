//! Quoted things: what the escapes of string literals and quoted names stand for, in both directions.

use std::fmt::Write as _;

use sqlparser::keywords::{ALL_KEYWORDS, ALL_KEYWORDS_INDEX, Keyword};

use super::super::error::RuleError;

/// What is between the quotes, unescaped as the warehouse does. `quote` is the kind of quote it was in.
pub(super) fn unescape(raw: &str, quote: char) -> Result<String, RuleError> {
    if !raw.contains(['\\', quote]) {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte == quote as u8 {
            // Inside, a quote only occurs doubled.
            rest.next();
            bytes.push(byte);
            continue;
        }
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let Some(escaped) = rest.next() else {
            return Err(
                RuleError::new("a text that ends in a single backslash").hint("write `\\\\` for a backslash")
            );
        };
        match escaped {
            b'a' => bytes.push(0x07),
            b'b' => bytes.push(0x08),
            b'e' => bytes.push(0x1b),
            b'f' => bytes.push(0x0c),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b't' => bytes.push(b'\t'),
            b'v' => bytes.push(0x0b),
            b'0' => bytes.push(0),
            b'N' => {}
            b'x' => {
                let digits = [rest.next(), rest.next()].map(|digit| hex(digit.unwrap_or(b' ')));
                let [Some(high), Some(low)] = digits else {
                    return Err(RuleError::new("`\\x` in a text without two hexadecimal digits after it"));
                };
                bytes.push(high << 4 | low);
            }
            b'\\' | b'\'' | b'"' | b'`' | b'/' | b'=' => bytes.push(escaped),
            control if control < 0x20 => bytes.push(control),
            // Anything else keeps its backslash; LIKE patterns such as 'a\%' live on it.
            other => bytes.extend([b'\\', other]),
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| RuleError::new("a text that is not valid UTF-8").hint("check its `\\x` escapes"))
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// A string literal that reads back as `text`.
pub(crate) fn quote_text(text: &str) -> String {
    escape(text, '\'')
}

/// A column's name, quoted if it would not read back as itself otherwise.
pub(crate) fn quote_identifier(name: &str) -> String {
    if is_plain_name(name) { name.to_owned() } else { escape(name, '`') }
}

fn escape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            // A backslash would do in the warehouse, but only doubling ends no token anywhere.
            c if c == quote => out.extend([quote, quote]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// Whether a name can stand without quotes: a word that nothing else lays claim to.
fn is_plain_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    if !starts || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "INF" | "INFINITY" | "NAN") {
        return false;
    }
    match ALL_KEYWORDS.binary_search(&upper.as_str()) {
        Ok(at) => !is_claimed(ALL_KEYWORDS_INDEX[at]),
        Err(_) => true,
    }
}

/// Keywords that mean something in an expression, here or in the warehouse, and so can't be bare names.
fn is_claimed(keyword: Keyword) -> bool {
    super::hints::refused_word(keyword).is_some() || CLAIMED.contains(&keyword)
}

const CLAIMED: &[Keyword] = &[
    Keyword::ALL,
    Keyword::AND,
    Keyword::ANY,
    Keyword::ARRAY,
    Keyword::AS,
    Keyword::ASC,
    Keyword::BETWEEN,
    Keyword::BY,
    Keyword::COLLATE,
    Keyword::CURRENT_DATE,
    Keyword::CURRENT_TIME,
    Keyword::CURRENT_TIMESTAMP,
    Keyword::DATE,
    Keyword::DESC,
    Keyword::DISTINCT,
    Keyword::DIV,
    Keyword::ELSE,
    Keyword::END,
    Keyword::ESCAPE,
    Keyword::FALSE,
    Keyword::FOR,
    Keyword::FROM,
    Keyword::GLOBAL,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INTERVAL,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::LOCALTIME,
    Keyword::LOCALTIMESTAMP,
    Keyword::MOD,
    Keyword::NOT,
    Keyword::NOTNULL,
    Keyword::NULL,
    Keyword::OR,
    Keyword::REGEXP,
    Keyword::RETURNING,
    Keyword::SOME,
    Keyword::THEN,
    Keyword::TIMESTAMP,
    Keyword::TRUE,
    Keyword::WHEN,
    Keyword::WITH,
    Keyword::XOR,
];
