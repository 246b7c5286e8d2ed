//! Cuts a `data.bin` into parts so that what did not change gives the same parts again.
//!
//! Cuts lie where regions start, and inside a region where the last 64 bytes hash to a certain pattern. So they
//! depend on the bytes around them only, neither on the region's place nor on what was inserted before them.

use muster_engine::format::manifest::Manifest;
use rayon::prelude::*;

use super::layout::{Part, Sha};

/// No part is smaller, but the last one of a region.
const PART_BYTES_MIN: usize = 512 << 10;
/// No part is larger; so a part fits into memory, and one request sends it.
pub(super) const PART_BYTES_MAX: u64 = 8 << 20;
/// A cut every 1.5 MiB behind the minimum, in the mean: the pattern has 20.6 bits.
const CUT_BELOW: u64 = u64::MAX / (3 << 19);

/// A number for each byte, the same for ever: names of parts in buckets follow from them.
const GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let (mut state, mut at) = (0x6d75_7374_6572_2d31_u64, 0);
    while at < gear.len() {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        gear[at] = mixed ^ (mixed >> 31);
        at += 1;
    }
    gear
};

/// The parts of a generation's data, in order. `done` hears of bytes as they are hashed.
pub(super) fn cut(manifest: &Manifest, data: &[u8], done: &(dyn Fn(u64) + Sync)) -> Vec<Part> {
    let regions = regions(manifest, data.len());
    let parts = regions.par_windows(2).flat_map_iter(|ends| {
        let mut rest = &data[ends[0]..ends[1]];
        std::iter::from_fn(move || {
            let (part, after) = rest.split_at(first_cut(rest));
            rest = after;
            (!part.is_empty()).then(|| {
                done(part.len() as u64);
                Part(Sha::of(part), part.len() as u64)
            })
        })
    });
    parts.collect()
}

/// Where regions start, and the end of the file; what lies between two regions belongs to the one before it.
fn regions(manifest: &Manifest, len: usize) -> Vec<usize> {
    let starts =
        manifest.columns.iter().map(|column| column.at).chain([manifest.ids.at, manifest.data.checksums_at]);
    let mut at: Vec<usize> = starts.map(|at| at as usize).filter(|at| *at < len).chain([0, len]).collect();
    at.sort_unstable();
    at.dedup();
    at
}

/// How long the first part is.
fn first_cut(bytes: &[u8]) -> usize {
    let end = bytes.len().min(PART_BYTES_MAX as usize);
    if end <= PART_BYTES_MIN {
        return end;
    }
    // The hash forgets a byte after 64 more, so it need not begin earlier.
    let mut hash = 0_u64;
    for &byte in &bytes[PART_BYTES_MIN - 64..PART_BYTES_MIN] {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
    }
    for (at, &byte) in bytes[PART_BYTES_MIN..end].iter().enumerate() {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(byte)]);
        if hash < CUT_BELOW {
            return PART_BYTES_MIN + at + 1;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    fn lengths(mut bytes: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while !bytes.is_empty() {
            lengths.push(first_cut(bytes));
            bytes = &bytes[first_cut(bytes)..];
        }
        lengths
    }

    #[test]
    fn parts_keep_to_their_bounds_and_are_two_mebibytes_in_the_mean() {
        let bytes = noise(64 << 20, 7);
        let lengths = lengths(&bytes);
        assert_eq!(lengths.iter().sum::<usize>(), bytes.len());
        let (_, but_last) = lengths.split_last().unwrap();
        assert!(but_last.iter().all(|&l| (PART_BYTES_MIN..=PART_BYTES_MAX as usize).contains(&l)));
        assert!((20..=50).contains(&lengths.len()), "{lengths:?}");
        // Bytes that are all the same have no pattern to cut at.
        assert_eq!(first_cut(&vec![0; 20 << 20]), PART_BYTES_MAX as usize);
    }

    #[test]
    fn an_insertion_changes_the_parts_around_it_only() {
        let before = noise(48 << 20, 3);
        let mut after = before.clone();
        after.splice(9_000_000..9_000_000, *b"eight..8");
        let shas = |bytes: &[u8]| -> Vec<Sha> {
            let mut at = 0;
            lengths(bytes).iter().map(|&l| (Sha::of(&bytes[at..at + l]), at += l).0).collect()
        };
        let (before, after) = (shas(&before), shas(&after));
        let new = after.iter().filter(|sha| !before.contains(sha)).count();
        assert!((1..=3).contains(&new), "{new} of {} parts are new", after.len());
    }
}
