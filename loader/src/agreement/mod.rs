//! Does a store answer what its source answers? The same rule is put to both, and the answers are compared.
//!
//! Used by people who doubt, not by builds: nothing here writes to a store.

mod parquet;
mod warehouse;

use std::collections::BTreeSet;

use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::QueryError;
use serde::Serialize;

use crate::error::LoadError;

pub use parquet::Rebuilt;
pub use warehouse::{Table, Warehouse};

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

/// Something that knows, without the store, which users a rule matches.
pub trait Reference {
    /// How many users the rule matches.
    fn count(&self, rule: &Rule) -> Result<u64, CompareError>;
    /// Those of these users that the rule matches.
    fn matching(&self, rule: &Rule, users: &[u64]) -> Result<Vec<u64>, CompareError>;
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Users in the audience by the store.
    pub count: u64,
    /// Users in the audience by the source.
    pub expected: u64,
    /// Users that were asked about one by one.
    pub sampled: u64,
    /// Those of them that only one of the two has in the audience.
    pub differing: Vec<u64>,
}

impl Agreement {
    /// Whether nothing differs.
    pub fn holds(&self) -> bool {
        self.count == self.expected && self.differing.is_empty()
    }
}

/// Puts an audience's rule to a reference: the count, and up to `sample` users, half of them members where
/// there are that many.
pub fn compare(
    audience: &Audience,
    reference: &dyn Reference,
    sample: u32,
) -> Result<Agreement, CompareError> {
    let users = sample_of(audience, sample)?;
    let theirs: BTreeSet<u64> = reference.matching(audience.rule(), &users)?.into_iter().collect();
    let mut differing = Vec::new();
    for &user in &users {
        let ours = audience.contains(user).map_err(QueryError::from)? == Some(true);
        if ours != theirs.contains(&user) {
            differing.push(user);
        }
    }
    Ok(Agreement {
        count: audience.count(),
        expected: reference.count(audience.rule())?,
        sampled: users.len() as u64,
        differing,
    })
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
        users.insert(snapshot.ids().id((step * u64::from(rows) / u64::from(wanted)) as u32)?);
    }
    Ok(users.into_iter().collect())
}
