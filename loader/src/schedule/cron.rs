//! When: a cron expression in a time zone. Each time on the wall clock comes once, also on days with 23 or 25 hours.

use cronexpr::{Crontab, MakeTimestamp, parse_crontab};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::error::{LoadError, Result};

/// A cron expression and its zone.
#[derive(Debug, Clone)]
pub struct Cron {
    zone: TimeZone,
    /// In the zone, where the hour is a wildcard: then it is about time that passes, not about the clock on the wall.
    passing: Option<Crontab>,
    /// On a clock that is never set.
    wall: Crontab,
}

/// Clocks are set by less than this.
const SET_BY_HOURS_MAX: i64 = 4;

impl Cron {
    /// Reads five fields (minute, hour, day of month, month, day of week) in a zone such as `Europe/Berlin`.
    pub fn parse(text: &str, zone: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_, hour, ..] = fields[..] else { return Err(wrong(text, "it has too few fields")) };
        if fields.len() != 5 {
            return Err(wrong(text, &format!("it has {} fields", fields.len())));
        }
        let tz = TimeZone::get(zone).map_err(|_| {
            LoadError::Config(format!(
                "schedule.time_zone {zone:?} is not known; use a name such as Europe/Berlin or UTC."
            ))
        })?;
        let parsed = |zone: &str| {
            parse_crontab(&format!("{text} {zone}"))
                .map_err(|error| wrong(text, first_line(&error.to_string())))
        };
        let passing = hour.starts_with('*').then(|| parsed(zone)).transpose()?;
        let cron = Self { zone: tz, passing, wall: parsed("UTC")? };
        // A day that never comes, such as 30 February, is a mistake to tell now.
        cron.next(Timestamp::now()).map_err(|_| wrong(text, "that time never comes"))?;
        Ok(cron)
    }

    /// The first time after this instant.
    pub fn next(&self, after: Timestamp) -> Result<Zoned> {
        let failed = |error: cronexpr::Error| {
            LoadError::Config(format!("there is no next time for schedule.cron: {error}"))
        };
        if let Some(crontab) = &self.passing {
            return crontab.find_next(MakeTimestamp(after)).map_err(failed);
        }
        // Around the day on which clocks are set, the order of times on the wall is not that of instants: so look from
        // a little before to a little after, and take the earliest.
        let there = after.to_zoned(self.zone.clone()).datetime().saturating_sub(SET_BY_HOURS_MAX.hours());
        let mut wall = unset(there)?;
        let mut best: Option<Zoned> = None;
        loop {
            let next = self.wall.find_next(MakeTimestamp(wall)).map_err(failed)?;
            wall = next.timestamp();
            if let Some(best) = &best
                && next.datetime() > best.datetime().saturating_add(SET_BY_HOURS_MAX.hours())
            {
                return Ok(best.clone());
            }
            // A time that is skipped comes as much later as the clock is set forward; of two, the first counts.
            let zoned = self.zone.to_ambiguous_zoned(next.datetime()).compatible();
            let zoned = zoned.map_err(|error| LoadError::Config(format!("schedule.cron: {error}")))?;
            if zoned.timestamp() > after && best.as_ref().is_none_or(|best| zoned < *best) {
                best = Some(zoned);
            }
        }
    }
}

fn unset(there: jiff::civil::DateTime) -> Result<Timestamp> {
    let zoned = there.to_zoned(TimeZone::UTC);
    Ok(zoned.map_err(|error| LoadError::Config(format!("schedule.cron: {error}")))?.timestamp())
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it is not a cron expression")
}

fn wrong(text: &str, what: &str) -> LoadError {
    LoadError::Config(format!(
        "schedule.cron {text:?} is not understood: {what}; give minute, hour, day of month, month and day of week, as \"30 5 * * *\"."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(cron, zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        let next = || {
            let next = cron.next(at).unwrap();
            at = next.timestamp();
            at.to_string()
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn every_night_comes_once_whatever_is_done_to_the_clock() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00. What is at 02:30 comes at 03:30, which is 01:30 UTC.
        let spring = times("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
        assert_eq!(spring, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        // Asked in the hour between, it is still to come.
        assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-03-29T01:10:00Z", 1), ["2026-03-29T01:30:00Z"]);
        // 25 October 2026: 03:00 becomes 02:00. There are two 02:30, and the first counts.
        let autumn = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(autumn, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        assert_eq!(times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", 1), ["2026-10-26T01:30:00Z"]);
        // A quarter of an hour after the other, on a day without the hour of the one.
        let both = times("45 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 3);
        assert_eq!(both, ["2026-03-29T01:45:00Z", "2026-03-30T00:45:00Z", "2026-03-30T01:45:00Z"]);
        // Half an hour, on Lord Howe Island, 4 October 2026: 02:00 becomes 02:30.
        let howe = times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2);
        assert_eq!(howe, ["2026-10-03T15:45:00Z", "2026-10-04T15:15:00Z"]);
    }

    #[test]
    fn wildcard_hours_are_about_time_that_passes() {
        let autumn = times("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4);
        let hours =
            ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"];
        assert_eq!(autumn, hours);
        let spring = times("30 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", 2);
        assert_eq!(spring, ["2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z"], "02:30 is not on the clock");
    }

    #[test]
    fn plain_schedules_are_as_everywhere() {
        assert_eq!(
            times("30 5 * * 1-5", "UTC", "2026-11-20T05:30:00Z", 2),
            ["2026-11-23T05:30:00Z", "2026-11-24T05:30:00Z"]
        );
        assert_eq!(times("0 6 L * *", "UTC", "2026-02-01T00:00:00Z", 1), ["2026-02-28T06:00:00Z"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_an_example() {
        for (cron, zone, said) in [
            ("30 5 * *", "UTC", "4 fields"),
            ("0 30 5 * * *", "UTC", "6 fields"),
            ("", "UTC", "too few"),
            ("@daily", "UTC", "too few"),
            ("61 5 * * *", "UTC", "not understood"),
            ("x 5 * * *", "UTC", "not understood"),
            ("0 0 30 2 *", "UTC", "never comes"),
            ("30 5 * * *", "Europe/Berln", "Europe/Berlin or UTC"),
        ] {
            let error = Cron::parse(cron, zone).unwrap_err().to_string();
            assert!(error.contains(said), "{cron}: {error}");
        }
    }
}
