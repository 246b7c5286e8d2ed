//! Memory bandwidth as counting sees it: bytes streamed once, their bits counted on the way.

use rayon::prelude::*;

/// Bytes that a thread takes at a time: enough to stream, few enough to share evenly.
const PIECE: usize = 1 << 20;

/// How many bits are set, on the current pool.
pub(crate) fn ones(bytes: &[u8]) -> u64 {
    bytes.par_chunks(PIECE).map(ones_of_piece).sum()
}

#[cfg(target_arch = "x86_64")]
fn ones_of_piece(bytes: &[u8]) -> u64 {
    if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vpopcntdq") {
        // SAFETY: the processor was just found to have both features, which is all that the function needs.
        return unsafe { ones_avx512(bytes) };
    }
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("popcnt") {
        // SAFETY: as above.
        return unsafe { ones_avx2(bytes) };
    }
    ones_portable(bytes)
}

#[cfg(not(target_arch = "x86_64"))]
fn ones_of_piece(bytes: &[u8]) -> u64 {
    ones_portable(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn ones_avx512(bytes: &[u8]) -> u64 {
    ones_portable(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn ones_avx2(bytes: &[u8]) -> u64 {
    ones_portable(bytes)
}

/// The same for every instruction set; the compiler makes the best of it where it is inlined.
#[inline(always)]
#[allow(clippy::inline_always)] // or it would not be compiled for the callers' features
fn ones_portable(bytes: &[u8]) -> u64 {
    let (before, words, after) = bytemuck::pod_align_to::<u8, u64>(bytes);
    let edges: u32 = before.iter().chain(after).map(|byte| byte.count_ones()).sum();
    u64::from(edges) + words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_counts_the_same() {
        let bytes: Vec<u8> =
            (0..3_000_017_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let expected: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
        assert_eq!((ones(&bytes), ones_portable(&bytes)), (expected, expected));
        assert_eq!(ones(&bytes[3..9]), ones_portable(&bytes[3..9]));
    }
}
