//! What a command demands of its sender and of its own fields, and the bound on all commands.

use std::future::IntoFuture;
use std::sync::Arc;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next, Priority};
use annals::prelude::*;
use annals::{CommandFailure, SendError};
use tokio::sync::Semaphore;

use crate::support::{begin, in_each_place};
use crate::wallet::*;

#[derive(Command, garde::Validate, Serialize, Deserialize, Debug, Clone)]
#[command(name = "vault.fill", validate, roles("clerk", "manager"))]
pub struct FillVault {
    #[routing]
    #[garde(length(min = 2))]
    pub vault: String,
    #[garde(range(min = 1, max = 100))]
    pub bars: u32,
}

#[derive(Default)]
pub struct Vaults;

#[command_handlers]
impl Vaults {
    #[handle(sequential)]
    async fn fill(&self, command: FillVault, crowd: Crowd) -> Result<(), HandlerError> {
        crowd.enter(&command.vault).await;
        Ok(())
    }
}

/// Notes who is inside at the same time.
#[derive(Clone, Default)]
pub struct Crowd(Arc<std::sync::Mutex<(Vec<String>, usize, bool)>>);

impl Crowd {
    async fn enter(&self, vault: &str) {
        {
            let mut inside = self.0.lock().unwrap();
            inside.2 |= inside.0.iter().any(|other| other == vault);
            inside.0.push(vault.to_owned());
            inside.1 = inside.1.max(inside.0.len());
        }
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        let mut inside = self.0.lock().unwrap();
        let place = inside.0.iter().position(|other| other == vault).unwrap();
        inside.0.remove(place);
    }
}

impl annals::handler::FromContext for Crowd {
    fn from_context(context: &annals::handler::Context<'_>) -> Result<Self, annals::handler::ContextError> {
        Ok(context.resources().get::<Self>().cloned().unwrap_or_default())
    }
}

fn fill(vault: &str, bars: u32) -> FillVault {
    FillVault { vault: vault.to_owned(), bars }
}

/// Gives those roles who know the word.
struct SignIn;

#[async_trait::async_trait]
impl CommandInterceptor for SignIn {
    async fn intercept(&self, mut command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.metadata.get("word") == Some("sesame") {
            command.metadata.insert(Metadata::ROLES, "guest, manager");
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn a_command_with_roles_is_for_those_who_have_one_of_them() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Vaults>().dispatch_interceptor(SignIn)).await;
        for roles in [None, Some("guest"), Some("clerks"), Some("")] {
            let mut call = app.send(fill("v-1", 1));
            if let Some(roles) = roles {
                call = call.metadata(Metadata::ROLES, roles);
            }
            match call.await {
                Err(SendError::Failed(failure @ CommandFailure::Forbidden { .. })) => {
                    assert_eq!(failure.to_string(), "`vault.fill` needs one of the roles `clerk`, `manager`");
                    assert!(!failure.is_transient());
                }
                other => panic!("{roles:?}: expected `Forbidden`, got {other:?}"),
            }
        }
        app.send(fill("v-1", 1)).metadata(Metadata::ROLES, "clerk").await.unwrap();
        app.send(fill("v-1", 1)).metadata("word", "sesame").await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn all_rules_that_a_command_breaks_are_reported_and_nothing_runs() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Vaults>()).await;
        match app.send(fill("v", 0)).metadata(Metadata::ROLES, "clerk").await {
            Err(SendError::Failed(failure @ CommandFailure::Invalid { .. })) => {
                assert_eq!(
                    failure.to_string(),
                    "`vault.fill` is invalid: bars: lower than 1; vault: length is lower than 2"
                );
                let CommandFailure::Invalid { violations, .. } = &failure else { unreachable!() };
                assert_eq!(violations.iter().map(|v| v.path.as_str()).collect::<Vec<_>>(), ["bars", "vault"]);
                assert!(!failure.is_transient());
            }
            other => panic!("expected `Invalid`, got {other:?}"),
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn sequential_commands_with_one_routing_key_never_overlap_and_those_of_others_do() {
    in_each_place(async |place| {
        let crowd = Crowd::default();
        let inside = crowd.clone();
        let app = place.start(|app| app.include::<Vaults>().resource(inside)).await;
        let mut calls = Vec::new();
        for number in 0..20 {
            let call = app.send(fill(["v-1", "v-2"][number % 2], 1)).metadata(Metadata::ROLES, "clerk");
            calls.push(tokio::spawn(call.into_future()));
        }
        for call in calls {
            call.await.unwrap().unwrap();
        }
        {
            let (inside, most, overlapped) = &*crowd.0.lock().unwrap();
            assert_eq!((inside.len(), *most, *overlapped), (0, 2, false));
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "vault.count")]
pub struct CountVaults {}

pub struct Counter;

/// By hand, since what is annotated faulty would be found by every test that discovers everything.
impl annals::command::ServedBy<Counter> for CountVaults {
    const SEQUENTIAL: bool = true;

    fn serve<'a>(
        &'a self,
        _component: Option<&'a Counter>,
        _context: &'a annals::handler::Context<'a>,
        _work: &'a mut UnitOfWork,
    ) -> futures_util::future::BoxFuture<'a, Result<(), annals::aggregate::Refusal<Never>>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_sequential_command_without_a_routing_key_is_found_at_start() {
    let store = annals::store::open("memory:").await.unwrap();
    let builder = Annals::builder().without_discovery().opened_store(store).declare(|registrar| {
        use annals::registry::{Component, Location};
        registrar.service_handler::<Counter, CountVaults>(Component::None, Location::here());
    });
    let error = builder.start().await.unwrap_err().to_string();
    assert!(error.contains("the command `vault.count`, which `"), "{error}");
    assert!(error.contains("has no field marked `#[routing]` or `#[target]`"), "{error}");
}

/// Holds the first command that comes.
#[derive(Clone)]
struct Gate(Arc<Semaphore>);

#[async_trait::async_trait]
impl CommandInterceptor for Gate {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        if command.metadata.get("hold").is_some() {
            self.0.acquire().await.unwrap().forget();
        }
        next.run(command).await
    }
}

#[tokio::test]
async fn more_commands_than_may_be_under_way_are_refused_clearly() {
    in_each_place(async |place| {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        let inner = gate.clone();
        let declare = |app: annals::app::Builder| {
            app.include::<Wallet>().dispatch_interceptor(inner).commands(|commands| commands.in_flight = 2)
        };
        let app = place.start(declare).await;
        app.send(open("w-1", 0)).await.unwrap();
        let mut held: Vec<_> =
            (0..2).map(|_| app.send(deposit("w-1", 1)).metadata("hold", "yes").into_future()).collect();
        for call in &mut held {
            begin(call).await;
        }
        match app.send(deposit("w-1", 1)).await {
            Err(SendError::Failed(failure @ CommandFailure::Overloaded { limit: 2, .. })) => {
                assert_eq!(
                    failure.to_string(),
                    "2 commands are under way, which is the limit; send `wallet.deposit` later"
                );
                assert!(failure.is_transient());
            }
            other => panic!("expected `Overloaded`, got {other:?}"),
        }
        drop(held.pop());
        app.send(deposit("w-1", 1)).await.unwrap();
        gate.0.add_permits(1);
        held.pop().unwrap().await.unwrap();
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn commands_that_wait_go_in_the_order_of_their_priority_and_then_of_their_coming() {
    in_each_place(async |place| {
        let gate = Gate(Arc::new(Semaphore::new(0)));
        let inner = gate.clone();
        let app = place.start(|app| app.include::<Wallet>().handler_interceptor(inner)).await;
        app.send(open("w-1", 0)).await.unwrap();
        let mut first = app.send(deposit("w-1", 1)).metadata("hold", "yes").into_future();
        begin(&mut first).await;
        let mut calls = Vec::new();
        for (amount, priority) in [
            (10, Priority::Low),
            (20, Priority::Normal),
            (30, Priority::High),
            (40, Priority::Normal),
            (50, Priority::High),
        ] {
            let command = DepositMany { wallet: "w-1".into(), amounts: vec![amount] };
            let mut call = app.send(command).priority(priority).into_future();
            begin(&mut call).await;
            calls.push(call);
        }
        gate.0.add_permits(1);
        first.await.unwrap();
        let mut balances = Vec::new();
        for answer in futures_util::future::join_all(calls).await {
            balances.push(answer.unwrap().reply[0]);
        }
        // 30, 50, 20, 40, 10 on top of 1, shown in the order of sending.
        assert_eq!(balances, [151, 101, 31, 141, 81]);
        app.shutdown().await.unwrap();
    })
    .await;
}
