//! The members of a label on their way: batch by batch, never all at once, with a digest of what went.

use muster_engine::error::Error;
use muster_engine::execute::Audience;

/// Bytes of a row: label, user, time.
pub(super) const ROW_BYTES: usize = 8 + 8 + 4;

/// What tells one set of users from another, whatever their order: ClickHouse reckons the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest {
    /// How many there are.
    pub(super) users: u64,
    /// The sum of their hashes by `intHash64`, modulo 2^64.
    pub(super) hashes: u64,
}

impl Digest {
    /// Of all members of an audience who may be targets.
    pub(super) fn of(audience: &Audience) -> Result<Self, Error> {
        let mut digest = Self::default();
        for ids in audience.members(None)?.targetable() {
            digest.add(&ids?);
        }
        Ok(digest)
    }

    pub(super) fn add(&mut self, ids: &[u64]) {
        self.users += ids.len() as u64;
        for &id in ids {
            self.hashes = self.hashes.wrapping_add(int_hash_64(id));
        }
    }
}

/// ClickHouse's function of this name.
fn int_hash_64(value: u64) -> u64 {
    let value = value ^ 0x4cf2_d2ba_ae6d_a887;
    let mixed = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// Rows of a batch in RowBinary.
pub(super) fn rows(label: u64, ids: &[u64], time: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len() * ROW_BYTES);
    for id in ids {
        bytes.extend_from_slice(&label.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&time.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_clickhouse() {
        const HASHES: [u64; 3] =
            [4_761_183_170_873_013_810, 10_577_349_846_663_553_072, 14_600_443_904_207_254_319];
        // SELECT intHash64(0), intHash64(1), intHash64(18446744073709551615)
        assert_eq!([0, 1, u64::MAX].map(int_hash_64), HASHES);
    }

    #[test]
    fn a_digest_does_not_depend_on_order_and_tells_sets_apart() {
        let of = |ids: &[u64]| {
            let mut digest = Digest::default();
            digest.add(ids);
            digest
        };
        assert_eq!(of(&[1, 2, 3]), of(&[3, 1, 2]));
        assert_ne!(of(&[1, 2, 3]), of(&[1, 2, 4]));
        assert_ne!(of(&[0, 1]), of(&[1]));
    }

    #[test]
    fn rows_are_little_endian_and_packed() {
        let bytes = rows(7, &[1, 1 << 40], 0x0102_0304);
        assert_eq!(bytes.len(), 2 * ROW_BYTES);
        assert_eq!(bytes[..20], [7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1]);
    }
}
