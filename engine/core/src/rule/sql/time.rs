//! Times in SQL. What is known is written as a day or an instant in UTC; what hangs on the server's `now()`
//! is written as arithmetic in the store's zone.

use std::cmp::Ordering;

use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};

use crate::rule::ast::{CompareOp, TimeExpr};
use crate::rule::bind::time::{Clock, Moment, Nanos, day_text};
use crate::rule::error::RuleError;
use crate::rule::text::quote_text;
use crate::schema::ScalarType;

use super::compare::{Constant, beyond, mismatch};
use super::value::Value;
use super::{Renderer, known};

const SECOND: Nanos = 1_000_000_000;

impl Renderer<'_> {
    /// A time expression, worked out unless the server is to do it.
    pub(super) fn time_constant(&self, time: &TimeExpr) -> Result<Constant, RuleError> {
        if self.live && hangs_on_now(time) {
            // Worked out all the same, for its errors.
            self.clock_of_today()?.eval(time)?;
            return Ok(Constant::Live(self.live_time(time)?, time.is_day()));
        }
        Ok(Constant::Moment(self.clock.eval(time)?))
    }

    /// A clock for checks that don't depend on the exact time.
    fn clock_of_today(&self) -> Result<Clock, RuleError> {
        Clock::new(Timestamp::now().as_second(), &self.schema.time_zone)
    }

    fn live_time(&self, time: &TimeExpr) -> Result<String, RuleError> {
        let zone = quote_text(&self.schema.time_zone);
        Ok(match time {
            TimeExpr::Now => format!("now({zone})"),
            TimeExpr::Today => format!("toDate(now({zone}))"),
            TimeExpr::Shift { base, count, unit } => {
                let sql = self.live_time(base)?;
                let sql =
                    if base.is_day() && unit.is_clock() { format!("toDateTime({sql}, {zone})") } else { sql };
                let sign = if *count < 0 { '-' } else { '+' };
                format!("{sql} {sign} INTERVAL {} {unit}", count.unsigned_abs())
            }
            TimeExpr::DateTime { .. } | TimeExpr::Date(_) => match self.clock.eval(time)? {
                Moment::Day(day) => day_sql(day),
                Moment::Second(second, _) => instant_sql(Nanos::from(second) * SECOND, 0),
            },
        })
    }

    /// A value of days or instants against a time.
    pub(super) fn compare_time(
        &self,
        value: &Value,
        op: CompareOp,
        constant: &Constant,
    ) -> Result<String, RuleError> {
        let sql = &value.sql;
        let zone = quote_text(&self.schema.time_zone);
        if let Constant::Live(time, is_day) = constant {
            return Ok(match (&value.ty, is_day) {
                (ScalarType::Date, true) => format!("{sql} {op} {time}"),
                (ScalarType::Date, false) => format!("toDateTime64({sql}, 0, {zone}) {op} {time}"),
                (_, true) => format!("{sql} {op} toDateTime({time}, {zone})"),
                (_, false) => format!("{sql} {op} {time}"),
            });
        }
        match self.placed(value, constant)? {
            Placed::Day(day) => Ok(format!("{sql} {op} {}", day_sql(day))),
            Placed::Within(day) => Ok(match op {
                CompareOp::Eq => known(value, false),
                CompareOp::NotEq => known(value, true),
                // The day began before the instant, the next one begins after it.
                CompareOp::Less | CompareOp::LessEq => format!("{sql} <= {}", day_sql(day)),
                CompareOp::Greater | CompareOp::GreaterEq => format!("{sql} > {}", day_sql(day)),
            }),
            Placed::Instant(nanos) => Ok(match instant_beside(&value.ty, nanos) {
                Ok(time) => format!("{sql} {op} {time}"),
                Err(order) => beyond(value, op, order),
            }),
        }
    }

    /// A time as a member of a list of values, if any can equal it.
    pub(super) fn time_member(
        &self,
        value: &Value,
        constant: &Constant,
    ) -> Result<Option<String>, RuleError> {
        Ok(match self.placed(value, constant)? {
            Placed::Day(day) => Some(day_sql(day)),
            Placed::Within(_) => None,
            Placed::Instant(nanos) => {
                let scale = scale_of(&value.ty);
                let fits = nanos % 10_i128.pow(9 - u32::from(scale)) == 0;
                let in_type = scale > 0 || matches!(value.ty, ScalarType::DateTime64 { .. });
                let held = in_type || (0..=Nanos::from(u32::MAX) * SECOND).contains(&nanos);
                if fits && held { instant_beside(&value.ty, nanos).ok() } else { None }
            }
        })
    }

    /// Where a time stands among the values of a column of days or instants.
    fn placed(&self, value: &Value, constant: &Constant) -> Result<Placed, RuleError> {
        let days = value.ty == ScalarType::Date;
        let nanos = match constant {
            Constant::Text(text) if days => return Ok(Placed::Day(day_text(text)?)),
            Constant::Text(text) => self.clock.instant_text(text, scale_of(&value.ty))?,
            Constant::Moment(Moment::Day(day)) if days => return Ok(Placed::Day(*day)),
            Constant::Moment(moment) => self.clock.nanos(moment),
            other => return Err(mismatch(value, other)),
        };
        if !days {
            return Ok(Placed::Instant(nanos));
        }
        // The last day that began at or before the instant.
        let mut day = nanos.div_euclid(86_400 * SECOND) as i32 + 2;
        while self.clock.first_instant(day) > nanos {
            day -= 1;
        }
        Ok(if self.clock.first_instant(day) == nanos { Placed::Day(day) } else { Placed::Within(day) })
    }

    /// A column of times beside another: of days beside one of instants, the first instant of each day in the
    /// store's zone.
    pub(super) fn time_beside(&self, value: &Value, beside: &ScalarType) -> String {
        let days = value.ty == ScalarType::Date;
        let sql = if days && *beside != ScalarType::Date {
            format!("toDateTime64({}, 0, {})", value.sql, quote_text(&self.schema.time_zone))
        } else {
            value.sql.clone()
        };
        // Nanoseconds since 1970 end in 2262; a type with fewer digits holds later times, which the server
        // fails to bring to nanoseconds.
        let holds_later = |ty: &ScalarType| matches!(ty, ScalarType::DateTime64 { scale, .. } if *scale < 9);
        let nanos = |ty: &ScalarType| scale_of(ty) == 9;
        let later = |ty: &ScalarType| *ty == ScalarType::Date || holds_later(ty);
        if (nanos(&value.ty) && later(beside)) || (nanos(beside) && later(&value.ty)) {
            return format!("toDecimal128({sql}, 9)");
        }
        sql
    }
}

/// An instant in a form that compares with values of a type, or how all its values stand to it.
fn instant_beside(ty: &ScalarType, nanos: Nanos) -> Result<String, Ordering> {
    let scale = scale_of(ty);
    let ticks = nanos.div_euclid(10_i128.pow(9 - u32::from(scale)));
    if i64::try_from(ticks).is_err() {
        // The server would fail to bring the two to one scale.
        return Err(if nanos > 0 { Ordering::Less } else { Ordering::Greater });
    }
    Ok(instant_sql(nanos, scale))
}

/// A time among days or instants.
enum Placed {
    /// Exactly this day, or the instant it begins.
    Day(i32),
    /// After this day began and before the next one does.
    Within(i32),
    /// This instant.
    Instant(Nanos),
}

fn hangs_on_now(time: &TimeExpr) -> bool {
    let mut at = time;
    while let TimeExpr::Shift { base, .. } = at {
        at = base;
    }
    matches!(at, TimeExpr::Now | TimeExpr::Today)
}

fn scale_of(ty: &ScalarType) -> u8 {
    match ty {
        ScalarType::DateTime64 { scale, .. } => (*scale).min(9),
        _ => 0,
    }
}

/// A day, in the type that holds it.
fn day_sql(day: i32) -> String {
    let text = civil(Nanos::from(day) * 86_400 * SECOND);
    let function = if (0..=i32::from(u16::MAX)).contains(&day) { "toDate" } else { "toDate32" };
    format!("{function}('{}')", &text[..10])
}

/// An instant, in the type that holds it, in UTC.
fn instant_sql(nanos: Nanos, scale: u8) -> String {
    let text = civil(nanos);
    if scale == 0 && (0..=Nanos::from(u32::MAX) * SECOND).contains(&nanos) {
        return format!("toDateTime('{text}', 'UTC')");
    }
    if scale == 0 {
        return format!("toDateTime64('{text}', 0, 'UTC')");
    }
    let fraction = format!("{:09}", nanos.rem_euclid(SECOND));
    format!("toDateTime64('{text}.{}', {scale}, 'UTC')", &fraction[..usize::from(scale)])
}

/// `YYYY-MM-DD hh:mm:ss` in UTC, of any four-digit year.
fn civil(nanos: Nanos) -> String {
    let seconds = nanos.div_euclid(SECOND) as i64;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let date = Span::new().try_days(day).and_then(|span| date(1970, 1, 1).checked_add(span));
    // Constants were read from such years.
    let date = date.unwrap_or(Date::MAX);
    format!("{date} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}
