//! Texts of too many kinds to be looked up one by one: dealt out by value into parts while they arrive, each part sorted at the
//! end. In memory, or in a file once the budget is used up; only a few parts are in memory at a time then.

use std::path::Path;

use rayon::prelude::*;

use super::place::{NOWHERE, Places};
use super::spool::SpillFile;
use crate::error::Result;

/// Parts that texts are dealt into. Ten million texts then are parts that fit into a processor's cache.
const PARTS: usize = 512;
/// Bytes before each text: its row and its length.
const HEAD: usize = 8;

/// Texts and the rows that own them.
#[derive(Debug)]
pub(super) struct Texts {
    /// What all texts that were known at first start with; it tells nothing apart.
    shared: Vec<u8>,
    /// The first key of each part but the first.
    bounds: Vec<u128>,
    parts: Vec<Part>,
    file: Option<SpillFile>,
    count: usize,
    bytes: usize,
}

#[derive(Debug, Default, Clone)]
struct Part {
    records: Vec<u8>,
    /// Where its records are in the file, and how many bytes.
    spilled: Vec<(u64, usize)>,
}

/// The distinct texts of a part, in order.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// All of them, one after the other.
    pub(super) bytes: Vec<u8>,
    /// The end of each in `bytes`.
    pub(super) ends: Vec<u64>,
    /// The rows that own them, text by text; ascending and each once.
    pub(super) rows: Vec<u32>,
    /// The end of each text's rows.
    pub(super) row_ends: Vec<u32>,
}

impl Texts {
    /// `known` are some of the texts to come, sorted, from which the parts are made.
    pub(super) fn new<'a>(known: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        let count = known.len();
        let step = (count / (PARTS * 16)).max(1);
        let some: Vec<&[u8]> = known.step_by(step).collect();
        let shared = match (some.first(), some.last()) {
            (Some(first), Some(last)) => {
                first.iter().zip(*last).take_while(|(a, b)| a == b).map(|(a, _)| *a).collect()
            }
            _ => Vec::new(),
        };
        let mut texts =
            Self { shared, bounds: Vec::new(), parts: Vec::new(), file: None, count: 0, bytes: 0 };
        let keys: Vec<u128> = some.iter().map(|text| texts.key(text)).collect();
        texts.bounds = (1..PARTS).filter_map(|part| keys.get(part * keys.len() / PARTS).copied()).collect();
        texts.bounds.dedup();
        texts.parts = vec![Part::default(); texts.bounds.len() + 1];
        texts
    }

    /// A number that ascends with the text.
    fn key(&self, text: &[u8]) -> u128 {
        let shared = &self.shared[..];
        let Some(rest) = text.strip_prefix(shared) else {
            return if text < shared { 0 } else { u128::MAX };
        };
        let mut key = [0; 16];
        let len = rest.len().min(16);
        key[..len].copy_from_slice(&rest[..len]);
        u128::from_be_bytes(key)
    }

    /// Adds a text.
    pub(super) fn push(&mut self, row: u32, text: &[u8]) {
        let key = self.key(text);
        let records = &mut self.parts[self.bounds.partition_point(|&bound| bound <= key)].records;
        let before = records.capacity();
        records.extend_from_slice(&row.to_le_bytes());
        records.extend_from_slice(&(text.len() as u32).to_le_bytes());
        records.extend_from_slice(text);
        self.bytes += records.capacity() - before;
        self.count += 1;
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.bytes
    }

    /// Moves what is in memory to a file of this name.
    pub(super) fn spill(&mut self, dir: &Path, name: &str) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(SpillFile::create(dir, name)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        for part in self.parts.iter_mut().filter(|part| !part.records.is_empty()) {
            part.spilled.push((file.append(&part.records)?, part.records.len()));
            part.records = Vec::new();
        }
        self.bytes = 0;
        Ok(())
    }

    /// Calls `f` with the distinct texts and their rows where they belong, part by part in order. Texts of dropped rows only are
    /// left out.
    pub(super) fn each_group(
        mut self,
        places: &Places,
        mut f: impl FnMut(Group) -> Result<()>,
    ) -> Result<()> {
        let together = rayon::current_num_threads();
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        loop {
            let some: Vec<Part> = parts.by_ref().take(together).collect();
            if some.is_empty() {
                return Ok(());
            }
            let groups: Vec<Group> =
                some.into_par_iter().map(|part| self.group(part, places)).collect::<Result<_>>()?;
            groups.into_iter().try_for_each(&mut f)?;
        }
    }

    fn group(&self, part: Part, places: &Places) -> Result<Group> {
        let records = self.load(part)?;
        let mut found: Vec<(u128, usize)> = Vec::new();
        let mut at = 0;
        while let Some(text) = text_at(&records, at) {
            found.push((self.key(text), at));
            at += HEAD + text.len();
        }
        let text = |at: usize| text_at(&records, at).unwrap_or_default();
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| text(a.1).cmp(text(b.1))));
        let mut group = Group::default();
        for same in found.chunk_by(|a, b| a.0 == b.0 && text(a.1) == text(b.1)) {
            let from = group.rows.len();
            let owners = same.iter().map(|&(_, at)| places.of(row_at(&records, at)));
            group.rows.extend(owners.filter(|&row| row != NOWHERE));
            if group.rows.len() == from {
                continue;
            }
            group.rows[from..].sort_unstable();
            dedup_from(&mut group.rows, from);
            group.row_ends.push(group.rows.len() as u32);
            group.bytes.extend_from_slice(text(same[0].1));
            group.ends.push(group.bytes.len() as u64);
        }
        Ok(group)
    }

    fn load(&self, part: Part) -> Result<Vec<u8>> {
        let Some(file) = &self.file else { return Ok(part.records) };
        let spilled: usize = part.spilled.iter().map(|(_, len)| len).sum();
        let mut records = vec![0; spilled];
        let mut to = 0;
        for (at, len) in part.spilled {
            file.read(at, &mut records[to..to + len])?;
            to += len;
        }
        records.extend_from_slice(&part.records);
        Ok(records)
    }
}

fn word(records: &[u8], at: usize) -> Option<u32> {
    records.get(at..at + 4)?.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
}

fn row_at(records: &[u8], at: usize) -> u32 {
    word(records, at).unwrap_or(NOWHERE)
}

fn text_at(records: &[u8], at: usize) -> Option<&[u8]> {
    let len = word(records, at + 4)? as usize;
    records.get(at + HEAD..at + HEAD + len)
}

/// Removes equal neighbours behind a place.
fn dedup_from(rows: &mut Vec<u32>, from: usize) {
    let mut kept = from;
    for at in from..rows.len() {
        if at == from || rows[at] != rows[kept - 1] {
            rows[kept] = rows[at];
            kept += 1;
        }
    }
    rows.truncate(kept);
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn all(texts: Texts, places: &Places) -> BTreeMap<Vec<u8>, BTreeSet<u32>> {
        let mut found: Vec<(Vec<u8>, BTreeSet<u32>)> = Vec::new();
        texts
            .each_group(places, |group| {
                let (mut at, mut row) = (0, 0);
                for (&end, &row_end) in group.ends.iter().zip(&group.row_ends) {
                    let rows = &group.rows[row as usize..row_end as usize];
                    assert!(rows.is_sorted_by(|a, b| a < b) && !rows.is_empty());
                    found.push((
                        group.bytes[at as usize..end as usize].to_vec(),
                        rows.iter().copied().collect(),
                    ));
                    (at, row) = (end, row_end);
                }
                Ok(())
            })
            .unwrap();
        assert!(found.is_sorted_by(|a, b| a.0 < b.0));
        found.into_iter().collect()
    }

    #[test]
    fn texts_come_back_sorted_with_their_rows_spilled_or_not() {
        let name = |n: u32| match n % 7 {
            // Some that start otherwise than those that were known at first, and some that are equal for long.
            0 => format!("{n}"),
            1 => format!("user-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz{}", n % 1000),
            2 => String::new(),
            _ => format!("user-{:08x}", n.wrapping_mul(2_654_435_761)),
        };
        let known: BTreeSet<String> = (0..40_000).map(|n| format!("user-{:08x}", n * 97_003_u32)).collect();
        let dir = tempfile::tempdir().unwrap();
        let rows = 20_000_u32;
        let dropped =
            Places::new(rows / 2, (0..rows).map(|r| if r % 2 == 0 { r / 2 } else { NOWHERE }).collect());
        for spills in [false, true] {
            for places in [Places::same(rows), dropped.clone()] {
                let mut texts =
                    Texts::new(known.iter().map(String::as_bytes).collect::<Vec<_>>().into_iter());
                let mut want: BTreeMap<Vec<u8>, BTreeSet<u32>> = BTreeMap::new();
                for n in 0..30_000 {
                    let (row, text) = (n % rows, name(n % 11_000));
                    texts.push(row, text.as_bytes());
                    if places.of(row) != NOWHERE {
                        want.entry(text.into_bytes()).or_default().insert(places.of(row));
                    }
                    if spills && n % 9000 == 8999 {
                        texts.spill(dir.path(), "texts").unwrap();
                        assert_eq!(texts.buffered_bytes(), 0);
                    }
                }
                assert_eq!(texts.len(), 30_000);
                assert!(all(texts, &places) == want);
            }
        }
    }

    #[test]
    fn nothing_known_and_nothing_pushed_is_nothing() {
        assert!(all(Texts::new([].into_iter()), &Places::same(0)).is_empty());
    }
}
