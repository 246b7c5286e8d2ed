//! Facets: what of a user conditions look at. All conditions on one column look at one facet, whose value says which of them hold.

use super::terms::{Term, TermId, Terms};
use crate::error::Result;
use crate::rule::bind::condition::{ColumnKey, Condition, Leaf, Part};
use crate::rule::bind::ranges::Range;
use crate::snapshot::{Column, Snapshot};

/// Beyond so many ranges of codes, a condition is a facet by itself.
const RANGES_MAX: usize = 64;
/// One after the last bucket.
const BUCKETS: u32 = 10_000;

/// Something about a user that has one value, a small number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Facet {
    /// The code in a value column.
    Column(ColumnKey),
    /// The bucket for the hash of a salt.
    Bucket(u64),
    /// Whether a part of rules holds: 1 or 0.
    Term(TermId),
}

/// For which values of a facet a part holds.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) facet: Facet,
    /// Ascending, disjoint.
    pub(super) ranges: Vec<Range>,
    /// Whether it holds where there is no value.
    pub(super) absent: bool,
}

impl Accepted {
    /// The values for which it does not hold.
    fn turned(self) -> Self {
        let firsts = std::iter::once(0).chain(self.ranges.iter().map(|&(_, to)| to));
        let ends = self.ranges.iter().map(|&(from, _)| from).chain([u32::MAX]);
        let ranges = firsts.zip(ends).filter(|(from, to)| from < to).collect();
        Self { facet: self.facet, ranges, absent: !self.absent }
    }
}

/// What a part looks at, and what it accepts there; whether it holds, where that is the same for all users.
pub(super) fn accepted(snapshot: &Snapshot, terms: &Terms, id: TermId) -> Result<Result<Accepted, bool>> {
    let by_itself = Accepted { facet: Facet::Term(id), ranges: vec![(1, 2)], absent: false };
    let leaf = match terms.get(id) {
        Term::Leaf(leaf) => leaf,
        Term::Not(inner) => {
            return Ok(match accepted(snapshot, terms, *inner)? {
                Ok(Accepted { facet: Facet::Term(_), .. }) => Ok(by_itself),
                Ok(accepted) => Ok(accepted.turned()),
                Err(holds) => Err(!holds),
            });
        }
        _ => return Ok(Ok(by_itself)),
    };
    Ok(Ok(match &leaf.condition {
        Condition::None => return Ok(Err(false)),
        Condition::All => return Ok(Err(true)),
        Condition::Leaf(Leaf::Codes { column, ranges }) if ranges.len() <= RANGES_MAX => {
            Accepted { facet: Facet::Column(*column), ranges: ranges.clone(), absent: false }
        }
        Condition::Leaf(Leaf::Presence { column, present }) if has_values(snapshot, *column)? => {
            let ranges = if *present { vec![(0, u32::MAX)] } else { Vec::new() };
            Accepted { facet: Facet::Column(*column), ranges, absent: !present }
        }
        Condition::Leaf(Leaf::Bucket { seed, low, high, inside }) => {
            let ranges = if *inside { vec![(*low, *high)] } else { vec![(0, *low), (*high, BUCKETS)] };
            let ranges = ranges.into_iter().filter(|(from, to)| from < to).collect();
            Accepted { facet: Facet::Bucket(*seed), ranges, absent: false }
        }
        _ => by_itself,
    }))
}

/// Whether a column has one value a row, rather than a list or a map.
fn has_values(snapshot: &Snapshot, key: ColumnKey) -> Result<bool> {
    let whole = key.part == Part::Whole;
    Ok(!whole || matches!(snapshot.column(key.index as usize)?, Column::Value(_)))
}
