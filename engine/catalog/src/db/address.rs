//! Where a catalog is: `sqlite:PATH` or a MySQL URL. What it says to people never has a password in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;

use crate::error::{Error, Result};

/// Which database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
}

/// Where a catalog is.
#[derive(Clone)]
pub(crate) enum Address {
    Sqlite { path: PathBuf, read_only: bool },
    MySql(AnyConnectOptions),
}

impl Address {
    /// Reads an address. Its errors do not repeat it, because it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return Self::sqlite(rest);
        }
        if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            let options = AnyConnectOptions::from_str(url).map_err(|_| {
                Error::invalid(
                    "catalog.url",
                    "it is not a URL; write mysql://USER:PASSWORD@HOST:PORT/DATABASE",
                )
            })?;
            if options.database_url.path().trim_matches('/').is_empty() {
                return Err(Error::invalid(
                    "catalog.url",
                    "it names no database; write mysql://USER:PASSWORD@HOST:PORT/DATABASE",
                ));
            }
            return Ok(Self::MySql(options));
        }
        Err(Error::invalid(
            "catalog.url",
            "it begins neither with sqlite: nor with mysql://; write sqlite:PATH for a file",
        ))
    }

    fn sqlite(rest: &str) -> Result<Self> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, mode) = rest.split_once("?mode=").map_or((rest, "rwc"), |(path, mode)| (path, mode));
        let read_only = match mode {
            "ro" => true,
            "rw" | "rwc" => false,
            _ => return Err(Error::invalid("catalog.url", "its mode is neither ro nor rw; leave it out")),
        };
        if path.is_empty() || path == ":memory:" {
            return Err(Error::invalid("catalog.url", "it names no file; write sqlite:PATH"));
        }
        Ok(Self::Sqlite { path: PathBuf::from(path), read_only })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::MySql(_) => Dialect::MySql,
        }
    }

    /// For people, without a password.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => path.display().to_string(),
            Self::MySql(options) => {
                let url = &options.database_url;
                let port = url.port().map_or(String::new(), |port| format!(":{port}"));
                format!("mysql://{}{port}{}", url.host_str().unwrap_or("localhost"), url.path())
            }
        }
    }
}

/// How to connect to an SQLite file.
pub(super) fn sqlite_options(path: &Path, how: &str) -> Result<AnyConnectOptions> {
    let Some(text) = path.to_str() else {
        return Err(Error::CannotOpen {
            place: path.display().to_string(),
            why: "its name is not UTF-8; rename it".to_owned(),
        });
    };
    let mut url = "sqlite:".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url.push('?');
    url.push_str(how);
    AnyConnectOptions::from_str(&url)
        .map_err(|error| Error::CannotOpen { place: text.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_password() {
        let address = Address::parse("mysql://me:secret@db.example:3307/muster?ssl-mode=REQUIRED").unwrap();
        assert_eq!(address.place(), "mysql://db.example:3307/muster");
        for bad in [
            "mysql://me:secret@:99999/x",
            "mysql://me:secret@h",
            "postgres://me:secret@h/d",
            "sqlite:",
            "sqlite:a?mode=x",
        ] {
            let error = Address::parse(bad).err().unwrap().to_string();
            assert!(error.starts_with("catalog.url: it") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn files_with_odd_names_are_named_as_they_are() {
        let options = sqlite_options(Path::new("/a b/c?d#e%f"), "mode=ro").unwrap();
        assert_eq!(options.database_url.as_str(), "sqlite:/a%20b/c%3Fd%23e%25f?mode=ro");
    }
}
