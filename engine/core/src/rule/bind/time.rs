//! Time constants: from what a rule says to days and seconds, in the store's zone, as ClickHouse reckons.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Span, Timestamp};

use crate::rule::ast::{TimeExpr, TimeUnit};
use crate::rule::error::RuleError;

/// Nanoseconds since the epoch: what all times are compared by.
pub type Nanos = i128;
const SECOND: Nanos = 1_000_000_000;

/// Last second of ClickHouse's DateTime.
const SECOND_MAX: i64 = u32::MAX as i64;
/// Last day of ClickHouse's Date.
const DAY_MAX: i32 = u16::MAX as i32;

/// A time constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Moment {
    /// A day, as days since the epoch.
    Day(i32),
    /// An instant in seconds, and the zone its calendar arithmetic is done in.
    Second(i64, TimeZone),
}

/// The clock of one request: its instant and the store's zone.
#[derive(Debug, Clone)]
pub struct Clock {
    /// `now()`, in Unix seconds.
    pub now: i64,
    /// The store's zone.
    pub zone: TimeZone,
}

impl Clock {
    /// A clock in a zone by its IANA name.
    pub fn new(now: i64, zone: &str) -> Result<Self, RuleError> {
        Ok(Self { now, zone: zone_of(zone)? })
    }

    /// What a time expression means.
    pub fn eval(&self, expr: &TimeExpr) -> Result<Moment, RuleError> {
        match expr {
            TimeExpr::Now => Ok(Moment::Second(self.now, self.zone.clone())),
            TimeExpr::Today => {
                let now =
                    Timestamp::from_second(self.now).map_err(|_| RuleError::new("now() is out of range"))?;
                Ok(Moment::Day(days_of(now.to_zoned(self.zone.clone()).date())))
            }
            TimeExpr::DateTime { text, zone } => {
                let zone = zone.as_deref().map_or(Ok(self.zone.clone()), zone_of)?;
                let seconds = (parse_instant(text, &zone)? / SECOND) as i64;
                Ok(Moment::Second(in_range(seconds, text)?, zone))
            }
            TimeExpr::Date(text) => {
                let (date, _) = parse_civil(text)?;
                day_in_range(days_of(date.date()), text).map(Moment::Day)
            }
            TimeExpr::Shift { base, count, unit } => self.shift(&self.eval(base)?, *count, *unit),
        }
    }

    fn shift(&self, base: &Moment, count: i64, unit: TimeUnit) -> Result<Moment, RuleError> {
        let what = || format!("shifting by {count} {unit:?}s").to_lowercase();
        let far = || RuleError::new(format!("{} leaves the calendar", what()));
        let exact = match unit {
            TimeUnit::Second => Some(1),
            TimeUnit::Minute => Some(60),
            TimeUnit::Hour => Some(3600),
            _ => None,
        };
        if let Some(seconds) = exact {
            let (start, zone) = match base {
                Moment::Day(day) => ((self.first_instant(*day) / SECOND) as i64, &self.zone),
                Moment::Second(second, zone) => (*second, zone),
            };
            let shifted = count.checked_mul(seconds).and_then(|by| start.checked_add(by)).ok_or_else(far)?;
            return Ok(Moment::Second(in_range(shifted, &what())?, zone.clone()));
        }
        let span = match unit {
            TimeUnit::Day => Span::new().try_days(count),
            TimeUnit::Week => Span::new().try_weeks(count),
            TimeUnit::Month => Span::new().try_months(count),
            TimeUnit::Quarter => Span::new().try_months(count.checked_mul(3).ok_or_else(far)?),
            _ => Span::new().try_years(count),
        }
        .map_err(|_| far())?;
        match base {
            Moment::Day(day) => {
                let date = civil_of(*day).ok_or_else(far)?.checked_add(span).map_err(|_| far())?;
                day_in_range(days_of(date), &what()).map(Moment::Day)
            }
            Moment::Second(second, zone) => {
                let local =
                    Timestamp::from_second(*second).map_err(|_| far())?.to_zoned(zone.clone()).datetime();
                let local = local.checked_add(span).map_err(|_| far())?;
                let second = (nanos_of(local, zone)? / SECOND) as i64;
                Ok(Moment::Second(in_range(second, &what())?, zone.clone()))
            }
        }
    }

    /// The first instant of a day in the store's zone.
    pub fn first_instant(&self, day: i32) -> Nanos {
        let start = civil_of(day).and_then(|date| {
            let local = date.to_datetime(jiff::civil::Time::midnight());
            self.zone.to_ambiguous_zoned(local).compatible().ok()
        });
        // Days outside the calendar (no source has them) are reckoned in UTC.
        start.map_or(Nanos::from(day) * 86_400 * SECOND, |start| start.timestamp().as_nanosecond())
    }

    /// A moment as nanoseconds.
    pub fn nanos(&self, moment: &Moment) -> Nanos {
        match moment {
            Moment::Day(day) => self.first_instant(*day),
            Moment::Second(second, _) => Nanos::from(*second) * SECOND,
        }
    }

    /// Text compared with a column of instants with `scale` digits: read in the store's zone, cut to that scale.
    pub fn instant_text(&self, text: &str, scale: u8) -> Result<Nanos, RuleError> {
        let nanos = parse_instant(text, &self.zone)?;
        let unit = 10_i128.pow(9 - u32::from(scale.min(9)));
        Ok(nanos.div_euclid(unit) * unit)
    }
}

/// The instant that a text names, with all its digits; without an offset it is read in the store's zone.
pub(crate) fn exact_instant(text: &str, clock: &Clock) -> Result<Nanos, RuleError> {
    parse_instant(text, &clock.zone)
}

/// Text compared with a column of days.
pub fn day_text(text: &str) -> Result<i32, RuleError> {
    match parse_civil(text)? {
        (date, false) => Ok(days_of(date.date())),
        (_, true) => Err(RuleError::new(format!("'{text}' has a time, but is compared with a Date"))
            .hint(format!("write '{}'", &text[..10]))),
    }
}

fn zone_of(name: &str) -> Result<TimeZone, RuleError> {
    TimeZone::get(name).map_err(|_| {
        RuleError::new(format!("unknown time zone '{name}'"))
            .hint("use an IANA name such as 'Europe/Berlin' or 'UTC'")
    })
}

fn in_range(second: i64, what: &str) -> Result<i64, RuleError> {
    if (0..=SECOND_MAX).contains(&second) {
        return Ok(second);
    }
    Err(RuleError::new(format!("{what} is outside of what DateTime can hold"))
        .hint("use a time from 1970-01-01 00:00:00 to 2106-02-07 06:28:15 UTC"))
}

fn day_in_range(day: i32, what: &str) -> Result<i32, RuleError> {
    if (0..=DAY_MAX).contains(&day) {
        return Ok(day);
    }
    Err(RuleError::new(format!("{what} is outside of what Date can hold"))
        .hint("use a day from 1970-01-01 to 2149-06-06"))
}

fn days_of(date: Date) -> i32 {
    let epoch = jiff::civil::date(1970, 1, 1);
    date.since(epoch).map_or(0, |span| span.get_days())
}

fn civil_of(day: i32) -> Option<Date> {
    let span = Span::new().try_days(day).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok()
}

/// A local time that does not exist is read with the offset after the gap, one that exists twice is the first:
/// that is what ClickHouse does.
fn nanos_of(local: DateTime, zone: &TimeZone) -> Result<Nanos, RuleError> {
    let zoned = zone.to_ambiguous_zoned(local).disambiguate(Disambiguation::Earlier);
    let zoned = zoned.map_err(|_| RuleError::new(format!("'{local}' is out of range")))?;
    Ok(zoned.timestamp().as_nanosecond())
}

fn parse_instant(text: &str, zone: &TimeZone) -> Result<Nanos, RuleError> {
    // An offset or Z makes it an instant on its own.
    let tail = text.get(11..).unwrap_or_default();
    if tail.ends_with('Z') || tail.contains(['+', '-']) {
        let time: Result<Timestamp, _> = text.parse();
        return time.map(Timestamp::as_nanosecond).map_err(|_| not_a_time(text));
    }
    nanos_of(parse_civil(text)?.0, zone)
}

/// `YYYY-MM-DD`, then maybe a space or `T` and `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fraction`. Also tells whether there was a time.
fn parse_civil(text: &str) -> Result<(DateTime, bool), RuleError> {
    let bad = || not_a_time(text);
    let (date, rest) = text.split_at_checked(10).ok_or_else(bad)?;
    let bytes = date.as_bytes();
    if bytes[4] != b'-' || bytes[7] != b'-' {
        return Err(bad());
    }
    let date: Date = date.parse().map_err(|_| bad())?;
    if rest.is_empty() {
        return Ok((date.to_datetime(jiff::civil::Time::midnight()), false));
    }
    let time = rest.strip_prefix([' ', 'T']).ok_or_else(bad)?;
    if !time.is_ascii() || time.len() < 5 || time.as_bytes()[2] != b':' {
        return Err(bad());
    }
    let time: jiff::civil::Time = time.parse().map_err(|_| bad())?;
    Ok((date.to_datetime(time), true))
}

fn not_a_time(text: &str) -> RuleError {
    RuleError::new(format!("'{text}' is not a date or time"))
        .hint("write '2026-11-01' or '2026-11-01 18:30:00'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: &str) -> Clock {
        Clock::new(1_795_132_800, zone).unwrap() // 2026-11-20 00:00:00 UTC
    }

    fn second(clock: &Clock, expr: &TimeExpr) -> i64 {
        (clock.nanos(&clock.eval(expr).unwrap()) / SECOND) as i64
    }

    fn shift(base: TimeExpr, count: i64, unit: TimeUnit) -> TimeExpr {
        TimeExpr::Shift { base: Box::new(base), count, unit }
    }

    fn at(text: &str) -> TimeExpr {
        TimeExpr::DateTime { text: text.to_owned(), zone: None }
    }

    #[test]
    fn calendars_work_as_in_clickhouse() {
        let utc = clock("UTC");
        assert_eq!(second(&utc, &shift(TimeExpr::Now, -7, TimeUnit::Day)), 1_795_132_800 - 7 * 86_400);
        assert_eq!(
            second(&utc, &shift(at("2026-03-31 12:00:00"), -1, TimeUnit::Month)),
            second(&utc, &at("2026-02-28 12:00:00"))
        );
        assert_eq!(utc.eval(&TimeExpr::Today).unwrap(), Moment::Day(20_777));
        assert_eq!(clock("America/New_York").eval(&TimeExpr::Today).unwrap(), Moment::Day(20_776));
        // A time in a gap takes the offset after it.
        assert_eq!(second(&clock("America/New_York"), &at("2026-03-08 02:30:00")), 1_772_951_400);
        assert_eq!(clock("UTC").instant_text("1969-12-31 23:59:59.9999", 3).unwrap(), -1_000_000);
    }

    #[test]
    fn what_is_not_a_time_is_said_to_be_none() {
        let utc = clock("UTC");
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2026-1-2",
            "2026/01/02",
            "2026-01-01x",
            "2026-01-01 25:00:00",
            "日本日本日本日本",
        ] {
            assert!(utc.eval(&at(text)).is_err(), "{text}");
        }
        assert!(utc.eval(&shift(TimeExpr::Now, i64::MAX, TimeUnit::Second)).is_err());
        assert!(utc.eval(&shift(at("1970-01-02"), -7, TimeUnit::Day)).is_err());
        assert!(day_text("2026-01-01 00:00:00").is_err());
    }
}
