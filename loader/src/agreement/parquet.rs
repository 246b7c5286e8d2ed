//! The source's files as the reference: read again into a snapshot of their own, and every user asked one by one.
//!
//! Nothing of the store is used: not its bytes, and, since a user at a time is another path through the engine than a
//! count, not its way of counting either.

use std::path::Path;
use std::sync::Arc;

use muster_engine::error::Error;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Masks, Snapshot, Store};
use rayon::prelude::*;

use super::differences::values_of;
use super::{CompareError, Digest, Ranges, Reference, Values};
use crate::build::{BuildOptions, build};
use crate::error::Result;
use crate::gates::GateConfig;
use crate::progress::Progress;
use crate::source::Source;

/// Rows that one thread asks about at a time.
const ROWS_TOGETHER: u32 = 1 << 16;

/// A source, read again.
#[derive(Debug)]
pub struct Rebuilt {
    snapshot: Arc<Snapshot>,
    now: i64,
    limits: Limits,
}

impl Rebuilt {
    /// Reads a source into a folder, which must be there and is not needed afterwards, to be asked as of an instant
    /// in Unix seconds.
    pub fn new(
        source: &dyn Source,
        options: &BuildOptions,
        folder: &Path,
        now: i64,
        progress: &dyn Progress,
    ) -> Result<Self> {
        // What is there to compare with is put to the rules of the caller, not to those of the gates.
        let gates = GateConfig { enabled: false, ..GateConfig::default() };
        let options = BuildOptions { store: folder.to_owned(), as_of: now, gates, ..options.clone() };
        build(source, &options, progress)?;
        let snapshot = Store::open(folder)?.current()?;
        Ok(Self { snapshot, now, limits: Limits::default() })
    }

    /// Leaves users out of its answers, as a store does with these masks.
    pub fn apply_masks(&self, masks: &Masks) -> Result<()> {
        Ok(self.snapshot.apply_masks(masks)?)
    }

    fn audience(&self, rule: &Rule) -> Result<Audience, QueryError> {
        let scope = Scope { now: self.now, labels: &NoLabels, limits: &self.limits };
        Audience::new(&self.snapshot, rule, &scope)
    }
}

impl Rebuilt {
    /// Asks about every user by the row and goes through those who match, chunk by chunk on all cores.
    fn fold<T: Send>(
        &self,
        rule: &Rule,
        make: impl Fn() -> T + Sync,
        add: impl Fn(&mut T, u64) + Sync,
    ) -> Result<Vec<T>, CompareError> {
        let audience = self.audience(rule)?;
        let rows = self.snapshot.rows();
        let part = |from: u32| {
            let to = rows.min(from.saturating_add(ROWS_TOGETHER));
            let mut made = make();
            for (row, &id) in (from..to).zip(self.snapshot.ids().ids(from, to)?) {
                if audience.contains_row(row)? {
                    add(&mut made, id);
                }
            }
            Ok(made)
        };
        let parts = (0..rows.div_ceil(ROWS_TOGETHER)).into_par_iter().map(|at| part(at * ROWS_TOGETHER));
        let parts: Result<Vec<T>, Error> = parts.collect();
        Ok(parts.map_err(QueryError::from)?)
    }
}

impl Reference for Rebuilt {
    fn count(&self, rule: &Rule) -> Result<u64, CompareError> {
        Ok(self.fold(rule, || 0, |count, _| *count += 1)?.into_iter().sum())
    }

    fn digests(&self, rule: &Rule, ranges: &Ranges) -> Result<Vec<Digest>, CompareError> {
        let none = || vec![Digest::default(); ranges.len()];
        let add = |digests: &mut Vec<Digest>, id| {
            if let Some(part) = ranges.part(id) {
                digests[part].add(id);
            }
        };
        let join = |all: Vec<Digest>, part: Vec<Digest>| {
            all.into_iter().zip(part).map(|(a, b)| a.joined(b)).collect()
        };
        Ok(self.fold(rule, none, add)?.into_iter().fold(none(), join))
    }

    fn members(&self, rule: &Rule, first: u64, last: u64) -> Result<Vec<u64>, CompareError> {
        let add = |found: &mut Vec<u64>, id| {
            if (first..=last).contains(&id) {
                found.push(id);
            }
        };
        let mut found = self.fold(rule, Vec::new, add)?.concat();
        found.sort_unstable();
        Ok(found)
    }

    fn matching(&self, rule: &Rule, users: &[u64]) -> Result<Vec<u64>, CompareError> {
        let audience = self.audience(rule)?;
        let mut found = Vec::new();
        for &user in users {
            if audience.contains(user).map_err(QueryError::from)? == Some(true) {
                found.push(user);
            }
        }
        Ok(found)
    }

    fn values(&self, rule: &Rule, users: &[u64]) -> Result<Vec<(u64, Values)>, CompareError> {
        let audience = self.audience(rule)?;
        let mut found = Vec::new();
        for &user in users {
            found.extend(audience.check(user)?.map(|verdict| (user, values_of(&verdict))));
        }
        Ok(found)
    }

    fn side_by_side(&self) -> usize {
        // Each question keeps all cores busy.
        1
    }
}
