//! The hash index from ids to rows: which bucket an id is in, and where in it.
//!
//! A bucket is one cache line of twelve rows with a byte of each one's hash, so that a lookup reads the bucket and then, to
//! be sure, the id of the row it found. Ids that find their bucket full are in one of the next; the bucket says how far to
//! look. Nothing here believes what is stored: whatever the bytes, a lookup ends after at most 256 buckets and only
//! yields a row that has the id.

use crate::error::Result;
use crate::format::data::{Section, Values};
use crate::format::records::{BUCKET_SLOTS, IdBucket, IdsRecord};

/// Where an id belongs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its bucket.
    pub(crate) home: usize,
    /// What the bucket keeps of its hash.
    pub(crate) tag: u8,
}

impl Place {
    /// Of an id among so many buckets.
    pub(crate) fn of(id: u64, seed: u64, homes: u32) -> Self {
        let hash = hash(id ^ seed);
        // The high bits choose the bucket, the low ones are the tag.
        let home = ((u128::from(hash) * u128::from(homes)) >> 64) as usize;
        Self { home, tag: hash as u8 }
    }
}

/// Spreads over all bits. The second round is for the tag: ids that differ in high bits only must differ there too.
fn hash(key: u64) -> u64 {
    let fold = |key: u64, factor: u64| {
        let wide = u128::from(key) * u128::from(factor);
        (wide >> 64) as u64 ^ wide as u64
    };
    fold(fold(key, 0xa076_1d64_78bd_642f) ^ 0x9e37_79b9_7f4a_7c15, 0xe703_7ed1_a0b4_28db)
}

/// The index of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct IdIndex {
    buckets: Values<IdBucket>,
    seed: u64,
    homes: u32,
}

impl IdIndex {
    /// Opens it, if there is one.
    pub(super) fn open(region: &Section, record: &IdsRecord) -> Result<Option<Self>> {
        if record.homes == 0 {
            return Ok(None);
        }
        if record.homes > record.buckets {
            return Err(region.corrupt("its index has fewer buckets than it hashes to"));
        }
        let buckets = region.values(record.buckets_at, record.buckets.into())?;
        Ok(Some(Self { buckets, seed: record.seed, homes: record.homes }))
    }

    /// The section below, for checks.
    pub(super) fn section(&self) -> &Section {
        self.buckets.section()
    }

    /// Where an id belongs.
    pub(super) fn place(&self, id: u64) -> Place {
        Place::of(id, self.seed, self.homes)
    }

    /// Checks the bytes that looking there reads.
    pub(super) fn check(&self, place: Place) -> Result<()> {
        let reach = usize::from(self.buckets.get(place.home)?.reach);
        self.buckets.slice(place.home, (place.home + 1 + reach).min(self.buckets.len())).map(|_| ())
    }

    /// The rows that an id at this place may have. Bytes must have been checked.
    pub(super) fn candidates(&self, place: Place) -> impl Iterator<Item = u32> + '_ {
        let buckets = self.buckets.unchecked().get(place.home..).unwrap_or_default();
        let reach = buckets.first().map_or(0, |bucket| usize::from(bucket.reach));
        buckets.iter().take(1 + reach).flat_map(move |bucket| Slots::of(bucket, place.tag).rows(bucket))
    }

    /// The home bucket, for lookups in batches. Bytes must have been checked.
    pub(super) fn bucket(&self, place: Place) -> Option<&IdBucket> {
        self.buckets.unchecked().get(place.home)
    }

    /// All buckets: for `verify`.
    pub(super) fn all(&self) -> Result<&[IdBucket]> {
        self.buckets.all()
    }
}

/// The slots of a bucket whose tag is the wanted one, as the top bits of 16 bytes. Slots above a right one may be wrong: the
/// row's id tells.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slots(u128);

impl Slots {
    pub(super) fn of(bucket: &IdBucket, tag: u8) -> Self {
        const ONES: u128 = u128::from_ne_bytes([1; 16]);
        const USED: u128 = (1 << (8 * BUCKET_SLOTS)) - 1;
        let mut tags = [0; 16];
        tags[..BUCKET_SLOTS].copy_from_slice(&bucket.tags);
        // A byte is zero where the tags are equal; subtracting one borrows its top bit.
        let differ = u128::from_le_bytes(tags) ^ (ONES * u128::from(tag));
        Self(differ.wrapping_sub(ONES) & !differ & (ONES << 7) & USED)
    }

    /// The row in the first of them.
    pub(super) fn first(self, bucket: &IdBucket) -> Option<u32> {
        bucket.rows.get(self.0.trailing_zeros() as usize / 8).copied()
    }

    fn rows(self, bucket: &IdBucket) -> impl Iterator<Item = u32> + '_ {
        let mut rest = self;
        std::iter::from_fn(move || {
            let row = rest.first(bucket)?;
            rest.0 &= rest.0.wrapping_sub(1);
            Some(row)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::records::NO_ROW;

    #[test]
    fn equal_tags_are_found() {
        let mut bucket = IdBucket { rows: [NO_ROW; 12], tags: [0; 12], reach: 9, zero: [7; 3] };
        for (slot, row) in [(0, 10), (5, 15), (11, 21)] {
            (bucket.tags[slot], bucket.rows[slot]) = (200, row);
        }
        let found: Vec<u32> = Slots::of(&bucket, 200).rows(&bucket).collect();
        assert_eq!(found, [10, 15, 21]);
        assert_eq!(Slots::of(&bucket, 9).rows(&bucket).count(), 0);
        assert_eq!(Slots::of(&bucket, 0).rows(&bucket).count(), 9);
    }

    #[test]
    fn ids_of_any_kind_spread() {
        let kinds: [fn(u64) -> u64; 5] =
            [|i| i, |i| i << 40, |i| i * 10_000_019, |i| i.reverse_bits(), |i| i << 8];
        for (kind, id) in kinds.iter().enumerate() {
            let (mut homes, mut tags) = (vec![0_u32; 1000], [0_u32; 256]);
            for i in 0..10_000 {
                let place = Place::of(id(i), 77, 1000);
                homes[place.home] += 1;
                tags[usize::from(place.tag)] += 1;
            }
            assert!(homes.iter().all(|&count| count < 40), "{kind}: {:?}", homes.iter().max());
            assert!(tags.iter().all(|&count| (5..90).contains(&count)), "{kind}: {tags:?}");
        }
    }
}
