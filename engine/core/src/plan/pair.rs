//! Comparing two columns of the same user: the one leaf that has to look at values row by row.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::bitmap::Leaf as Bitmap;
use crate::column::{Dictionary, Keys8, Layout, ValueColumn};
use crate::error::{Error, Result};
use crate::key;
use crate::rule::ast::CompareOp;
use crate::rule::bind::condition::{ColumnKey, PairSide, Part};
use crate::rule::bind::datum::holds;
use crate::rule::bind::operand::{Class, instant_nanos, number8, number16};
use crate::rule::bind::time::Clock;
use crate::rule::bind::{Binder, QueryError};
use crate::schema::{ColumnType, ScalarType};
use crate::snapshot::Snapshot;

/// A comparison of two columns.
#[derive(Debug)]
pub struct Pair {
    left: Side,
    right: Side,
    op: CompareOp,
    truth: bool,
    class: Class,
    /// Keys of both sides order as their values do, so they are compared as they are.
    same_keys: bool,
    /// See [`Pair::orders`].
    orders: u8,
    /// Right codes' places among the left ones, where both columns have a code a row.
    places: Option<Arc<[u32]>>,
    clock: Clock,
}

#[derive(Debug)]
struct Side {
    ty: ScalarType,
    values: SideValues,
}

#[derive(Debug)]
enum SideValues {
    Column(ValueColumn),
    UserIds(crate::column::Ids),
}

impl Pair {
    pub(super) fn new(
        snapshot: &Snapshot,
        binder: &Binder<'_>,
        left: PairSide,
        op: CompareOp,
        right: PairSide,
        truth: bool,
    ) -> Result<Self, QueryError> {
        let (left, right) = (Side::new(snapshot, binder, left)?, Side::new(snapshot, binder, right)?);
        let class = Class::of(&left.ty);
        let same_keys = same_key_space(&left.ty, &right.ty);
        let places = if same_keys { places(snapshot, &left, &right)? } else { None };
        let orders = [Ordering::Less, Ordering::Equal, Ordering::Greater]
            .map(|order| u8::from(holds(op, Some(order)) == truth) << Self::bit(order))
            .iter()
            .sum();
        Ok(Self { left, right, op, truth, class, same_keys, orders, places, clock: binder.clock().clone() })
    }

    /// Checks all bytes that matching can read.
    pub(super) fn check(&self, snapshot: &Snapshot) -> Result<()> {
        [&self.left, &self.right].into_iter().try_for_each(|side| match &side.values {
            SideValues::UserIds(ids) => ids.ids(0, snapshot.rows()).map(|_| ()),
            SideValues::Column(column) => {
                column.check()?;
                check_dictionary(column.dictionary())
            }
        })
    }

    /// Bytes of codes and dictionaries.
    pub(super) fn bytes(&self) -> u64 {
        self.left.bytes() + self.right.bytes()
    }

    /// Bitmaps of the rows where each side has a value; a row outside of any is not in the set.
    pub fn presences(&self) -> impl Iterator<Item = &Bitmap> {
        [&self.left, &self.right].into_iter().filter_map(|side| match &side.values {
            SideValues::Column(column) => column.presence(),
            SideValues::UserIds(_) => None,
        })
    }

    /// Both columns and the right codes' places, if the comparison comes down to these.
    pub fn aligned(&self) -> Option<(&ValueColumn, &ValueColumn, &[u32])> {
        match (&self.left.values, &self.right.values, &self.places) {
            (SideValues::Column(left), SideValues::Column(right), Some(places)) => {
                Some((left, right, places))
            }
            _ => None,
        }
    }

    /// Which orders of left and right are in the set: bit 0 less, bit 1 equal, bit 2 greater.
    pub fn orders(&self) -> u8 {
        self.orders
    }

    fn bit(order: Ordering) -> u8 {
        1_u8.wrapping_add_signed(order as i8)
    }

    /// Whether a row is in the set: both have a value and the comparison is as wanted.
    pub fn matches(&self, row: u32) -> bool {
        self.presences().all(|leaf| leaf.contains(row)) && self.matches_present(row)
    }

    /// The same for a row where both sides have a value.
    pub fn matches_present(&self, row: u32) -> bool {
        if let Some((left, right, places)) = self.aligned() {
            let (left, right) = (left.code_of_present(row), right.code_of_present(row));
            let place = right.and_then(|code| places.get(code as usize));
            return left.zip(place).is_some_and(|(code, place)| {
                self.orders >> Self::bit(code.wrapping_mul(2).wrapping_add(1).cmp(place)) & 1 == 1
            });
        }
        // All bytes were checked before, so an error here means a damaged code: no value, no match.
        let order = match self.class {
            _ if self.same_keys => self.both(row, Side::key8).map(|(a, b)| self.order_of_keys(a, b)),
            Class::Number => self.both(row, Side::number).map(|(a, b)| a.compare(b)),
            Class::Time => {
                self.both(row, |side, code| side.nanos(code, &self.clock)).map(|(a, b)| Some(a.cmp(&b)))
            }
            Class::Text | Class::Enum => self.both(row, Side::bytes_of).map(|(a, b)| Some(a.cmp(b))),
            Class::Uuid | Class::Ip => self.both(row, Side::wide).map(|(a, b)| Some(a.cmp(&b))),
        };
        order.is_some_and(|order| holds(self.op, order) == self.truth)
    }

    fn order_of_keys(&self, a: u64, b: u64) -> Option<Ordering> {
        let nan = matches!(self.left.ty, ScalarType::Float { .. }) && (a == key::NAN || b == key::NAN);
        (!nan).then(|| a.cmp(&b))
    }

    /// A value of each side; `None` if either has none.
    fn both<'s, T>(&'s self, row: u32, value: impl Fn(&'s Side, u64) -> Option<T>) -> Option<(T, T)> {
        Some((value(&self.left, self.left.code(row)?)?, value(&self.right, self.right.code(row)?)?))
    }
}

/// The alignment of two columns' dictionaries, if each row of both has a code and no value is NaN.
fn places(snapshot: &Snapshot, left: &Side, right: &Side) -> Result<Option<Arc<[u32]>>> {
    let (SideValues::Column(left), SideValues::Column(right)) = (&left.values, &right.values) else {
        return Ok(None);
    };
    let (Dictionary::Fixed8(left_keys), Dictionary::Fixed8(right_keys)) =
        (left.dictionary(), right.dictionary())
    else {
        return Ok(None);
    };
    let dense = left.layout() == Layout::Dense && right.layout() == Layout::Dense;
    if !dense || left_keys.is_empty() || right_keys.is_empty() || left_keys.len() > i32::MAX as usize {
        return Ok(None);
    }
    // The largest key of a type that is not a float is never this one in practice, and then the long way is right as well.
    let nan = |keys: &Keys8| keys.get(keys.len() - 1).map(|last| last == key::NAN);
    if nan(left_keys)? || nan(right_keys)? {
        return Ok(None);
    }
    snapshot.alignments().get(left_keys, right_keys).map(Some)
}

impl Side {
    fn new(snapshot: &Snapshot, binder: &Binder<'_>, side: PairSide) -> Result<Self, QueryError> {
        match side {
            PairSide::UserId => {
                let values = SideValues::UserIds(snapshot.ids().clone());
                Ok(Self { ty: ScalarType::UInt { bits: 64 }, values })
            }
            PairSide::Column(key) => {
                let column = binder.value_column(key)?;
                Ok(Self { ty: type_of(snapshot, key)?, values: SideValues::Column(column) })
            }
        }
    }

    fn bytes(&self) -> u64 {
        match &self.values {
            SideValues::Column(column) => u64::from(column.table_rows()) * column.code_width() as u64,
            SideValues::UserIds(_) => 0,
        }
    }

    /// The code of a row that has a value, or the id itself.
    fn code(&self, row: u32) -> Option<u64> {
        match &self.values {
            SideValues::Column(column) => column.code_of_present(row).map(u64::from),
            SideValues::UserIds(ids) => ids.id(row).ok(),
        }
    }

    fn key8(&self, code: u64) -> Option<u64> {
        match &self.values {
            SideValues::Column(column) => match column.dictionary() {
                // Checked as a whole before: no need to ask block by block.
                Dictionary::Fixed8(keys) => keys.checked(code as usize),
                _ => None,
            },
            SideValues::UserIds(_) => Some(code),
        }
    }

    fn wide(&self, code: u64) -> Option<u128> {
        match &self.values {
            SideValues::Column(column) => match column.dictionary().key16(code as u32).ok()? {
                Some(key) => Some(key),
                None => self.key8(code).map(u128::from),
            },
            SideValues::UserIds(_) => Some(code.into()),
        }
    }

    fn bytes_of(&self, code: u64) -> Option<&[u8]> {
        match &self.values {
            SideValues::Column(column) => column.dictionary().bytes(code as u32).ok()?,
            SideValues::UserIds(_) => None,
        }
    }

    fn number(&self, code: u64) -> Option<crate::rule::bind::Num> {
        match self.key8(code) {
            Some(key) => Some(number8(&self.ty, key)),
            None => self.wide(code).map(|key| number16(&self.ty, key)),
        }
    }

    fn nanos(&self, code: u64, clock: &Clock) -> Option<i128> {
        let key = self.key8(code)?;
        Some(match self.ty {
            ScalarType::Date => clock.first_instant(key::to_int(key) as i32),
            _ => instant_nanos(&self.ty, key),
        })
    }
}

/// Whether two types have 64-bit keys that can be compared with each other as they are.
fn same_key_space(a: &ScalarType, b: &ScalarType) -> bool {
    use ScalarType::{Bool, Date, DateTime, DateTime64, Decimal, Float, Int, Ipv4, UInt};
    match (a, b) {
        (Int { bits: a }, Int { bits: b }) | (UInt { bits: a }, UInt { bits: b }) => *a <= 64 && *b <= 64,
        (Bool, Bool)
        | (Float { .. }, Float { .. })
        | (Date, Date)
        | (DateTime { .. }, DateTime { .. })
        | (Ipv4, Ipv4) => true,
        (UInt { bits }, Bool) | (Bool, UInt { bits }) => *bits <= 64,
        (Decimal { precision: p, scale: s }, Decimal { precision: q, scale: t }) => {
            s == t && *p <= 18 && *q <= 18
        }
        (DateTime64 { scale: s, .. }, DateTime64 { scale: t, .. }) => s == t,
        _ => false,
    }
}

/// The type of the values that a key names.
pub(super) fn type_of(snapshot: &Snapshot, key: ColumnKey) -> Result<ScalarType> {
    let schema = snapshot.schema().columns.get(key.index as usize);
    match (schema.map(|column| &column.ty), key.part) {
        (Some(ColumnType::Scalar(ty)), Part::Whole) | (Some(ColumnType::Map(ty)), Part::Key(_)) => {
            Ok(ty.clone())
        }
        (Some(ColumnType::Array(_)), Part::Length) => Ok(ScalarType::UInt { bits: 64 }),
        _ => Err(Error::input(format!("column {} has no such part", key.index))),
    }
}

fn check_dictionary(dictionary: &Dictionary) -> Result<()> {
    match dictionary {
        Dictionary::None => Ok(()),
        Dictionary::Fixed8(keys) => keys.check(),
        Dictionary::Fixed16(keys) => keys.section().check(),
        Dictionary::Bytes { bytes, .. } => {
            // Offsets are checked as they are read, block by block; their blocks are few.
            (0..dictionary.len()).step_by(1 << 15).try_for_each(|code| dictionary.bytes(code).map(|_| ()))?;
            bytes.check()
        }
    }
}
