//! The file of tokens: who may ask, in which role, until when. It holds hashes, never a token, and is only ever replaced whole.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use super::token::{self, Hash, PREFIX};
use crate::caller::Role;

/// Its name, unless said otherwise.
const NAME: &str = "tokens.toml";
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of the file, which are some ten thousands of tokens.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Nobody but the owner reads it.
const MODE: u32 = 0o600;

const HEADING: &str =
    "# Who may ask this server. `muster token` writes this file; it holds hashes, not tokens.\n";

/// Why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The disk failed.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("the file of tokens {path} cannot be used: {what}")]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong in it.
        what: String,
    },
    /// What is asked makes no sense.
    #[error("{0}")]
    Usage(String),
}

/// A token as the file knows it.
#[derive(Debug, Clone)]
pub struct TokenEntry {
    /// Who holds it.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    pub(super) hash: Hash,
}

/// A file of tokens, there or not yet.
#[derive(Debug, Clone)]
pub struct TokensFile {
    path: PathBuf,
}

impl TokensFile {
    /// The file at a path.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The file beside a store.
    pub fn beside(store: &Path) -> Self {
        Self { path: store.with_file_name(NAME) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything in it; nothing if it is not there.
    pub fn list(&self) -> Result<Vec<TokenEntry>, TokensError> {
        Ok(self.read()?.unwrap_or_default())
    }

    /// Makes a token and gives it out, this once.
    pub fn create(
        &self,
        name: &str,
        role: Role,
        created: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<String, TokensError> {
        check_name(name).map_err(TokensError::Usage)?;
        let token = token::random().map_err(|source| self.io("make a token for", source))?;
        let Some(hash) = Hash::of(&token) else {
            return Err(TokensError::Usage("a token came out wrong".to_owned()));
        };
        self.change(|entries| {
            if entries.iter().any(|entry| entry.name == name) {
                let what = format!("there is a token {name} already; revoke it first, or give another name");
                return Err(TokensError::Usage(what));
            }
            entries.push(TokenEntry { name: name.to_owned(), role, created, expires, hash });
            Ok(())
        })?;
        Ok(token)
    }

    /// Takes a token out. Servers that follow the file refuse it from then on.
    pub fn revoke(&self, name: &str) -> Result<(), TokensError> {
        self.change(|entries| {
            let before = entries.len();
            entries.retain(|entry| entry.name != name);
            if entries.len() < before {
                return Ok(());
            }
            let path = self.path.display();
            Err(TokensError::Usage(format!(
                "there is no token {name} in {path}; `muster token list` lists them"
            )))
        })
    }

    /// Everything in it; `None` if it is not there.
    pub(super) fn read(&self) -> Result<Option<Vec<TokenEntry>>, TokensError> {
        let text = match fs::metadata(&self.path) {
            Ok(data) if data.len() > FILE_BYTES_MAX => {
                return Err(
                    self.broken(format!("it is longer than {FILE_BYTES_MAX} bytes, which is the limit"))
                );
            }
            _ => fs::read_to_string(&self.path),
        };
        match text {
            Ok(text) => parse(&text).map(Some).map_err(|what| self.broken(what)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("read", source)),
        }
    }

    /// Whether others than its owner may read it.
    pub(super) fn readable_by_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|data| data.mode() & 0o077 != 0)
    }

    /// Changes what is in it, while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&mut Vec<TokenEntry>) -> Result<(), TokensError>,
    ) -> Result<(), TokensError> {
        // What a link points to is replaced, not the link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let folder = File::open(folder).map_err(|source| self.io("open the folder of", source))?;
        folder.lock().map_err(|source| self.io("lock the folder of", source))?;
        let mut entries = self.list()?;
        change(&mut entries)?;
        replace(&path, &folder, &write(&entries)).map_err(|source| self.io("write", source))
    }

    fn io(&self, doing: &'static str, source: io::Error) -> TokensError {
        TokensError::Io { doing, path: self.path.clone(), source }
    }

    fn broken(&self, what: String) -> TokensError {
        TokensError::Broken { path: self.path.clone(), what }
    }
}

/// Writes the file aside and puts it in place of the other. It belongs to whom the other belonged to, so that a server under an
/// account of its own can read what an administrator wrote.
fn replace(path: &Path, folder: &File, text: &str) -> io::Result<()> {
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&aside)?;
        let before = fs::metadata(path);
        let owner = before.or_else(|_| folder.metadata())?;
        let mine = file.metadata()?;
        if (owner.uid(), owner.gid()) != (mine.uid(), mine.gid()) {
            // Only an administrator can. Anybody else leaves a file of their own, as an editor would.
            let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        folder.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    token: Vec<EntryText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryText {
    name: String,
    role: Role,
    sha256: String,
    created: String,
    expires: Option<String>,
}

/// What is wrong is told by its line and never cited: somebody may have put a token where its hash belongs.
fn parse(text: &str) -> Result<Vec<TokenEntry>, String> {
    let file: FileText = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let what =
            if error.message().contains(PREFIX) { "this is not expected here" } else { error.message() };
        format!("line {line}: {what}")
    })?;
    let (mut names, mut hashes) = (HashSet::new(), HashMap::new());
    let mut entries = Vec::with_capacity(file.token.len());
    for (at, entry) in file.token.into_iter().enumerate() {
        let wrong = |what: String| format!("token {}: {what}", at + 1);
        check_name(&entry.name).map_err(wrong)?;
        let hash = Hash::parse(&entry.sha256).ok_or_else(|| {
            wrong("`sha256` must be 64 hexadecimal digits; the token itself does not belong here".to_owned())
        })?;
        if !names.insert(entry.name.clone()) {
            return Err(wrong(format!("the name {} is there twice", entry.name)));
        }
        if let Some(other) = hashes.insert(hash, entry.name.clone()) {
            return Err(wrong(format!("its hash is that of {other}")));
        }
        let instant = |key: &str, text: &str| {
            text.parse().map_err(|_| wrong(format!("`{key}` must be an instant, as 2026-11-20T00:00:00Z")))
        };
        let created = instant("created", &entry.created)?;
        let expires = entry.expires.map(|text| instant("expires", &text)).transpose()?;
        entries.push(TokenEntry { name: entry.name, role: entry.role, created, expires, hash });
    }
    Ok(entries)
}

fn write(entries: &[TokenEntry]) -> String {
    let mut text = HEADING.to_owned();
    for TokenEntry { name, role, created, expires, hash } in entries {
        // Names hold nothing that TOML would want escaped.
        let _ = write!(
            text,
            "\n[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\ncreated = \"{created}\"\n"
        );
        if let Some(expires) = expires {
            let _ = writeln!(text, "expires = \"{expires}\"");
        }
    }
    text
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    if name.starts_with(PREFIX) {
        // Likely a token in the wrong place: not to be repeated.
        return Err(format!("a name must not begin with {PREFIX}, as tokens do"));
    }
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "the name of a token is 1 to {NAME_BYTES_MAX} of the characters a-z, A-Z, 0-9, `.`, `_`, `-` and `@`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOON: &str = "2026-11-20T12:00:00Z";

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokensFile::beside(&dir.path().join("store"));
        assert_eq!(file.path(), dir.path().join("tokens.toml"));
        assert!(file.list().unwrap().is_empty());
        let delivery = file.create("delivery", Role::Reader, at(NOON), None).unwrap();
        let ops = file.create("ops@x", Role::Admin, at(NOON), Some(at("2027-01-01T00:00:00Z"))).unwrap();
        assert_ne!(delivery, ops);
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&delivery) && !text.contains(&ops) && !text.contains(PREFIX));
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        let entries = file.list().unwrap();
        assert_eq!(entries[0].hash, Hash::of(&delivery).unwrap());
        assert_eq!((entries[1].role, entries[1].expires), (Role::Admin, Some(at("2027-01-01T00:00:00Z"))));
        let twice = file.create("ops@x", Role::Reader, at(NOON), None).unwrap_err();
        assert!(twice.to_string().contains("already"), "{twice}");
        file.revoke("delivery").unwrap();
        assert!(file.revoke("delivery").unwrap_err().to_string().contains("no token delivery"));
        assert_eq!(file.list().unwrap().len(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn those_who_write_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokensFile::at(&dir.path().join("t.toml"));
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = &file;
                scope
                    .spawn(move || file.create(&format!("n{number}"), Role::Reader, at(NOON), None).unwrap());
            }
        });
        assert_eq!(file.list().unwrap().len(), 8);
    }

    #[test]
    fn a_link_is_followed_when_its_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.toml"), dir.path().join("link.toml"));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        TokensFile::at(&link).create("a", Role::Reader, at(NOON), None).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(TokensFile::at(&real).list().unwrap().len(), 1);
    }

    #[test]
    fn a_broken_file_is_told_without_what_is_in_it() {
        let hash = "a".repeat(64);
        let one = |name: &str, role: &str, hash: &str| {
            format!(
                "[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\ncreated = \"{NOON}\"\n"
            )
        };
        let secret = "muster_SECRETSECRETSECRETSECRETSECRETSECRETSECRETSEC";
        let cases = [
            ("[[token", "line 1"),
            ("[[token]]\nname = 1", "line 2"),
            (&one("a", "owner", &hash), "unknown variant `owner`"),
            (&one("a", secret, &hash), "not expected here"),
            (&one("a", "reader", secret), "64 hexadecimal digits"),
            (&one(secret, "reader", &hash), "must not begin with"),
            (&one("a b", "reader", &hash), "1 to 64 of the characters"),
            (&(one("a", "reader", &hash) + &one("a", "reader", &"b".repeat(64))), "twice"),
            (&(one("a", "reader", &hash) + &one("b", "reader", &hash)), "that of a"),
            (&(one("a", "reader", &hash) + "expires = \"soon\""), "`expires` must be an instant"),
            (&(one("a", "reader", &hash) + "expire = \"soon\""), "unknown field `expire`"),
        ];
        for (text, want) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want) && !error.contains("SECRET"), "{want}: {error}");
        }
    }
}
