//! Commands that are sent at once end as if they had been sent one after the other, whatever becomes of appends.

use std::collections::HashMap;
use std::future::IntoFuture;

use annals::prelude::*;
use annals::store::AppendError;
use annals::{CommandFailure, SendError, Sent};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::JoinHandle;

use crate::shaky::Fate::{self, Slow, Unavailable, UnknownUnwritten, UnknownWritten};
use crate::shaky::Shaky;
use crate::wallet::*;

/// A command for one of two wallets.
#[derive(Debug, Clone)]
struct Act {
    wallet: &'static str,
    what: What,
    /// One of a few ids, so that some commands are repeats.
    id: Option<u8>,
    expect: Option<u64>,
}

#[derive(Debug, Clone)]
enum What {
    Open(u64),
    Many(Vec<u64>),
    Withdraw(u64),
    Lock(bool),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Done {
        reply: Vec<u64>,
        version: Option<u64>,
    },
    Rejected(WalletError),
    Exists,
    NotFound,
    Conflict,
    /// The store said no, by its fate.
    Unavailable,
    Other(String),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let what = prop_oneof![
        1 => prop_oneof![4 => 0_u64..50, 1 => Just(2_000_000)].prop_map(What::Open),
        4 => proptest::collection::vec(prop_oneof![8 => 1_u64..20, 1 => Just(0)], 0..4).prop_map(What::Many),
        4 => (1_u64..40).prop_map(What::Withdraw),
        2 => any::<bool>().prop_map(What::Lock),
    ];
    let id = proptest::option::weighted(0.3, 0_u8..3);
    let act = (prop_oneof![3 => Just("w-1"), 1 => Just("w-2")], what, id, proptest::option::weighted(0.15, 1_u64..20));
    let act = act.prop_map(|(wallet, what, id, expect)| Act { wallet, what, id, expect });
    proptest::collection::vec(act, 1..40)
}

/// At most one outcome is unknown: of two, the second may be settled before what came between them is decided again.
fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![6 => (0_u8..6).prop_map(Slow), 1 => Just(Unavailable)];
    let unknown = (0_usize..30, prop_oneof![Just(UnknownUnwritten), Just(UnknownWritten)]);
    (proptest::collection::vec(fate, 0..60), unknown).prop_map(|(mut fates, (place, unknown))| {
        fates.insert(place.min(fates.len()), unknown);
        fates
    })
}

impl End {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Exists | Self::NotFound | Self::Conflict)
    }
}

/// What should come of commands, worked out one after the other.
#[derive(Clone, Default)]
struct Model {
    wallets: HashMap<&'static str, (Wallet, u64)>,
    recorded: HashMap<u128, End>,
}

impl Model {
    fn run(&mut self, act: &Act, id: Option<CommandId>) -> End {
        let id = id.map(|id| id.uuid().as_u128());
        if let Some(end) = id.and_then(|id| self.recorded.get(&id)) {
            return end.clone();
        }
        let end = self.decide(act);
        if let (Some(id), End::Done { .. } | End::Rejected(_)) = (id, &end) {
            self.recorded.insert(id, end.clone());
        }
        end
    }

    /// Decides, and keeps the state that comes of it.
    fn decide(&mut self, act: &Act) -> End {
        let (found, version) = self.wallets.get(act.wallet).cloned().unwrap_or_default();
        if act.expect.is_some_and(|expected| expected != version) {
            return End::Conflict;
        }
        match act.what {
            What::Open(_) if version > 0 => return End::Exists,
            What::Withdraw(_) | What::Lock(_) if version == 0 => return End::NotFound,
            _ => {}
        }
        let (mut wallet, mut reply, mut events) = (found, Vec::new(), 1);
        match &act.what {
            What::Open(balance) if *balance > 1_000_000 => return End::Rejected(WalletError::TooMuch),
            What::Open(balance) => wallet.balance = *balance,
            What::Many(amounts) => {
                events = amounts.len() as u64;
                for amount in amounts {
                    if *amount == 0 {
                        let balance = wallet.balance;
                        return End::Rejected(WalletError::InsufficientFunds { balance, requested: 0 });
                    }
                    wallet.balance += amount;
                    reply.push(wallet.balance);
                }
            }
            What::Withdraw(amount) if *amount > wallet.balance => {
                let (balance, requested) = (wallet.balance, *amount);
                return End::Rejected(WalletError::InsufficientFunds { balance, requested });
            }
            What::Withdraw(amount) => wallet.balance -= amount,
            What::Lock(locked) => {
                events = u64::from(wallet.locked != *locked);
                wallet.locked = *locked;
            }
        }
        let version = version + events;
        if events > 0 {
            self.wallets.insert(act.wallet, (wallet, version));
        }
        End::Done { reply, version: (version > 0).then_some(version) }
    }
}

type Ids = HashMap<(&'static str, u8, u8), CommandId>;

/// Commands of the same kind for the same wallet share their ids.
fn id_of(act: &Act, ids: &mut Ids) -> Option<CommandId> {
    let kind = match act.what {
        What::Open(_) => 0,
        What::Many(_) => 1,
        What::Withdraw(_) => 2,
        What::Lock(_) => 3,
    };
    act.id.map(|id| *ids.entry((act.wallet, kind, id)).or_insert_with(CommandId::new))
}

fn sent(app: &Annals, act: &Act, id: Option<CommandId>) -> JoinHandle<End> {
    fn call<C: Command>(
        app: &Annals,
        command: C,
        act: &Act,
        id: Option<CommandId>,
        end: impl FnOnce(Result<Sent<C::Reply>, SendError<C::Error>>) -> End + Send + 'static,
    ) -> JoinHandle<End> {
        let mut call = app.send(command);
        if let Some(id) = id {
            call = call.id(id);
        }
        if let Some(version) = act.expect.and_then(Version::new) {
            call = call.expect(version);
        }
        let call = call.into_future();
        tokio::spawn(async move { end(call.await) })
    }
    let version = |sent: &Option<Version>| sent.map(Version::get);
    let plain = move |result: Result<Sent<()>, SendError<WalletError>>| match result {
        Ok(sent) => End::Done { reply: Vec::new(), version: version(&sent.version) },
        Err(SendError::Rejected(error)) => End::Rejected(error),
        Err(SendError::Failed(failure)) => failed(failure),
    };
    let wallet = act.wallet;
    match &act.what {
        What::Open(balance) => call(app, open(wallet, *balance), act, id, plain),
        What::Withdraw(amount) => call(app, withdraw(wallet, *amount), act, id, plain),
        What::Many(amounts) => {
            let many = DepositMany { wallet: wallet.to_owned(), amounts: amounts.clone() };
            call(app, many, act, id, move |result| match result {
                Ok(sent) => End::Done { version: version(&sent.version), reply: sent.reply },
                Err(SendError::Rejected(error)) => End::Rejected(error),
                Err(SendError::Failed(failure)) => failed(failure),
            })
        }
        What::Lock(locked) => call(app, lock(wallet, *locked), act, id, move |result| match result {
            Ok(sent) => End::Done { reply: Vec::new(), version: version(&sent.version) },
            Err(SendError::Rejected(never)) => match never {},
            Err(SendError::Failed(failure)) => failed(failure),
        }),
    }
}

fn failed(failure: CommandFailure) -> End {
    match failure {
        CommandFailure::AlreadyExists { .. } => End::Exists,
        CommandFailure::NotFound { .. } => End::NotFound,
        CommandFailure::Conflict { attempts: 1, .. } => End::Conflict,
        CommandFailure::Append(AppendError::Unavailable { .. }) => End::Unavailable,
        other => End::Other(other.to_string()),
    }
}

/// A record is spared, since a command behind it may overtake it while its outcome is unknown: that is an order too, but not
/// the one of this model.
#[test]
fn commands_sent_at_once_end_as_if_sent_one_after_the_other() {
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(acts(), fates()), |(acts, fates)| {
        // Paused time skips the pauses between attempts.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let app = Annals::builder().without_discovery().include::<Wallet>();
            // On one node nothing but what failed before gets in a command's way.
            let app = app.commands(|commands| commands.conflict_retries = 0);
            let app = app.opened_store(Shaky::with(fates).sparing_records().store()).start().await.unwrap();
            let (mut ids, mut calls) = (Ids::new(), Vec::new());
            for act in &acts {
                let id = id_of(act, &mut ids);
                calls.push((act, id, sent(&app, act, id)));
            }
            let mut ends = Vec::new();
            for (act, id, call) in calls {
                let end = tokio::time::timeout(std::time::Duration::from_secs(600), call).await;
                ends.push((act, id, end.expect("the command is answered").unwrap()));
            }
            let mut model = Model::default();
            for (number, (act, id, end)) in ends.iter().enumerate() {
                let mut after = model.clone();
                let expected = after.run(act, *id);
                // A failure is no outcome. A repeat may meet it while the first outcome is still being recorded, and a
                // command that failed may hear of a repeat of it that did not.
                let missed = id.is_some() && end.is_failure() && *end == model.clone().decide(act);
                let later = &ends[number + 1..];
                let heard = id.is_some()
                    && expected.is_failure()
                    && later.iter().any(|(_, of, found)| (of, found) == (id, end));
                if *end == End::Unavailable || missed || heard {
                    continue;
                }
                prop_assert_eq!(end, &expected, "command {} is {:?}", number, act);
                model = after;
            }
            for wallet in ["w-1", "w-2"] {
                let stored = app.aggregate::<Wallet>(wallet).load().await.unwrap();
                let stored = stored.map(|sourced| (sourced.state, sourced.version.get()));
                prop_assert_eq!(stored, model.wallets.remove(wallet));
            }
            app.shutdown().await.unwrap();
            Ok(())
        })
    });
    result.unwrap();
}
