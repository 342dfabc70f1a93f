//! The times of a cron expression in a time zone.

use croner::parser::{CronParser, Year};
use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::message::Timestamp;

use super::error::RecurringError;

/// So many times before an instant are looked at to find the last one: on a day when clocks go back, the way back meets times
/// that the way forward leaves out.
const BACK: usize = 3;

/// The times of a cron expression in a time zone.
pub(crate) struct Cron {
    times: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads the expression and finds the zone.
    ///
    /// # Errors
    /// What is wrong with either.
    pub(super) fn parse(name: &str, cron: &str, zone: &str) -> Result<Self, RecurringError> {
        let parsed = CronParser::builder().year(Year::Disallowed).build().parse(cron);
        let times = parsed.map_err(|error| RecurringError::Cron {
            name: name.to_owned(),
            cron: cron.to_owned(),
            reason: error.to_string().trim_end_matches('.').to_owned(),
        })?;
        let zone =
            TimeZone::get(zone).map_err(|_| RecurringError::Zone { name: name.to_owned(), zone: zone.to_owned() })?;
        let found = Self { times, zone };
        match found.next(Timestamp::EPOCH) {
            Some(_) => Ok(found),
            None => Err(RecurringError::NoTime { name: name.to_owned(), cron: cron.to_owned() }),
        }
    }

    /// The first time behind `instant`.
    pub(super) fn next(&self, instant: Timestamp) -> Option<Timestamp> {
        let next = self.times.find_next_occurrence(&self.zoned(instant)?, false).ok()?;
        Some(Timestamp::from_micros(next.timestamp().as_microsecond()))
    }

    /// The last time from `first`, which is one, to `instant`.
    pub(super) fn last(&self, first: Timestamp, instant: Timestamp) -> Timestamp {
        let Some(mut from) = self.zoned(instant) else { return first };
        for step in 0..BACK {
            match self.times.find_previous_occurrence(&from, step == 0) {
                Ok(before) => from = before,
                Err(_) => return first,
            }
        }
        let mut last = first.max(Timestamp::from_micros(from.timestamp().as_microsecond()));
        while let Some(next) = self.next(last).filter(|next| *next <= instant) {
            last = next;
        }
        last
    }

    fn zoned(&self, instant: Timestamp) -> Option<Zoned> {
        let instant = jiff::Timestamp::from_microsecond(instant.as_micros()).ok()?;
        Some(instant.to_zoned(self.zone.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::Cron;
    use crate::message::Timestamp;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn times(cron: &str, zone: &str, from: &str, count: usize) -> Vec<Timestamp> {
        let cron = Cron::parse("test", cron, zone).unwrap();
        let first = cron.next(at(from));
        std::iter::successors(first, |time| cron.next(*time)).take(count).collect()
    }

    #[track_caller]
    fn assert_times(cron: &str, zone: &str, from: &str, expected: &[&str]) {
        let expected: Vec<Timestamp> = expected.iter().map(|text| at(text)).collect();
        assert_eq!(times(cron, zone, from, expected.len()), expected, "{cron} in {zone}");
    }

    #[test]
    fn a_fixed_time_that_the_night_leaves_out_comes_after_the_gap() {
        let expected = ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
        assert_times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00+01:00", &expected);
    }

    #[test]
    fn a_fixed_time_that_the_night_has_twice_comes_once() {
        let expected = ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"];
        assert_times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", &expected);
    }

    #[test]
    fn an_interval_goes_on_with_the_clock() {
        let gap = ["2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"];
        assert_times("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:00:00+01:00", &gap);
        let overlap = [
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
            "2026-10-25T03:00:00+01:00",
        ];
        assert_times("*/30 * * * *", "Europe/Berlin", "2026-10-25T02:00:00+02:00", &overlap);
    }

    #[test]
    fn fields_are_read_as_cron_does() {
        let weekdays = ["2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z"];
        assert_times("0 9 * * MON-FRI", "UTC", "2026-01-01T10:00:00Z", &weekdays);
        assert_times("0 0 L 2 *", "UTC", "2027-01-01T00:00:00Z", &["2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z"]);
        assert_times(
            "*/20 * * * * *",
            "UTC",
            "2026-01-01T00:00:30Z",
            &["2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"],
        );
        assert_times("0 0 13 * FRI", "UTC", "2026-01-01T00:00:00Z", &["2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z"]);
    }

    #[test]
    fn the_last_time_is_one_of_those_that_come() {
        for (cron, zone) in
            [("30 2 * * *", "Europe/Berlin"), ("0 */6 * * *", "America/New_York"), ("15 3 1 * *", "UTC")]
        {
            let cron_ = Cron::parse("test", cron, zone).unwrap();
            let all = times(cron, zone, "2026-10-20T00:00:00Z", 60);
            for (place, time) in all.iter().enumerate().skip(1) {
                assert_eq!(cron_.last(all[0], *time), *time);
                let shortly_before = Timestamp::from_micros(time.as_micros() - 1);
                assert_eq!(cron_.last(all[0], shortly_before), all[place - 1], "{cron} before {time}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let fault = |cron: &str, zone: &str| match Cron::parse("nightly", cron, zone) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        let text = fault("0 25 * * *", "UTC");
        assert!(
            text.starts_with(
                "the recurring schedule `nightly` has the cron expression `0 25 * * *`, which cannot be read: "
            ),
            "{text}"
        );
        assert!(text.ends_with("or six with a second before them"), "{text}");
        for cron in ["", "* * *", "0 3 * * * * 2027", "0 3 * * nobody"] {
            assert!(fault(cron, "UTC").contains("cannot be read"), "{cron}");
        }
        assert!(fault("0 3 * * *", "Europe/Atlantis").contains("the time zone `Europe/Atlantis`, which is not known"));
        assert!(fault("0 0 30 2 *", "UTC").contains("no such time ever comes"));
    }
}
