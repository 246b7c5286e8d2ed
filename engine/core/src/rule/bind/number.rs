//! Numbers compared exactly, whatever their types: integers, decimals and floats as mathematics has them.

use std::cmp::Ordering;

/// A number of any column type or literal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Num {
    /// An integer.
    Int(i128),
    /// An integer above `i128::MAX`.
    Big(u128),
    /// A float.
    Float(f64),
    /// A float literal: against a decimal it means its shortest decimal text.
    FloatLiteral(f64),
    /// `unscaled / 10^scale`.
    Decimal(i128, u8),
}

impl Num {
    /// From an unsigned integer.
    pub fn unsigned(value: u128) -> Self {
        i128::try_from(value).map_or(Self::Big(value), Self::Int)
    }

    /// Whether it is NaN.
    pub fn is_nan(self) -> bool {
        matches!(self, Self::Float(value) | Self::FloatLiteral(value) if value.is_nan())
    }

    /// The exact order; `None` if either is NaN.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        use Num::{Big, Decimal, Float, FloatLiteral, Int};
        match (self, other) {
            (Int(a), Int(b)) => Some(a.cmp(&b)),
            (Big(a), Big(b)) => Some(a.cmp(&b)),
            (Big(_), Int(_) | Decimal(..)) => Some(Ordering::Greater),
            (Float(a) | FloatLiteral(a), Float(b) | FloatLiteral(b)) => a.partial_cmp(&b),
            (Int(a), Float(b) | FloatLiteral(b)) => int_float(a, b),
            (Big(a), Float(b) | FloatLiteral(b)) => big_float(a, b),
            (Decimal(a, s), Decimal(b, t)) => Some(decimals((a, s), (b, t))),
            (Decimal(a, s), Int(b)) => Some(decimals((a, s), (b, 0))),
            (Decimal(a, s), Float(b)) => (a as f64 / power_f64(s)).partial_cmp(&b),
            (Decimal(a, s), FloatLiteral(b)) => decimal_literal(a, s, b),
            (a, b) => b.compare(a).map(Ordering::reverse),
        }
    }
}

fn power_f64(scale: u8) -> f64 {
    10_f64.powi(i32::from(scale))
}

/// Powers above 10^38 do not occur: decimals have at most 38 digits.
fn power(scale: u8) -> i128 {
    10_i128.pow(u32::from(scale.min(38)))
}

fn int_float(a: i128, b: f64) -> Option<Ordering> {
    const END: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0; // 2^127
    if b.is_nan() {
        None
    } else if b >= END {
        Some(Ordering::Less)
    } else if b < -END {
        Some(Ordering::Greater)
    } else {
        // Exact: a float of this size converts to an integer without loss once its fraction is cut.
        let whole = b.trunc();
        Some(a.cmp(&(whole as i128)).then_with(|| whole.partial_cmp(&b).unwrap_or(Ordering::Equal)))
    }
}

fn big_float(a: u128, b: f64) -> Option<Ordering> {
    const END: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0; // 2^128
    if b.is_nan() {
        None
    } else if b >= END {
        Some(Ordering::Less)
    } else if b < 1.0 {
        Some(Ordering::Greater)
    } else {
        // Floats this large have no fraction unless they are far below any big integer.
        Some(a.cmp(&(b as u128)))
    }
}

/// Whole parts first, then fractions brought to one scale; nothing can overflow.
fn decimals((a, s): (i128, u8), (b, t): (i128, u8)) -> Ordering {
    let scale = s.max(t);
    let split = |value: i128, from: u8| {
        let one = power(from);
        (value.div_euclid(one), value.rem_euclid(one) * power(scale - from))
    };
    split(a, s).cmp(&split(b, t))
}

/// A decimal against the shortest text of a float.
fn decimal_literal(a: i128, scale: u8, b: f64) -> Option<Ordering> {
    if b.is_nan() || b.is_infinite() || b.abs() >= 1e38 {
        return (a as f64 / power_f64(scale)).partial_cmp(&b);
    }
    let text = b.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let negative = b < 0.0;
    if (a < 0) != negative && (a != 0 || b != 0.0) {
        // Signs differ, or one is zero: zero counts as positive.
        let signed = |value: bool, zero: bool| {
            if zero {
                0
            } else if value {
                -1
            } else {
                1
            }
        };
        return Some(signed(a < 0, a == 0).cmp(&signed(negative, b == 0.0)));
    }
    let one = power(scale).unsigned_abs();
    let own =
        (a.unsigned_abs() / one, format!("{:0>width$}", a.unsigned_abs() % one, width = usize::from(scale)));
    let own_fraction = if scale == 0 { "" } else { own.1.as_str() };
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX);
    let width = own_fraction.len().max(fraction.len());
    let order = own
        .0
        .cmp(&whole)
        .then_with(|| format!("{own_fraction:0<width$}").cmp(&format!("{fraction:0<width$}")));
    Some(if negative { order.reverse() } else { order })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Num::{Big, Decimal, Float, FloatLiteral, Int};

    #[test]
    fn comparisons_are_exact() {
        let cases = [
            (Int((1 << 53) + 1), Float(9_007_199_254_740_992.0), Ordering::Greater),
            (Int(i128::from(u64::MAX)), Float(18_446_744_073_709_551_615.0), Ordering::Less),
            (Int(-1), Float(-0.5), Ordering::Less),
            (Int(-1), Float(-1.5), Ordering::Greater),
            (Int(0), Float(-0.0), Ordering::Equal),
            (Int(5), Float(f64::INFINITY), Ordering::Less),
            (Int(i128::MIN), Float(-170_141_183_460_469_231_731_687_303_715_884_105_728.0), Ordering::Equal),
            (Big(u128::MAX), Float(3.5e38), Ordering::Less),
            (Big(u128::MAX), Int(-1), Ordering::Greater),
            (Decimal(115, 2), FloatLiteral(1.15), Ordering::Equal),
            (Decimal(-115, 2), FloatLiteral(-1.2), Ordering::Greater),
            (Decimal(0, 2), FloatLiteral(-0.0), Ordering::Equal),
            (Decimal(0, 2), FloatLiteral(1e-300), Ordering::Less),
            (Decimal(-1, 0), FloatLiteral(1e-300), Ordering::Less),
            (Decimal(5, 0), FloatLiteral(4.9), Ordering::Greater),
            (Decimal(i128::MAX, 38), Int(1), Ordering::Greater),
            (Decimal(i128::MAX, 0), Decimal(i128::MAX, 38), Ordering::Greater),
            (Decimal(-150, 2), Decimal(-15, 1), Ordering::Equal),
            (Decimal(110, 2), Float(1.1), Ordering::Equal),
        ];
        for (a, b, order) in cases {
            assert_eq!(a.compare(b), Some(order), "{a:?} {b:?}");
            assert_eq!(b.compare(a), Some(order.reverse()), "{b:?} {a:?}");
        }
        assert_eq!(Int(1).compare(Float(f64::NAN)), None);
    }
}
