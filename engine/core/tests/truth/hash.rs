//! The hashes behind `bucket`, written out so that they are checked too.

/// The warehouse's `intHash64`.
pub fn mix(mut x: u64) -> u64 {
    x ^= 0x4cf2_d2ba_ae6d_a887;
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// The warehouse's `xxHash64`: XXH64 with seed 0.
pub fn xxh64(bytes: &[u8]) -> u64 {
    const P: [u64; 5] = [
        0x9e37_79b1_85eb_ca87,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
        0x85eb_ca77_c2b2_ae63,
        0x27d4_eb2f_1656_67c5,
    ];
    let round =
        |lane: u64, word: u64| lane.wrapping_add(word.wrapping_mul(P[1])).rotate_left(31).wrapping_mul(P[0]);
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let mut at = 0;
    let mut hash = if bytes.len() >= 32 {
        let mut lanes = [P[0].wrapping_add(P[1]), P[1], 0, P[0].wrapping_neg()];
        while at + 32 <= bytes.len() {
            for lane in &mut lanes {
                *lane = round(*lane, word(at));
                at += 8;
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]).map(|(lane, by)| lane.rotate_left(by));
        let sum = turned.fold(0u64, u64::wrapping_add);
        lanes.iter().fold(sum, |hash, &lane| (hash ^ round(0, lane)).wrapping_mul(P[0]).wrapping_add(P[3]))
    } else {
        P[4]
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while at + 8 <= bytes.len() {
        hash = (hash ^ round(0, word(at))).rotate_left(27).wrapping_mul(P[0]).wrapping_add(P[3]);
        at += 8;
    }
    if at + 4 <= bytes.len() {
        let half = u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
        hash = (hash ^ half.wrapping_mul(P[0])).rotate_left(23).wrapping_mul(P[1]).wrapping_add(P[2]);
        at += 4;
    }
    for &byte in &bytes[at..] {
        hash = (hash ^ u64::from(byte).wrapping_mul(P[4])).rotate_left(11).wrapping_mul(P[0]);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(P[1]);
    hash = (hash ^ (hash >> 29)).wrapping_mul(P[2]);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_warehouses() {
        assert_eq!(mix(1), 10_577_349_846_663_553_072);
        assert_eq!(xxh64(b""), 17_241_709_254_077_376_921);
        assert_eq!(xxh64(b"exp-42"), 3_543_983_154_976_488_073);
        let user_id = 1_000_011;
        assert_eq!(mix(user_id ^ xxh64(b"exp-42")) % 10_000, 9190);
    }
}
