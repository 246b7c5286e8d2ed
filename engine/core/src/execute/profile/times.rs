//! Where bins of times begin and end: by the calendar of the store's zone, or by age before `now()`.
//!
//! Edges by age are the instants that rules name, `now() - INTERVAL 7 DAY` and its kin, so a bar of the picture is a condition.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};

use crate::rule::ast::{TimeExpr, TimeUnit};
use crate::rule::bind::time::{Clock, Moment};

const DAY: i64 = 86_400;

/// What edges of times are made from, in Unix seconds; days are theirs in UTC.
#[derive(Debug)]
pub(super) struct Times<'a> {
    /// Not above any.
    pub(super) min: i64,
    /// Not below any.
    pub(super) max: i64,
    /// Whether they are days without a time.
    pub(super) days: bool,
    /// `now()` and the store's zone.
    pub(super) clock: &'a Clock,
}

/// How far apart edges are.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A part of a day.
    Seconds(i64),
    Days,
    /// From Monday.
    Weeks,
    Months(i64),
    Years(i64),
}

const STEPS: [Step; 29] = [
    Step::Seconds(1),
    Step::Seconds(5),
    Step::Seconds(15),
    Step::Seconds(30),
    Step::Seconds(60),
    Step::Seconds(5 * 60),
    Step::Seconds(15 * 60),
    Step::Seconds(30 * 60),
    Step::Seconds(3600),
    Step::Seconds(3 * 3600),
    Step::Seconds(6 * 3600),
    Step::Seconds(12 * 3600),
    Step::Days,
    Step::Weeks,
    Step::Months(1),
    Step::Months(3),
    Step::Months(6),
    Step::Years(1),
    Step::Years(2),
    Step::Years(5),
    Step::Years(10),
    Step::Years(20),
    Step::Years(50),
    Step::Years(100),
    Step::Years(200),
    Step::Years(500),
    Step::Years(1000),
    Step::Years(5000),
    Step::Years(20_000),
];

impl Step {
    /// Not more than it takes.
    fn seconds_min(self) -> i64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Days => DAY - 2 * 3600,
            Self::Weeks => 7 * DAY - 2 * 3600,
            Self::Months(months) => months * 28 * DAY,
            Self::Years(years) => years * 365 * DAY,
        }
    }

    /// The last edge that is not after a local time.
    fn floor(self, at: DateTime) -> Option<DateTime> {
        let first = |date: Date| date.to_datetime(Time::midnight());
        Some(match self {
            Self::Seconds(step) => {
                let time = at.time();
                let seconds =
                    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
                first(at.date()).checked_add((seconds / step * step).seconds()).ok()?
            }
            Self::Days => first(at.date()),
            Self::Weeks => {
                let since = at.date().weekday().to_monday_zero_offset();
                first(at.date().checked_sub(i64::from(since).days()).ok()?)
            }
            Self::Months(months) => {
                let month = (i64::from(at.month()) - 1) / months * months + 1;
                first(Date::new(at.year(), month as i8, 1).ok()?)
            }
            Self::Years(years) => {
                let year = i64::from(at.year()).div_euclid(years) * years;
                first(Date::new(i16::try_from(year).ok()?, 1, 1).ok()?)
            }
        })
    }

    fn span(self) -> Span {
        match self {
            Self::Seconds(seconds) => seconds.seconds(),
            Self::Days => 1.day(),
            Self::Weeks => 1.week(),
            Self::Months(months) => months.months(),
            // More years than a calendar has lead out of it all the same.
            Self::Years(years) => years.min(19_000).years(),
        }
    }
}

/// Ages from the finest layout to the coarsest. Those in hours are for times, not for days.
const AGES: [&[(i64, TimeUnit)]; 4] = [
    &[
        (1, TimeUnit::Hour),
        (3, TimeUnit::Hour),
        (6, TimeUnit::Hour),
        (12, TimeUnit::Hour),
        (1, TimeUnit::Day),
        (2, TimeUnit::Day),
        (3, TimeUnit::Day),
        (5, TimeUnit::Day),
        (7, TimeUnit::Day),
        (14, TimeUnit::Day),
        (21, TimeUnit::Day),
        (30, TimeUnit::Day),
        (60, TimeUnit::Day),
        (90, TimeUnit::Day),
        (120, TimeUnit::Day),
        (180, TimeUnit::Day),
        (270, TimeUnit::Day),
        (1, TimeUnit::Year),
        (18, TimeUnit::Month),
        (2, TimeUnit::Year),
        (3, TimeUnit::Year),
        (4, TimeUnit::Year),
        (5, TimeUnit::Year),
        (7, TimeUnit::Year),
        (10, TimeUnit::Year),
        (15, TimeUnit::Year),
        (20, TimeUnit::Year),
        (30, TimeUnit::Year),
        (50, TimeUnit::Year),
    ],
    &[
        (1, TimeUnit::Hour),
        (6, TimeUnit::Hour),
        (1, TimeUnit::Day),
        (3, TimeUnit::Day),
        (7, TimeUnit::Day),
        (14, TimeUnit::Day),
        (30, TimeUnit::Day),
        (90, TimeUnit::Day),
        (180, TimeUnit::Day),
        (1, TimeUnit::Year),
        (2, TimeUnit::Year),
        (5, TimeUnit::Year),
        (10, TimeUnit::Year),
        (20, TimeUnit::Year),
        (50, TimeUnit::Year),
    ],
    &[
        (1, TimeUnit::Day),
        (7, TimeUnit::Day),
        (30, TimeUnit::Day),
        (180, TimeUnit::Day),
        (1, TimeUnit::Year),
        (5, TimeUnit::Year),
        (20, TimeUnit::Year),
    ],
    &[(30, TimeUnit::Day), (1, TimeUnit::Year), (10, TimeUnit::Year)],
];

impl Times<'_> {
    /// Edges at the beginnings of minutes, hours, days, weeks, months or years, whichever are the shortest of which there
    /// are few enough; `None` for times that no calendar has.
    pub(super) fn calendar(&self, bins: usize) -> Option<Vec<f64>> {
        STEPS.iter().find_map(|&step| {
            let spared = !(self.days && matches!(step, Step::Seconds(_)));
            let long = (self.max.saturating_sub(self.min) / step.seconds_min()) as u64 <= bins as u64 + 1;
            (spared && long).then(|| self.stepped(step, bins)).flatten()
        })
    }

    fn stepped(&self, step: Step, bins: usize) -> Option<Vec<f64>> {
        let zone = self.zone();
        let local = Timestamp::from_second(self.min).ok()?.to_zoned(zone.clone()).datetime();
        let mut at = step.floor(local)?;
        let mut edges = vec![instant(at, &zone)?];
        while edges.last().is_some_and(|&last| last <= self.max) {
            at = at.checked_add(step.span()).ok()?;
            edges.push(instant(at, &zone)?);
            if edges.len() > bins + 2 {
                return None;
            }
        }
        edges.sort_unstable();
        edges.dedup();
        (edges.len() <= bins + 1).then(|| floats(&edges))
    }

    /// The calendar's zone: days are the same everywhere.
    fn zone(&self) -> TimeZone {
        if self.days { TimeZone::UTC } else { self.clock.zone.clone() }
    }

    /// Edges by age before `now()`, or by how far ahead of it; `None` where no layout has few enough.
    pub(super) fn ages(&self, bins: usize) -> Option<Vec<f64>> {
        AGES.iter().find_map(|ages| {
            let edges = self.aged(ages)?;
            (edges.len() <= bins + 1).then(|| floats(&edges))
        })
    }

    fn aged(&self, ages: &[(i64, TimeUnit)]) -> Option<Vec<i64>> {
        let both = ages.iter().flat_map(|&(count, unit)| [(count, unit), (-count, unit)]);
        let mut edges: Vec<i64> = both.filter_map(|(count, unit)| self.shifted(count, unit)).collect();
        edges.extend(self.shifted(0, TimeUnit::Day));
        edges.sort_unstable();
        edges.dedup();
        // No more than it takes to hold all.
        let first = edges.partition_point(|&edge| edge <= self.min);
        let last = edges.partition_point(|&edge| edge <= self.max);
        let mut kept = edges.get(first.saturating_sub(1)..(last + 1).min(edges.len()))?.to_vec();
        if first == 0 {
            kept.insert(0, self.year(self.min, 0)?);
        }
        if last == edges.len() {
            kept.push(self.year(self.max, 1)?);
        }
        Some(kept)
    }

    /// `now()`, or `today()` for days, so much later. Rules can name nothing before 1970.
    fn shifted(&self, count: i64, unit: TimeUnit) -> Option<i64> {
        let base = Box::new(if self.days { TimeExpr::Today } else { TimeExpr::Now });
        match self.clock.eval(&TimeExpr::Shift { base, count, unit }).ok()? {
            Moment::Day(day) => Some(i64::from(day) * DAY),
            Moment::Second(second, _) => (!self.days).then_some(second),
        }
    }

    /// The beginning of the year that a time is in, or of a later one.
    fn year(&self, second: i64, later: i64) -> Option<i64> {
        let zone = self.zone();
        let local = Timestamp::from_second(second).ok()?.to_zoned(zone.clone()).datetime();
        let at = Step::Years(1).floor(local)?.checked_add(later.years()).ok()?;
        instant(at, &zone)
    }
}

fn instant(at: DateTime, zone: &TimeZone) -> Option<i64> {
    Some(zone.to_ambiguous_zoned(at).compatible().ok()?.timestamp().as_second())
}

fn floats(edges: &[i64]) -> Vec<f64> {
    edges.iter().map(|&edge| edge as f64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_132_800; // 2026-11-20 00:00:00 UTC

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn shown(edges: Option<Vec<f64>>, zone: &str) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let show = |edge: f64| Timestamp::from_second(edge as i64).unwrap().to_zoned(zone.clone()).datetime();
        edges.unwrap().into_iter().map(|edge| show(edge).to_string()).collect()
    }

    #[test]
    fn calendars_are_those_of_the_zone() {
        let clock = Clock::new(NOW, "America/New_York").unwrap();
        let times = |min, max| Times { min: at(min), max: at(max), days: false, clock: &clock };
        let zone = "America/New_York";
        // The clocks go back on 1 November, so that day has 25 hours.
        let days = times("2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z").calendar(4);
        assert_eq!(
            shown(days, zone),
            ["2026-10-31T00:00:00", "2026-11-01T00:00:00", "2026-11-02T00:00:00", "2026-11-03T00:00:00"]
        );
        let months = times("2026-01-15T00:00:00Z", "2026-04-01T03:00:00Z").calendar(4);
        assert_eq!(
            shown(months, zone),
            ["2026-01-01T00:00:00", "2026-02-01T00:00:00", "2026-03-01T00:00:00", "2026-04-01T00:00:00"]
        );
        let minutes = times("2026-01-15T00:01:00Z", "2026-01-15T00:14:59Z").calendar(4);
        assert_eq!(
            shown(minutes, zone),
            ["2026-01-14T19:00:00", "2026-01-14T19:05:00", "2026-01-14T19:10:00", "2026-01-14T19:15:00"]
        );
        let weeks = times("2026-11-04T00:00:00Z", "2026-11-20T00:00:00Z").calendar(5);
        assert_eq!(shown(weeks, zone)[0], "2026-11-02T00:00:00", "a Monday");
    }

    #[test]
    fn ages_are_what_rules_name() {
        let clock = Clock::new(NOW, "UTC").unwrap();
        let times = Times { min: at("2025-11-25T00:00:00Z"), max: NOW - 7200, days: false, clock: &clock };
        let days_before = |edges: Vec<f64>| {
            let days = |edge: f64| (edge - NOW as f64) / DAY as f64;
            edges.into_iter().map(days).collect::<Vec<_>>()
        };
        let edges = days_before(times.ages(12).unwrap());
        assert_eq!(edges, [-365.0, -180.0, -90.0, -30.0, -14.0, -7.0, -3.0, -1.0, -0.25, -1.0 / 24.0]);
        let days = Times { min: NOW - 40 * DAY, max: NOW, days: true, clock: &clock };
        assert_eq!(days_before(days.ages(6).unwrap()), [-180.0, -30.0, -7.0, -1.0, 0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn edges_ascend_and_hold_all_times(
            a in -10_000_000_000_i64..10_000_000_000,
            length in prop_oneof![0_i64..100, 0_i64..100_000, 0_i64..1_000_000_000, 0_i64..20_000_000_000],
            bins in 1_usize..80,
            days in any::<bool>(),
            zone in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
        ) {
            let clock = Clock::new(NOW, zone).unwrap();
            let (mut min, mut max) = (a, a + length);
            if days {
                (min, max) = (min.div_euclid(DAY) * DAY, max.div_euclid(DAY) * DAY);
            }
            let times = Times { min, max, days, clock: &clock };
            for (name, edges) in [("calendar", times.calendar(bins)), ("ages", times.ages(bins))] {
                let Some(edges) = edges else { continue };
                prop_assert!(edges.len() >= 2 && edges.len() <= bins + 1, "{} {:?}", name, edges);
                prop_assert!(edges.is_sorted_by(|a, b| a < b), "{} {:?}", name, edges);
                prop_assert!(edges[0] <= min as f64 && edges[edges.len() - 1] > max as f64, "{} {:?}", name, edges);
                prop_assert!(!days || edges.iter().all(|edge| edge % DAY as f64 == 0.0), "{} {:?}", name, edges);
            }
        }
    }
}
