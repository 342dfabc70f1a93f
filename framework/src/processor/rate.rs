//! How fast a processor gets on at present.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::message::{Position, Timestamp};

/// What was done in this time before now tells how fast a processor is.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// What was done in less time is taken for the work of this time: a single event says nothing about what a second brings.
const LEAST: Duration = Duration::from_secs(1);
/// Pages that end within this time are kept as one, so that a window holds few of them however small they are.
const GRAIN: Duration = Duration::from_millis(500);

/// Counts what this node does for one processor, by the clock of the application. It asks no database. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Mutex<VecDeque<Work>>>);

/// What was done in one or several pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    pub(crate) begun: Timestamp,
    pub(crate) ended: Timestamp,
    /// Events that were handled.
    pub(crate) events: u64,
    /// Positions that were passed, those of events that concern nobody included.
    pub(crate) positions: u64,
}

/// What a second brings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pace {
    pub(crate) events: f64,
    pub(crate) positions: f64,
}

impl Meter {
    /// A page is done.
    pub(crate) fn add(&self, page: Work) {
        if page.events == 0 && page.positions == 0 {
            return;
        }
        let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        done.retain(|work| work.is_recent(page.ended));
        match done.back_mut() {
            Some(last) if page.ended.since(last.begun) < GRAIN => {
                last.ended = page.ended;
                last.events += page.events;
                last.positions += page.positions;
            }
            _ => done.push_back(page),
        }
    }

    /// What a second has brought of late.
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    pub(crate) fn pace(&self, now: Timestamp) -> Pace {
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = || done.iter().filter(|work| work.is_recent(now));
        let Some(begun) = recent().map(|work| work.begun).min() else { return Pace::default() };
        let (events, positions) =
            recent().fold((0, 0), |(events, positions), work| (events + work.events, positions + work.positions));
        let seconds = now.since(begun).clamp(LEAST, WINDOW).as_secs_f64();
        Pace { events: events as f64 / seconds, positions: positions as f64 / seconds }
    }
}

impl Work {
    /// Whether it counts. What ended later than now was counted by a clock that has been put back since.
    fn is_recent(&self, now: Timestamp) -> bool {
        self.ended <= now && now.since(self.ended) < WINDOW
    }
}

impl Pace {
    /// In what time the way from one position to another is done; `None` where nothing moves, or where that takes longer than
    /// anybody waits for.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn time(self, from: Position, to: Position) -> Option<Duration> {
        let left = to.get().saturating_sub(from.get());
        if left == 0 { Some(Duration::ZERO) } else { Duration::try_from_secs_f64(left as f64 / self.positions).ok() }
    }
}

/// How many events are done of those that concern segments, told as pairs of both in the order of the events.
pub(super) fn count_handled(concerned: &[(usize, usize)], is_done: impl Fn(usize, usize) -> bool) -> u64 {
    let mut last = None;
    let mut count = 0;
    for (event, segment) in concerned.iter().copied() {
        // An event may concern several segments, and counts once.
        if last != Some(event) && is_done(event, segment) {
            last = Some(event);
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An instant so many milliseconds after the first.
    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).plus(Duration::from_millis(millis))
    }

    /// A page of 100 events among 300 positions.
    fn page(begun: u64, ended: u64) -> Work {
        Work { begun: at(begun), ended: at(ended), events: 100, positions: 300 }
    }

    #[test]
    fn what_a_second_brings_is_an_average_over_the_window() {
        let meter = Meter::default();
        assert_eq!(meter.pace(at(0)), Pace::default());
        for second in 0..4 {
            meter.add(page(second * 1_000, second * 1_000 + 900));
        }
        assert_eq!(meter.pace(at(4_000)), Pace { events: 100.0, positions: 300.0 });
        assert_eq!(meter.pace(at(8_000)), Pace { events: 50.0, positions: 150.0 });
        // The first two have left the window.
        assert_eq!(meter.pace(at(12_000)), Pace { events: 20.0, positions: 60.0 });
        assert_eq!(meter.pace(at(14_000)), Pace::default());
    }

    #[test]
    fn a_moment_is_taken_for_a_second() {
        let meter = Meter::default();
        meter.add(page(0, 10));
        assert_eq!(meter.pace(at(10)), Pace { events: 100.0, positions: 300.0 });
        meter.add(Work { events: 0, positions: 0, ..page(11, 20_000) });
        assert_eq!(meter.pace(at(2_000)).events, 50.0, "a page in which nothing was done is none");
    }

    #[test]
    fn pages_of_any_size_take_little_room() {
        let meter = Meter::default();
        for millis in 0..60_000 {
            meter.add(page(millis, millis + 1));
        }
        assert!(meter.0.lock().unwrap().len() <= 21);
        let pace = meter.pace(at(60_000)).events;
        assert!((99_000.0..=105_000.0).contains(&pace), "{pace}");
    }

    #[test]
    fn a_clock_that_is_put_back_begins_anew() {
        let meter = Meter::default();
        meter.add(page(3_600_000, 3_601_000));
        assert_eq!(meter.pace(at(0)), Pace::default());
        meter.add(page(0, 1_000));
        assert_eq!(meter.pace(at(1_000)).events, 100.0);
        assert_eq!(meter.pace(at(3_601_000)), Pace::default(), "what was counted before is forgotten");
    }

    #[test]
    fn an_event_of_several_segments_counts_once() {
        let concerned = [(0, 0), (1, 0), (1, 1), (3, 1), (4, 0)];
        assert_eq!(count_handled(&concerned, |_, _| true), 4);
        assert_eq!(count_handled(&concerned, |event, segment| segment == 1 || event == 0), 3);
    }

    #[test]
    fn the_rest_of_the_way_is_told_by_the_pace() {
        let pace = Pace { events: 10.0, positions: 200.0 };
        assert_eq!(pace.time(Position::new(100), Position::new(1_100)), Some(Duration::from_secs(5)));
        assert_eq!(Pace::default().time(Position::new(1), Position::new(2)), None);
        assert_eq!(Pace::default().time(Position::new(7), Position::new(7)), Some(Duration::ZERO));
    }
}
