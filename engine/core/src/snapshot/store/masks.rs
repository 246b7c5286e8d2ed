//! `masks.bin`: who was erased, and who is not to be a target. Records are only ever added. `docs/erasure.md` has the format.
//!
//! A change is several records, of which only the last one is marked as such and is written when all others are on the disk. So
//! what follows the last marked record was never acknowledged and is ignored, whatever it is; what precedes it must be whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Store;
use super::lock::{Author, WriterLock};
use super::names::{MASKS, MASKS_LOCK};
use crate::error::{Error, Result};

const RECORD_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"MUSTERMK";
const VERSION: u32 = 1;

/// A record, or the header, which has the place of one.
type Slot = [u8; RECORD_BYTES];

/// What can happen to users in the masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskChange {
    /// Out of every answer, for good.
    Erase,
    /// Counted, but no target.
    OptOut,
    /// A target again.
    OptIn,
}

impl MaskChange {
    const ALL: [(u8, Self); 3] = [(1, Self::Erase), (2, Self::OptOut), (3, Self::OptIn)];

    fn code(self) -> u8 {
        Self::ALL.iter().find(|(_, change)| *change == self).map_or(0, |(code, _)| *code)
    }

    /// Its name, as of a command.
    pub fn name(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::OptOut => "opt-out",
            Self::OptIn => "opt-in",
        }
    }
}

/// Users who are masked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masks {
    users: BTreeMap<u64, Mask>,
    stamp: MasksStamp,
}

/// What holds for a user, and since when in Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Mask {
    erased: Option<i64>,
    /// The last thing said about being a target: out, or in again.
    said: Option<(i64, bool)>,
}

/// How far a store's masks have got: changes whenever they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MasksStamp {
    bytes: u64,
    last: Slot,
}

/// A record, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    user: u64,
    at: i64,
    change: MaskChange,
    /// Whether the change it is part of ends with it.
    ends: bool,
}

impl Record {
    /// Its bytes at a place of the file, in records.
    fn to_slot(self, place: u64) -> Slot {
        let mut slot = [0; RECORD_BYTES];
        slot[..8].copy_from_slice(&self.user.to_le_bytes());
        slot[8..16].copy_from_slice(&self.at.to_le_bytes());
        slot[16] = self.change.code();
        slot[17] = u8::from(self.ends);
        sealed(slot, place)
    }

    /// A record at its place; `None` for what nobody wrote there.
    fn of_slot(slot: &Slot, place: u64) -> Option<Self> {
        if *slot != sealed(*slot, place) || slot[18..24] != [0; 6] || slot[17] > 1 {
            return None;
        }
        let (_, change) = *MaskChange::ALL.iter().find(|(code, _)| *code == slot[16])?;
        let (user, at) = (slot[..8].first_chunk()?, slot[8..16].first_chunk()?);
        Some(Self {
            user: u64::from_le_bytes(*user),
            at: i64::from_le_bytes(*at),
            change,
            ends: slot[17] == 1,
        })
    }
}

/// With its checksum, which holds at one place only: a record that was moved is damaged.
fn sealed(mut slot: Slot, place: u64) -> Slot {
    let sum = xxh3_64_with_seed(&slot[..24], place);
    slot[24..].copy_from_slice(&sum.to_le_bytes());
    slot
}

fn header() -> Slot {
    let mut slot = [0; RECORD_BYTES];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..12].copy_from_slice(&VERSION.to_le_bytes());
    slot[12..16].copy_from_slice(&(RECORD_BYTES as u32).to_le_bytes());
    sealed(slot, 0)
}

fn corrupt(section: String, what: &str) -> Error {
    let what =
        format!("{what}. Nothing is answered without it, since erased users would be in answers again");
    Error::Corrupt { file: MASKS, section, what }
}

impl Masks {
    /// Reads a file's content.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (slots, _) = bytes.as_chunks::<RECORD_BYTES>();
        let Some((first, slots)) = slots.split_first() else { return Ok(Self::default()) };
        if first[..8] == MAGIC && *first == sealed(*first, 0) && *first != header() {
            return Err(Error::input(format!("{MASKS} is of a newer muster than this one; use that")));
        }
        let records: Vec<Option<Record>> =
            (1..).zip(slots).map(|(place, slot)| Record::of_slot(slot, place)).collect();
        // What comes behind was not acknowledged.
        let Some(end) = records.iter().rposition(|record| record.is_some_and(|record| record.ends)) else {
            return Ok(Self::default());
        };
        if *first != header() {
            return Err(corrupt("its first 32 bytes".to_owned(), "they are not those of such a file"));
        }
        let mut masks = Self::default();
        for (place, record) in records[..=end].iter().enumerate() {
            let damaged = || {
                let at = (place + 1) * RECORD_BYTES;
                corrupt(format!("record {}, at byte {at}", place + 1), "its checksum is wrong")
            };
            masks.take(record.ok_or_else(damaged)?);
        }
        masks.stamp = MasksStamp { bytes: ((end + 2) * RECORD_BYTES) as u64, last: slots[end] };
        Ok(masks)
    }

    /// The content of a file with these masks.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut records: Vec<Record> = self.records().collect();
        if let Some(last) = records.last_mut() {
            last.ends = true;
        }
        let slots = (1..).zip(records).map(|(place, record)| record.to_slot(place));
        std::iter::once(header()).chain(slots).flatten().collect()
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let record = |user, at, change| Record { user, at, change, ends: false };
        self.users.iter().flat_map(move |(&user, mask)| {
            let erased = mask.erased.map(|at| record(user, at, MaskChange::Erase));
            let said = mask
                .said
                .map(|(at, out)| record(user, at, if out { MaskChange::OptOut } else { MaskChange::OptIn }));
            erased.into_iter().chain(said)
        })
    }

    fn take(&mut self, record: Record) {
        let mask = self.users.entry(record.user).or_default();
        match record.change {
            MaskChange::Erase => mask.erased = mask.erased.or(Some(record.at)),
            MaskChange::OptOut => mask.said = Some((record.at, true)),
            MaskChange::OptIn => mask.said = Some((record.at, false)),
        }
    }

    /// Whether a record says something that does not hold yet.
    fn differs(&self, user: u64, change: MaskChange) -> bool {
        let mask = self.users.get(&user).copied().unwrap_or_default();
        match change {
            MaskChange::Erase => mask.erased.is_none(),
            MaskChange::OptOut => !mask.is_out(),
            MaskChange::OptIn => mask.is_out(),
        }
    }

    /// What another one has that this one has not: who is erased in either is erased, and of what was said about being a target the
    /// latest holds.
    fn lacks(&self, other: &Self) -> Vec<Record> {
        let later = |record: &Record| match record.change {
            MaskChange::Erase => true,
            _ => self.users.get(&record.user).and_then(|mask| mask.said).is_none_or(|(at, _)| at < record.at),
        };
        other.records().filter(|record| self.differs(record.user, record.change) && later(record)).collect()
    }

    /// These and others: see [`Store::merge_masks`].
    pub fn merge(&mut self, other: &Self) {
        self.lacks(other).into_iter().for_each(|record| self.take(record));
    }

    /// Whether nothing was ever said of anybody.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Users who are erased, ascending.
    pub fn erased(&self) -> impl Iterator<Item = u64> {
        self.users.iter().filter(|(_, mask)| mask.erased.is_some()).map(|(&user, _)| user)
    }

    /// Users who are no targets, ascending; some of them may be erased too.
    pub fn opted_out(&self) -> impl Iterator<Item = u64> {
        self.users.iter().filter(|(_, mask)| mask.is_out()).map(|(&user, _)| user)
    }

    /// When a user was erased, in Unix seconds; `None` if that did not happen.
    pub fn erased_at(&self, user: u64) -> Option<i64> {
        self.users.get(&user)?.erased
    }

    /// Whether a user opted out.
    pub fn is_opted_out(&self, user: u64) -> bool {
        self.users.get(&user).is_some_and(Mask::is_out)
    }

    /// How far the store's file was read.
    pub fn stamp(&self) -> MasksStamp {
        self.stamp
    }

    pub(in crate::snapshot) fn read_bytes(&self) -> u64 {
        self.stamp.bytes
    }
}

impl Mask {
    fn is_out(&self) -> bool {
        self.said.is_some_and(|(_, out)| out)
    }
}

impl Store {
    /// Who is masked.
    pub fn masks(&self) -> Result<Masks> {
        match Masks::from_bytes(&self.mask_bytes()?) {
            // Read while a writer cut off what another left unfinished and wrote in its place.
            Err(Error::Corrupt { .. }) => Masks::from_bytes(&self.mask_bytes()?),
            read => read,
        }
    }

    fn mask_bytes(&self) -> Result<Vec<u8>> {
        let path = self.dir.join(MASKS);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Whether the masks may have changed since they were read; reads 32 bytes.
    pub fn masks_changed(&self, since: &MasksStamp) -> Result<bool> {
        let path = self.dir.join(MASKS);
        let stamp = || {
            let mut file = match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(MasksStamp::default()),
                opened => opened?,
            };
            let bytes = file.metadata()?.len();
            let mut last = [0; RECORD_BYTES];
            if bytes >= RECORD_BYTES as u64 {
                file.seek(SeekFrom::Start(bytes - RECORD_BYTES as u64))?;
                file.read_exact(&mut last)?;
            }
            Ok(MasksStamp { bytes, last })
        };
        stamp().map(|stamp| stamp != *since).map_err(Error::io("read", &path))
    }

    /// Erases users, or takes note of what they said about being targets. Durable once it returns how many of them were new to it.
    /// Waits for nobody who builds or publishes.
    pub fn change_masks(&self, by: &Author, change: MaskChange, users: &[u64]) -> Result<u64> {
        let mut users = users.to_vec();
        users.sort_unstable();
        users.dedup();
        self.add_to_masks(by, change.name(), |masks| {
            let at = (by.clock)();
            users.retain(|&user| masks.differs(user, change));
            users.iter().map(|&user| Record { user, at, change, ends: false }).collect()
        })
    }

    /// Takes over the masks of another store: who is erased in either is erased, and of what users said about being targets the latest
    /// holds. Returns how much was new.
    pub fn merge_masks(&self, by: &Author, other: &Masks) -> Result<u64> {
        self.add_to_masks(by, "merge masks", |masks| masks.lacks(other))
    }

    fn add_to_masks(&self, by: &Author, doing: &str, new: impl FnOnce(&Masks) -> Vec<Record>) -> Result<u64> {
        let _lock = WriterLock::wait(&self.dir, MASKS_LOCK, by, doing)?;
        let (path, files) = (self.dir.join(MASKS), &self.files);
        let bytes = self.mask_bytes()?;
        let masks = Masks::from_bytes(&bytes)?;
        let whole = masks.read_bytes();
        if bytes.len() as u64 > whole {
            files.cut(&path, whole)?;
        }
        let mut records = new(&masks);
        let added = records.len() as u64;
        let first = (whole / RECORD_BYTES as u64).max(1);
        if let Some(mut last) = records.pop() {
            let mut others = if whole == 0 { header().to_vec() } else { Vec::new() };
            others.extend((first..).zip(&records).flat_map(|(place, record)| record.to_slot(place)));
            if !others.is_empty() {
                files.append(&path, &others)?;
            }
            last.ends = true;
            files.append(&path, &last.to_slot(first + records.len() as u64))?;
        } else if whole > 0 {
            // What is there already may have been written by a process that died before it was certain.
            files.append(&path, &[])?;
        }
        files.sync_dir(&self.dir)?;
        Ok(added)
    }
}
