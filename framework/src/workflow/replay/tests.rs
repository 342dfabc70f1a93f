use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Formats, Move, call_of};
use crate::handler::{HandlerError, Resources};
use crate::message::{Command, CommandId, Decode, Event, Timestamp, UpcastError};
use crate::saga::SagaStatus;
use crate::workflow::flowing::{Finished, Flowing};
use crate::workflow::record::{Answer, Arrived, Came, Entry};
use crate::workflow::{
    AwaitedBy, Call, First, Flow, FoundBy, IdempotencyKey, Part, Workflow, WorkflowError, WorkflowHandlers,
    WorkflowInput,
};

#[derive(Serialize, Deserialize)]
struct Do(String);

#[derive(Debug, Serialize, Deserialize, PartialEq, thiserror::Error)]
#[error("{0}")]
struct No(String);

impl Command for Do {
    type Reply = u32;
    type Error = No;
    const NAME: &'static str = "do";
}

#[derive(Serialize, Deserialize)]
struct Paid {
    amount: u32,
}

impl Event for Paid {
    const NAME: &'static str = "paid";
}

fn act(what: &str) -> Do {
    Do(what.to_owned())
}

/// A workflow without input, whose function is the block.
macro_rules! workflow {
    ($name:ident, $flow:ident, $body:block) => {
        #[derive(Serialize, Deserialize, Clone, Debug)]
        struct $name;

        impl Workflow for $name {
            const NAME: &'static str = "test";
        }

        impl AwaitedBy<$name> for Paid {
            const KEY: &'static str = "order";
        }

        impl FoundBy<$name> for Paid {
            fn value(_: &$name) -> String {
                "o-1".to_owned()
            }
        }

        impl WorkflowHandlers for $name {
            type Output = String;
            type Error = String;
            const EVENTS: &'static [&'static str] = &[];

            fn route(_: Decode<'_>) -> Result<Option<WorkflowInput<Self>>, UpcastError> {
                Ok(None)
            }

            async fn run(self, $flow: Flow<Self>) -> Result<String, String> $body
        }
    };
}

/// Plays the engine.
struct Hand<W> {
    flowing: Flowing<W>,
    at: Timestamp,
}

impl<W: WorkflowHandlers> Hand<W> {
    /// Begins `input`, and says what it wants.
    fn begin(input: W) -> (Self, Vec<String>) {
        let mut hand = Self { flowing: Flowing::default(), at: Timestamp::EPOCH };
        hand.flowing.begin(input, hand.at, CommandId::derived(uuid::Uuid::nil(), "test").uuid());
        let moves = hand.flowing.go_on(&Formats::default()).unwrap().moves;
        (hand, moves.into_iter().map(shown).collect())
    }

    /// The same instance under another program, after a restart.
    fn under<V: WorkflowHandlers>(self) -> Hand<V> {
        let stored = serde_json::to_string(&self.flowing).unwrap();
        Hand { flowing: serde_json::from_str(&stored).unwrap(), at: self.at }
    }

    fn take(&mut self, entry: Entry) -> Result<Vec<String>, WorkflowError> {
        let moves = self.flowing.take(entry, &Formats::default())?.moves;
        Ok(moves.into_iter().map(shown).collect())
    }

    fn came(&mut self, ask: u64, answer: Answer) -> Result<Vec<String>, WorkflowError> {
        self.at = self.at.plus(Duration::from_secs(1));
        self.take(Entry::Came(Came { ask, at: self.at, answer }))
    }

    fn accepted(&mut self, ask: u64, reply: u32) -> Vec<String> {
        self.came(ask, Answer::Accepted(reply.to_string())).unwrap()
    }

    fn rejected(&mut self, ask: u64, error: &str) -> Vec<String> {
        self.came(ask, Answer::Rejected(format!("{error:?}"))).unwrap()
    }

    fn elapsed(&mut self, ask: u64) -> Vec<String> {
        self.came(ask, Answer::Elapsed).unwrap()
    }

    fn paid(&mut self, order: &str, amount: u32) -> Vec<String> {
        self.at = self.at.plus(Duration::from_secs(1));
        let text = |text: &str| text.to_owned();
        let payload = format!("{{\"amount\":{amount}}}");
        let (name, key, value) = (text("paid"), text("order"), text(order));
        self.take(Entry::Event(Arrived { at: self.at, name, revision: 1, key, value, payload })).unwrap()
    }
}

fn shown(planned: Move) -> String {
    match planned {
        Move::Send(number, planned) => format!("{number}: {}", String::from_utf8(planned.payload).unwrap()),
        Move::Notice(planned) => format!("notice {}", String::from_utf8(planned.payload).unwrap()),
        Move::After(number, duration) => format!("{number}: after {duration:?}"),
        Move::At(number, instant) => format!("{number}: at {instant}"),
        Move::Cancel(number) => format!("{number}: cancel"),
        Move::Associate(key, value) => format!("by {key}={value}"),
        Move::Call(number, name) => format!("{number}: call {name}"),
        Move::Begin(number, planned) => format!("{number}: begin {}", planned.name),
        Move::Withdraw(number) => format!("{number}: withdraw"),
        Move::End(Finished::Undone) => "undone".to_owned(),
        Move::End(Finished::Completed(output)) => format!("completed {output}"),
        Move::End(Finished::Failed(error)) => format!("failed {error}"),
    }
}

const NOTHING: [&str; 0] = [];

workflow!(OneByOne, flow, {
    let first = flow.send(act("first")).await.map_err(|no| no.to_string())?;
    flow.sleep(Duration::from_secs(60)).await;
    let second = flow.send(act(&format!("second after {first}"))).await.unwrap_or_default();
    flow.notify(&act("told"));
    Ok(format!("{}", first + second))
});

#[test]
fn each_step_waits_for_the_one_before() {
    let (mut hand, moves) = Hand::begin(OneByOne);
    assert_eq!(moves, ["1: \"first\""]);
    assert_eq!(hand.accepted(1, 7), ["2: after 60s"]);
    let mut hand = hand.under::<OneByOne>();
    assert_eq!(hand.elapsed(2), ["3: \"second after 7\""]);
    assert_eq!(hand.accepted(3, 5), ["notice \"told\"", "completed \"12\""]);
    assert_eq!(hand.flowing.finished, Some(Finished::Completed("\"12\"".to_owned())));
}

#[test]
fn a_rejection_comes_back_typed() {
    let (mut hand, _) = Hand::begin(OneByOne);
    assert_eq!(hand.rejected(1, "sold out"), ["failed \"sold out\""]);
}

workflow!(SideBySide, flow, {
    let one = async {
        let reply = flow.send(act("a1")).await.unwrap_or_default();
        flow.send(act(&format!("a2 after {reply}"))).await.unwrap_or_default()
    };
    let (one, two) = flow.join((Part::checked(one), flow.send(act("b1")))).await;
    let all = flow.join_all(["c1", "c2"].map(|what| flow.send(act(what)))).await;
    Ok(format!("{one} {two:?} {all:?}"))
});

#[test]
fn branches_go_on_in_the_order_in_which_answers_came() {
    let (mut hand, moves) = Hand::begin(SideBySide);
    assert_eq!(moves, ["1: \"a1\"", "2: \"b1\""]);
    assert_eq!(hand.accepted(2, 20), NOTHING);
    assert_eq!(hand.accepted(1, 10), ["3: \"a2 after 10\""]);
    let mut hand = hand.under::<SideBySide>();
    assert_eq!(hand.accepted(3, 30), ["4: \"c1\"", "5: \"c2\""]);
    assert_eq!(hand.accepted(5, 50), NOTHING);
    assert_eq!(hand.accepted(4, 40), ["completed \"30 Ok(20) [Ok(40), Ok(50)]\""]);
}

workflow!(Payment, flow, {
    let paid = flow.event::<Paid>().within(Duration::from_secs(900)).await;
    let refund = flow.event_of::<Paid>("r-1").await;
    Ok(format!("{:?} {}", paid.map(|paid| paid.amount), refund.amount))
});

#[test]
fn an_event_ends_the_wait_and_its_timer() {
    let (mut hand, moves) = Hand::begin(Payment);
    assert_eq!(moves, ["1: after 900s"]);
    assert_eq!(hand.paid("o-2", 1), NOTHING, "of another order");
    assert_eq!(hand.paid("o-1", 7), ["1: cancel", "by order=r-1"]);
    let mut hand = hand.under::<Payment>();
    assert_eq!(hand.paid("o-1", 8), NOTHING);
    assert_eq!(hand.paid("r-1", 9), ["completed \"Some(7) 9\""], "and the timer is not taken back twice");
}

#[test]
fn a_wait_that_is_over_gives_nothing() {
    let (mut hand, _) = Hand::begin(Payment);
    assert_eq!(hand.elapsed(1), ["by order=r-1"]);
    assert_eq!(hand.paid("r-1", 9), ["completed \"None 9\""]);
}

workflow!(Patient, flow, {
    let paid = flow.event::<Paid>().await;
    Ok(paid.amount.to_string())
});

#[test]
fn a_limit_of_time_may_be_taken_away_from_an_instance_that_runs() {
    let (hand, _) = Hand::begin(Payment);
    let mut hand = hand.under::<Patient>();
    assert_eq!(hand.elapsed(1), NOTHING);
    assert_eq!(hand.paid("o-1", 7), ["completed \"7\""]);
}

workflow!(Early, flow, {
    flow.follow::<Paid>("r-1");
    let _ = flow.send(act("first")).await;
    let (first, second) = (flow.event::<Paid>().await, flow.event::<Paid>().await);
    let refund = flow.event_of::<Paid>("r-1").await;
    Ok(format!("{} {} {}", first.amount, second.amount, refund.amount))
});

#[test]
fn events_that_come_early_are_kept_in_their_order() {
    let (mut hand, moves) = Hand::begin(Early);
    assert_eq!(moves, ["by order=r-1", "1: \"first\""].map(|text| text.replace("1:", "2:")));
    assert_eq!(hand.paid("o-1", 1), NOTHING);
    assert_eq!(hand.paid("r-1", 3), NOTHING);
    assert_eq!(hand.paid("o-1", 2), NOTHING);
    let moves = hand.accepted(2, 0);
    assert_eq!(moves, ["by order=r-1", "completed \"1 2 3\""]);
}

workflow!(Raced, flow, {
    let first = flow.race(flow.sleep(Duration::from_secs(5)), flow.event::<Paid>()).await;
    let first = match first {
        First::This(()) => "late".to_owned(),
        First::That(paid) => paid.amount.to_string(),
    };
    let _ = flow.send(act(&first)).await;
    Ok(first)
});

#[test]
fn of_two_steps_the_first_one_counts() {
    let (mut hand, moves) = Hand::begin(Raced);
    assert_eq!(moves, ["1: after 5s"]);
    assert_eq!(hand.paid("o-1", 7), ["1: cancel", "3: \"7\""]);
    assert_eq!(hand.accepted(3, 0), ["completed \"7\""]);

    let (mut hand, _) = Hand::begin(Raced);
    assert_eq!(hand.elapsed(1), ["3: \"late\""]);
    assert_eq!(hand.paid("o-1", 7), NOTHING);
    assert_eq!(hand.accepted(3, 0), ["completed \"late\""]);
}

workflow!(Undone, flow, {
    for what in ["hotel", "car"] {
        flow.send(act(what)).await.map_err(|no| no.to_string())?;
        flow.undo(&act(&format!("no {what}")));
    }
    let flight = flow.send(act("flight")).await;
    flight.map(|reply| reply.to_string()).map_err(|no| no.to_string())
});

#[test]
fn what_was_done_is_undone_newest_first() {
    let (mut hand, _) = Hand::begin(Undone);
    assert_eq!(hand.accepted(1, 0), ["2: \"car\""]);
    assert_eq!(hand.accepted(2, 0), ["3: \"flight\""]);
    assert_eq!(hand.rejected(3, "full"), ["4: \"no car\""]);
    let mut hand = hand.under::<Undone>();
    assert_eq!(hand.accepted(4, 0), ["5: \"no hotel\""]);
    assert_eq!(hand.accepted(5, 0), ["failed \"full\""]);

    let (mut hand, _) = Hand::begin(Undone);
    assert_eq!(hand.rejected(1, "full"), ["failed \"full\""], "nothing to undo");
}

#[test]
fn what_cannot_be_undone_needs_attention() {
    let (mut hand, _) = Hand::begin(Undone);
    hand.accepted(1, 0);
    hand.rejected(2, "none");
    let error = hand.came(3, Answer::Rejected("\"paid\"".into())).unwrap_err();
    let expected = "workflow `test` cannot undo what it has done: the command `do` was rejected: \"paid\"";
    assert_eq!(error.to_string(), expected);
}

workflow!(Called, flow, {
    let quote: u32 =
        flow.call("quote", |call: Call| async move { Ok(*call.resource::<u32>()? + call.attempt()) }).await;
    let other: u32 = flow.call("other", |_| async move { Err(HandlerError::new("no answer")) }).await;
    Ok(format!("{quote} {other}"))
});

#[tokio::test]
async fn the_code_of_a_call_is_found_and_runs_outside() {
    let (mut hand, moves) = Hand::begin(Called);
    assert_eq!(moves, ["1: call quote"]);
    let mut resources = Resources::default();
    resources.insert(40_u32);
    let resources = Arc::new(resources);
    let find = |hand: &Hand<Called>, number: u64| {
        let begun = hand.flowing.begun.as_ref().unwrap();
        call_of(begun, hand.flowing.record.clone(), &Formats::default(), number).unwrap()
    };
    let call = || Call::new(IdempotencyKey::new(CommandId::derived(uuid::Uuid::nil(), "1")), 2, resources.clone());
    let result = find(&hand, 1).unwrap()(call()).await.unwrap();
    assert_eq!(result, b"42");
    assert!(find(&hand, 2).is_none());
    assert_eq!(hand.accepted(1, 42), ["2: call other"]);
    assert!(find(&hand, 1).is_none(), "it has run");
    assert_eq!(find(&hand, 2).unwrap()(call()).await.unwrap_err().to_string(), "no answer");
    assert_eq!(hand.accepted(2, 1), ["completed \"42 1\""]);
}

workflow!(Ids, flow, {
    let (id, now) = (flow.uuid(), flow.now());
    let _ = flow.send(act(&format!("{id} {now}"))).await;
    let (other, later) = (flow.uuid(), flow.now());
    let _ = flow.send(act(&format!("{later} {}", id == other))).await;
    Ok(String::new())
});

#[test]
fn ids_and_time_are_the_same_in_each_run() {
    let (mut hand, moves) = Hand::begin(Ids);
    assert!(moves[0].ends_with("1970-01-01T00:00:00Z\""), "{moves:?}");
    assert_eq!(hand.accepted(1, 0), ["2: \"1970-01-01T00:00:01Z false\""]);
    assert_eq!(hand.accepted(2, 0), ["completed \"\""]);
}

workflow!(Other, flow, {
    let _ = flow.send(act("other")).await;
    Ok(String::new())
});

workflow!(Sleeps, flow, {
    flow.sleep(Duration::from_secs(1)).await;
    Ok(String::new())
});

workflow!(Short, flow, {
    let _ = flow.send(act("first")).await;
    Ok(String::new())
});

workflow!(Eager, flow, {
    let _ = flow.join((flow.send(act("first")), flow.send(act("more")))).await;
    Ok(String::new())
});

#[test]
fn a_changed_function_is_refused_and_named() {
    let running = || {
        let (mut hand, _) = Hand::begin(OneByOne);
        hand.accepted(1, 7);
        hand
    };
    fn refused<V: WorkflowHandlers>(hand: Hand<OneByOne>) -> (usize, String, String) {
        let elapsed = hand.under::<V>().came(2, Answer::Elapsed);
        let Err(WorkflowError::Changed { workflow, version, begun, place, recorded, asked }) = elapsed else {
            panic!("it was not refused: {elapsed:?}")
        };
        assert_eq!((workflow, version, begun), ("test", 1, 1));
        (place, recorded, asked)
    }
    let texts = |place, recorded: &str, asked: &str| (place, recorded.to_owned(), asked.to_owned());
    assert_eq!(refused::<Other>(running()), texts(1, "the command `do` \"first\"", "the command `do` \"other\""));
    assert_eq!(refused::<Sleeps>(running()), texts(1, "the command `do` \"first\"", "a sleep"));
    assert_eq!(refused::<Short>(running()), texts(3, "a sleep", "its end"));
    let answer = "the answer to what was asked for as number 1";
    assert_eq!(refused::<Eager>(running()), texts(2, answer, "the command `do` \"more\""));
    assert_eq!(refused::<Payment>(running()), texts(1, "the command `do` \"first\"", "the event `paid` by order=o-1"));
}

workflow!(Longer, flow, {
    let first = flow.send(act("first")).await.map_err(|no| no.to_string())?;
    flow.sleep(Duration::from_secs(90)).await;
    if flow.changed("check") {
        let _ = flow.send(act("check")).await;
    }
    let second = flow.send(act(&format!("second after {first}"))).await.unwrap_or_default();
    if flow.changed("no notice") {
        return Ok("new".to_owned());
    }
    flow.notify(&act("told"));
    Ok(format!("{}", first + second))
});

#[test]
fn a_change_with_a_name_concerns_those_that_come_there_for_the_first_time() {
    let (mut hand, _) = Hand::begin(OneByOne);
    hand.accepted(1, 7);
    let mut new = hand.under::<Longer>();
    assert_eq!(new.elapsed(2), ["3: \"check\""], "it had not passed there");
    assert_eq!(new.accepted(3, 0), ["4: \"second after 7\""]);
    assert_eq!(new.accepted(4, 0), ["completed \"new\""]);

    let (mut hand, _) = Hand::begin(OneByOne);
    hand.accepted(1, 7);
    hand.elapsed(2);
    let mut old = hand.under::<Longer>();
    assert_eq!(old.accepted(3, 0), ["completed \"new\""], "it had passed the first change, and not the second");
}

workflow!(Unconditional, flow, {
    let first = flow.send(act("first")).await.map_err(|no| no.to_string())?;
    flow.sleep(Duration::from_secs(90)).await;
    let _ = flow.send(act("check")).await;
    let _ = flow.send(act(&format!("second after {first}"))).await;
    Ok(String::new())
});

#[test]
fn a_change_that_all_have_passed_may_lose_its_name() {
    let (hand, _) = Hand::begin(OneByOne);
    let mut hand = hand.under::<Longer>();
    hand.accepted(1, 7);
    hand.elapsed(2);
    let mut hand = hand.under::<Unconditional>();
    assert_eq!(hand.accepted(3, 0), ["4: \"second after 7\""]);
}

workflow!(Foreign, flow, {
    let _ = flow.send(act("first")).await;
    std::future::pending::<()>().await;
    Ok(String::new())
});

#[test]
fn what_is_no_step_is_refused_and_does_not_hang() {
    let (mut hand, _) = Hand::begin(Foreign);
    let error = hand.came(1, Answer::Accepted("1".into())).unwrap_err();
    assert!(matches!(error, WorkflowError::Foreign { workflow: "test", place: 2 }), "{error:?}");
}

workflow!(Endless, flow, {
    loop {
        flow.notify(&act("again"));
        let _ = flow.event::<Paid>().await;
    }
});

#[test]
fn a_record_has_a_limit() {
    let (mut hand, _) = Hand::begin(Endless);
    let paid = hand.flowing.record.clone();
    hand.paid("o-1", 1);
    let Some(event) = hand.flowing.record.get(2).cloned() else { panic!("the event is recorded") };
    let asked = paid.into_iter().chain([event]);
    hand.flowing.record = std::iter::repeat_n(asked.collect::<Vec<_>>(), 3_333).flatten().collect();
    let error = hand.flowing.go_on(&Formats::default()).err().unwrap();
    assert!(matches!(error, WorkflowError::TooLong { entries: 10_001, limit: 10_000, .. }), "{error:?}");
}

#[test]
fn an_answer_of_another_shape_is_named() {
    let (mut hand, _) = Hand::begin(OneByOne);
    let error = hand.came(1, Answer::Accepted("\"seven\"".into())).unwrap_err();
    let expected = "workflow `test` cannot write or read the reply of the command `do`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn what_was_done_is_undone_on_demand_wherever_the_instance_stands() {
    let undo = |hand: &mut Hand<Undone>| hand.take(Entry::Undo(hand.at)).unwrap();
    let (mut hand, _) = Hand::begin(Undone);
    hand.accepted(1, 0);
    hand.accepted(2, 0);
    assert_eq!(undo(&mut hand), ["4: \"no car\""]);
    assert_eq!(undo(&mut hand), ["5: \"no car\""], "it was taken back, and goes out again");
    let mut hand = hand.under::<Undone>();
    assert_eq!(hand.accepted(5, 0), ["6: \"no hotel\""]);
    assert_eq!(hand.accepted(6, 0), ["undone"]);

    let (mut hand, _) = Hand::begin(Undone);
    assert_eq!(undo(&mut hand), ["undone"], "nothing to undo");
}

#[test]
fn who_waits_for_a_time_leaves_no_timer_behind_when_it_is_undone() {
    let (mut hand, _) = Hand::begin(Payment);
    assert_eq!(hand.take(Entry::Undo(hand.at)).unwrap(), ["1: cancel", "undone"]);
}

workflow!(Impatient, flow, {
    let call = flow.call("slow", |_| async move { Ok(1_u32) });
    match flow.race(call, flow.sleep(Duration::from_secs(5))).await {
        First::This(result) => Ok(result.to_string()),
        First::That(()) => Ok("gave up".to_owned()),
    }
});

#[test]
fn a_call_that_is_given_up_is_withdrawn() {
    let (mut hand, moves) = Hand::begin(Impatient);
    assert_eq!(moves, ["1: call slow", "2: after 5s"]);
    assert_eq!(hand.elapsed(2), ["1: withdraw", "completed \"gave up\""]);
    let (mut hand, _) = Hand::begin(Impatient);
    assert_eq!(hand.accepted(1, 1), ["2: cancel", "completed \"1\""]);
}

workflow!(Parent, flow, {
    let children = flow.join((flow.child(OneByOne), flow.child(OneByOne))).await;
    Ok(format!("{children:?}"))
});

#[test]
fn a_child_gives_what_its_function_returns() {
    let (mut hand, moves) = Hand::begin(Parent);
    assert_eq!(moves, ["1: begin test", "2: begin test"]);
    assert_eq!(hand.came(2, Answer::Rejected("\"no\"".into())).unwrap(), NOTHING);
    let moves = hand.came(1, Answer::Ended(SagaStatus::Aborted)).unwrap();
    assert_eq!(moves, ["completed \"(Err(Ended(Aborted)), Err(Failed(\\\"no\\\")))\""]);
}

#[test]
fn where_an_instance_stands_is_said_in_few_words() {
    let mut flowing = Flowing::default();
    flowing.begin(SideBySide, Timestamp::EPOCH, uuid::Uuid::nil());
    assert_eq!(flowing.go_on(&Formats::default()).unwrap().stage, "command do");
    let mut flowing = Flowing::default();
    flowing.begin(Impatient, Timestamp::EPOCH, uuid::Uuid::nil());
    assert_eq!(flowing.go_on(&Formats::default()).unwrap().stage, "call slow, sleep");
}
