//! An SQLite file before it is opened: what its first bytes say.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::schema::APPLICATION_ID;
use crate::error::{Error, Result};

/// What an SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;

/// The tables that are read in full when a catalog is opened: all but those that grow with users and time.
pub(super) const CHECKED_ON_OPENING: [&str; 6] =
    ["catalog_state", "labels", "label_uses", "deliveries", "delivery_uses", "approvals"];

/// How the file is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Reading and writing; made if it is not there.
    Write,
    /// Reading, beside others who may write.
    Read,
    /// Reading, where nobody can write.
    Immutable,
}

impl Mode {
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::Write => "mode=rwc",
            Self::Read => "mode=ro",
            Self::Immutable => "mode=ro&immutable=1",
        }
    }
}

/// The file beside a database in which its last changes are.
pub(crate) fn wal(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// A file whose name is that of the database and more.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Looks at the file and says how it can be opened.
pub(super) fn look(path: &Path, read_only: bool) -> Result<Mode> {
    let cannot = |why: String| Error::CannotOpen { place: path.display().to_string(), why };
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(cannot("it is not a file; name one".to_owned())),
    };
    if !folder.is_dir() {
        return Err(cannot(format!("the folder {} is not there; create it", folder.display())));
    }
    let folder_takes = may_write(folder);
    if !path.exists() {
        if read_only {
            return Err(cannot("it is not there, and it may only be read; name another file".to_owned()));
        }
        return Ok(Mode::Write);
    }
    check_header(path)?;
    if !read_only && folder_takes && may_write(path) {
        return Ok(Mode::Write);
    }
    // Without a place for its shared memory SQLite cannot follow a log, and without a log there is nothing to follow.
    let logged = std::fs::metadata(wal(path)).is_ok_and(|log| log.len() > 0);
    Ok(if folder_takes || logged { Mode::Read } else { Mode::Immutable })
}

fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Fails if the file cannot be a catalog or is cut off.
pub(crate) fn check_header(path: &Path) -> Result<()> {
    let place = || path.display().to_string();
    let cannot = |error: std::io::Error| Error::CannotOpen {
        place: place(),
        why: format!("{error}; see that muster may read it"),
    };
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length == 0 {
        return Ok(());
    }
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path).map_err(cannot)?.take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(cannot)?;
    let corrupt = |what: &str| Error::Corrupt { place: place(), what: what.to_owned() };
    if header.len() < HEADER_BYTES || header[..16] != MAGIC[..] {
        return Err(corrupt("it does not begin as an SQLite file does"));
    }
    let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    // The number of pages is right only if this program's kind of writer wrote last; a log may hold what is missing here.
    let is_counted = word(24) == word(92);
    let logged = std::fs::metadata(wal(path)).is_ok_and(|log| log.len() > 0);
    if is_counted && !logged && length < u64::from(word(28)) * page_bytes {
        return Err(corrupt("it is shorter than it says"));
    }
    if word(68) != APPLICATION_ID && word(68) != 0 {
        return Err(Error::CannotOpen {
            place: place(),
            why: "it is a file of another program; give the catalog a file of its own".to_owned(),
        });
    }
    Ok(())
}
