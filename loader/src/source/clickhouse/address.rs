//! The address of a server: where it is, and what may be said along with it. Never a password.

use std::net::IpAddr;

use crate::config::nearest;
use crate::error::{LoadError, Result};

/// What may follow the `?` of an address.
const PARAMETERS: [&str; 4] = ["database", "table", "final", "user"];

/// Where a server listens for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `http://HOST:PORT/PATH`, without anything behind.
    pub url: String,
    /// The host alone.
    pub host: String,
    /// Whether TLS is spoken.
    pub tls: bool,
}

/// What an address says beside where the server is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) database: Option<String>,
    pub(super) table: Option<String>,
    pub(super) last_row_only: Option<bool>,
    pub(super) user: Option<String>,
}

impl Address {
    /// Takes `http(s)://HOST[:PORT][/PATH][?database=D&table=T&final=true&user=U]` apart.
    pub(super) fn parse(text: &str) -> Result<(Self, Said)> {
        let wrong = |what: &str| {
            LoadError::Config(format!(
                "{:?} is not the address of a ClickHouse server: {what}; give its HTTP port, as http://127.0.0.1:8123",
                without_secrets(text)
            ))
        };
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, rest) = place.split_once("://").ok_or_else(|| wrong("it has no http:// or https://"))?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("it must start with http:// or https://")),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong("it names a user or a password, which belong into `user` and `password_env`"));
        }
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let port =
            authority.rsplit_once(':').filter(|(before, _)| !before.contains('[') || before.ends_with(']'));
        if host.is_empty() || port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
            return Err(wrong("it has no host or no proper port"));
        }
        let said = Said::parse(parameters)?;
        Ok((Self { url: place.trim_end_matches('/').to_owned(), host: host.to_owned(), tls }, said))
    }

    /// Whether the server is on this machine.
    pub(super) fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl Said {
    fn parse(parameters: &str) -> Result<Self> {
        let mut said = Self::default();
        for pair in parameters.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            match name {
                "database" => said.database = Some(value),
                "table" => said.table = Some(value),
                "user" => said.user = Some(value),
                "final" => {
                    said.last_row_only = Some(match value.as_str() {
                        "" | "1" | "true" => true,
                        "0" | "false" => false,
                        _ => {
                            return Err(LoadError::Config(format!(
                                "final={value} in an address must be true or false."
                            )));
                        }
                    });
                }
                "password" => {
                    return Err(LoadError::Config(
                        "a password does not belong into an address, where others see it; use `password_env` or \
                         `password_file` in [source]."
                            .to_owned(),
                    ));
                }
                _ => {
                    let hint = nearest(name, PARAMETERS.into_iter()).map_or_else(
                        || format!("known are {}", PARAMETERS.join(", ")),
                        |near| format!("did you mean `{near}`?"),
                    );
                    return Err(LoadError::Config(format!("`{name}` in the address is not known; {hint}")));
                }
            }
        }
        Ok(said)
    }
}

/// An address without what may be secret in it.
fn without_secrets(text: &str) -> String {
    let place = text.split('?').next().unwrap_or_default();
    match (place.split_once("://"), place.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => place.to_owned(),
    }
}

/// `%20` is a space, `+` is itself.
fn decoded(text: &str) -> Result<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], pair) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| LoadError::Config(format!("{text} in the address is not text.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_parameters() {
        let (address, said) = Address::parse("http://127.0.0.1:8123/").unwrap();
        assert_eq!(
            (address.url.as_str(), address.is_here(), address.tls),
            ("http://127.0.0.1:8123", true, false)
        );
        assert_eq!(said, Said::default());
        let (address, said) = Address::parse("https://[::1]:8443/proxy?table=a.b&final=0").unwrap();
        assert_eq!((address.host.as_str(), address.is_here(), address.tls), ("::1", true, true));
        assert_eq!((said.table.as_deref(), said.last_row_only), (Some("a.b"), Some(false)));
        for (text, here) in [("http://localhost", true), ("http://127.9.9.9:1", true), ("http://db", false)] {
            assert_eq!(Address::parse(text).unwrap().0.is_here(), here, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_why_and_keeps_secrets() {
        let cases = [
            ("clickhouse.example", "no http://"),
            ("tcp://h:9000", "must start with"),
            ("http://", "no host"),
            ("http://h:port", "proper port"),
            ("http://h:99999", "proper port"),
            ("http://me:hunter2@h:1", "belong into `user`"),
            ("me:hunter2@h:1", "no http://"),
            ("http://h?password=hunter2", "password_env"),
            ("http://h?tabel=x", "did you mean `table`"),
            ("http://h?final=maybe", "true or false"),
        ];
        for (text, want) in cases {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(want) && !error.contains("hunter2"), "{text}: {error}");
        }
    }
}
