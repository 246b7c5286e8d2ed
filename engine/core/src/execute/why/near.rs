//! Values near a constant, in a column's type: the constant itself and what lies just beside it.

use crate::column::Dictionary;
use crate::error::Result;
use crate::execute::overlay::Held;
use crate::key;
use crate::rule::bind::Num;
use crate::rule::bind::datum::{Datum, Sought};
use crate::schema::ScalarType;

const DAY_NANOS: i128 = 86_400_000_000_000;
const SECOND_MAX: i128 = u32::MAX as i128;

/// Values on, below and above a constant; those that people would write come first.
pub(super) fn near(ty: &ScalarType, sought: &Sought, dictionary: Option<&Dictionary>) -> Result<Vec<Held>> {
    Ok(match sought {
        Sought::Nan => Vec::new(),
        Sought::Number(number) => numbers(ty, *number),
        Sought::Bytes(bytes) => texts(ty, bytes, dictionary)?,
        Sought::Key8(key) => {
            let max = if *ty == ScalarType::Ipv4 { u32::MAX.into() } else { u64::MAX };
            let around = [Some(*key), key.checked_sub(1), key.checked_add(1)];
            around.into_iter().flatten().filter(|key| *key <= max).map(Held::Key8).collect()
        }
        Sought::Key16(key) => {
            let around = [Some(*key), key.checked_add(1), key.checked_sub(1)];
            around.into_iter().flatten().map(Held::Key16).collect()
        }
        Sought::Nanos(nanos) => times(ty, *nanos),
    })
}

/// A column's value as a constant beside another column.
pub(super) fn sought(datum: Datum<'_>, ty: &ScalarType, nanos: impl Fn() -> Option<i128>) -> Option<Sought> {
    Some(match (datum, ty) {
        (Datum::Bytes(bytes), _) => Sought::Bytes(bytes.into()),
        (_, ScalarType::Date | ScalarType::DateTime { .. } | ScalarType::DateTime64 { .. }) => {
            Sought::Nanos(nanos()?)
        }
        (Datum::Key16(key), ScalarType::Uuid | ScalarType::Ipv6) => Sought::Key16(key),
        (Datum::Key8(key), ScalarType::Ipv4) => Sought::Key8(key),
        (datum, ty) => match datum.number(ty)? {
            number if number.is_nan() => return None,
            number => Sought::Number(number),
        },
    })
}

fn numbers(ty: &ScalarType, number: Num) -> Vec<Held> {
    let floor = |scale: u8| match number {
        Num::Int(value) => value.saturating_mul(power(scale)),
        Num::Big(value) => i128::try_from(value).unwrap_or(i128::MAX).saturating_mul(power(scale)),
        Num::Float(value) | Num::FloatLiteral(value) => (value * power(scale) as f64).floor() as i128,
        Num::Decimal(value, own) if own <= scale => value.saturating_mul(power(scale - own)),
        Num::Decimal(value, own) => value.div_euclid(power(own - scale)),
    };
    let around = |value: i128| [0, 1, -1, 2].into_iter().filter_map(move |by| value.checked_add(by));
    match ty {
        ScalarType::Bool => vec![Held::Key8(1), Held::Key8(0)],
        ScalarType::Int { bits } => {
            let low = i128::MIN >> (128 - u32::from(*bits));
            around(floor(0).clamp(low, !low))
                .filter(|v| (low..=!low).contains(v))
                .map(|v| integer(*bits > 64, v))
                .collect()
        }
        ScalarType::UInt { bits: 128 } => {
            let value =
                if let Num::Big(value) = number { value } else { u128::try_from(floor(0)).unwrap_or(0) };
            let around = [Some(value), value.checked_add(1), value.checked_sub(1)];
            around.into_iter().flatten().map(Held::Key16).collect()
        }
        ScalarType::UInt { bits } => {
            let top = (1_i128 << bits) - 1;
            around(floor(0).clamp(0, top))
                .filter(|v| (0..=top).contains(v))
                .map(|v| Held::Key8(v as u64))
                .collect()
        }
        ScalarType::Float { bits } => floats(*bits, number),
        ScalarType::Decimal { precision, scale } => {
            let top = power(*precision) - 1;
            let inside = around(floor(*scale).clamp(-top, top)).filter(|v| (-top..=top).contains(v));
            inside.map(|v| integer(*precision > 18, v)).collect()
        }
        _ => Vec::new(),
    }
}

fn floats(bits: u8, number: Num) -> Vec<Held> {
    let value = match number {
        Num::Int(value) => value as f64,
        Num::Big(value) => value as f64,
        Num::Float(value) | Num::FloatLiteral(value) => value,
        Num::Decimal(value, scale) => value as f64 / power(scale) as f64,
    };
    // A cent beside it reads better than the nearest float there is, which is tried as well.
    let cents = [(value * 100.0).round() + 1.0, (value * 100.0).round() - 1.0].map(|cents| cents / 100.0);
    let mut found = vec![value];
    found.extend(cents.into_iter().filter(|cents| cents.is_finite()));
    if bits == 32 {
        let narrow = value as f32;
        let nearest = [narrow, narrow.next_up(), narrow.next_down()];
        let mut found: Vec<f32> = found.into_iter().map(|value| value as f32).collect();
        found.extend(nearest);
        return found.into_iter().map(|value| Held::Key8(key::float(value.into()))).collect();
    }
    found.extend([value.next_up(), value.next_down()]);
    found.into_iter().map(|value| Held::Key8(key::float(value))).collect()
}

fn texts(ty: &ScalarType, bytes: &[u8], dictionary: Option<&Dictionary>) -> Result<Vec<Held>> {
    let mut found: Vec<Box<[u8]>> = vec![bytes.into()];
    if let Some(dictionary) = dictionary {
        let at = dictionary.lower_bytes(bytes)?;
        for code in [at.checked_sub(1), Some(at), at.checked_add(1)].into_iter().flatten() {
            if code < dictionary.len() {
                found.extend(dictionary.bytes(code)?.map(Into::into));
            }
        }
    }
    if let (ScalarType::String, Ok(text)) = (ty, std::str::from_utf8(bytes)) {
        found.push(format!("{text}a").into_bytes().into());
        let mut shorter = text.to_owned();
        shorter.pop();
        found.push(shorter.into_bytes().into());
    }
    Ok(found.into_iter().map(Held::Bytes).collect())
}

fn times(ty: &ScalarType, nanos: i128) -> Vec<Held> {
    let ticks = |unit: i128, low: i128, high: i128| -> Vec<Held> {
        let at = nanos.div_euclid(unit);
        let around = [at, at + 1, at - 1].into_iter().filter(move |at| (low..=high).contains(at));
        around.map(|at| integer(false, at)).collect()
    };
    match ty {
        // A day begins within a day of when it does in UTC.
        ScalarType::Date => {
            let day = nanos.div_euclid(DAY_NANOS);
            [0, 1, -1, 2, -2].into_iter().map(|by| integer(false, day + by)).collect()
        }
        ScalarType::DateTime64 { scale, .. } => {
            ticks(power(9 - (*scale).min(9)), i64::MIN.into(), i64::MAX.into())
        }
        _ => ticks(1_000_000_000, 0, SECOND_MAX),
    }
}

fn integer(wide: bool, value: i128) -> Held {
    if wide { Held::Key16(key::wide_int(value)) } else { Held::Key8(key::int(value as i64)) }
}

fn power(scale: u8) -> i128 {
    10_i128.pow(u32::from(scale.min(38)))
}
