//! A token: 256 random bits behind a prefix that says what it is, so that scanners for secrets find one that leaked. Only its hash
//! is ever kept.

use std::fmt;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// What every token begins with.
pub(crate) const PREFIX: &str = "muster_";
/// Longer than any token; what is longer is refused without hashing it.
const BYTES_MAX: usize = 128;
/// Six bits each, safe in headers, addresses and shells.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new token, to be shown once.
pub(super) fn random() -> std::io::Result<String> {
    let mut bits = [0; 32];
    let filled = SystemRandom::new().fill(&mut bits);
    filled.map_err(|_| std::io::Error::other("the system has no random numbers"))?;
    let mut text = PREFIX.to_owned();
    for three in bits.chunks(3) {
        let whole =
            three.iter().enumerate().fold(0, |whole, (at, byte)| whole | u32::from(*byte) << (16 - 8 * at));
        // Three bytes are four digits, two are three.
        for digit in 0..=three.len() {
            text.push(char::from(DIGITS[(whole >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    Ok(text)
}

/// The SHA-256 of a token. The token has 256 random bits, so nobody finds it from this.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// Of what a caller shows; `None` if it cannot be a token.
    pub(super) fn of(token: &str) -> Option<Self> {
        if token.len() > BYTES_MAX || !token.starts_with(PREFIX) {
            return None;
        }
        digest(&SHA256, token.as_bytes()).as_ref().try_into().ok().map(Self)
    }

    /// As it stands in the file: 64 hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_long_and_name_themselves() {
        let tokens: std::collections::HashSet<String> = (0..1_000).map(|_| random().unwrap()).collect();
        assert_eq!(tokens.len(), 1_000);
        for token in &tokens {
            let digits = token.strip_prefix(PREFIX).unwrap();
            assert_eq!(digits.len(), 43, "256 bits are 43 digits of 6");
            assert!(digits.bytes().all(|digit| DIGITS.contains(&digit)), "{token}");
        }
        // Every digit comes up, at every place but the last, which holds four bits.
        let seen = |at: usize| {
            tokens.iter().map(|token| token.as_bytes()[at]).collect::<std::collections::HashSet<_>>()
        };
        assert!((PREFIX.len()..49).all(|at| seen(at).len() == 64));
        assert_eq!(seen(49).len(), 16);
    }

    #[test]
    fn the_hash_is_sha_256_of_the_whole_token() {
        let hash = Hash::of("muster_abc").unwrap();
        // printf muster_abc | sha256sum
        assert_eq!(hash.to_string(), "3d005ececd26479044cdd0613e6c5dfc9c3f7c3d6ff2f69b848798667c61e327");
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        for wrong in ["", "abc", "Bearer muster_abc", &format!("muster_{}", "a".repeat(200))] {
            assert_eq!(Hash::of(wrong), None, "{wrong}");
        }
        for wrong in ["", "zz", &"g".repeat(64), &"+1".repeat(32), &"a".repeat(63)] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
