//! What went wrong while asking, whether asking again can help, and what a person can do about it.
//!
//! A message is made of what the server said and where it is, never of how one authenticates.

use std::error::Error as StdError;
use std::io;

use clickhouse::error::Error;

/// Longest piece of a server's answer that is repeated in a message.
const QUOTED_CHARS_MAX: usize = 600;

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Ask again later.
    Again,
    /// Ask without settings: the user may not change them, or the server does not know one.
    WithoutSettings,
    /// Ask for another format: the server does not know this one.
    OtherFormat,
    /// Nothing, until a person does something.
    Person,
}

/// Why an answer is not there, or not whole.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) remedy: Remedy,
    /// The server's code, if it gave one.
    pub(crate) code: Option<u32>,
    pub(crate) message: String,
}

impl Fault {
    /// Something that may pass.
    pub(crate) fn passing(message: impl Into<String>) -> Self {
        Self { remedy: Remedy::Again, code: None, message: message.into() }
    }

    /// Something that stays.
    pub(crate) fn lasting(message: impl Into<String>) -> Self {
        Self { remedy: Remedy::Person, code: None, message: message.into() }
    }

    /// What the crate reports.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::BadResponse(text) => Self::answered(text),
            Error::Network(cause) => Self::of_network(cause.as_ref()),
            Error::InvalidParams(_) => Self::lasting(
                "the address, the user or the password has characters that HTTP cannot carry; check them",
            ),
            Error::Decompression(_) | Error::Unsupported(_) => Self::lasting(format!(
                "{error}; something between here and the server changes answers, so ask the server itself"
            )),
            other => Self::passing(other.to_string()),
        }
    }

    /// An answer that is a refusal: the server's, or that of something in between.
    pub(super) fn answered(text: &str) -> Self {
        if let Some((code, message)) = exception_in(text) {
            return Self::of_code(code, &message);
        }
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = format!("the answer is not ClickHouse's: {}", short(&line));
        // A proxy's own word: with its status, as a rule.
        let status = |range: std::ops::Range<u32>| {
            line.split(|letter: char| !letter.is_ascii_digit()).any(|word| {
                word.len() == 3 && word.parse::<u32>().is_ok_and(|number| range.contains(&number))
            })
        };
        if status(500..600) || status(429..430) || status(408..409) || !status(300..500) {
            Self::passing(message)
        } else {
            Self::lasting(format!("{message}; is this the address of ClickHouse's HTTP port?"))
        }
    }

    /// The server's own error.
    pub(super) fn of_code(code: u32, text: &str) -> Self {
        let (remedy, advice) = classify(code);
        let advice = if advice.is_empty() { String::new() } else { format!("; {advice}") };
        Self { remedy, code: Some(code), message: format!("{}{advice}", short(text)) }
    }

    fn of_network(error: &(dyn StdError + 'static)) -> Self {
        let mut causes = vec![error.to_string()];
        let mut untrusted = false;
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !causes.contains(&text) {
                causes.push(text);
            }
            untrusted |= is_of_tls(inner);
            cause = inner.source();
        }
        let message = causes.join(": ");
        if untrusted {
            return Self::lasting(format!(
                "{message}; is the server's certificate one that `ca_file` or this system trusts, and is the port one of HTTPS?"
            ));
        }
        // What the resolver says of a name that is not there; a resolver that fails says otherwise.
        if message.contains("Name or service not known") || message.contains("nodename nor servname") {
            return Self::lasting(format!("{message}; check the host's name"));
        }
        if message.contains("(Connect)") {
            return Self::passing(format!("{message}; check that the server runs, and its address"));
        }
        Self::passing(message)
    }
}

/// Whether TLS is what failed; its errors come wrapped into those of the system.
fn is_of_tls(error: &(dyn StdError + 'static)) -> bool {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_of_tls(inner))
}

/// What can be done about a server's code, and what to tell.
fn classify(code: u32) -> (Remedy, &'static str) {
    match code {
        73 => (Remedy::OtherFormat, "the server is too old for this format: set `format = \"native\"`"),
        115 | 164 | 452 => (Remedy::WithoutSettings, ""),
        192..=194 | 516 => {
            (Remedy::Person, "check `user`, and the password in `password_env` or `password_file`")
        }
        60 => (Remedy::Person, "check `database` and `table`"),
        81 => (Remedy::Person, "check `database`"),
        47 => (Remedy::Person, "check the columns that the query or the configuration names"),
        62 => (Remedy::Person, "check the `query`"),
        181 => (Remedy::Person, "this table does not know FINAL: remove `final`"),
        291 | 497 => (Remedy::Person, "grant it to this user"),
        241 => {
            (Remedy::Again, "where it stays so, lower `range_rows` or `pulls`, or give the user more memory")
        }
        158 | 307 | 396 => (Remedy::Person, "the user's limits are too low for this table; raise them"),
        159 | 160 | 173 | 198 | 202 | 203 | 209 | 210 | 225 | 279 | 285 | 286 | 439 | 499 | 999 | 1000 => {
            (Remedy::Again, "")
        }
        _ => (Remedy::Person, ""),
    }
}

/// The exception that a text holds: its code, and its words from there on, on one line.
pub(super) fn exception_in(text: &str) -> Option<(u32, String)> {
    text.match_indices("Code:").find_map(|(at, word)| {
        let rest = text[at + word.len()..].trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let code = rest[..end].parse().ok()?;
        // Only the code, where that is all there is; otherwise words that are the server's.
        let line = text[at..].lines().next().unwrap_or_default();
        let message = line.split(", e.what()").next().unwrap_or_default().trim();
        (rest.len() == end || line.contains("Exception")).then(|| (code, message.to_owned()))
    })
}

/// Enough of a text to see what it is.
pub(super) fn short(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= QUOTED_CHARS_MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    format!("{cut}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_codes_say_whether_to_ask_again() {
        let cases = [
            ("Code: 202. DB::Exception: Too many simultaneous queries.", Remedy::Again, 202),
            ("Code: 516. DB::Exception: x: Authentication failed", Remedy::Person, 516),
            (
                "Code: 60, e.displayText() = DB::Exception: Table a.b doesn't exist., e.what() = DB::Exception",
                Remedy::Person,
                60,
            ),
            (
                "Code: 164. DB::Exception: Cannot modify 'x' setting in readonly mode. (READONLY)",
                Remedy::WithoutSettings,
                164,
            ),
            (
                "Code: 73, e.displayText() = DB::Exception: Unknown format ArrowStream",
                Remedy::OtherFormat,
                73,
            ),
            ("Code: 241", Remedy::Again, 241),
        ];
        for (text, remedy, code) in cases {
            let fault = Fault::answered(text);
            assert_eq!((fault.remedy, fault.code), (remedy, Some(code)), "{text}");
            assert!(!fault.message.contains("e.what()"), "{}", fault.message);
        }
    }

    #[test]
    fn what_is_not_clickhouse_is_judged_by_the_status_it_names() {
        let cases = [
            ("503 Service Unavailable", Remedy::Again),
            ("<html><head><title>502 Bad Gateway</title></head></html>", Remedy::Again),
            ("no healthy upstream", Remedy::Again),
            ("429 Too Many Requests", Remedy::Again),
            ("<h1>404 Not Found</h1>", Remedy::Person),
            ("401 Unauthorized", Remedy::Person),
            ("302 Found", Remedy::Person),
        ];
        for (text, remedy) in cases {
            assert_eq!(Fault::answered(text).remedy, remedy, "{text}");
        }
        assert!(Fault::answered(&"x".repeat(10_000)).message.len() < 1000);
    }

    #[test]
    fn an_exception_is_found_among_bytes() {
        let text =
            "\u{1}\u{fffd}Code: 395, e.displayText() = DB::Exception: it threw, e.what() = DB::Exception\n";
        let (code, message) = exception_in(text).unwrap();
        assert_eq!((code, message.as_str()), (395, "Code: 395, e.displayText() = DB::Exception: it threw"));
        for text in ["", "Code:", "Code: x", "Postal Code: 10115 Berlin", "Code: 99999999999999"] {
            assert_eq!(exception_in(text), None, "{text}");
        }
    }
}
