//! Handlers outside aggregates: they may wait, use resources, and send commands.

use std::sync::Mutex;

use annals::handler::{Context, ContextError, FromContext};
use annals::prelude::*;
use annals::store::Read;
use annals::{CommandFailure, SendError};

use crate::support::in_each_place;
use crate::wallet::*;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{card}` was declined")]
pub struct Declined {
    card: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "payment.top-up", reply = u64, error = Declined)]
pub struct TopUp {
    pub wallet: String,
    pub card: String,
    pub amount: u64,
}

/// What the cards are charged with. A resource that every application here brings.
#[derive(Debug, Default)]
pub struct Bank {
    charged: Mutex<Vec<String>>,
    is_down: bool,
}

/// The fee, taken as `&T`; applications that do not care get the default.
#[derive(Debug, Default)]
pub struct Fee(u64);

/// Who sent the message.
#[derive(Debug)]
pub struct User(String);

impl FromContext for User {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        let user = context.metadata().get("user");
        user.map(|user| Self(user.to_owned())).ok_or_else(|| ContextError::new("User", "and nobody is signed in"))
    }
}

/// Keeps its own state, and is given by the application or made by default.
#[derive(Debug, Default)]
pub struct Payments {
    bank: Bank,
    fee: Fee,
}

#[command_handlers]
impl Payments {
    #[handle]
    async fn top_up(
        &self,
        command: TopUp,
        user: User,
        gateway: Gateway,
        now: Now,
        id: CommandId,
    ) -> Result<u64, PaymentError> {
        if self.bank.is_down {
            return Err(PaymentError::Technical(HandlerError::new("the bank does not answer")));
        }
        if command.card.starts_with("stolen") {
            return Err(PaymentError::Declined(Declined { card: command.card }));
        }
        assert!(command.amount > 0, "nothing to charge");
        self.bank.charged.lock().unwrap().push(format!("{} by {} at {}", command.card, user.0, Timestamp::from(now)));
        assert_eq!(id.uuid().get_version_num(), 7);
        let amount = command.amount - self.fee.0;
        gateway.send(deposit(&command.wallet, amount)).await.map_err(HandlerError::from)?;
        Ok(amount)
    }
}

/// A handler that may be refused and may fail.
pub enum PaymentError {
    Declined(Declined),
    Technical(HandlerError),
}

impl From<HandlerError> for PaymentError {
    fn from(error: HandlerError) -> Self {
        Self::Technical(error)
    }
}

impl annals::command::IntoRefusal<Declined> for PaymentError {
    fn into_refusal(self) -> annals::aggregate::Refusal<Declined> {
        match self {
            Self::Declined(declined) => annals::aggregate::Refusal::Rejected(declined),
            Self::Technical(error) => annals::aggregate::Refusal::Failed(error),
        }
    }
}

fn top_up(card: &str) -> TopUp {
    TopUp { wallet: "w-1".into(), card: card.to_owned(), amount: 10 }
}

#[tokio::test]
async fn a_handler_outside_aggregates_gets_what_it_asks_for_and_sends_commands() {
    in_each_place(async |place| {
        let clock = annals::testing::TestClock::default();
        let payments = Payments { bank: Bank::default(), fee: Fee(1) };
        let app =
            place.start(|app| app.include::<Wallet>().include::<Payments>().resource(payments).clock(clock)).await;
        app.send(open("w-1", 0)).await.unwrap();
        let sent = app.send(top_up("c-1")).metadata("user", "ada").await.unwrap();
        assert_eq!((sent.reply, sent.stream, sent.version), (9, None, None));
        assert_eq!(sent.position, Position::new(2), "a query after it sees the deposit");
        assert_eq!(balance(&app, "w-1").await, 9);

        let page = app.journal().read(Read::all(Position::new(1))).await.unwrap();
        let metadata = page.events[0].recorded.metadata();
        assert_eq!(metadata.correlation_id(), Some(sent.command.to_string().as_str()));
        assert_ne!(metadata.causation_id(), metadata.correlation_id(), "the deposit caused it");
        assert_eq!(metadata.get("user"), Some("ada"));
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_parameter_that_cannot_be_provided_refuses_the_command_before_the_handler_runs() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().include::<Payments>()).await;
        match app.send(top_up("c-1")).await {
            Err(SendError::Failed(failure @ CommandFailure::Context(_))) => {
                assert_eq!(failure.to_string(), "a handler asks for `User`, and nobody is signed in");
            }
            other => panic!("expected `Context`, got {other:?}"),
        }
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_rejection_and_a_technical_failure_are_different_things() {
    in_each_place(async |place| {
        let down = Payments { bank: Bank { is_down: true, ..Bank::default() }, fee: Fee::default() };
        let broken = place.start(|app| app.include::<Wallet>().include::<Payments>().resource(down)).await;
        match broken.send(top_up("c-1")).metadata("user", "ada").await {
            Err(SendError::Failed(failure @ CommandFailure::Handler { .. })) => {
                assert_eq!(failure.to_string(), "the handler of `payment.top-up` failed");
                let source = std::error::Error::source(&failure).map(ToString::to_string);
                assert_eq!(source.as_deref(), Some("the bank does not answer"));
                assert!(failure.is_transient());
            }
            other => panic!("expected `Handler`, got {other:?}"),
        }
        let app = place.start(|app| app.include::<Wallet>().include::<Payments>()).await;
        let refused = app.send(top_up("stolen-1")).metadata("user", "ada").await.unwrap_err();
        assert_eq!(refused.rejection(), Some(Declined { card: "stolen-1".into() }));
        // The failure of the inner command is a technical failure of the outer one.
        let failed = app.send(top_up("c-1")).metadata("user", "ada").await.unwrap_err();
        let SendError::Failed(CommandFailure::Handler { source, .. }) = failed else { panic!("{failed:?}") };
        assert_eq!(source.to_string(), "`wallet/w-1` does not exist");
        for node in [app, broken] {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_technical_failure_is_tried_again_under_the_same_id() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().include::<Payments>()).await;
        let id = CommandId::new();
        app.send(top_up("c-1")).id(id).metadata("user", "ada").await.unwrap_err();
        app.send(open("w-1", 0)).await.unwrap();
        assert!(!app.send(top_up("c-1")).id(id).metadata("user", "ada").await.unwrap().repeated);
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_panic_outside_aggregates_is_a_failure() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().include::<Payments>()).await;
        let nothing = TopUp { amount: 0, ..top_up("c-1") };
        let failed = app.send(nothing).metadata("user", "ada").await.unwrap_err();
        assert_eq!(failed.to_string(), "the handler of `payment.top-up` panicked: nothing to charge");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_outside_aggregates_has_no_version_to_expect() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Wallet>().include::<Payments>()).await;
        let refused = app.send(top_up("c-1")).metadata("user", "ada").expect(Version::FIRST).await.unwrap_err();
        assert_eq!(refused.to_string(), "`payment.top-up` has no stream whose version could be expected");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "rates.convert", reply = u64)]
pub struct Convert {
    pub amount: u64,
}

/// Euros for a dollar, in cents. Every application of this binary starts without it, so it is asked for as an option.
#[derive(Debug, Clone, Copy)]
pub struct Rate(u64);

pub struct MaybeRate(Option<Shared<Rate>>);

impl FromContext for MaybeRate {
    fn from_context(context: &Context<'_>) -> Result<Self, ContextError> {
        Ok(Self(Shared::from_context(context).ok()))
    }
}

pub struct Rates;

#[command_handlers]
impl Rates {
    #[handle]
    async fn convert(command: Convert, rate: MaybeRate, metadata: &Metadata, payments: &Payments) -> u64 {
        let rate = rate.0.map_or(100, |Shared(rate)| rate.0);
        assert!(metadata.correlation_id().is_some());
        command.amount * rate / 100 - payments.fee.0
    }
}

#[tokio::test]
async fn resources_are_taken_shared_and_by_reference() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<Rates>().include::<Payments>().resource(Rate(90))).await;
        assert_eq!(app.send(Convert { amount: 200 }).await.unwrap().reply, 180);
        app.shutdown().await.unwrap();
        let app = place.start(|app| app.include::<Rates>().include::<Payments>()).await;
        assert_eq!(app.send(Convert { amount: 200 }).await.unwrap().reply, 200);
        app.shutdown().await.unwrap();
    })
    .await;
}
