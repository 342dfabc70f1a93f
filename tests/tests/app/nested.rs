//! A command that would wait for itself is refused at once, with an explanation.

use std::sync::Arc;
use std::time::Duration;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::{CommandFailure, SendError};
use tokio::sync::OnceCell;

use crate::courses::*;
use crate::support::in_each_place;
use crate::wallet::*;

/// Sends a command of its own around withdrawals: before them, after them, or from another task.
#[derive(Clone)]
struct Bonus {
    app: Arc<OnceCell<Annals>>,
    when: When,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
    Beside,
    /// For another wallet.
    Elsewhere,
    /// Through a handler outside aggregates, which sends the deposit.
    ThroughErrand,
}

#[async_trait::async_trait]
impl CommandInterceptor for Bonus {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let app = self.app.get().unwrap().clone();
        let wallet = command.target.clone().unwrap();
        let sent = match self.when {
            When::Before => app.send(deposit(&wallet, 1)).await,
            When::Elsewhere => app.send(deposit("w-2", 1)).await,
            When::ThroughErrand => {
                if let Err(SendError::Failed(failure)) = app.send(RunErrand { wallet }).await {
                    return Err(failure.into());
                }
                return next.run(command).await;
            }
            When::After => {
                let result = next.run(command).await;
                app.send(deposit(&wallet, 1)).await.unwrap();
                return result;
            }
            When::Beside => {
                tokio::spawn(async move { app.send(deposit(&wallet, 1)).await });
                return next.run(command).await;
            }
        };
        match sent {
            Err(SendError::Failed(failure)) => Err(failure.into()),
            _ => next.run(command).await,
        }
    }
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "errand.run")]
pub struct RunErrand {
    #[routing]
    pub wallet: String,
}

#[derive(Default)]
pub struct Errands;

#[command_handlers]
impl Errands {
    #[handle(sequential)]
    async fn run(&self, command: RunErrand, gateway: Gateway) -> Result<(), HandlerError> {
        gateway.send(deposit(&command.wallet, 1)).await?;
        Ok(())
    }
}

async fn withdraw_with(place: &crate::support::Place, when: When) -> (Annals, Result<(), CommandFailure>) {
    let app_cell = Arc::new(OnceCell::new());
    let bonus = Bonus { app: Arc::clone(&app_cell), when };
    let app =
        place.start(|app| app.include::<Wallet>().include::<Errands>().handler_interceptor_of::<Withdraw>(bonus)).await;
    app_cell.set(app.clone()).unwrap();
    for wallet in ["w-1", "w-2"] {
        let _ = app.send(open(wallet, 10)).await;
    }
    let sent = tokio::time::timeout(Duration::from_secs(5), app.send(withdraw("w-1", 1))).await;
    let sent = match sent.expect("nothing waits for itself") {
        Ok(_) => Ok(()),
        Err(SendError::Failed(failure)) => Err(failure),
        Err(SendError::Rejected(error)) => panic!("{error}"),
    };
    (app, sent)
}

#[tokio::test]
async fn an_interceptor_that_holds_the_turn_and_sends_to_the_same_aggregate_is_refused_with_an_explanation() {
    in_each_place(async |place| {
        let (app, sent) = withdraw_with(place, When::Before).await;
        let failure = sent.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "`wallet.deposit` would wait for itself: the turn of `wallet/w-1` is held by `wallet.withdraw` in the same task"
        );
        assert!(matches!(&failure, CommandFailure::Nested { stream, holders, .. }
            if stream.to_string() == "wallet/w-1" && holders == &["wallet.withdraw"]));
        assert!(!failure.is_transient());
        assert_eq!(balance(&app, "w-1").await, 10);
        app.send(deposit("w-1", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_hop_over_another_handler_in_the_same_task_is_seen() {
    in_each_place(async |place| {
        let (app, sent) = withdraw_with(place, When::ThroughErrand).await;
        let failure = sent.unwrap_err();
        let CommandFailure::Handler { source, .. } = &failure else { panic!("expected `Handler`, got {failure:?}") };
        assert!(
            source.to_string().ends_with("is held by `wallet.withdraw`, which sent `errand.run` in the same task"),
            "{source}"
        );
        assert!(!failure.is_transient(), "a permanent failure inside makes the outer one permanent");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn after_the_decision_to_another_aggregate_and_from_another_task_a_command_may_be_sent() {
    in_each_place(async |place| {
        for when in [When::After, When::Elsewhere, When::Beside] {
            let (app, sent) = withdraw_with(place, when).await;
            sent.unwrap();
            app.shutdown().await.unwrap();
        }
        let app = place.start(|app| app.include::<Wallet>()).await;
        let deposits = crate::support::eventually(async || (balance(&app, "w-1").await == 9).then_some(()));
        deposits.await;
        assert_eq!(balance(&app, "w-2").await, 11);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Sends what a service is handling to itself again.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "echo.say", reply = u32)]
pub struct Say {
    #[routing]
    pub room: String,
    pub again: Option<String>,
}

#[derive(Default)]
pub struct Echo;

#[command_handlers]
impl Echo {
    #[handle(sequential)]
    async fn say(&self, command: Say, gateway: Gateway) -> Result<u32, HandlerError> {
        match command.again {
            Some(room) => Ok(gateway.send(Say { room, again: None }).await?.reply + 1),
            None => Ok(1),
        }
    }
}

#[tokio::test]
async fn a_sequential_handler_that_sends_under_its_own_key_is_refused_and_under_another_one_it_is_not() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Echo>()).await;
        let say = |again: &str| Say { room: "hall".into(), again: Some(again.to_owned()) };
        assert_eq!(app.send(say("cave")).await.unwrap().reply, 2);
        let failure = app.send(say("hall")).await.unwrap_err().to_string();
        assert_eq!(failure, "the handler of `echo.say` failed");
        // The same under an id whose repeat would wait for the first.
        app.send(say("cave")).id(CommandId::new()).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Sends a second enrolment while the first holds the turn of the course.
struct Another(Arc<OnceCell<Annals>>);

#[async_trait::async_trait]
impl CommandInterceptor for Another {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.metadata.get("inner").is_none() {
            let again = self.0.get().unwrap().send(enrol("rust", "bob")).metadata("inner", "yes");
            if let Err(SendError::Failed(failure)) = again.await {
                return Err(failure.into());
            }
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn a_decision_over_a_boundary_holds_its_turn_too() {
    in_each_place(async |place| {
        let cell = Arc::new(OnceCell::new());
        let another = Another(Arc::clone(&cell));
        let app = place
            .start(|app| {
                app.include::<Announcement>().include::<Enrolment>().handler_interceptor_of::<Enrolment>(another)
            })
            .await;
        cell.set(app.clone()).unwrap();
        let sent = tokio::time::timeout(Duration::from_secs(5), app.send(enrol("rust", "ada"))).await.unwrap();
        assert!(matches!(sent, Err(SendError::Failed(CommandFailure::Nested { .. }))), "{sent:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}
