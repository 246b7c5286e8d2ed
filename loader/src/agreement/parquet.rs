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
use muster_engine::snapshot::{Snapshot, Store};
use rayon::prelude::*;

use super::{CompareError, Reference};
use crate::build::{BuildOptions, build};
use crate::error::Result;
use crate::progress::Progress;
use crate::source::Source;

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
        let options = BuildOptions { store: folder.to_owned(), as_of: now, ..options.clone() };
        build(source, &options, progress)?;
        let snapshot = Store::open(folder)?.current()?;
        Ok(Self { snapshot, now, limits: Limits::default() })
    }

    fn audience(&self, rule: &Rule) -> Result<Audience, QueryError> {
        let scope = Scope { now: self.now, labels: &NoLabels, limits: &self.limits };
        Audience::new(&self.snapshot, rule, &scope)
    }
}

impl Reference for Rebuilt {
    fn count(&self, rule: &Rule) -> Result<u64, CompareError> {
        let audience = self.audience(rule)?;
        let rows = (0..self.snapshot.rows()).into_par_iter();
        let count = rows.map(|row| audience.contains_row(row).map(u64::from)).sum::<Result<u64, Error>>();
        Ok(count.map_err(QueryError::from)?)
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
}
