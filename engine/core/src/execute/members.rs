//! Members: the ids of an audience, streamed in row order (not that of ids), resumable by a token; or all at once as a
//! Roaring bitmap.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::chunk::Evaluator;
use super::drive::over;
use super::halt::ended;
use super::{Audience, erased, untargetable};
use crate::error::{Error, Result};
use crate::format::chunks_of;
use crate::rule::labels::LabelSet;

/// Chunks evaluated ahead, side by side.
const WINDOW: u32 = 8;

/// An iterator over batches of user ids. Holds one window of chunks in memory at a time.
#[derive(Debug)]
pub struct Members<'a> {
    audience: &'a Audience,
    /// Names the rule and instant in tokens.
    fingerprint: u64,
    /// The first row not yet looked at.
    next_row: u32,
    /// Batches of the window, in reverse.
    ready: Vec<(u32, Vec<u64>)>,
    left: Option<u64>,
    /// Whether those who opted out are left out.
    targetable: bool,
    done: bool,
}

impl Audience {
    /// The members from the start, or from where a token says: of the same rule, instant and generation.
    pub fn members(&self, token: Option<&str>) -> Result<Members<'_>> {
        self.check_bytes()?;
        let fingerprint = self.fingerprint();
        let next_row = match token {
            None => 0,
            Some(token) => self.parse_token(token, fingerprint)?,
        };
        let ready = Vec::new();
        Ok(Members {
            audience: self,
            fingerprint,
            next_row,
            ready,
            left: None,
            targetable: false,
            done: false,
        })
    }

    /// Names the rule, its instant, and the lists that it uses as they are now: in one generation and with the same masks, audiences of
    /// the same name have the same members.
    pub fn fingerprint(&self) -> u64 {
        let mut told = format!("{}\n{}", self.now, self.rule);
        for (name, set) in &self.lists {
            if let LabelSet::List(set) = set {
                // Writing to a String does not fail.
                let _ = write!(told, "\n{name} {:x}", set.digest());
            }
        }
        xxh3_64(told.as_bytes())
    }

    /// The rows of all members, ascending. For those who work on a snapshot itself; users are told by id.
    pub fn rows(&self) -> Result<Vec<u32>> {
        let rows = Mutex::new(Vec::new());
        self.for_each_chunk(|chunk, set, chunk_rows| {
            let mut found = Vec::new();
            set.for_each(chunk_rows, |row| found.push(chunk << 16 | u32::from(row)));
            rows.lock().unwrap_or_else(PoisonError::into_inner).append(&mut found);
        })?;
        let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.sort_unstable();
        Ok(rows)
    }

    /// All members as a 64-bit Roaring bitmap of user ids; its portable form opens in every Roaring library.
    pub fn to_roaring(&self) -> Result<roaring::RoaringTreemap> {
        let mut all = roaring::RoaringTreemap::new();
        for batch in self.members(None)? {
            all.extend(batch?);
        }
        Ok(all)
    }

    /// Where a chunk ends, and the ids of its members from a row on.
    fn ids_of<'s>(
        &'s self,
        evaluator: &mut Evaluator<'s>,
        chunk: u32,
        from_row: u32,
    ) -> Result<(u32, Vec<u64>)> {
        evaluator.enter(chunk);
        let set = evaluator.rows(self.plan.root());
        let (base, rows) = (chunk << 16, evaluator.chunk_rows());
        let ids = self.snapshot.ids().ids(base, base + rows)?;
        let mut found = Vec::with_capacity(set.count(rows) as usize);
        set.for_each(rows, |row| {
            if base | u32::from(row) >= from_row {
                found.extend(ids.get(row as usize));
            }
        });
        evaluator.give(set);
        Ok((base + rows, found))
    }

    fn parse_token(&self, token: &str, fingerprint: u64) -> Result<u32> {
        let bad = |what: &str| Error::PageToken { what: what.to_owned() };
        let mut parts = token.split('-');
        let mut part = || parts.next().and_then(|part| u64::from_str_radix(part, 16).ok());
        let (Some(generation), Some(rule), Some(row), None) = (part(), part(), part(), part()) else {
            return Err(bad("it is not one of ours"));
        };
        if generation != self.snapshot.generation() {
            let ours = self.snapshot.generation();
            return Err(bad(&format!("it belongs to generation {generation}, this is {ours}")));
        }
        if rule != fingerprint {
            return Err(bad("it belongs to another rule, another now() or another state of a list"));
        }
        u32::try_from(row).map_err(|_| bad("its position is out of range"))
    }
}

impl Members<'_> {
    /// Ends after so many ids; [`Members::token`] then says where to go on.
    pub fn limit(mut self, limit: u64) -> Self {
        self.left = Some(limit);
        self
    }

    /// Whether the next batch is there without evaluating anything.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Only those who may be targets: who opted out is left out. A token does not say this; say it again when going on.
    pub fn targetable(mut self) -> Self {
        self.targetable = true;
        self
    }

    /// Where to go on after what was yielded so far; `None` at the end.
    pub fn token(&self) -> Option<String> {
        if self.next_row >= self.audience.snapshot.rows() {
            return None;
        }
        let generation = self.audience.snapshot.generation();
        Some(format!("{generation:x}-{:x}-{:x}", self.fingerprint, self.next_row))
    }

    /// Evaluates the next window; false if a halt ended that early, and then all is as it was.
    fn fill(&mut self) -> Result<bool> {
        let (audience, from_row) = (self.audience, self.next_row);
        // Taken anew for each window, so that who is erased meanwhile is in no later one.
        let masked = if self.targetable { untargetable } else { erased };
        let without = masked(&audience.snapshot);
        let (first, chunks) = (from_row >> 16, chunks_of(audience.snapshot.rows()));
        let window = over(
            WINDOW.min(chunks.saturating_sub(first)),
            f64::INFINITY,
            || audience.evaluator(&without),
            |evaluator, at| Ok(vec![audience.ids_of(evaluator, first + at, from_row)?]),
            |window: Result<Vec<(u32, Vec<u64>)>>, more| {
                let mut window = window?;
                window.append(&mut more?);
                Ok(window)
            },
        );
        let mut window = window.unwrap_or_else(|| Ok(Vec::new()))?;
        if ended() {
            return Ok(false);
        }
        window.sort_unstable_by_key(|&(end, _)| std::cmp::Reverse(end));
        self.ready = window;
        Ok(true)
    }

    fn advance(&mut self) -> Result<Option<Vec<u64>>> {
        loop {
            if self.left == Some(0)
                || (self.ready.is_empty() && self.next_row >= self.audience.snapshot.rows())
            {
                return Ok(None);
            }
            if self.ready.is_empty() && !self.fill()? {
                return Ok(None);
            }
            let Some((end, mut ids)) = self.ready.pop() else { return Ok(None) };
            if let Some(left) = &mut self.left {
                if (ids.len() as u64) > *left {
                    ids.truncate(*left as usize);
                    *left = 0;
                    let last = ids.last().map_or(Ok(None), |&id| self.audience.snapshot.ids().row(id))?;
                    self.next_row = last.map_or(self.next_row, |row| row + 1);
                    return Ok(Some(ids));
                }
                *left -= ids.len() as u64;
            }
            self.next_row = end;
            if !ids.is_empty() {
                return Ok(Some(ids));
            }
        }
    }
}

impl Iterator for Members<'_> {
    type Item = Result<Vec<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        // Halted, it can go on where it was.
        self.done = !matches!(next, Some(Ok(_))) && !ended();
        next
    }
}
