//! Does a store answer what its source answers? The same rule is put to both, and the answers are compared.
//!
//! Used by people who doubt, not by builds: nothing here writes to a store.

mod differences;
mod digest;
mod made_rules;
mod parquet;
mod questions;
mod side_by_side;
mod warehouse;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::QueryError;
use serde::Serialize;

use crate::error::LoadError;
use differences::{Found, described, find};
use digest::digests_of;

pub use differences::{Difference, Side, Values};
pub use digest::{Digest, Ranges};
pub use made_rules::made_rules;
pub use parquet::Rebuilt;
pub use side_by_side::side_by_side;
pub use warehouse::Warehouse;

/// Why two answers could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The store's side.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The source's side.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Something that knows, without the store, which users a rule matches. Asked from several threads.
pub trait Reference: Sync {
    /// How many rows the rule selects.
    fn count(&self, rule: &Rule) -> Result<u64, CompareError>;
    /// The digest of the ids of the rows that the rule selects, for each part of these ranges of ids.
    fn digests(&self, rule: &Rule, ranges: &Ranges) -> Result<Vec<Digest>, CompareError>;
    /// The ids of the rows that the rule selects, from `first` to `last`; one with several rows is there as often.
    fn members(&self, rule: &Rule, first: u64, last: u64) -> Result<Vec<u64>, CompareError>;
    /// Those of these users that the rule matches.
    fn matching(&self, rule: &Rule, users: &[u64]) -> Result<Vec<u64>, CompareError>;
    /// What the rule looks at, by name, in each row of these users; those it does not know are left out.
    fn values(&self, rule: &Rule, users: &[u64]) -> Result<Vec<(u64, Values)>, CompareError>;
    /// How many rules to have under way at once.
    fn side_by_side(&self) -> usize;
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closeness {
    /// Users to ask about one by one, for each rule.
    pub sample: u32,
    /// Users who differ to look for, for each rule.
    pub differences: usize,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether nothing differs.
    pub agrees: bool,
    /// Users in the audience by the store.
    pub count: u64,
    /// Rows in the audience by the source.
    pub expected: u64,
    /// Users that were asked about one by one.
    pub sampled: u64,
    /// The users about whom the two differ, those with the lowest ids, as many as were looked for.
    pub differing: Vec<Difference>,
    /// Whether there may be more of them.
    pub more: bool,
    /// How long it took, in milliseconds.
    pub millis: f64,
    /// How much of that the source took to answer the whole rule.
    pub source_millis: f64,
}

/// Puts an audience's rule to a reference: a digest of all members, and up to `sample` users one by one, half of them members where
/// there are that many. If these differ, finds out about whom.
pub fn compare(
    audience: &Audience,
    reference: &dyn Reference,
    closeness: Closeness,
) -> Result<Agreement, CompareError> {
    let begun = Instant::now();
    let count = audience.count();
    let ours = digests_of(audience, &Ranges::ALL)?.pop().unwrap_or_default();
    let asked = Instant::now();
    let theirs = reference.digests(audience.rule(), &Ranges::ALL)?.pop().unwrap_or_default();
    let source_millis = millis_since(asked);
    let sample = sample_of(audience, closeness.sample)?;
    let mut odd = sampled(audience, reference, &sample)?;
    let agrees = ours == theirs && count == ours.rows && odd.is_empty();
    let mut found = Found::default();
    if ours != theirs {
        found = find(audience, reference, (ours, theirs), closeness.differences)?;
    }
    while found.users.len() < closeness.differences
        && let Some((user, side)) = odd.pop_first()
    {
        found.users.entry(user).or_insert(side);
    }
    Ok(Agreement {
        agrees,
        count,
        expected: theirs.rows,
        sampled: sample.len() as u64,
        more: found.more || !odd.is_empty(),
        differing: described(audience, reference, found.users)?,
        millis: millis_since(begun),
        source_millis,
    })
}

fn millis_since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// Asks both sides about users one by one; those who differ.
fn sampled(
    audience: &Audience,
    reference: &dyn Reference,
    users: &[u64],
) -> Result<BTreeMap<u64, Side>, CompareError> {
    let theirs: BTreeSet<u64> = reference.matching(audience.rule(), users)?.into_iter().collect();
    let ours = audience.contains_many(users).map_err(QueryError::from)?;
    let differing =
        users.iter().zip(ours).filter_map(|(user, ours)| match (ours == Some(true), theirs.contains(user)) {
            (true, false) => Some((*user, Side::OnlyHere)),
            (false, true) => Some((*user, Side::OnlyThere)),
            _ => None,
        });
    Ok(differing.collect())
}

/// Some members, and users at even distances over the whole table; ascending and distinct.
fn sample_of(audience: &Audience, sample: u32) -> Result<Vec<u64>, QueryError> {
    let snapshot = audience.snapshot();
    let mut users = BTreeSet::new();
    for batch in audience.members(None)?.limit(u64::from(sample / 2)) {
        users.extend(batch?);
    }
    let rows = snapshot.rows();
    let wanted = sample.saturating_sub(users.len() as u32).min(rows);
    for step in 0..u64::from(wanted) {
        let row = (step * u64::from(rows) / u64::from(wanted)) as u32;
        if !snapshot.is_erased(row) {
            users.insert(snapshot.ids().id(row)?);
        }
    }
    Ok(users.into_iter().collect())
}
