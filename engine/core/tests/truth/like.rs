//! `LIKE` and `ILIKE`, one character at a time.

/// A pattern taken apart.
pub struct Pattern {
    parts: Vec<Part>,
    ignore_case: bool,
}

#[derive(Clone, Copy)]
enum Part {
    /// `%`
    Many,
    /// `_`
    One,
    Exactly(char),
}

impl Pattern {
    pub fn new(pattern: &str, ignore_case: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '%' => parts.push(Part::Many),
                '_' => parts.push(Part::One),
                '\\' => match rest.peek() {
                    Some(&next @ ('%' | '_' | '\\')) => {
                        rest.next();
                        parts.push(Part::Exactly(next));
                    }
                    // Before anything else a backslash is itself.
                    Some(_) => parts.push(Part::Exactly('\\')),
                    None => panic!("the pattern {pattern:?} ends in a lone backslash"),
                },
                other => parts.push(Part::Exactly(if ignore_case { fold(other) } else { other })),
            }
        }
        Self { parts, ignore_case }
    }

    pub fn matches(&self, text: &[u8]) -> bool {
        let text = std::str::from_utf8(text).expect("LIKE is tested on UTF-8 text");
        let text: Vec<char> = text.chars().map(|c| if self.ignore_case { fold(c) } else { c }).collect();
        let (mut at, mut part) = (0, 0);
        // Where to take up again when the characters after the last `%` do not fit.
        let mut retry = None;
        loop {
            let fits = match self.parts.get(part) {
                Some(Part::Many) => {
                    retry = Some((at, part + 1));
                    part += 1;
                    continue;
                }
                Some(Part::One) => at < text.len(),
                Some(Part::Exactly(c)) => text.get(at) == Some(c),
                None if at == text.len() => return true,
                None => false,
            };
            if fits {
                at += 1;
                part += 1;
            } else {
                let Some((from, after)) = retry else { return false };
                if from == text.len() {
                    return false;
                }
                retry = Some((from + 1, after));
                at = from + 1;
                part = after;
            }
        }
    }
}

/// Unicode's simple case folding: the same for any two characters that differ in case only.
fn fold(c: char) -> char {
    // The dotless i has an upper case of another letter, but is not that letter.
    if c == 'ı' {
        return c;
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next();
    if chars.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_warehouse() {
        let like = |text: &str, pattern: &str| Pattern::new(pattern, false).matches(text.as_bytes());
        let ilike = |text: &str, pattern: &str| Pattern::new(pattern, true).matches(text.as_bytes());
        assert!(like("aXb", "a_b") && like("a%b", "a\\%b") && !like("axb", "a\\%b"));
        assert!(!like("axb", "a\\xb") && like("a\\xb", "a\\xb") && like("a\\", "a\\\\"));
        assert!(like("ä", "_") && !like("ä", "__") && like("a\nb", "a%b") && like("", "%") && like("", ""));
        assert!(
            like("abcabd", "%abd") && like("aab", "%ab") && !like("aab", "%ab_") && like("xayaz", "%a%z")
        );
        assert!(
            ilike("Ä", "ä")
                && ilike("ẞ", "ß")
                && ilike("ſ", "s")
                && ilike("Σ", "ς")
                && ilike("\u{212a}", "k")
        );
        assert!(!ilike("İ", "i") && !ilike("ı", "I"));
    }
}
