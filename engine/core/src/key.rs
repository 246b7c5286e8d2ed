//! Order-preserving keys: every fixed-width value becomes an unsigned integer whose order is the value's order.
//!
//! Columns store keys only, so one sorted dictionary, one search and one comparison serve every type.
//! All NaNs are one key above infinity (queries know it and never match it by range); -0.0 is 0.0.

/// Signed integers, dates (days) and times (seconds or ticks).
pub const fn int(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

/// Inverse of [`int`].
pub const fn to_int(key: u64) -> i64 {
    (key ^ (1 << 63)) as i64
}

/// The key of NaN, above every other float.
pub const NAN: u64 = u64::MAX;

/// Floats; Float32 is widened first, which is exact.
pub fn float(value: f64) -> u64 {
    if value.is_nan() {
        return NAN;
    }
    // Adding zero turns -0.0 into 0.0.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

/// Inverse of [`float`].
pub fn to_float(key: u64) -> f64 {
    if key == NAN {
        return f64::NAN;
    }
    f64::from_bits(if key >> 63 == 1 { key ^ (1 << 63) } else { !key })
}

/// Int128 and decimals of more than 18 digits (unscaled).
pub const fn wide_int(value: i128) -> u128 {
    (value as u128) ^ (1 << 127)
}

/// Inverse of [`wide_int`].
pub const fn to_wide_int(key: u128) -> i128 {
    (key ^ (1 << 127)) as i128
}

/// The bucket of a user, 0 to 9,999: the value of ClickHouse's `intHash64(bitXor(user_id, seed)) % 10000`.
#[allow(clippy::inline_always)] // part of loops that are compiled for several kinds of processors
#[inline(always)]
pub fn bucket_of(seed: u64, user_id: u64) -> u32 {
    let mut x = user_id ^ seed ^ 0x4cf2_d2ba_ae6d_a887;
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^= x >> 33;
    // The remainder of 64 bits from those of its halves: processors divide many small numbers at once, but no large ones.
    let (high, low) = ((x >> 32) as u32, x as u32);
    (high % 10_000 * ((1_u64 << 32) % 10_000) as u32 + low % 10_000) % 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept() {
        let ints = [i64::MIN, -1, 0, 1, i64::MAX];
        assert!(ints.windows(2).all(|w| int(w[0]) < int(w[1])));
        assert!(ints.iter().all(|&v| to_int(int(v)) == v));
        let floats = [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, 0.0, 1e-300, 2.0, f64::INFINITY];
        assert!(floats.windows(2).all(|w| float(w[0]) < float(w[1])));
        assert!(floats.iter().all(|&v| to_float(float(v)) == v));
        assert!(float(f64::INFINITY) < float(f64::NAN) && to_float(float(-f64::NAN)).is_nan());
        assert_eq!(float(-0.0), float(0.0));
        assert!(wide_int(-1) < wide_int(0) && to_wide_int(wide_int(i128::MIN)) == i128::MIN);
    }
}
