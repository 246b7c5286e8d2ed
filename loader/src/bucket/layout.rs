//! What objects there are in a bucket and what is in the small ones; `docs/replicas.md` is the description.
//!
//! Nothing read from a bucket is believed before it went through here.

use muster_engine::format::manifest::Manifest;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::cut::PART_BYTES_MAX;

/// The layout this program writes and reads.
pub(super) const FORMAT: u32 = 1;
/// The one object that is replaced.
pub(super) const CURRENT: &str = "CURRENT";
/// Where indexes are.
pub(super) const GENERATIONS: &str = "generations";
/// Where parts are.
pub(super) const PARTS: &str = "parts";
/// Where pushes in progress say what they count on.
pub(super) const CLAIMS: &str = "claims";
/// Who is masked, for those who pull.
pub(super) const ALL_MASKS: &str = "masks.bin";
/// The same as pushes left it, for those who push.
pub(super) const MASKS: &str = "masks";
/// Where collections announce themselves.
pub(super) const COLLECTING: &str = "collecting";
/// No `CURRENT` is larger.
pub(super) const CURRENT_BYTES_MAX: u64 = 64 << 10;
/// No list of masked users is larger: 32 bytes for each.
pub(super) const MASKS_BYTES_MAX: u64 = 1 << 32;
/// No index is larger: 4 TiB of parts have some hundred MiB of it.
pub(super) const INDEX_BYTES_MAX: u64 = 1 << 30;

/// The SHA-256 of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Sha([u8; 32]);

impl Sha {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut sha = [0; 32];
        sha.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(sha)
    }
}

impl std::fmt::Display for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.to_string()
    }
}

impl TryFrom<String> for Sha {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a SHA-256");
        let mut sha = [0; 32];
        // Lower case only, so that a name has one spelling.
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(wrong());
        }
        for (byte, at) in sha.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(sha))
    }
}

/// A part of a `data.bin`: which bytes, and how many. Written as a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Part(pub(super) Sha, pub(super) u64);

/// Where a part lies under the bucket's prefix.
pub(super) fn part_name(sha: &Sha) -> String {
    format!("{PARTS}/{sha}")
}

/// Which generation is in service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub(super) format: u32,
    pub(super) generation: u64,
    pub(super) index: String,
    pub(super) sha256: Sha,
}

/// A generation: its manifest, and its data as parts in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) format: u32,
    pub(super) generation: u64,
    pub(super) manifest: String,
    pub(super) data_bytes: u64,
    pub(super) parts: Vec<Part>,
}

/// Only the format, which every later layout keeps.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

/// Why bytes are not what they should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    TooNew(u32),
    Damaged(String),
}

fn damaged(what: impl Into<String>) -> Unreadable {
    Unreadable::Damaged(what.into())
}

fn parsed<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Unreadable> {
    let versioned: Versioned = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if versioned.format > FORMAT {
        return Err(Unreadable::TooNew(versioned.format));
    }
    serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))
}

impl Pointer {
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let pointer: Self = parsed(bytes)?;
        if pointer.index != index_name(pointer.generation, &pointer.sha256) {
            return Err(damaged("the index it names is not that of its generation"));
        }
        Ok(pointer)
    }
}

/// The name of an index; the hash makes it one of its own for each content.
pub(super) fn index_name(generation: u64, sha: &Sha) -> String {
    format!("{GENERATIONS}/{generation:010}-{}.json", &sha.to_string()[..16])
}

/// The generation that an object under `generations/` or `claims/` is of.
pub(super) fn generation_of(file_name: &str) -> Option<u64> {
    file_name.split_once('-')?.0.parse().ok()
}

impl Index {
    /// Reads an index and checks that it describes one possible `data.bin`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let index: Self = parsed(bytes)?;
        let manifest = Manifest::from_bytes(index.manifest.as_bytes());
        let manifest = manifest.map_err(|error| damaged(format!("its manifest: {error}")))?;
        if manifest.generation != index.generation || manifest.data.bytes != index.data_bytes {
            return Err(damaged("its manifest is another generation's"));
        }
        if index.parts.iter().any(|Part(_, bytes)| *bytes == 0 || *bytes > PART_BYTES_MAX) {
            return Err(damaged("a part has an impossible length"));
        }
        let all = index.parts.iter().try_fold(0_u64, |sum, Part(_, bytes)| sum.checked_add(*bytes));
        if all != Some(index.data_bytes) {
            return Err(damaged("its parts do not add up to its data"));
        }
        Ok(index)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // A struct of numbers and strings always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The parts with the place of each in `data.bin`.
    pub(super) fn placed(&self) -> Vec<(u64, Part)> {
        let mut at = 0;
        let place = |part: &Part| {
            let placed = (at, *part);
            at += part.1;
            placed
        };
        self.parts.iter().map(place).collect()
    }
}
