//! Where a listener listens: `HOST:PORT`, or `unix:/path/to/socket`.

use std::fmt;
use std::path::PathBuf;

/// What an address of a socket file begins with.
const UNIX: &str = "unix:";
/// Bytes of a path to a socket: the system takes 107, and four are wanted while the socket is made.
const UNIX_BYTES_MAX: usize = 103;

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host, by name or number, and a port.
    Tcp(String),
    /// A file.
    Unix(PathBuf),
}

impl Address {
    /// Reads an address.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(UNIX) {
            // gRPC writes `unix:///run/x` as well.
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("the path of the socket is missing, as in unix:/run/muster/grpc.sock".to_owned());
            }
            if path.len() > UNIX_BYTES_MAX {
                return Err(format!("the path of the socket is longer than {UNIX_BYTES_MAX} bytes"));
            }
            return Ok(Self::Unix(path.into()));
        }
        let port =
            text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        port.map(|_| Self::Tcp(text.to_owned()))
            .ok_or_else(|| "give HOST:PORT, as 127.0.0.1:7070, or unix:/path/to/socket".to_owned())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(text) => f.write_str(text),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports_or_files() {
        for text in ["127.0.0.1:7070", "[::1]:0", "localhost:65535", "0.0.0.0:1"] {
            assert_eq!(Address::parse(text), Ok(Address::Tcp(text.to_owned())));
        }
        for (text, path) in
            [("unix:/run/x", "/run/x"), ("unix:///run/x", "/run/x"), ("unix:x.sock", "x.sock")]
        {
            assert_eq!(Address::parse(text), Ok(Address::Unix(path.into())));
        }
        for text in
            ["", "7070", ":7070", "localhost", "localhost:", "localhost:70000", "unix:", "http://x", "a:b"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert!(Address::parse(&format!("unix:/{}", "x".repeat(103))).unwrap_err().contains("103"));
    }
}
