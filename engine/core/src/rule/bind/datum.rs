//! Single values: a column's value as columns store it, and a constant brought to the column's type once, so that both compare
//! without looking at names or literals again.

use std::cmp::Ordering;

use super::number::Num;
use super::operand::{Class, instant_nanos, number8, number16};
use super::time::{Clock, Nanos};
use crate::column::{Dictionary, ValueColumn};
use crate::error::Result;
use crate::key;
use crate::rule::ast::CompareOp;
use crate::schema::ScalarType;

/// A value in the form that columns store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datum<'a> {
    /// A key of up to 64 bits.
    Key8(u64),
    /// A key of 128 bits.
    Key16(u128),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// A constant, brought to the type of the column that it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sought {
    /// NaN, which no value equals and none is less or greater than.
    Nan,
    /// Beside a column of numbers.
    Number(Num),
    /// Beside text.
    Bytes(Box<[u8]>),
    /// Beside what is compared by its key.
    Key8(u64),
    /// The same with 128 bits.
    Key16(u128),
    /// Beside times: nanoseconds since the epoch.
    Nanos(Nanos),
}

impl Datum<'_> {
    /// The value of a code.
    pub(crate) fn of_code(dictionary: &Dictionary, code: u32) -> Result<Datum<'_>> {
        Ok(match dictionary {
            Dictionary::None => Datum::Key8(0),
            Dictionary::Fixed8(keys) => Datum::Key8(keys.get(code as usize)?),
            Dictionary::Fixed16(keys) => Datum::Key16(keys.get(code as usize)?),
            Dictionary::Bytes { .. } => Datum::Bytes(dictionary.bytes(code)?.unwrap_or_default()),
        })
    }

    /// The value of a row, if it has one. [`ValueColumn::check_codes`] must have succeeded.
    pub(crate) fn of_row(column: &ValueColumn, row: u32) -> Result<Option<Datum<'_>>> {
        column.checked_code(row).map(|code| Datum::of_code(column.dictionary(), code)).transpose()
    }

    /// The number, of a type of numbers.
    pub(crate) fn number(self, ty: &ScalarType) -> Option<Num> {
        match self {
            Self::Key8(key) => Some(number8(ty, key)),
            Self::Key16(key) => Some(number16(ty, key)),
            Self::Bytes(_) => None,
        }
    }

    /// The instant, of a type of times.
    pub(crate) fn nanos(self, ty: &ScalarType, clock: &Clock) -> Option<Nanos> {
        match (self, ty) {
            (Self::Key8(key), ScalarType::Date) => Some(clock.first_instant(key::to_int(key) as i32)),
            (Self::Key8(key), _) => Some(instant_nanos(ty, key)),
            _ => None,
        }
    }

    fn wide(self) -> Option<u128> {
        match self {
            Self::Key8(key) => Some(key.into()),
            Self::Key16(key) => Some(key),
            Self::Bytes(_) => None,
        }
    }

    /// Whether it is NaN.
    pub(crate) fn is_nan(self, ty: &ScalarType) -> bool {
        matches!(ty, ScalarType::Float { .. }) && self == Datum::Key8(key::NAN)
    }

    /// How two values stand to each other that a rule may compare; `None` where one is NaN.
    pub(crate) fn order(
        self,
        ty: &ScalarType,
        other: Datum<'_>,
        other_ty: &ScalarType,
        clock: &Clock,
    ) -> Option<Ordering> {
        match Class::of(ty) {
            Class::Number => self.number(ty)?.compare(other.number(other_ty)?),
            // Two days compare as days: some calendars have days without an instant of their own.
            Class::Time if matches!((ty, other_ty), (ScalarType::Date, ScalarType::Date)) => {
                Some(self.wide()?.cmp(&other.wide()?))
            }
            Class::Time => Some(self.nanos(ty, clock)?.cmp(&other.nanos(other_ty, clock)?)),
            Class::Text | Class::Enum => match (self, other) {
                (Datum::Bytes(a), Datum::Bytes(b)) => Some(a.cmp(b)),
                _ => None,
            },
            Class::Uuid | Class::Ip => Some(self.wide()?.cmp(&other.wide()?)),
        }
    }
}

impl Sought {
    /// How a column's value stands to the constant; `None` where either is NaN.
    pub(crate) fn order_of(&self, own: Datum<'_>, ty: &ScalarType, clock: &Clock) -> Option<Ordering> {
        match (self, own) {
            (Self::Number(number), _) => own.number(ty)?.compare(*number),
            (Self::Bytes(wanted), Datum::Bytes(own)) => Some(own.cmp(wanted)),
            (Self::Key8(wanted), Datum::Key8(own)) => Some(own.cmp(wanted)),
            (Self::Key16(wanted), Datum::Key16(own)) => Some(own.cmp(wanted)),
            (Self::Nanos(wanted), _) => Some(own.nanos(ty, clock)?.cmp(wanted)),
            // NaN, or a value of another type, which binding refuses.
            _ => None,
        }
    }

    /// An order among constants beside one column, in which a column's value divides those of one [`Sought::kind`] in two.
    fn among(&self, other: &Self) -> Ordering {
        self.kind().cmp(&other.kind()).then_with(|| match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.compare(*b).unwrap_or(Ordering::Equal),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Key8(a), Self::Key8(b)) => a.cmp(b),
            (Self::Key16(a), Self::Key16(b)) => a.cmp(b),
            (Self::Nanos(a), Self::Nanos(b)) => a.cmp(b),
            _ => Ordering::Equal,
        })
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Nan => 0,
            // Exact numbers and floats are kept apart: beside a decimal they are compared in different ways.
            Self::Number(Num::Float(_) | Num::FloatLiteral(_)) => 1,
            Self::Number(_) => 2,
            Self::Bytes(_) => 3,
            Self::Key8(_) => 4,
            Self::Key16(_) => 5,
            Self::Nanos(_) => 6,
        }
    }
}

/// The constants of a list, for finding the one that equals a value.
#[derive(Debug, Clone)]
pub(crate) struct SoughtList {
    /// By kind, then ascending.
    sorted: Vec<Sought>,
    /// Where a kind ends.
    ends: Vec<usize>,
    nan: bool,
}

impl SoughtList {
    /// From constants; NULL is none.
    pub(crate) fn new(list: impl IntoIterator<Item = Option<Sought>>) -> Self {
        let mut sorted: Vec<Sought> = list.into_iter().flatten().collect();
        let nan = sorted.contains(&Sought::Nan);
        sorted.retain(|sought| *sought != Sought::Nan);
        sorted.sort_by(Sought::among);
        let mut ends: Vec<usize> =
            (1..sorted.len()).filter(|&at| sorted[at - 1].kind() != sorted[at].kind()).collect();
        ends.push(sorted.len());
        Self { sorted, ends, nan }
    }

    /// The constants but NaN.
    pub(crate) fn items(&self) -> &[Sought] {
        &self.sorted
    }

    /// Whether NaN is among them.
    pub(crate) fn has_nan(&self) -> bool {
        self.nan
    }

    /// Whether one of them equals a value.
    pub(crate) fn has(&self, own: Datum<'_>, ty: &ScalarType, clock: &Clock) -> bool {
        let mut start = 0;
        self.ends.iter().any(|&end| {
            let kind = self.sorted.get(start..end).unwrap_or_default();
            start = end;
            // What NaN is compared with is never equal, so any answer but that leads nowhere.
            let order =
                |sought: &Sought| sought.order_of(own, ty, clock).map_or(Ordering::Less, Ordering::reverse);
            kind.binary_search_by(order).is_ok()
        })
    }
}

/// Whether a comparison is true of two values that stand so to each other; `None` is NaN.
pub(crate) fn holds(op: CompareOp, order: Option<Ordering>) -> bool {
    match (op, order) {
        (CompareOp::NotEq, order) => order != Some(Ordering::Equal),
        (_, None) => false,
        (CompareOp::Eq, Some(order)) => order.is_eq(),
        (CompareOp::Less, Some(order)) => order.is_lt(),
        (CompareOp::LessEq, Some(order)) => order.is_le(),
        (CompareOp::Greater, Some(order)) => order.is_gt(),
        (CompareOp::GreaterEq, Some(order)) => order.is_ge(),
    }
}
