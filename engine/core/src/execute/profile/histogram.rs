//! Members by bins of a number or time column, beside everybody.
//!
//! Each edge is found among the column's values exactly as a rule would find it, so a bin is what `x >= low AND x < high` says.

use std::cmp::Ordering;
use std::ops::Range;

use serde::Serialize;

use super::edges::{Numbers, Scale, Side, linear, log, spread};
use super::times::Times;
use super::{ColumnCounts, not_a_number};
use crate::error::Error;
use crate::key;
use crate::rule::bind::datum::{Datum, Sought};
use crate::rule::bind::operand::Class;
use crate::rule::bind::time::Clock;
use crate::rule::bind::{Num, QueryError};
use crate::schema::ScalarType;

/// Most bins.
const BINS_MAX: usize = 10_000;
/// Bins by decades or by age are taken if users spread over so many times more of them than of equal ones, which are easier to read.
const LOG_GAIN_MIN: f64 = 1.5;

/// Members by bins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// Members in all.
    pub total: u64,
    /// How the bins are laid out; never [`Scale::Auto`].
    pub scale: Scale,
    /// Adjoining bins that hold the number of every user, whoever the members are.
    pub bins: Vec<HistogramBin>,
    /// Members without a value.
    pub null: u64,
    /// Members whose value is not a finite number.
    pub not_finite: u64,
}

/// One bin: `low <= value < high`, the last one with its end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistogramBin {
    /// Least value.
    pub low: f64,
    /// End.
    pub high: f64,
    /// Members.
    pub count: u64,
    /// Users in all.
    pub population: u64,
}

/// Edges, and before which codes they are.
#[derive(Debug, Default)]
struct Placed {
    edges: Vec<f64>,
    codes: Vec<u32>,
}

impl Placed {
    fn spans(&self) -> impl Iterator<Item = Range<u32>> {
        self.codes.windows(2).map(|pair| pair[0]..pair[1])
    }
}

impl ColumnCounts<'_> {
    /// Members by at most so many bins. Edges are round numbers, or times of the calendar or of an age, in Unix seconds. They
    /// depend on what all users have, so that audiences can be compared bin by bin.
    pub fn histogram(&self, bins: usize, scale: Scale) -> Result<Histogram, QueryError> {
        if !matches!(Class::of(&self.ty), Class::Number | Class::Time) {
            return Err(not_a_number(&self.operand, &self.ty).into());
        }
        let audience = self.profiler.audience;
        let clock = Clock::new(audience.now, &audience.snapshot.schema().time_zone)?;
        let (scale, placed) = match self.finite()? {
            Some(span) => self.laid_out(&span, bins.clamp(1, BINS_MAX), scale, &clock)?,
            None => (if scale == Scale::Auto { Scale::Linear } else { scale }, Placed::default()),
        };
        let mut told = Vec::with_capacity(placed.codes.len());
        for (codes, edges) in placed.spans().zip(placed.edges.windows(2)) {
            let (count, population) = (self.between(codes.clone())?, self.population.between(codes)?);
            told.push(HistogramBin { low: edges[0], high: edges[1], count, population });
        }
        let (total, present) = (self.profiler.total, self.between(self.codes())?);
        let finite: u64 = told.iter().map(|bin| bin.count).sum();
        Ok(Histogram {
            total,
            scale,
            bins: told,
            null: total.saturating_sub(present),
            not_finite: present.saturating_sub(finite),
        })
    }

    /// The codes from that of the least finite number to that of the greatest; `None` if no user has one.
    fn finite(&self) -> Result<Option<Range<u32>>, Error> {
        let dictionary = self.dictionary();
        let finite = match self.ty {
            ScalarType::Float { .. } => {
                dictionary.lower8(key::float(f64::MIN))?..dictionary.lower8(key::float(f64::INFINITY))?
            }
            _ => self.codes(),
        };
        let (below, users) =
            (self.population.between(0..finite.start)?, self.population.between(finite.clone())?);
        if users == 0 {
            return Ok(None);
        }
        let (first, last) = (self.population.code_at(below)?, self.population.code_at(below + users - 1)?);
        Ok(Some(first..(last + 1).min(finite.end)))
    }

    fn laid_out(
        &self,
        span: &Range<u32>,
        bins: usize,
        scale: Scale,
        clock: &Clock,
    ) -> Result<(Scale, Placed), QueryError> {
        let numbers = self.numbers(span)?;
        let time = Class::of(&self.ty) == Class::Time;
        let days = self.ty == ScalarType::Date;
        let times = Times { min: numbers.min as i64, max: numbers.max as i64, days, clock };
        let even = if time { times.calendar(bins) } else { None };
        let even = self.placed(even.unwrap_or_else(|| linear(&numbers, bins)), span, clock)?;
        let uneven = match scale {
            Scale::Linear => None,
            _ if time => times.ages(bins),
            _ => log(&numbers, bins),
        };
        let Some(uneven) = uneven else { return Ok((Scale::Linear, even)) };
        let uneven = self.placed(uneven, span, clock)?;
        let gains = || Ok::<_, Error>(self.spread(&uneven)? >= LOG_GAIN_MIN * self.spread(&even)?);
        Ok(if scale == Scale::Log || gains()? { (Scale::Log, uneven) } else { (Scale::Linear, even) })
    }

    /// Over how many bins all users spread.
    fn spread(&self, placed: &Placed) -> Result<f64, Error> {
        let counts: Vec<u64> =
            placed.spans().map(|codes| self.population.between(codes)).collect::<Result<_, _>>()?;
        Ok(spread(&counts))
    }

    /// What all users with one of these codes have; there must be some. Of times, whole seconds around them.
    fn numbers(&self, span: &Range<u32>) -> Result<Numbers, Error> {
        let time = Class::of(&self.ty) == Class::Time;
        let whole =
            time || matches!(self.ty, ScalarType::Bool | ScalarType::Int { .. } | ScalarType::UInt { .. });
        // The number at a place among those from a code on.
        let at = |from: u32, place: u64| -> Result<f64, Error> {
            let code = self.population.code_at(self.population.between(0..from)? + place)?;
            Ok(self.number(code.min(span.end - 1))?.unwrap_or_default())
        };
        let all = self.population.between(span.clone())?;
        let (mut min, mut max) = (at(span.start, 0)?, at(span.start, all - 1)?);
        if time {
            (min, max) = (min.floor(), max.ceil());
            return Ok(Numbers { min, max, whole, negative: None, positive: None });
        }
        let zero = |beside: Ordering| {
            let zero = Num::Int(0);
            let number = |code| Ok(Datum::of_code(self.dictionary(), code)?.number(&self.ty));
            self.dictionary().search(|code| {
                let order = number(code)?.and_then(|number| number.compare(zero));
                Ok(code < span.end && order.is_some_and(|order| order <= beside))
            })
        };
        let (below, above) = (zero(Ordering::Less)?.max(span.start), zero(Ordering::Equal)?.max(span.start));
        let side = |codes: Range<u32>, up: bool| {
            let count = self.population.between(codes.clone())?;
            let far = |place: u64| at(codes.start, if up { place } else { count - 1 - place }).map(f64::abs);
            let side = || Ok(Side { least: far(0)?, small: far(count / 100)?, most: far(count - 1)? });
            (count > 0).then(side).transpose()
        };
        let (negative, positive) = (side(span.start..below, false)?, side(above..span.end, true)?);
        Ok(Numbers { min, max, whole, negative, positive })
    }

    /// Finds edges among the values. The first and the last are moved to where they hold all, if rounding put them elsewhere.
    fn placed(&self, mut edges: Vec<f64>, span: &Range<u32>, clock: &Clock) -> Result<Placed, QueryError> {
        let last = edges.len() - 1;
        for _ in 0..4 {
            if self.place(edges[0], false, span, clock)? > span.start {
                edges[0] = edges[0].next_down();
            }
            if self.place(edges[last], true, span, clock)? < span.end {
                edges[last] = edges[last].next_up();
            }
        }
        let inner = edges.get(1..last).unwrap_or_default().iter();
        let inner = inner.map(|&edge| self.place(edge, false, span, clock));
        let mut codes = vec![span.start];
        for code in inner {
            codes.push(code?);
        }
        codes.push(span.end);
        Ok(Placed { edges, codes })
    }

    /// The first of these codes whose value is not below an edge, or that is past it.
    fn place(&self, edge: f64, past: bool, span: &Range<u32>, clock: &Clock) -> Result<u32, Error> {
        let sought = match (Class::of(&self.ty), &self.ty) {
            (Class::Time, ScalarType::Date) => Sought::Key8(key::int((edge as i64).div_euclid(86_400))),
            (Class::Time, _) => Sought::Nanos(edge as i128 * 1_000_000_000),
            _ => Sought::Number(Num::FloatLiteral(edge)),
        };
        let dictionary = self.dictionary();
        let before = |order: Option<Ordering>| match order {
            Some(order) => order == Ordering::Less || past && order == Ordering::Equal,
            None => false,
        };
        let code = dictionary.search(|code| {
            let order = sought.order_of(Datum::of_code(dictionary, code)?, &self.ty, clock);
            Ok(code < span.end && (code < span.start || before(order)))
        })?;
        Ok(code)
    }
}
