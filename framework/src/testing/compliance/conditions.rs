//! Conditions over tags and names, and recorded commands.

use futures_util::future::join_all;

use crate::message::{CommandId, Position, Tag};
use crate::store::{AppendError, Conflict, Criteria, Criterion, Expected, Outcome, Store};

use super::given::{appending, at, conflict, event, tagged};

fn course(id: &str) -> Tag {
    Tag::new("course", id)
}

fn student(id: &str) -> Tag {
    Tag::new("student", id)
}

/// A matching event after the marker breaks the condition, with the marker in the conflict (guarantee 3).
pub async fn a_broken_condition_is_a_conflict(store: &dyn Store) {
    appending([tagged("e-1", "student.enrolled", &[course("c"), student("s")])]).stored_in(store).await;
    let broken = appending([event("a")]).unless(Criterion::tag(course("c")), Position::START).to(store).await;
    let criteria = Box::new(Criterion::tag(course("c")).into());
    assert_eq!(conflict(broken), Conflict::Condition { criteria, after: Position::START });
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// Events up to the marker are known to the decision and break nothing (guarantee 3).
pub async fn a_condition_looks_only_after_its_marker(store: &dyn Store) {
    let known = appending([tagged("e-1", "student.enrolled", &[course("c")])]).stored_in(store).await;
    let criteria = Criteria::from(Criterion::tag(course("c")));
    let next = appending([tagged("e-2", "student.enrolled", &[course("c")])]);
    next.unless(criteria.clone(), known.position).stored_in(store).await;
    conflict(appending([event("a")]).unless(criteria, known.position).to(store).await);
}

/// All tags of a criterion must be there (guarantee 3).
pub async fn a_criterion_needs_all_of_its_tags(store: &dyn Store) {
    appending([tagged("e-1", "student.enrolled", &[course("c")])]).stored_in(store).await;
    let both = Criterion::tag(course("c")).and_tag(student("s"));
    appending([event("a")]).unless(both.clone(), Position::START).stored_in(store).await;
    appending([tagged("e-2", "student.enrolled", &[course("c"), student("s")])]).stored_in(store).await;
    conflict(appending([event("a")]).unless(both, Position::START).to(store).await);
}

/// Any name of a criterion suffices, with its tags and without (guarantee 3).
pub async fn a_criterion_matches_any_of_its_names(store: &dyn Store) {
    appending([tagged("e-1", "course.opened", &[course("c")])]).stored_in(store).await;
    let others = Criterion::names(["course.closed", "course.moved"]);
    appending([event("a")]).unless(others.clone(), Position::START).stored_in(store).await;
    appending([event("a")]).unless(others.and_tag(course("c")), Position::START).stored_in(store).await;
    let opened = Criterion::names(["course.closed", "course.opened"]);
    conflict(appending([event("a")]).unless(opened.clone(), Position::START).to(store).await);
    conflict(appending([event("a")]).unless(opened.and_tag(course("c")), Position::START).to(store).await);
}

/// Criteria are joined by "or" (guarantee 3).
pub async fn any_criterion_breaks_a_condition(store: &dyn Store) {
    appending([tagged("e-1", "student.enrolled", &[student("s")])]).stored_in(store).await;
    let either = Criteria::from(Criterion::tag(course("c")).and_tag(student("t"))).or(Criterion::tag(student("s")));
    conflict(appending([event("a")]).unless(either, Position::START).to(store).await);
}

/// Without any criterion nothing matches.
pub async fn a_condition_without_criteria_always_holds(store: &dyn Store) {
    appending([tagged("e-1", "student.enrolled", &[student("s")])]).stored_in(store).await;
    appending([event("a")]).unless(Criteria::none(), Position::START).stored_in(store).await;
}

/// A condition by name and one by tag guard the same event: of two that race both cannot win (guarantee 3).
pub async fn a_check_by_name_and_a_check_by_tag_cannot_both_win(store: &dyn Store) {
    for round in 0..20 {
        let (tag, marker) = (course(&format!("c-{round}")), store.head().await.unwrap());
        let name = format!("course.opened.{round}");
        let opened = |id: &str| tagged(id, &name, std::slice::from_ref(&tag));
        let (by_name, by_tag) = tokio::join!(
            appending([opened("a")]).unless(Criterion::names([name.as_str()]), marker).to(store),
            appending([opened("b")]).unless(Criterion::tag(tag.clone()), marker).to(store),
        );
        assert!(by_name.is_ok() != by_tag.is_ok(), "{by_name:?} {by_tag:?}");
    }
}

/// Forty writers decide at random, each on what it has read; when the log is replayed afterwards, each condition held
/// that an append was taken under, and each refusal names an event that was there (guarantee 3).
pub async fn each_condition_held_when_the_log_is_replayed(store: &dyn Store) {
    const WRITERS: u64 = 40;
    const DECISIONS: u64 = 8;
    let writers = (0..WRITERS).map(|writer| async move {
        let (mut chance, mut taken, mut refused) = (Chance(writer + 1), Vec::new(), 0);
        for _ in 0..DECISIONS {
            let criteria = chance.criteria();
            let read = crate::store::Read::matching(criteria.clone(), Position::START).limit(1);
            let after = store.read(&read).await.unwrap().head;
            tokio::task::yield_now().await;
            let (name, tags) = chance.event();
            let decided = appending([tagged(&format!("w-{writer}"), &name, &tags)]).unless(criteria.clone(), after);
            match decided.to(store).await {
                Ok(appended) => taken.push((criteria, after, appended.position)),
                Err(AppendError::Conflict(Conflict::Condition { .. })) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        (taken, refused)
    });
    let outcomes = join_all(writers).await;
    let refused: u64 = outcomes.iter().map(|(_, refused)| refused).sum();
    let taken: Vec<_> = outcomes.into_iter().flat_map(|(taken, _)| taken).collect();
    assert!(refused > 0 && !taken.is_empty(), "{refused} refused, {} taken: nothing was tested", taken.len());
    each_held(store, taken).await;
}

/// Replays the log. Each of its events was appended under criteria, which were read up to a position, at a position.
pub(super) async fn each_held(store: &dyn Store, taken: Vec<(Criteria, Position, Position)>) {
    let log = store.export(Position::START, usize::from(u16::MAX)).await.unwrap();
    assert_eq!(log.len(), taken.len(), "each acknowledged append is there once");
    let dense = log.iter().enumerate().all(|(index, event)| event.position.get() == index as u64 + 1);
    assert!(dense, "positions have gaps");
    for (criteria, after, position) in taken {
        let between = log.iter().filter(|event| event.position > after && event.position < position);
        for event in between {
            let broken = criteria.matches(&event.name, &event.tags);
            assert!(!broken, "{position} was taken under ({criteria}) after {after}, against {}", event.position);
        }
    }
}

/// Numbers by chance, the same ones in each run. Source: xorshift64, Marsaglia 2003.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn tag(&mut self) -> Tag {
        course(&self.below(6).to_string())
    }

    fn name(&mut self) -> String {
        format!("event.{}", self.below(5))
    }

    pub(super) fn event(&mut self) -> (String, Vec<Tag>) {
        let tags = (0..self.below(3)).map(|_| self.tag()).collect();
        (self.name(), tags)
    }

    fn criterion(&mut self) -> Criterion {
        match self.below(4) {
            0 => Criterion::names([self.name()]),
            1 => Criterion::tag(self.tag()).and_tag(self.tag()),
            2 => Criterion::names([self.name(), self.name()]).and_tag(self.tag()),
            _ => Criterion::tag(self.tag()),
        }
    }

    pub(super) fn criteria(&mut self) -> Criteria {
        let one = Criteria::from(self.criterion());
        if self.below(3) == 0 { one.or(self.criterion()) } else { one }
    }
}

/// Decisions with disjoint boundaries never meet, also when they race (guarantee 3).
pub async fn disjoint_conditions_never_conflict(store: &dyn Store) {
    let racers = (0..20).map(|number| {
        let tag = course(&number.to_string());
        let id = format!("e-{number}");
        async move {
            let enrolled = tagged(&id, "student.enrolled", std::slice::from_ref(&tag));
            appending([enrolled]).unless(Criterion::tag(tag), Position::START).to(store).await
        }
    });
    let results = join_all(racers).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Of decisions on the same boundary that race, exactly one wins (guarantee 3).
pub async fn of_racing_decisions_exactly_one_wins(store: &dyn Store) {
    let racers = (0..8).map(|number| {
        let id = format!("e-{number}");
        async move {
            let enrolled = tagged(&id, "student.enrolled", &[course("c")]);
            appending([enrolled]).unless(Criterion::tag(course("c")), Position::START).to(store).await
        }
    });
    let results = join_all(racers).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
}

/// The outcome of a command is found under its id, with the place that the store filled in (guarantee 5).
pub async fn the_outcome_of_a_command_is_recorded(store: &dyn Store) {
    let id = CommandId::new();
    assert_eq!(store.command("", id).await.unwrap(), None);
    let appended = appending([event("a")]).executing(id, "5").stored_in(store).await;
    let record = store.command("", id).await.unwrap().expect("the command was recorded");
    assert_eq!(record.outcome, Outcome::Done(b"5".to_vec()));
    assert_eq!((record.id, record.name.as_str(), record.recorded_at), (id, "wallet.credit", at(1_000)));
    assert_eq!((record.position, record.version), (appended.position, appended.versions.first().map(|(_, v)| *v)));
}

/// A rejection is recorded without any event (guarantee 5).
pub async fn a_rejection_is_recorded_without_events(store: &dyn Store) {
    let id = CommandId::new();
    let mut rejected = appending([]).executing(id, "");
    if let Some(command) = &mut rejected.0.command {
        command.outcome = Outcome::Rejected(vec![0xff, 0x00]);
    }
    rejected.stored_in(store).await;
    let record = store.command("", id).await.unwrap().expect("the command was recorded");
    assert_eq!(record.outcome, Outcome::Rejected(vec![0xff, 0x00]));
    assert_eq!(store.head().await.unwrap(), Position::START);
}

/// A command that was executed is refused with its record, before any conflict is looked for (guarantee 5).
pub async fn a_repeated_command_is_answered_with_its_record(store: &dyn Store) {
    let id = CommandId::new();
    appending([event("a")]).expecting("a", Expected::NoStream).executing(id, "first").stored_in(store).await;
    let again = appending([event("a")]).expecting("a", Expected::NoStream).executing(id, "second").to(store).await;
    match again {
        Err(AppendError::CommandRepeated(record)) => assert_eq!(record.outcome, Outcome::Done(b"first".to_vec())),
        other => panic!("expected the record of the first execution, got {other:?}"),
    }
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// Of executions of one command that race, exactly one is stored (guarantee 5).
pub async fn of_racing_executions_exactly_one_is_stored(store: &dyn Store) {
    let id = CommandId::new();
    let results = join_all((0..8).map(|_| appending([event("a")]).executing(id, "5").to(store))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    for lost in results.into_iter().filter(Result::is_err) {
        assert!(matches!(lost, Err(AppendError::CommandRepeated(_))), "{lost:?}");
    }
    assert_eq!(store.head().await.unwrap(), Position::new(1));
}

/// Old outcomes are forgotten, newer ones kept.
pub async fn old_outcomes_are_forgotten(store: &dyn Store) {
    let (old, new) = (CommandId::new(), CommandId::new());
    appending([]).executing(old, "").stored_in(store).await;
    let mut later = appending([]).executing(new, "");
    if let Some(command) = &mut later.0.command {
        command.recorded_at = at(2_000);
    }
    later.stored_in(store).await;
    assert_eq!(store.forget_commands(at(2_000)).await.unwrap(), 1);
    assert_eq!(store.command("", old).await.unwrap(), None);
    assert!(store.command("", new).await.unwrap().is_some());
}
