//! Days, instants and calendar steps, in the zone they are meant in.

use jiff::civil;
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Span, Timestamp};
use muster_engine::rule::ast::{TimeExpr, TimeUnit};

use super::compare::Value;

pub const NANOS: i128 = 1_000_000_000;

/// What a rule's time is read against.
#[derive(Debug, Clone)]
pub struct Clock {
    pub zone: TimeZone,
    /// Seconds since 1970.
    pub now: i64,
}

/// A day or an instant with the zone its calendar is taken in.
#[derive(Debug, Clone)]
enum Moment {
    Day(civil::Date),
    Instant(i64, TimeZone),
}

impl Clock {
    pub fn new(zone: &str, now: i64) -> Self {
        Self { zone: TimeZone::get(zone).unwrap(), now }
    }

    /// The zone named, or the store's.
    pub fn zone_or_own(&self, name: Option<&str>) -> TimeZone {
        name.map_or_else(|| self.zone.clone(), |name| TimeZone::get(name).unwrap())
    }

    pub fn evaluate(&self, time: &TimeExpr) -> Value<'static> {
        match self.moment(time) {
            Moment::Day(date) => day(date, &self.zone),
            Moment::Instant(seconds, _) => Value::Instant(i128::from(seconds) * NANOS),
        }
    }

    fn moment(&self, time: &TimeExpr) -> Moment {
        match time {
            TimeExpr::Now => Moment::Instant(self.now, self.zone.clone()),
            TimeExpr::Today => {
                let now = Timestamp::from_second(self.now).unwrap();
                Moment::Day(now.to_zoned(self.zone.clone()).date())
            }
            TimeExpr::Date(text) => Moment::Day(text.parse().unwrap()),
            TimeExpr::DateTime { text, zone } => {
                let zone = self.zone_or_own(zone.as_deref());
                let nanos = instant(local(text), &zone);
                Moment::Instant((nanos / NANOS) as i64, zone)
            }
            TimeExpr::Shift { base, count, unit } => self.shift(self.moment(base), *count, *unit),
        }
    }

    fn shift(&self, base: Moment, count: i64, unit: TimeUnit) -> Moment {
        let seconds = match unit {
            TimeUnit::Second => Some(1),
            TimeUnit::Minute => Some(60),
            TimeUnit::Hour => Some(3600),
            _ => None,
        };
        let span = match unit {
            TimeUnit::Week => Span::new().days(count * 7),
            TimeUnit::Month => Span::new().months(count),
            TimeUnit::Quarter => Span::new().months(count * 3),
            TimeUnit::Year => Span::new().years(count),
            _ => Span::new().days(count),
        };
        match (base, seconds) {
            (Moment::Day(date), None) => Moment::Day(date.checked_add(span).unwrap()),
            (Moment::Day(date), Some(each)) => {
                Moment::Instant(day_start(date, &self.zone) + count * each, self.zone.clone())
            }
            (Moment::Instant(at, zone), Some(each)) => Moment::Instant(at + count * each, zone),
            (Moment::Instant(at, zone), None) => {
                let wall = zone.to_datetime(Timestamp::from_second(at).unwrap());
                let nanos = instant(wall.checked_add(span).unwrap(), &zone);
                Moment::Instant((nanos / NANOS) as i64, zone)
            }
        }
    }
}

/// A day, to be compared with other days or, as its first instant in the store's zone, with instants.
pub fn day(date: civil::Date, zone: &TimeZone) -> Value<'static> {
    Value::Day(days(date), i128::from(day_start(date, zone)) * NANOS)
}

/// The first instant of a day.
fn day_start(date: civil::Date, zone: &TimeZone) -> i64 {
    date.to_zoned(zone.clone()).unwrap().timestamp().as_second()
}

/// `2026-11-01`, or with a time and up to nine digits after the second.
pub fn local(text: &str) -> civil::DateTime {
    if text.len() == 10 { text.parse::<civil::Date>().unwrap().at(0, 0, 0, 0) } else { text.parse().unwrap() }
}

/// Nanoseconds since 1970. A local time that does not exist or exists twice is the earlier of both readings.
pub fn instant(local: civil::DateTime, zone: &TimeZone) -> i128 {
    let seconds = local.with().subsec_nanosecond(0).build().unwrap();
    let at = zone.to_ambiguous_timestamp(seconds).disambiguate(Disambiguation::Earlier).unwrap();
    i128::from(at.as_second()) * NANOS + i128::from(local.subsec_nanosecond())
}

fn epoch() -> civil::Date {
    civil::date(1970, 1, 1)
}

pub fn days(date: civil::Date) -> i64 {
    i64::from(epoch().until(date).unwrap().get_days())
}

pub fn date(days: i32) -> civil::Date {
    epoch().checked_add(Span::new().days(days)).unwrap()
}

/// How a column of this scale would be written, in a zone.
pub fn print_ticks(ticks: i64, scale: u8, zone: &TimeZone) -> String {
    let unit = 10i64.pow(u32::from(scale));
    let wall = zone.to_datetime(Timestamp::from_second(ticks.div_euclid(unit)).unwrap());
    let whole = wall.strftime("%Y-%m-%d %H:%M:%S").to_string();
    if scale == 0 {
        whole
    } else {
        format!("{whole}.{:0width$}", ticks.rem_euclid(unit), width = usize::from(scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str, zone: &str) -> i128 {
        instant(local(text), &TimeZone::get(zone).unwrap()) / NANOS
    }

    #[test]
    fn local_times_are_read_as_the_warehouse_reads_them() {
        // Measured: twice there, not there, and the same where a zone moves by half an hour.
        assert_eq!(seconds("2026-11-01 01:30:00", "America/New_York"), 1_793_511_000);
        assert_eq!(seconds("2026-03-08 02:30:00", "America/New_York"), 1_772_951_400);
        assert_eq!(seconds("2026-10-04 02:15:00", "Australia/Lord_Howe"), 1_791_040_500);
        assert_eq!(seconds("2026-04-05 01:45:00", "Australia/Lord_Howe"), 1_775_313_900);
        let clock = Clock::new("America/New_York", 0);
        let base = Box::new(TimeExpr::DateTime { text: "2026-11-02 01:30:00".into(), zone: None });
        let back = TimeExpr::Shift { base, count: -1, unit: TimeUnit::Day };
        assert_eq!(clock.evaluate(&back), Value::Instant(1_793_511_000 * NANOS));
    }
}
