//! Members per value of one column, from which everything else is told.

use std::ops::Range;
use std::sync::OnceLock;

use super::population::Population;
use super::tally::Tally;
use super::top::Top;
use super::{Breakdown, Profiler, ValueCount};
use crate::column::{Dictionary, ValueColumn};
use crate::error::Error;
use crate::execute::drive::over;
use crate::key;
use crate::plan::value_of;
use crate::rule::ast::Operand;
use crate::rule::bind::datum::Datum;
use crate::rule::bind::operand::Class;
use crate::rule::bind::{Num, QueryError};
use crate::schema::ScalarType;
use crate::value::Value;

/// Codes that are looked through at a time.
const BLOCK: u32 = 1 << 16;
/// What looking at a code takes, about.
const CODE_NANOS: f64 = 2.0;

/// Members per value of one column. They are counted when something first needs it.
#[derive(Debug)]
pub struct ColumnCounts<'p> {
    pub(super) profiler: &'p Profiler<'p>,
    pub(super) operand: Operand,
    pub(super) ty: ScalarType,
    pub(super) population: Population,
    tally: OnceLock<Tally>,
}

impl<'p> ColumnCounts<'p> {
    pub(super) fn new(
        profiler: &'p Profiler<'p>,
        of: &Operand,
        column: ValueColumn,
        ty: ScalarType,
    ) -> Result<Self, QueryError> {
        column.check_totals()?;
        let population = Population::new(column, &profiler.erased)?;
        Ok(Self { profiler, operand: of.clone(), ty, population, tally: OnceLock::new() })
    }

    pub(super) fn dictionary(&self) -> &Dictionary {
        self.population.column().dictionary()
    }

    pub(super) fn codes(&self) -> Range<u32> {
        0..self.dictionary().len()
    }

    /// Members by code; `None` if they are everybody.
    fn tally(&self) -> Result<Option<&Tally>, Error> {
        let Some(members) = &self.profiler.members else { return Ok(None) };
        if let Some(tally) = self.tally.get() {
            return Ok(Some(tally));
        }
        let tally = Tally::new(self.population.column(), members)?;
        Ok(Some(self.tally.get_or_init(|| tally)))
    }

    /// Calls `f` with each of these codes that some member has, ascending, and how many do.
    pub(super) fn for_each(&self, codes: Range<u32>, mut f: impl FnMut(u32, u32)) -> Result<(), Error> {
        match self.tally()? {
            Some(tally) => tally.for_each(codes, f),
            None => self.population.for_each(codes, &mut f),
        }
        Ok(())
    }

    /// How many members have one of these codes.
    pub(super) fn between(&self, codes: Range<u32>) -> Result<u64, Error> {
        if self.profiler.members.is_none() {
            return self.population.between(codes);
        }
        let mut count = 0;
        self.for_each(codes, |_, members| count += u64::from(members))?;
        Ok(count)
    }

    /// The code of the member at a place when all are in the order of their codes.
    pub(super) fn code_at(&self, place: u64) -> Result<Option<u32>, Error> {
        if self.profiler.members.is_none() {
            return Ok(Some(self.population.code_at(place)?).filter(|code| self.codes().contains(code)));
        }
        let (mut below, mut found) = (0, None);
        self.for_each(self.codes(), |code, members| {
            below += u64::from(members);
            if found.is_none() && place < below {
                found = Some(code);
            }
        })?;
        Ok(found)
    }

    pub(super) fn value(&self, code: u32) -> Result<Value, Error> {
        value_of(self.dictionary(), &self.ty, code)
    }

    /// The number of a code, or the seconds of a time, of a day those of its beginning in UTC; `None` where there is neither.
    pub(super) fn number(&self, code: u32) -> Result<Option<f64>, Error> {
        let datum = Datum::of_code(self.dictionary(), code)?;
        Ok(match (Class::of(&self.ty), datum) {
            (Class::Number, datum) => datum.number(&self.ty).map(float_of),
            (Class::Time, Datum::Key8(key)) => Some(seconds_of(&self.ty, key::to_int(key))),
            _ => None,
        })
    }

    /// Members by value, the `top` most frequent.
    pub fn breakdown(&self, top: usize) -> Result<Breakdown, QueryError> {
        let found = self.top(top)?;
        let (distinct, present) = (found.distinct, found.total);
        let (found, others) = found.into_sorted();
        let value = |(code, count)| {
            let population = self.population.between(code..code + 1)?;
            Ok(ValueCount { value: self.value(code)?, count, population })
        };
        let values = found.into_iter().map(value).collect::<Result<_, Error>>()?;
        let total = self.profiler.total;
        // Halted, one count may be cut and the other not.
        Ok(Breakdown { total, values, distinct, others, null: total.saturating_sub(present) })
    }

    fn top(&self, wanted: usize) -> Result<Top, Error> {
        let Some(tally) = self.tally()? else {
            let blocks = self.codes().end.div_ceil(BLOCK);
            let block = |(): &mut (), at: u32| {
                let mut top = Top::new(wanted);
                let codes = at * BLOCK..(at + 1).saturating_mul(BLOCK).min(self.codes().end);
                self.population.for_each(codes, |code, count| top.add(code, count.into()));
                top
            };
            let top = over(blocks, CODE_NANOS * f64::from(BLOCK), || (), block, Top::join);
            return Ok(top.unwrap_or_else(|| Top::new(wanted)));
        };
        let mut top = Top::new(wanted);
        tally.for_each(self.codes(), |code, count| top.add(code, count.into()));
        Ok(top)
    }
}

/// A number as near as a float is to it.
fn float_of(number: Num) -> f64 {
    match number {
        Num::Int(value) => value as f64,
        Num::Big(value) => value as f64,
        Num::Float(value) | Num::FloatLiteral(value) => value,
        Num::Decimal(unscaled, scale) => unscaled as f64 / 10_f64.powi(scale.into()),
    }
}

fn seconds_of(ty: &ScalarType, ticks: i64) -> f64 {
    match ty {
        ScalarType::Date => ticks as f64 * 86_400.0,
        ScalarType::DateTime64 { scale, .. } => ticks as f64 / 10_f64.powi((*scale).into()),
        _ => ticks as f64,
    }
}
