//! Times: `now()`, `today()`, written dates, and intervals added to them.

use sqlparser::ast::{BinaryOperator, DataType, DateTimeField, Expr, Interval, UnaryOperator, Value};

use super::super::ast::{Number, TimeExpr, TimeUnit};
use super::super::error::{RuleError, did_you_mean};
use super::function::Call;
use super::{Reader, hints};

/// More units than the time line has seconds mean nothing.
const COUNT_MAX: i128 = u32::MAX as i128;

const UNITS: [(&str, TimeUnit); 8] = [
    ("second", TimeUnit::Second),
    ("minute", TimeUnit::Minute),
    ("hour", TimeUnit::Hour),
    ("day", TimeUnit::Day),
    ("week", TimeUnit::Week),
    ("month", TimeUnit::Month),
    ("quarter", TimeUnit::Quarter),
    ("year", TimeUnit::Year),
];

impl Reader<'_> {
    /// A function that gives a time, or `None` if it is none of those.
    pub(super) fn time_function(&self, call: &Call) -> Result<Option<TimeExpr>, RuleError> {
        let name = match call.name.as_str() {
            // The only ones whose case does not matter in the warehouse.
            name if name.eq_ignore_ascii_case("now") => "now",
            name if name.eq_ignore_ascii_case("today") => "today",
            name => name,
        };
        Ok(Some(match name {
            "now" if call.args.len() == 1 => {
                return Err(self
                    .call_error(call, "now() takes no zone here: an instant is the same in every zone")
                    .hint("write now()"));
            }
            "now" => {
                let [] = self.arguments(call, "()")?;
                TimeExpr::Now
            }
            "today" => {
                let [] = self.arguments(call, "()")?;
                TimeExpr::Today
            }
            "yesterday" => {
                let [] = self.arguments(call, "()")?;
                TimeExpr::Shift { base: Box::new(TimeExpr::Today), count: -1, unit: TimeUnit::Day }
            }
            "toDateTime" if call.args.len() == 2 => {
                let [text, zone] = self.arguments(call, "('2026-11-01 00:00:00', 'zone')")?;
                let text = self.text_of(text, "the time")?;
                TimeExpr::DateTime { text, zone: Some(self.text_of(zone, "the zone")?) }
            }
            "toDateTime" => {
                let [text] = self.arguments(call, "('2026-11-01 00:00:00')")?;
                TimeExpr::DateTime { text: self.text_of(text, "the time")?, zone: None }
            }
            "toDate" => {
                let [text] = self.arguments(call, "('2026-11-01')")?;
                TimeExpr::Date(self.text_of(text, "the date")?)
            }
            _ => return Ok(None),
        }))
    }

    /// A time, possibly shifted.
    pub(super) fn time(&self, expr: &Expr) -> Result<TimeExpr, RuleError> {
        match expr {
            Expr::Nested(inner) => self.time(inner),
            Expr::Function(function) => {
                let call = self.call(function.clone())?;
                match self.time_function(&call)? {
                    Some(time) => Ok(time),
                    None => Err(self.call_error(&call, "only a time can be shifted").hint(hints::ARITHMETIC)),
                }
            }
            Expr::BinaryOp { left, op: op @ (BinaryOperator::Plus | BinaryOperator::Minus), right } => {
                let minus = *op == BinaryOperator::Minus;
                if !minus && is_interval(left) {
                    let base = self.time(right)?;
                    return self.shift(base, left, minus);
                }
                let base = self.time(left)?;
                self.shift(base, right, minus)
            }
            Expr::TypedString(typed) => {
                let text = match &typed.value.value {
                    Value::SingleQuotedString(raw) => {
                        super::strings::unescape(raw, '\'').map_err(|error| self.located(error, expr))?
                    }
                    _ => return Err(self.unsupported(expr)),
                };
                match typed.data_type {
                    DataType::Date => Ok(TimeExpr::Date(text)),
                    DataType::Timestamp(None, _) | DataType::Datetime(None) => {
                        Ok(TimeExpr::DateTime { text, zone: None })
                    }
                    _ => Err(self.unsupported(expr)),
                }
            }
            Expr::Identifier(_) | Expr::CompoundFieldAccess { .. } => {
                Err(self.error(expr, "arithmetic with a column is not part of the rule language"))
                    .map_err(|error| error.hint(hints::ARITHMETIC))
            }
            other => Err(self.error(other, "only a time can be shifted").hint(hints::ARITHMETIC)),
        }
    }

    fn shift(&self, base: TimeExpr, by: &Expr, minus: bool) -> Result<TimeExpr, RuleError> {
        let (count, unit) = self.interval(by, &base)?;
        let count = if minus { -count } else { count };
        if count.abs() > COUNT_MAX {
            return Err(self.error(by, format!("an interval of {count} units is out of range")));
        }
        Ok(TimeExpr::Shift { base: Box::new(base), count: count as i64, unit })
    }

    /// A number of units: an interval, or a bare number of days or seconds.
    fn interval(&self, expr: &Expr, base: &TimeExpr) -> Result<(i128, TimeUnit), RuleError> {
        match expr {
            Expr::Nested(inner) => self.interval(inner, base),
            Expr::Interval(interval) => {
                let unit = self.unit(expr, interval)?;
                Ok((self.count(&interval.value)?, unit))
            }
            Expr::Function(function) => {
                let call = self.call(function.clone())?;
                let unit = UNITS.iter().find(|(name, _)| {
                    call.name.strip_prefix("toInterval").is_some_and(|unit| {
                        unit.eq_ignore_ascii_case(name) && unit.starts_with(|c: char| c.is_ascii_uppercase())
                    })
                });
                let Some((_, unit)) = unit else {
                    return Err(self
                        .call_error(&call, "a time is shifted by an interval")
                        .hint(hints::ARITHMETIC));
                };
                let [count] = self.arguments(&call, "(7)")?;
                Ok((self.count(count)?, *unit))
            }
            Expr::Value(_) | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
                // The warehouse adds a bare number in the unit the type counts in.
                Ok((self.count(expr)?, if base.is_day() { TimeUnit::Day } else { TimeUnit::Second }))
            }
            other => Err(self
                .error(other, "a time is shifted by an interval")
                .hint("write now() - INTERVAL 7 DAY")),
        }
    }

    /// The count of an interval: a whole number, quoted or not.
    fn count(&self, expr: &Expr) -> Result<i128, RuleError> {
        let whole =
            || self.error(expr, "an interval counts whole units").hint("write INTERVAL 36 HOUR, not 1.5 DAY");
        match expr {
            Expr::Nested(inner) => self.count(inner),
            Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)) => {
                self.text_of(expr, "the count")?.trim().parse().map_err(|_| whole())
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
                self.count(inner)?.checked_neg().ok_or_else(whole)
            }
            _ => match self.number(expr, false)? {
                Number::Int(count) => Ok(count),
                Number::Float(_) => Err(whole()),
            },
        }
        .and_then(|count: i128| if count.abs() > COUNT_MAX * 2 { Err(whole()) } else { Ok(count) })
    }

    fn unit(&self, expr: &Expr, interval: &Interval) -> Result<TimeUnit, RuleError> {
        let plain = interval.last_field.is_none()
            && interval.leading_precision.is_none()
            && interval.fractional_seconds_precision.is_none();
        let unit = match &interval.leading_field {
            Some(DateTimeField::Second | DateTimeField::Seconds) => Some(TimeUnit::Second),
            Some(DateTimeField::Minute | DateTimeField::Minutes) => Some(TimeUnit::Minute),
            Some(DateTimeField::Hour | DateTimeField::Hours) => Some(TimeUnit::Hour),
            Some(DateTimeField::Day | DateTimeField::Days) => Some(TimeUnit::Day),
            Some(DateTimeField::Week(None) | DateTimeField::Weeks) => Some(TimeUnit::Week),
            Some(DateTimeField::Month | DateTimeField::Months) => Some(TimeUnit::Month),
            Some(DateTimeField::Quarter) => Some(TimeUnit::Quarter),
            Some(DateTimeField::Year | DateTimeField::Years) => Some(TimeUnit::Year),
            _ => None,
        };
        match unit {
            Some(unit) if plain => Ok(unit),
            _ => {
                let written = interval.leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
                let names = unit_names();
                let hint = did_you_mean(&written, names.split(", "));
                let hint = hint.unwrap_or_else(|| format!("units are {names}"));
                Err(self
                    .error(expr, format!("the interval unit `{written}` is not part of the rule language"))
                    .hint(hint))
            }
        }
    }
}

fn is_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_interval(inner),
        Expr::Interval(_) => true,
        Expr::Function(function) => {
            function.name.0.first().is_some_and(|name| name.to_string().starts_with("toInterval"))
        }
        _ => false,
    }
}

/// The units, for hints.
pub(super) fn unit_names() -> String {
    UNITS.map(|(name, _)| name.to_uppercase()).join(", ")
}
