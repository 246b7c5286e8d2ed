//! Digests of sets of user ids by range: what two sides compare instead of the ids themselves.
//!
//! A digest is made of what a server computes as fast as it counts. Two different sets of ids of the same size have the same
//! digest by chance once in 2^64 tries or less often; a range that holds one id is compared exactly.

use muster_engine::execute::Audience;
use muster_engine::rule::bind::QueryError;

/// What ids of a range come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest {
    /// How many rows.
    pub rows: u64,
    /// The sum of their ids, modulo 2^64.
    pub sum: u64,
    /// The exclusive or of their ids' hashes.
    pub xor: u64,
    /// The least and the greatest id; nothing if there are no rows.
    pub span: Option<(u64, u64)>,
}

impl Digest {
    /// One more row.
    pub fn add(&mut self, id: u64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(id);
        self.xor ^= hash(id);
        self.span = Some(self.span.map_or((id, id), |(first, last)| (first.min(id), last.max(id))));
    }

    /// Those of both.
    #[must_use]
    pub fn joined(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            sum: self.sum.wrapping_add(other.sum),
            xor: self.xor ^ other.xor,
            span: match (self.span, other.span) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            },
        }
    }
}

/// ClickHouse's `intHash64`.
fn hash(id: u64) -> u64 {
    let mut x = id ^ 0x4cf2_d2ba_ae6d_a887;
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Ids from `first` to `last`, both included, in parts of equal width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranges {
    /// The least id.
    pub first: u64,
    /// The greatest id.
    pub last: u64,
    /// Ids in each part but the last; 0 stands for 2^64.
    pub width: u64,
}

impl Ranges {
    /// All ids there can be, as one part.
    pub const ALL: Self = Self { first: 0, last: u64::MAX, width: 0 };

    /// Ids from `first` to `last` in at most so many parts.
    pub fn new(first: u64, last: u64, parts: u64) -> Self {
        let ids = u128::from(last - first) + 1;
        // 2^64 ids in one part have a width that wraps to 0, which stands for it.
        Self { first, last, width: ids.div_ceil(u128::from(parts.max(1))) as u64 }
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.part(self.last).map_or(0, |last| last + 1)
    }

    /// Whether there are none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part that an id is in.
    pub fn part(&self, id: u64) -> Option<usize> {
        if !(self.first..=self.last).contains(&id) {
            return None;
        }
        (id - self.first).checked_div(self.width).map_or(Some(0), |part| Some(part as usize))
    }
}

/// What an audience's members come to, by range.
pub(super) fn digests_of(audience: &Audience, ranges: &Ranges) -> Result<Vec<Digest>, QueryError> {
    let mut digests = vec![Digest::default(); ranges.len()];
    for batch in audience.members(None)? {
        for id in batch? {
            if let Some(part) = ranges.part(id) {
                digests[part].add(id);
            }
        }
    }
    Ok(digests)
}

/// An audience's members in a range, ascending.
pub(super) fn members_within(audience: &Audience, first: u64, last: u64) -> Result<Vec<u64>, QueryError> {
    let mut found = Vec::new();
    for batch in audience.members(None)? {
        found.extend(batch?.into_iter().filter(|id| (first..=last).contains(id)));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_servers() {
        // SELECT intHash64(toUInt64(0)), intHash64(toUInt64(1000011)), intHash64(toUInt64(18446744073709551615))
        let theirs = [4_761_183_170_873_013_810, 1_176_961_193_050_113_713, 14_600_443_904_207_254_319];
        assert_eq!([0, 1_000_011, u64::MAX].map(hash), theirs);
    }

    #[test]
    fn parts_cover_a_range_without_overlap() {
        for (first, last) in [(0, u64::MAX), (5, 5), (7, 1030), (u64::MAX - 3, u64::MAX), (0, 1 << 40)] {
            for parts in [1, 2, 3, 1024] {
                let ranges = Ranges::new(first, last, parts);
                assert!(ranges.len() as u64 <= parts, "{ranges:?}");
                assert_eq!((ranges.part(first), ranges.part(last)), (Some(0), Some(ranges.len() - 1)));
                assert_eq!(ranges.part(last.wrapping_add(1)).is_some(), last == u64::MAX && first == 0);
                let middle = first + (last - first) / 2;
                assert!(ranges.part(middle) <= ranges.part(middle.saturating_add(1).min(last)));
            }
        }
        assert_eq!(Ranges::ALL, Ranges::new(0, u64::MAX, 1));
    }
}
