//! Code around every command.

use std::collections::HashMap;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;
use annals::store::Read;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;
use crate::wallet::*;

/// Notes when commands pass it, and how they come back.
#[derive(Clone)]
struct Noting {
    name: &'static str,
    notes: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl CommandInterceptor for Noting {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        self.notes.lock().unwrap().push(format!("{} > {}", self.name, command.name));
        let result = next.run(command).await;
        let outcome = match &result {
            Ok(executed) => format!("version {}", executed.version.unwrap()),
            Err(error) => error.to_string(),
        };
        self.notes.lock().unwrap().push(format!("{} < {outcome}", self.name));
        result
    }
}

#[tokio::test]
async fn interceptors_surround_dispatch_and_handling_in_the_order_in_which_they_were_added() {
    in_each_place(async |place| {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let noting = |name| Noting { name, notes: Arc::clone(&notes) };
        let app = place
            .start(|app| {
                app.include::<Wallet>()
                    .handler_interceptor(noting("third"))
                    .dispatch_interceptor(noting("first"))
                    .handler_interceptor(noting("fourth"))
                    .dispatch_interceptor(noting("second"))
            })
            .await;
        let taken = || std::mem::take(&mut *notes.lock().unwrap());
        app.send(open("w-1", 5)).await.unwrap();
        let (inwards, outwards) = (["first", "second", "third", "fourth"], ["fourth", "third", "second", "first"]);
        let expected = |command: &str, outcome: &str| -> Vec<String> {
            let inwards = inwards.iter().map(|name| format!("{name} > {command}"));
            inwards.chain(outwards.iter().map(|name| format!("{name} < {outcome}"))).collect()
        };
        assert_eq!(taken(), expected("wallet.open", "version 1"));
        app.send(withdraw("w-1", 6)).await.unwrap_err();
        assert_eq!(taken(), expected("wallet.withdraw", "5 is there, 6 was requested"));
        // What has no handler is not handled, but it is dispatched.
        app.send(crate::idempotence::NextNumber { odd: true }).await.unwrap_err();
        assert_eq!(taken().len(), 4);
        app.shutdown().await.unwrap();
    })
    .await;
}

struct Signing;

#[async_trait::async_trait]
impl CommandInterceptor for Signing {
    async fn intercept(&self, mut command: CommandMessage, next: Next<'_>) -> CommandResult {
        let target = command.target.clone().unwrap_or_default();
        command.metadata.insert("signed-for", target);
        next.run(command).await
    }
}

#[tokio::test]
async fn metadata_that_an_interceptor_adds_reaches_the_events() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().dispatch_interceptor(Signing)).await;
        app.send(open("w-1", 5)).metadata("user", "ada").await.unwrap();
        let page = app.journal().read(Read::all(Position::START)).await.unwrap();
        let metadata = page.events[0].recorded.metadata();
        assert_eq!((metadata.get("signed-for"), metadata.get("user")), (Some("w-1"), Some("ada")));
        app.shutdown().await.unwrap();
    })
    .await;
}

/// Refuses commands of the type `T`, before or after they were handled.
struct Refusing;

#[async_trait::async_trait]
impl CommandInterceptor for Refusing {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.command::<Withdraw>().is_some_and(|withdraw| withdraw.amount > 100) {
            return Err(CommandFailure::Refused { reason: "ask the manager".into() }.into());
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn an_interceptor_can_stop_a_command_by_what_is_in_it() {
    in_each_place(async |place| {
        for around_dispatch in [true, false] {
            let app = place
                .start(|app| match around_dispatch {
                    true => app.include::<Wallet>().dispatch_interceptor(Refusing),
                    false => app.include::<Wallet>().handler_interceptor(Refusing),
                })
                .await;
            let wallet = format!("w-{around_dispatch}");
            let opened = app.send(open(&wallet, 500)).await.unwrap();
            match app.send(withdraw(&wallet, 101)).await {
                Err(SendError::Failed(failure @ CommandFailure::Refused { .. })) => {
                    assert_eq!(failure.to_string(), "ask the manager");
                    assert!(!failure.is_transient());
                }
                other => panic!("expected `Refused`, got {other:?}"),
            }
            assert_eq!(app.journal().store().head().await.unwrap(), opened.position);
            app.send(withdraw(&wallet, 100)).await.unwrap();
            app.shutdown().await.unwrap();
        }
    })
    .await;
}

struct Panicking;

#[async_trait::async_trait]
impl CommandInterceptor for Panicking {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        assert!(command.name != "wallet.withdraw", "an interceptor has a fault");
        next.run(command).await
    }
}

#[tokio::test]
async fn an_interceptor_that_panics_is_a_failure_and_the_aggregate_goes_on() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().handler_interceptor(Panicking)).await;
        app.send(open("w-1", 5)).await.unwrap();
        let failed = app.send(withdraw("w-1", 1)).await.unwrap_err();
        assert_eq!(failed.to_string(), "the handler of `wallet.withdraw` panicked: an interceptor has a fault");
        app.send(deposit("w-1", 1)).await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

/// How many commands it holds at the same time, before it lets them go on.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    inside: HashMap<String, usize>,
    most_of_one: usize,
    most_in_all: usize,
}

#[async_trait::async_trait]
impl CommandInterceptor for Crowd {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let target = command.target.clone().unwrap_or_default();
        {
            let mut counts = self.0.lock().unwrap();
            *counts.inside.entry(target.clone()).or_default() += 1;
            counts.most_of_one = counts.most_of_one.max(counts.inside[&target]);
            counts.most_in_all = counts.most_in_all.max(counts.inside.values().sum());
        }
        tokio::task::yield_now().await;
        *self.0.lock().unwrap().inside.entry(target).or_default() -= 1;
        next.run(command).await
    }
}

#[tokio::test]
async fn around_handling_one_command_of_an_aggregate_enters_at_a_time() {
    in_each_place(async |place| {
        let (handling, dispatching) = (Crowd::default(), Crowd::default());
        let (inner, outer) = (handling.clone(), dispatching.clone());
        let app =
            place.start(|app| app.include::<Wallet>().handler_interceptor(inner).dispatch_interceptor(outer)).await;
        for wallet in ["w-1", "w-2"] {
            app.send(open(wallet, 0)).await.unwrap();
        }
        let mut calls = Vec::new();
        for _ in 0..10 {
            for wallet in ["w-1", "w-2"] {
                calls.push(tokio::spawn(app.send(deposit(wallet, 1)).into_future()));
            }
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        {
            let (handling, dispatching) = (handling.0.lock().unwrap(), dispatching.0.lock().unwrap());
            assert_eq!(handling.most_of_one, 1);
            assert_eq!(handling.most_in_all, 2, "both wallets at once");
            assert_eq!(dispatching.most_of_one, 10, "around dispatch nothing waits");
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "lamp.switch")]
struct Switch {}

#[derive(Default)]
struct Lamp;

#[command_handlers]
impl Lamp {
    #[handle]
    async fn switch(&self, _command: Switch) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[tokio::test]
async fn interceptors_of_one_component_or_command_keep_their_place_among_those_of_all() {
    in_each_place(async |place| {
        let notes = Arc::new(Mutex::new(Vec::new()));
        let noting = |name| Passing { name, notes: Arc::clone(&notes) };
        let app = place
            .start(|app| {
                app.include::<Wallet>()
                    .include::<Lamp>()
                    .handler_interceptor_of::<Wallet>(noting("wallets"))
                    .handler_interceptor(noting("all"))
                    .handler_interceptor_of::<Withdraw>(noting("withdrawals"))
                    .handler_interceptor_of::<Lamp>(noting("lamp"))
                    .dispatch_interceptor_of::<Switch>(noting("switches"))
                    .dispatch_interceptor(noting("every dispatch"))
                    .dispatch_interceptor_of::<Wallet>(noting("dispatch of wallets"))
            })
            .await;
        let taken = || std::mem::take(&mut *notes.lock().unwrap());
        app.send(open("w-1", 5)).await.unwrap();
        assert_eq!(taken(), ["every dispatch", "dispatch of wallets", "wallets", "all"]);
        app.send(withdraw("w-1", 1)).await.unwrap();
        assert_eq!(taken(), ["every dispatch", "dispatch of wallets", "wallets", "all", "withdrawals"]);
        app.send(Switch {}).await.unwrap();
        assert_eq!(taken(), ["switches", "every dispatch", "all", "lamp"]);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Clone)]
struct Passing {
    name: &'static str,
    notes: Arc<Mutex<Vec<&'static str>>>,
}

#[async_trait::async_trait]
impl CommandInterceptor for Passing {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        self.notes.lock().unwrap().push(self.name);
        next.run(command).await
    }
}

#[tokio::test]
async fn an_interceptor_for_what_handles_nothing_here_is_found_at_start() {
    let store = annals::store::open("memory:").await.unwrap();
    let builder = Annals::builder().without_discovery().opened_store(store).include::<Wallet>();
    let started = builder
        .dispatch_interceptor_of::<String>(Signing)
        .handler_interceptor_of::<Switch>(Signing)
        .retry_of::<Switch>(annals::command::RetryPolicy::never())
        .start()
        .await;
    let Err(annals::StartError::Problems(problems)) = started else { panic!("it started") };
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("an interceptor is for `alloc::string::String`, which is no command"), "{texts:?}");
    assert!(texts.iter().all(|text| text.contains("interceptors.rs:")), "{texts:?}");
}
