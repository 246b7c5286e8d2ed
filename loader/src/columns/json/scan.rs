//! A strict JSON scanner over bytes, purpose-built for flat arrays and objects, and agreeing with the warehouse
//! (simdjson) on which documents are valid: the whole text, well-formed escapes without lone surrogates, floats that
//! do not overflow, a byte order mark at most at the start, at most [`DEPTH_MAX`] containers with content in each other.
//!
//! The caller guarantees that the text is UTF-8.

/// Most non-empty containers inside each other.
pub(super) const DEPTH_MAX: usize = 1023;

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) type Scanned<T> = Result<T, Malformed>;

/// A position in a text.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

/// Whether any of eight bytes ends a run of plain string bytes: a quote, a backslash or a control character.
const fn has_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    const fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & HIGHS
    }
    let quotes = zeros(word ^ (ONES * b'"' as u64));
    let backslashes = zeros(word ^ (ONES * b'\\' as u64));
    let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    (quotes | backslashes | controls) != 0
}

impl<'a> Scanner<'a> {
    /// At the start, past a byte order mark.
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 } }
    }

    /// The byte here; 0, which no JSON token starts with, at the end.
    pub(super) fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Skips white space and returns the byte then here.
    pub(super) fn next_token(&mut self) -> u8 {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.peek()
    }

    /// Skips one byte, known to be there.
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Scanned<()> {
        self.next_token();
        if self.at == self.text.len() { Ok(()) } else { Err(Malformed) }
    }

    fn expect(&mut self, word: &[u8]) -> Scanned<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    /// Moves to the first special byte of a string.
    fn plain_run(&mut self) {
        while let Some(chunk) = self.text[self.at..].first_chunk::<8>() {
            if has_special(u64::from_le_bytes(*chunk)) {
                break;
            }
            self.at += 8;
        }
        while !matches!(self.peek(), b'"' | b'\\' | 0..0x20) {
            self.at += 1;
        }
    }

    /// Reads the string whose opening quote is here and appends its content.
    pub(super) fn string(&mut self, out: &mut Vec<u8>) -> Scanned<()> {
        self.step();
        loop {
            let start = self.at;
            self.plain_run();
            out.extend_from_slice(&self.text[start..self.at]);
            match self.peek() {
                b'"' => {
                    self.step();
                    return Ok(());
                }
                b'\\' => self.escape(out)?,
                _ => return Err(Malformed),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Scanned<()> {
        self.step();
        let plain = match self.peek() {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.step();
                let mut code = self.hex4()?;
                if (0xd800..0xdc00).contains(&code) {
                    self.expect(b"\\u")?;
                    let low = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(Malformed);
                    }
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                // A lone low surrogate is no character.
                let character = char::from_u32(code).ok_or(Malformed)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(Malformed),
        };
        self.step();
        out.push(plain);
        Ok(())
    }

    fn hex4(&mut self) -> Scanned<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Malformed)?;
        let mut code = 0;
        for &digit in digits {
            code = code * 16 + (digit as char).to_digit(16).ok_or(Malformed)?;
        }
        self.at += 4;
        Ok(code)
    }

    fn digits(&mut self) -> Scanned<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Malformed) }
    }

    /// Reads the number that starts here, correctly rounded.
    pub(super) fn number(&mut self) -> Scanned<f64> {
        let start = self.at;
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        if self.peek() == b'0' {
            self.step();
        } else {
            self.digits()?;
        }
        let mut digits = self.at - first;
        let (mut integer, mut exponent, mut decimals) = (true, false, 0);
        if self.peek() == b'.' {
            integer = false;
            self.step();
            let fraction = self.at;
            self.digits()?;
            decimals = self.at - fraction;
            digits += decimals;
        }
        if matches!(self.peek(), b'e' | b'E') {
            (integer, exponent) = (false, true);
            self.step();
            self.at += usize::from(matches!(self.peek(), b'+' | b'-'));
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        if digits <= 15 && !exponent {
            let value = short_decimal(&self.text[first..self.at], decimals);
            return Ok(if negative { -value } else { value });
        }
        let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
        let value: f64 = text.parse().map_err(|_| Malformed)?;
        // An integer may exceed every float (it is then infinite); a float that does is not accepted.
        if integer || value.is_finite() { Ok(value) } else { Err(Malformed) }
    }

    /// Reads the number that starts here; if it is an integer that 64 bits can't hold, its digits are appended too. The
    /// warehouse keeps such a number as the text of its digits.
    pub(super) fn huge_integer(&mut self, out: &mut Vec<u8>) -> Scanned<bool> {
        let start = self.at;
        self.number()?;
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.len() < 19 || !digits.iter().all(u8::is_ascii_digit) {
            return Ok(false);
        }
        let value = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i128>().ok());
        let huge = value.is_none_or(|value| value < i128::from(i64::MIN) || value > i128::from(u64::MAX));
        if huge {
            out.extend_from_slice(text);
        }
        Ok(huge)
    }

    /// Checks any value and skips it; `depth` containers with content are open around it.
    pub(super) fn skip(&mut self, depth: usize, scratch: &mut Vec<u8>) -> Scanned<()> {
        match self.next_token() {
            b'"' => {
                scratch.clear();
                self.string(scratch)
            }
            b'{' => self.members(depth, scratch, |scanner, depth, scratch| {
                if scanner.next_token() != b'"' {
                    return Err(Malformed);
                }
                scratch.clear();
                scanner.string(scratch)?;
                scanner.colon()?;
                scanner.skip(depth, scratch)
            }),
            b'[' => self.members(depth, scratch, Self::skip),
            b't' => self.expect(b"true"),
            b'f' => self.expect(b"false"),
            b'n' => self.expect(b"null"),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(Malformed),
        }
    }

    /// Skips a colon and the white space around it.
    pub(super) fn colon(&mut self) -> Scanned<()> {
        if self.next_token() != b':' {
            return Err(Malformed);
        }
        self.step();
        Ok(())
    }

    /// Reads the container that opens here, `member` reading each of its members.
    pub(super) fn members<T: ?Sized>(
        &mut self,
        depth: usize,
        state: &mut T,
        mut member: impl FnMut(&mut Self, usize, &mut T) -> Scanned<()>,
    ) -> Scanned<()> {
        // The closing bracket is the opening one's second successor in ASCII.
        let close = self.peek() + 2;
        self.step();
        if self.next_token() == close {
            self.step();
            return Ok(());
        }
        if depth >= DEPTH_MAX {
            return Err(Malformed);
        }
        loop {
            member(self, depth + 1, state)?;
            let token = self.next_token();
            self.step();
            if token == close {
                return Ok(());
            }
            if token != b',' {
                return Err(Malformed);
            }
        }
    }
}

/// At most 15 digits, with or without a point: both the digits and the power of ten are exact floats, so one division
/// rounds correctly.
fn short_decimal(text: &[u8], decimals: usize) -> f64 {
    const POWERS: [f64; 16] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let mantissa = text
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0_u64, |value, byte| value * 10 + u64::from(byte - b'0'));
    mantissa as f64 / POWERS[decimals]
}
