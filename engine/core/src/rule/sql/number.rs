//! Number constants that compare exactly.

use crate::rule::ast::Number;
use crate::rule::bind::Num;
use crate::schema::ScalarType;

/// A number beside integers and floats, which the server compares exactly.
pub(super) fn number_constant(number: Number) -> String {
    match number {
        // The server would read a longer one as a float.
        Number::Int(value) if value < i64::MIN.into() || value > u64::MAX.into() => {
            format!("toInt128('{value}')")
        }
        number => number.to_string(),
    }
}

/// A number beside decimals of a scale. A float stands for its shortest text; what that has beyond the
/// scale only matters in so far as it is not zero.
pub(super) fn decimal_constant(number: Number, scale: u8) -> String {
    match decimal_text(number, scale) {
        Some(text) => {
            let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            format!("toDecimal256('{text}', {digits})")
        }
        // Beyond what decimals hold: any float there will do.
        None => match number {
            Number::Int(value) => (if value < 0 { "-inf" } else { "inf" }).to_owned(),
            float @ Number::Float(_) => float.to_string(),
        },
    }
}

/// The decimal text of a number with at most one digit more than `scale`; `None` if it is no number or has
/// more than 38 digits before the point.
fn decimal_text(number: Number, scale: u8) -> Option<String> {
    const END: i128 = 10_i128.pow(38);
    let text = match number {
        Number::Int(value) if value <= -END || value >= END => return None,
        Number::Int(value) => return Some(value.to_string()),
        Number::Float(value) if !value.get().is_finite() || value.get().abs() >= 1e38 => return None,
        Number::Float(value) => value.get().to_string(),
    };
    let Some((whole, fraction)) = text.split_once('.') else { return Some(text) };
    let scale = usize::from(scale);
    if fraction.len() <= scale {
        return Some(text);
    }
    let (kept, rest) = fraction.split_at(scale);
    let sticky = if rest.bytes().any(|digit| digit != b'0') { "5" } else { "" };
    Some(match (kept.is_empty(), sticky.is_empty()) {
        (true, true) => whole.to_owned(),
        _ => format!("{whole}.{kept}{sticky}"),
    })
}

/// The members of a number list that values of a type can equal, and whether NaN is among them.
pub(super) fn members(ty: &ScalarType, numbers: &[Number]) -> (Vec<String>, bool) {
    let mut texts = Vec::with_capacity(numbers.len());
    let mut nan = false;
    for number in numbers {
        match ty {
            ScalarType::Float { .. } => {
                let float = match number {
                    Number::Float(value) => value.get(),
                    Number::Int(value) => *value as f64,
                };
                if float.is_nan() {
                    nan = true;
                } else if float == 0.0 {
                    // Lists compare bits, and the zeros differ in one.
                    texts.extend(["0.".to_owned(), "-0.".to_owned()]);
                } else if same(*number, Num::Float(float)) {
                    texts.push(Number::float(float).to_string());
                }
            }
            ScalarType::Decimal { precision, scale } => {
                texts.extend(decimal_member(*number, *precision, *scale));
            }
            ScalarType::Int { bits } => texts.extend(integer_member(*number, true, *bits)),
            ScalarType::UInt { bits } => texts.extend(integer_member(*number, false, *bits)),
            // Bool
            _ => texts.extend(integer_member(*number, false, 1)),
        }
    }
    (texts, nan)
}

fn same(number: Number, other: Num) -> bool {
    let number = match number {
        Number::Int(value) => Num::Int(value),
        Number::Float(value) => Num::Float(value.get()),
    };
    number.compare(other) == Some(std::cmp::Ordering::Equal)
}

fn integer_member(number: Number, signed: bool, bits: u8) -> Option<String> {
    let value = match number {
        Number::Int(value) => value,
        Number::Float(float) => {
            let float = float.get();
            let huge = float as u128;
            if !signed && bits == 128 && float > i128::MAX as f64 && same(number, Num::Big(huge)) {
                return Some(format!("toUInt128('{huge}')"));
            }
            if !same(number, Num::Int(float as i128)) {
                return None;
            }
            float as i128
        }
    };
    let fits = match (signed, bits) {
        (true, 128) => true,
        (true, bits) => (-(1_i128 << (bits - 1))..1_i128 << (bits - 1)).contains(&value),
        (false, 128) => value >= 0,
        (false, bits) => (0..1_i128 << bits).contains(&value),
    };
    fits.then(|| number_constant(Number::Int(value)))
}

fn decimal_member(number: Number, precision: u8, scale: u8) -> Option<String> {
    let text = decimal_text(number, scale)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.trim_start_matches(['-', '0']).len();
    let fits =
        digits <= usize::from(precision - scale.min(precision)) && fraction.len() <= usize::from(scale);
    fits.then(|| format!("toDecimal256('{text}', {scale})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_only_what_can_matter() {
        let constant = |value: f64, scale| decimal_constant(Number::float(value), scale);
        assert_eq!(constant(1.15, 2), "toDecimal256('1.15', 2)");
        assert_eq!(constant(1.151, 2), "toDecimal256('1.155', 3)");
        assert_eq!(constant(-5e-324, 2), "toDecimal256('-0.005', 3)");
        assert_eq!(constant(5.0, 0), "toDecimal256('5', 0)");
        assert_eq!(constant(1e39, 2), "1e39");
        assert_eq!(constant(f64::NAN, 2), "nan");
        assert_eq!(decimal_constant(Number::Int(i128::MIN), 2), "-inf");
        assert_eq!(decimal_constant(Number::Int(-7), 2), "toDecimal256('-7', 0)");
    }

    #[test]
    fn lists_keep_only_what_can_be_equal() {
        let list = [
            Number::Int(-1),
            Number::Int(300),
            Number::float(2.0),
            Number::float(2.5),
            Number::float(f64::NAN),
        ];
        assert_eq!(members(&ScalarType::UInt { bits: 8 }, &list), (vec!["2".to_owned()], false));
        assert_eq!(members(&ScalarType::Int { bits: 16 }, &list).0, ["-1", "300", "2"]);
        assert_eq!(members(&ScalarType::Bool, &[Number::Int(1), Number::Int(2)]).0, ["1"]);
        let floats = members(&ScalarType::Float { bits: 64 }, &list);
        assert_eq!(
            floats,
            (vec!["-1.0".to_owned(), "300.0".to_owned(), "2.0".to_owned(), "2.5".to_owned()], true)
        );
        let big = Number::Int((1 << 53) + 1);
        assert!(members(&ScalarType::Float { bits: 64 }, &[big]).0.is_empty());
        let decimal = ScalarType::Decimal { precision: 4, scale: 2 };
        assert_eq!(
            members(&decimal, &list).0,
            ["toDecimal256('-1', 2)", "toDecimal256('2', 2)", "toDecimal256('2.5', 2)"]
        );
    }
}
