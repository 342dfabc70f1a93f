//! Whoever waits for a command may go away at any moment: what was begun is done or not done, and everything goes on.

use std::future::IntoFuture;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::store::Read;

use crate::courses::*;
use crate::support::{Place, in_each_place};
use crate::wallet::*;

/// Polls a future so many times; `None` if it had not ended by then.
struct Polls<F>(Pin<Box<F>>, usize);

impl<F: Future> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        match self.0.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.1 == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Waits before and after, so that there are more moments to go away.
struct Hesitating;

#[async_trait::async_trait]
impl CommandInterceptor for Hesitating {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        tokio::task::yield_now().await;
        let result = next.run(command).await;
        tokio::task::yield_now().await;
        result
    }
}

/// Polls of a command at most.
const MANY: usize = 60;

async fn wallets(place: &Place, hesitating: bool) -> Annals {
    place
        .start(|app| match hesitating {
            true => app.include::<Wallet>().dispatch_interceptor(Hesitating).handler_interceptor(Hesitating),
            false => app.include::<Wallet>(),
        })
        .await
}

/// Within a time, so that a lane that is stuck is seen.
async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("the lane goes on")
}

/// The sum of what is stored, told from the events alone.
async fn stored(app: &Annals, wallet: &str) -> (u64, u64) {
    let stream = StreamId::new("wallet", wallet);
    let events = app.journal().read(Read::stream(stream, None)).await.unwrap().events;
    let version = events.last().map_or(0, |event| event.recorded.version.get());
    let amount = |event: &annals::RecordedEvent| {
        let json: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
        json["amount"].as_u64().or(json["balance"].as_u64()).unwrap()
    };
    (events.iter().map(amount).sum(), version)
}

#[tokio::test]
async fn at_whatever_poll_a_command_is_dropped_it_is_done_or_not_done_and_the_aggregate_goes_on() {
    in_each_place(async |place| {
        for (hesitating, loaded) in [(false, true), (true, true), (true, false)] {
            let mut app = wallets(place, hesitating).await;
            let wallet = format!("w-{hesitating}-{loaded}");
            app.send(open(&wallet, 0)).await.unwrap();
            for polls in 0..MANY {
                if !loaded {
                    // Another node, which has nothing in memory.
                    app = wallets(place, hesitating).await;
                }
                let ended = Polls(Box::pin(app.send(deposit(&wallet, 1)).into_future()), polls).await;
                // A refusal waits until what it rests on is stored, by whomever that was begun.
                let refused = soon(app.send(withdraw(&wallet, u64::MAX))).await;
                assert!(refused.unwrap_err().rejection().is_some(), "after {polls} polls");
                let sent = soon(app.send(DepositMany { wallet: wallet.clone(), amounts: vec![100] })).await.unwrap();
                let (sum, version) = stored(&app, &wallet).await;
                assert_eq!(sent.reply, [sum], "after {polls} polls: the state in memory is what is stored");
                assert_eq!(sent.version, Version::new(version), "after {polls} polls");
                if ended.is_some() {
                    assert!(polls > 0);
                    break;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_crowd_of_which_many_go_away_leaves_no_one_waiting() {
    in_each_place(async |place| {
        let app = wallets(place, true).await;
        app.send(open("w-1", 0)).await.unwrap();
        for round in 0..MANY / 4 {
            let mut calls = Vec::new();
            for number in 0..12 {
                let call = app.send(deposit("w-1", 1)).into_future();
                // Every third stays.
                let polls = if number % 3 == 0 { usize::MAX } else { (round + number) % 16 };
                calls.push(Polls(Box::pin(call), polls));
            }
            for (number, answer) in soon(futures_util::future::join_all(calls)).await.into_iter().enumerate() {
                if number % 3 == 0 {
                    answer.unwrap().unwrap();
                }
            }
        }
        let sent = soon(app.send(DepositMany { wallet: "w-1".into(), amounts: vec![100] })).await.unwrap();
        let (sum, version) = stored(&app, "w-1").await;
        assert_eq!((sent.reply, sent.version), (vec![sum], Version::new(version)));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_recorded_command_that_was_dropped_has_one_effect_when_it_is_sent_again() {
    in_each_place(async |place| {
        let app = wallets(place, true).await;
        app.send(open("w-1", 0)).await.unwrap();
        for polls in 0..MANY {
            let (before, _) = stored(&app, "w-1").await;
            let id = CommandId::new();
            let ended = Polls(Box::pin(app.send(deposit("w-1", 1)).id(id).into_future()), polls).await;
            soon(app.send(deposit("w-1", 1)).id(id)).await.unwrap();
            assert_eq!(stored(&app, "w-1").await.0, before + 1, "after {polls} polls");
            if ended.is_some() {
                break;
            }
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_decision_over_a_boundary_that_was_dropped_leaves_its_lane_free() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Announcement>().include::<Enrolment>()).await;
        app.send(announce("c-1", 1000)).await.unwrap();
        for polls in 0..MANY {
            let student = format!("s-{polls}");
            let ended = Polls(Box::pin(app.send(enrol("c-1", &student)).into_future()), polls).await;
            soon(app.send(enrol("c-1", &student))).await.unwrap();
            let enrolments =
                Read::matching(annals::store::Criterion::tag(annals::Tag::new("student", &student)), Position::START);
            assert_eq!(app.journal().read(enrolments).await.unwrap().events.len(), 1, "after {polls} polls");
            if ended.is_some() {
                break;
            }
        }
        app.shutdown().await.unwrap();
    })
    .await;
}
