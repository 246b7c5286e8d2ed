//! Users who are in an audience by one side only: found by ranges of ids, the lowest ids first, without listing the audiences.

use std::collections::BTreeMap;

use muster_engine::execute::{Audience, Outcome, Verdict};
use muster_engine::rule::bind::QueryError;
use serde::Serialize;

use super::digest::{Digest, Ranges, digests_of, members_within};
use super::{CompareError, Reference};

/// Parts that a range is cut into.
const PARTS: u64 = 1024;
/// Members of both sides in a range that are listed rather than cut further.
const LISTED: u64 = 4096;
/// Characters of a value that are kept.
const SHOWN: usize = 200;

/// How two sides differ about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// In the audience by the store only.
    OnlyHere,
    /// In the audience by the source only.
    OnlyThere,
    /// In the audience by both, but the source has more than one row of this user.
    Repeated,
}

/// What one side has of a user, by column or part of one, as text.
pub type Values = BTreeMap<String, String>;

/// A user about whom two sides differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The user's id.
    pub user: u64,
    /// How they differ.
    pub side: Side,
    /// What the store has in the rule's columns; nothing if it does not know the user.
    pub here: Option<Values>,
    /// What the source has in them, for each of its rows of this user.
    pub there: Vec<Values>,
}

/// Users who differ.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How they differ, by id.
    pub(super) users: BTreeMap<u64, Side>,
    /// Whether not all ids were looked at, because enough had been found.
    pub(super) more: bool,
}

/// The first users who differ, at most `limit`.
pub(super) fn find(
    audience: &Audience,
    reference: &dyn Reference,
    (ours, theirs): (Digest, Digest),
    limit: usize,
) -> Result<Found, CompareError> {
    let mut found = Found::default();
    let mut open = vec![(ours, theirs)];
    // The last one has the lowest ids.
    while let Some((ours, theirs)) = open.pop() {
        if found.users.len() >= limit {
            found.more = true;
            break;
        }
        let Some((first, last)) = ours.joined(theirs).span else { continue };
        if first == last {
            found.users.insert(first, side_of(ours.rows, theirs.rows));
        } else if ours.rows + theirs.rows <= LISTED {
            list(audience, reference, (first, last), &mut found)?;
        } else {
            let ranges = Ranges::new(first, last, PARTS);
            let ours = digests_of(audience, &ranges)?;
            let theirs = reference.digests(audience.rule(), &ranges)?;
            open.extend(ours.into_iter().zip(theirs).rev().filter(|(ours, theirs)| ours != theirs));
        }
    }
    while found.users.len() > limit {
        found.users.pop_last();
        found.more = true;
    }
    Ok(found)
}

/// Compares two lists of ids.
fn list(
    audience: &Audience,
    reference: &dyn Reference,
    (first, last): (u64, u64),
    found: &mut Found,
) -> Result<(), CompareError> {
    let mut rows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for id in members_within(audience, first, last)? {
        rows.entry(id).or_default().0 += 1;
    }
    for id in reference.members(audience.rule(), first, last)? {
        rows.entry(id).or_default().1 += 1;
    }
    let differing = rows.into_iter().filter(|(_, (ours, theirs))| ours != theirs);
    found.users.extend(differing.map(|(id, (ours, theirs))| (id, side_of(ours, theirs))));
    Ok(())
}

fn side_of(ours: u64, theirs: u64) -> Side {
    match (ours, theirs) {
        (_, 0) => Side::OnlyHere,
        (0, _) => Side::OnlyThere,
        _ => Side::Repeated,
    }
}

/// What both sides have of the users who differ.
pub(super) fn described(
    audience: &Audience,
    reference: &dyn Reference,
    users: BTreeMap<u64, Side>,
) -> Result<Vec<Difference>, CompareError> {
    let ids: Vec<u64> = users.keys().copied().collect();
    let mut there: BTreeMap<u64, Vec<Values>> = BTreeMap::new();
    if !ids.is_empty() {
        for (user, values) in reference.values(audience.rule(), &ids)? {
            let values = values.into_iter().map(|(name, value)| (name, cut(value))).collect();
            there.entry(user).or_default().push(values);
        }
    }
    let describe = |(user, side)| {
        let here = audience.check(user)?.map(|verdict| values_of(&verdict));
        Ok(Difference { user, side, here, there: there.remove(&user).unwrap_or_default() })
    };
    users.into_iter().map(describe).collect::<Result<_, QueryError>>().map_err(CompareError::from)
}

/// The features that a rule looked at for a user, each once, and the outcome of a rule that looks at none.
pub(super) fn values_of(verdict: &Verdict) -> Values {
    let mut values = Values::new();
    collect(verdict, &mut values);
    if values.is_empty() {
        let outcome = match verdict.outcome {
            Outcome::True => "true",
            Outcome::False => "false",
            Outcome::Unknown => "unknown",
        };
        values.insert(cut(verdict.rule.clone()), outcome.to_owned());
    }
    values
}

fn collect(verdict: &Verdict, into: &mut Values) {
    for (name, value) in &verdict.features {
        into.entry(name.clone()).or_insert_with(|| cut(value.to_string()));
    }
    verdict.terms.iter().for_each(|term| collect(term, into));
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
