//! What a browser accepts: compressed forms, and pages.

use http::{HeaderMap, HeaderName, header};

/// A way to compress a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

impl Encoding {
    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What tells the tag of this form from that of others.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
        }
    }
}

/// Whether a compressed form is accepted: by its name, or else by `*`.
pub(super) fn accepts(headers: &HeaderMap, encoding: Encoding) -> bool {
    let named = |name: &str| quality(headers, &header::ACCEPT_ENCODING, name);
    named(encoding.name()).or_else(|| named("*")).is_some_and(|quality| quality > 0.0)
}

/// Whether a page is accepted, said in so many words: programs that take anything mean data.
pub(super) fn takes_page(headers: &HeaderMap) -> bool {
    quality(headers, &header::ACCEPT, "text/html").is_some_and(|quality| quality > 0.0)
}

/// How much something is wanted, if it is named.
fn quality(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> Option<f32> {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    let mut found = values.flat_map(|value| value.split(',')).filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_wanted = parts.next()?.eq_ignore_ascii_case(wanted);
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_wanted.then(|| quality.map_or(Some(1.0), |quality| quality.parse().ok()).unwrap_or(0.0))
    });
    found.next()
}
