//! Which failures are tried again, and which never are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next, RetryPolicy};
use annals::handler::FailureClass;
use annals::prelude::*;
use annals::store::{AppendError, ReadError};
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;
use crate::wallet::*;

/// Fails as it is told, and notes the ids that it sees.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<(VecDeque<Trial>, Vec<CommandId>)>>);

#[derive(Clone, Copy)]
enum Trial {
    Unreadable,
    NotFound,
    /// The command is executed, and the answer is lost.
    Lost,
}

impl Trouble {
    fn of(trials: &[Trial]) -> Self {
        Self(Arc::new(Mutex::new((trials.iter().copied().collect(), Vec::new()))))
    }

    /// How often commands came, and under how many ids.
    fn seen(&self) -> (usize, usize) {
        let ids = std::mem::take(&mut self.0.lock().unwrap().1);
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        (ids.len(), distinct.len())
    }
}

#[async_trait::async_trait]
impl CommandInterceptor for Trouble {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let trial = {
            let mut inner = self.0.lock().unwrap();
            inner.1.push(command.id);
            inner.0.pop_front()
        };
        let failure: CommandFailure = match trial {
            None => return next.run(command).await,
            Some(Trial::Unreadable) => ReadError::Unavailable { source: "down".into() }.into(),
            Some(Trial::NotFound) => CommandFailure::NotFound { stream: StreamId::new("wallet", "w-9") },
            Some(Trial::Lost) => {
                next.run(command).await?;
                AppendError::OutcomeUnknown { source: "cut".into() }.into()
            }
        };
        Err(failure.into())
    }
}

fn quick() -> RetryPolicy {
    RetryPolicy::transient().pauses(Duration::from_millis(1), Duration::from_millis(2))
}

async fn troubled(place: &crate::support::Place, trials: &[Trial]) -> (Annals, Trouble) {
    let trouble = Trouble::of(trials);
    let inner = trouble.clone();
    let app = place.start(|app| app.include::<Wallet>().dispatch_interceptor_of::<Deposit>(inner).retry(quick())).await;
    let _ = app.send(open("w-1", 0)).await;
    (app, trouble)
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_under_the_same_id() {
    in_each_place(async |place| {
        let (app, trouble) = troubled(place, &[Trial::Unreadable, Trial::Unreadable]).await;
        app.send(deposit("w-1", 1)).await.unwrap();
        assert_eq!(trouble.seen(), (3, 1));
        assert_eq!(balance(&app, "w-1").await, 1);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_the_last_attempt_the_failure_is_the_senders() {
    in_each_place(async |place| {
        let (app, trouble) = troubled(place, &[Trial::Unreadable; 7]).await;
        let failed = app.send(deposit("w-1", 1)).await;
        assert!(matches!(failed, Err(SendError::Failed(CommandFailure::Read(_)))), "{failed:?}");
        assert_eq!(trouble.seen().0, 4, "the default");
        let failed = app.send(deposit("w-1", 1)).retry(RetryPolicy::never()).await;
        assert!(failed.is_err());
        assert_eq!(trouble.seen().0, 1, "what the sender says counts more");
        app.send(deposit("w-1", 1)).retry(quick().attempts(3)).await.unwrap();
        assert_eq!(trouble.seen().0, 3);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_permanent_failure_and_a_rejection_are_never_tried_again() {
    in_each_place(async |place| {
        let (app, trouble) = troubled(place, &[Trial::NotFound]).await;
        assert!(app.send(deposit("w-1", 1)).await.is_err());
        assert_eq!(trouble.seen().0, 1);

        let runs = Runs::default();
        let counted = runs.clone();
        let always = RetryPolicy::on(|_| true).pauses(Duration::from_millis(1), Duration::from_millis(1));
        let app2 = place.start(|app| app.include::<Wallet>().resource(counted).retry(always)).await;
        assert!(matches!(app2.send(withdraw("w-1", 99)).await, Err(SendError::Rejected(_))));
        assert_eq!(runs.get(), 1, "the domain has said no");
        for app in [app, app2] {
            app.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_outcome_is_tried_again_only_where_it_is_recorded() {
    in_each_place(async |place| {
        let (app, trouble) = troubled(place, &[Trial::Lost, Trial::Lost]).await;
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(failure)) => assert!(failure.may_be_executed(), "{failure}"),
            other => panic!("expected a failure, got {other:?}"),
        }
        assert_eq!((trouble.seen().0, balance(&app, "w-1").await), (1, 1));
        let sent = app.send(deposit("w-1", 1)).retry(quick().recorded()).await.unwrap();
        assert!(sent.repeated);
        assert_eq!((trouble.seen(), balance(&app, "w-1").await), ((2, 1), 2), "one effect");
        trouble.0.lock().unwrap().0.push_back(Trial::Lost);
        let sent = app.send(deposit("w-1", 1)).id(CommandId::new()).await.unwrap();
        assert_eq!((sent.repeated, balance(&app, "w-1").await), (true, 3), "one effect");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_conflict_over_a_version_that_the_sender_named_is_never_tried_again() {
    in_each_place(async |place| {
        let (app, trouble) = troubled(place, &[]).await;
        app.send(deposit("w-1", 1)).await.unwrap();
        trouble.seen();
        let stale = app.send(deposit("w-1", 1)).expect(Version::FIRST).await;
        assert!(matches!(stale, Err(SendError::Failed(CommandFailure::Conflict { .. }))), "{stale:?}");
        assert_eq!(trouble.seen().0, 1);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_with_jitter_up_to_the_longest_and_end_with_the_time_limit() {
    let trouble = Trouble::of(&[Trial::Unreadable; 20]);
    let (inner, seconds) = (trouble.clone(), Duration::from_secs);
    let policy = RetryPolicy::transient().attempts(100).pauses(seconds(1), seconds(4)).within(seconds(20));
    let store = annals::store::open("memory:").await.unwrap();
    let builder = Annals::builder().without_discovery().opened_store(store).include::<Wallet>();
    let app = builder.dispatch_interceptor(inner).retry_of::<Deposit>(policy).start().await.unwrap();
    let begun = tokio::time::Instant::now();
    app.send(deposit("w-1", 1)).await.unwrap_err();
    let (took, attempts) = (begun.elapsed(), trouble.seen().0);
    // 1 + 2 + 4 + 4 + .. seconds, with up to a second more each.
    assert!((5..=7).contains(&attempts), "{attempts} attempts");
    assert!(took <= seconds(20) && took > seconds(14), "{took:?}");
}

/// Fails with an error of a certain kind, some layers deep.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "bank.ask")]
pub struct AskBank {
    kind: String,
}

#[derive(Default)]
pub struct Bank;

#[derive(Debug, thiserror::Error)]
#[error("the bank")]
struct Inside(#[source] Box<dyn std::error::Error + Send + Sync>);

#[command_handlers]
impl Bank {
    #[handle]
    async fn ask(&self, command: AskBank, gateway: Gateway) -> Result<(), HandlerError> {
        let inside = |error| Inside(error);
        Err(match command.kind.as_str() {
            "marked permanent" => HandlerError::permanent(ReadError::Unavailable { source: "down".into() }),
            "marked transient" => HandlerError::transient("closed for lunch"),
            "nothing known" => HandlerError::new("no idea"),
            "unreadable, deep" => inside(ReadError::Unavailable { source: "down".into() }.into()).into(),
            "a limit, deep" => inside(ReadError::Limit(limit()).into()).into(),
            "nested rejection" => Inside(gateway.send(withdraw("w-1", 99)).await.unwrap_err().into()).into(),
            "nested not found" => gateway.send(deposit("nobody", 1)).await.unwrap_err().into(),
            other => panic!("unknown kind {other}"),
        })
    }
}

fn limit() -> annals::store::LimitError {
    annals::store::LimitError { what: "it".into(), actual: 2, limit: 1, unit: "bytes" }
}

#[tokio::test]
async fn transient_and_permanent_are_told_apart_by_type_through_the_whole_chain() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().include::<Bank>()).await;
        app.send(open("w-1", 0)).await.unwrap();
        for (kind, expected) in [
            ("marked permanent", FailureClass::Permanent),
            ("marked transient", FailureClass::Transient),
            ("nothing known", FailureClass::Transient),
            ("unreadable, deep", FailureClass::Transient),
            ("a limit, deep", FailureClass::Permanent),
            ("nested rejection", FailureClass::Permanent),
            ("nested not found", FailureClass::Permanent),
        ] {
            match app.send(AskBank { kind: kind.to_owned() }).await {
                Err(SendError::Failed(failure @ CommandFailure::Handler { class, .. })) => {
                    assert_eq!(class, expected, "{kind}");
                    assert_eq!(failure.is_transient(), expected == FailureClass::Transient, "{kind}");
                }
                other => panic!("expected `Handler`, got {other:?}"),
            }
        }
        app.shutdown().await.unwrap();
    })
    .await;
}
