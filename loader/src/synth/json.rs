//! JSON text for the population's String columns, written straight into a byte buffer.

/// A text column under construction: all bytes, and where each value ends.
#[derive(Default)]
pub(crate) struct TextBuilder {
    /// Bytes of all values so far.
    pub(crate) bytes: Vec<u8>,
    ends: Vec<i32>,
}

impl TextBuilder {
    /// Empty, with room for `rows` values.
    pub(crate) fn new(rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { bytes: Vec::new(), ends }
    }

    /// Ends the value whose bytes were appended since the last call.
    pub(crate) fn end_value(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    /// Appends a whole value.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end_value();
    }

    /// The bytes and the offsets (one more than there are values).
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<i32>) {
        (self.bytes, self.ends)
    }
}

/// Appends `name` quoted; it must need no escapes.
pub(crate) fn quoted(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(name);
    out.push(b'"');
}

/// Appends the number `value / 10^decimals` without trailing zeros.
pub(crate) fn decimal(out: &mut Vec<u8>, value: u64, decimals: usize) {
    let mut digits = [b'0'; 24];
    let mut start = digits.len();
    let mut rest = value;
    while rest > 0 || digits.len() - start <= decimals {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let point = digits.len() - decimals;
    let mut end = digits.len();
    while end > point && digits[end - 1] == b'0' {
        end -= 1;
    }
    out.extend_from_slice(&digits[start..point]);
    if end > point {
        out.push(b'.');
        out.extend_from_slice(&digits[point..end]);
    }
}

/// The eight hexadecimal digits of a number, lowest first, as ASCII bytes side by side.
const fn hexadecimal(value: u32) -> u64 {
    // Half bytes spread out, each to a byte of its own.
    let mut spread = value as u64;
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Six more carries a digit above nine into the next bit: those become letters.
    let letters = ((spread + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    spread + 0x3030_3030_3030_3030 + letters * (b'a' - b'9' - 1) as u64
}

/// Appends `0x` and the 40 hexadecimal digits of an address.
pub(crate) fn address(out: &mut Vec<u8>, words: [u64; 3]) {
    let mut text = [b'0'; 50];
    text[1] = b'x';
    for (place, word) in words.into_iter().enumerate() {
        let digits = hexadecimal(word as u32).to_le_bytes();
        text[2 + place * 16..][..8].copy_from_slice(&digits);
        let digits = hexadecimal((word >> 32) as u32).to_le_bytes();
        text[10 + place * 16..][..8].copy_from_slice(&digits);
    }
    out.extend_from_slice(&text[..42]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_shortest() {
        let cases: [(u64, usize, &str); 7] = [
            (0, 0, "0"),
            (0, 6, "0"),
            (1_500_000, 6, "1.5"),
            (42, 6, "0.000042"),
            (1_000_000, 6, "1"),
            (1230, 0, "1230"),
            (u64::MAX, 2, "184467440737095516.15"),
        ];
        for (value, decimals, want) in cases {
            let mut out = Vec::new();
            decimal(&mut out, value, decimals);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn addresses_have_forty_digits() {
        let mut out = Vec::new();
        address(&mut out, [0x0123_4567_89ab_cdef, u64::MAX, 0xffff_ffff_0000_0000]);
        assert_eq!(String::from_utf8(out).unwrap(), "0xfedcba9876543210ffffffffffffffff00000000");
    }
}
