//! Consistency boundaries by hand: criteria from a function, conditions that are wider or narrower, models of other
//! decisions, and values that are unique over everything.

use annals::aggregate::AsOf;
use annals::prelude::*;
use annals::testing::given;
use annals::{LoadError, SendError};

use crate::meanwhile::{Waiting, Waits, foreign};
use crate::support::in_each_place;

#[derive(thiserror::Error, Serialize, Deserialize, Debug, Clone, PartialEq)]
pub enum MemberError {
    #[error("taken")]
    Taken,
    #[error("the coupon is used up")]
    UsedUp,
    #[error("the member has had enough")]
    Enough,
}

/// An e-mail address belongs to one member; it is free again when it is given up.
#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "member.register", error = MemberError)]
pub struct Register {
    #[target]
    pub member: String,
    pub email: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "member.registered")]
pub struct Registered {
    #[tag]
    member: String,
    #[tag]
    email: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "member.email-given-up")]
pub struct EmailGivenUp {
    #[tag]
    email: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "member.greeted")]
pub struct Greeted {
    #[tag]
    email: String,
}

#[derive(Decision, Default, Clone, Debug)]
#[decision(name = "registration")]
pub struct Registration {
    taken: bool,
    greeted: usize,
}

#[command_handlers]
impl Registration {
    /// The case of an address does not matter.
    #[boundary]
    fn everything_about_the_address(command: &Register) -> Criteria {
        Criterion::tag(Tag::new("email", command.email.to_lowercase())).into()
    }

    /// That somebody is greeted meanwhile does no harm.
    #[condition]
    fn greetings_do_not_matter(_command: &Register, read: Criteria) -> Criteria {
        let tags = read.any_of().iter().flat_map(|criterion| criterion.all_of_tags().iter().cloned());
        tags.fold(Criteria::none(), |criteria, tag| {
            let names = ["member.registered", "member.email-given-up"];
            criteria.or(Criterion::names(names).and_tag(tag))
        })
    }

    #[handle]
    fn register(&self, command: Register, waits: Waiting) -> Result<Registered, MemberError> {
        waits.meet();
        if self.taken {
            return Err(MemberError::Taken);
        }
        Ok(Registered { member: command.member, email: command.email.to_lowercase() })
    }
}

#[event_sourcing]
impl Registration {
    #[apply]
    fn registered(&mut self, _event: &Registered) {
        self.taken = true;
    }

    #[apply]
    fn given_up(&mut self, _event: &EmailGivenUp) {
        self.taken = false;
    }

    #[apply]
    fn greeted(&mut self, _event: &Greeted) {
        self.greeted += 1;
    }
}

/// A coupon is used once by a member, and a limited number of times in all.
#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "coupon.use", error = MemberError)]
pub struct UseCoupon {
    #[tag]
    pub coupon: String,
    #[tag]
    pub member: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "coupon.used")]
pub struct CouponUsed {
    #[tag]
    coupon: String,
    #[tag]
    member: String,
}

/// Both tags on one event: this member with this coupon.
#[derive(Decision, Default, Clone, Debug)]
#[decision(name = "coupon-use", boundary(coupon & member))]
pub struct CouponUse {
    used: bool,
}

/// Of all members.
#[derive(Decision, Default, Clone, Debug)]
#[decision(boundary(coupon))]
pub struct CouponTotal {
    uses: usize,
}

/// Over all coupons.
#[derive(Decision, Default, Clone, Debug)]
#[decision(boundary(member))]
pub struct Appetite {
    coupons: usize,
}

#[command_handlers]
impl CouponUse {
    #[handle]
    fn use_coupon(
        &self,
        command: UseCoupon,
        total: Model<CouponTotal>,
        appetite: Model<Appetite>,
        waits: Waiting,
    ) -> Result<Option<CouponUsed>, MemberError> {
        waits.meet();
        if self.used {
            return Ok(None);
        }
        if total.uses >= 2 {
            return Err(MemberError::UsedUp);
        }
        if appetite.coupons >= 3 {
            return Err(MemberError::Enough);
        }
        Ok(Some(CouponUsed { coupon: command.coupon, member: command.member }))
    }
}

#[event_sourcing]
impl CouponUse {
    #[apply]
    fn used(&mut self, _event: &CouponUsed) {
        self.used = true;
    }
}

#[event_sourcing]
impl CouponTotal {
    #[apply]
    fn used(&mut self, _event: &CouponUsed) {
        self.uses += 1;
    }
}

#[event_sourcing]
impl Appetite {
    #[apply]
    fn used(&mut self, _event: &CouponUsed) {
        self.coupons += 1;
    }
}

fn use_coupon(coupon: &str, member: &str) -> UseCoupon {
    UseCoupon { coupon: coupon.to_owned(), member: member.to_owned() }
}

fn used(coupon: &str, member: &str) -> CouponUsed {
    CouponUsed { coupon: coupon.to_owned(), member: member.to_owned() }
}

fn register(member: &str, email: &str) -> Register {
    Register { member: member.to_owned(), email: email.to_owned() }
}

fn registered(member: &str, email: &str) -> Registered {
    Registered { member: member.to_owned(), email: email.to_owned() }
}

#[test]
fn a_boundary_is_built_from_the_command() {
    let given = |email: &str| given::<Registration>(registered("m-1", email));
    given("ada@x.org").when(register("m-2", "ADA@x.org")).then_error(MemberError::Taken);
    given("bob@x.org").when(register("m-2", "ADA@x.org")).then_events(registered("m-2", "ada@x.org"));
    let given_up = EmailGivenUp { email: "ada@x.org".to_owned() };
    annals::testing::given::<Registration>((registered("m-1", "ada@x.org"), given_up))
        .when(register("m-2", "ada@x.org"))
        .then_events(registered("m-2", "ada@x.org"));
}

#[test]
fn tags_may_have_to_be_together() {
    given::<CouponUse>(used("c-1", "m-1")).when(use_coupon("c-1", "m-1")).then_nothing();
    given::<CouponUse>((used("c-1", "m-2"), used("c-2", "m-1")))
        .when(use_coupon("c-1", "m-1"))
        .then_events(used("c-1", "m-1"));
}

#[test]
fn a_handler_sees_the_models_of_other_decisions() {
    given::<CouponUse>((used("c-1", "m-2"), used("c-1", "m-3")))
        .when(use_coupon("c-1", "m-1"))
        .then_error(MemberError::UsedUp);
    given::<CouponUse>((used("c-2", "m-1"), used("c-3", "m-1"), used("c-4", "m-1")))
        .when(use_coupon("c-1", "m-1"))
        .then_error(MemberError::Enough);
}

#[tokio::test]
async fn a_value_is_taken_once_however_many_ask_for_it() {
    in_each_place(async |place| {
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(place.start(|app| app.include::<Registration>()).await);
        }
        let asked = (0..10).map(|number| {
            let app = &nodes[number % 2];
            async move { app.send(register(&format!("m-{number}"), "ada@x.org")).await }
        });
        let answers = futures_util::future::join_all(asked).await;
        let granted = answers.iter().filter(|answer| answer.is_ok()).count();
        let taken =
            |answer: &Result<_, SendError<MemberError>>| matches!(answer, Err(SendError::Rejected(MemberError::Taken)));
        assert_eq!((granted, answers.iter().filter(|answer| taken(answer)).count()), (1, 9), "{answers:?}");
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_condition_leaves_out_does_not_matter() {
    in_each_place(async |place| {
        let stream = || StreamId::new("meanwhile", "m-1");
        let greeted = foreign(stream(), &Greeted { email: "ada@x.org".to_owned() });
        let waits = Waits::storing(place.node().await, greeted);
        let runs = waits.runs();
        let app = place.start(|app| app.include::<Registration>().resource(waits)).await;
        app.send(register("m-1", "ada@x.org")).await.unwrap();
        assert_eq!(runs(), 1, "a greeting is outside the condition");
        app.shutdown().await.unwrap();

        let waits = Waits::storing(place.node().await, foreign(stream(), &registered("m-9", "bob@x.org")));
        let runs = waits.runs();
        let app = place.start(|app| app.include::<Registration>().resource(waits)).await;
        let refused = app.send(register("m-1", "bob@x.org")).await.unwrap_err();
        assert_eq!(refused.rejection(), Some(MemberError::Taken));
        assert_eq!(runs(), 2, "a registration is inside the condition");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_models_have_read_is_part_of_the_condition() {
    in_each_place(async |place| {
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(place.start(|app| app.include::<CouponUse>()).await);
        }
        // Each member alone may use the coupon; two of them in all.
        let asked = (0..8).map(|number| {
            let app = &nodes[number % 2];
            async move { app.send(use_coupon("c-1", &format!("m-{number}"))).await }
        });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2, "{answers:?}");
        // One member may use three coupons, whoever asks.
        let asked = (0..6).map(|number| {
            let app = &nodes[number % 2];
            async move { app.send(use_coupon(&format!("d-{number}"), "m-9")).await }
        });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3, "{answers:?}");
        for node in nodes {
            node.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_model_of_a_handler_is_part_of_the_condition_and_what_is_outside_of_all_is_not() {
    in_each_place(async |place| {
        for (round, (coupon, member, runs)) in
            [("c-1", "m-9", 2), ("c-9", "m-1", 2), ("c-9", "m-9", 1)].into_iter().enumerate()
        {
            let with_round = |name: &str| format!("{name}-{round}");
            let event = used(&with_round(coupon), &with_round(member));
            let waits = Waits::storing(place.node().await, foreign(StreamId::new("meanwhile", "m-1"), &event));
            let counted = waits.runs();
            let app = place.start(|app| app.include::<CouponUse>().resource(waits)).await;
            app.send(use_coupon(&with_round("c-1"), &with_round("m-1"))).await.unwrap();
            assert_eq!(counted(), runs, "runs with {event:?} meanwhile");
            app.shutdown().await.unwrap();
        }
    })
    .await;
}

/// A till of a shop looks at two models besides its own state.
#[derive(Aggregate, Default, Clone, Debug)]
#[aggregate(name = "till")]
pub struct Till {
    taken: usize,
}

#[derive(Command, Serialize, Deserialize, Clone, Debug)]
#[command(name = "till.take-coupon")]
pub struct TakeCoupon {
    #[target]
    till: String,
    #[tag]
    coupon: String,
    #[tag]
    member: String,
}

#[derive(Event, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[event(name = "till.coupon-taken")]
pub struct CouponTaken {}

#[command_handlers]
impl Till {
    #[handle(create_if_missing)]
    fn take(
        &self,
        _command: TakeCoupon,
        total: Model<CouponTotal>,
        appetite: Model<Appetite>,
        waits: Waiting,
    ) -> Option<CouponTaken> {
        waits.meet();
        (total.uses + appetite.coupons == 0).then_some(CouponTaken {})
    }
}

#[event_sourcing]
impl Till {
    #[apply]
    fn taken(&mut self, _event: &CouponTaken) {
        self.taken += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_model_of_an_aggregate_is_part_of_its_condition() {
    in_each_place(async |place| {
        for (coupon, member, taken) in [("c-1", "m-9", 0), ("c-9", "m-1", 0), ("c-9", "m-9", 1)] {
            let till = format!("t-{coupon}-{member}");
            let with_till = |name: &str| format!("{till}-{name}");
            let event = used(&with_till(coupon), &with_till(member));
            let waits = Waits::storing(place.node().await, foreign(StreamId::new("meanwhile", "m-1"), &event));
            let runs = waits.runs();
            let app = place.start(|app| app.include::<Till>().resource(waits)).await;
            let command = TakeCoupon { till: till.clone(), coupon: with_till("c-1"), member: with_till("m-1") };
            let sent = app.send(command).await.unwrap();
            assert_eq!(
                (sent.version.map_or(0, Version::get), runs()),
                (taken, 2 - taken as usize),
                "{event:?} meanwhile"
            );
            app.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn the_state_of_a_decision_is_shown_as_it_is_and_as_it_was() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<CouponUse>()).await;
        let command = use_coupon("c-1", "m-1");
        let decision = app.decision::<CouponUse, _>(&command);
        assert!(!decision.load().await.unwrap().state.used);
        let sent = app.send(command.clone()).await.unwrap();
        app.send(use_coupon("c-1", "m-2")).await.unwrap();
        let now = decision.load().await.unwrap();
        assert_eq!((now.state.used, now.events, now.newest), (true, 1, sent.position));
        let before = decision.as_of(AsOf::Position(Position::START)).await.unwrap();
        assert!(!before.state.used);
        let refused = decision.as_of(AsOf::Version(Version::FIRST)).await;
        assert!(matches!(refused, Err(LoadError::NoVersion { decision: "coupon-use" })), "{refused:?}");
        app.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_decision_can_be_tried() {
    in_each_place(async |place| {
        let app = place.start(|app| app.include::<CouponUse>()).await;
        let trial = app.send(use_coupon("c-1", "m-1")).dry_run().await.unwrap();
        assert_eq!(trial.events.len(), 1);
        assert_eq!(app.journal().store().head().await.unwrap(), Position::START);
        app.shutdown().await.unwrap();
    })
    .await;
}

/// A decision that says nothing about its boundary, by hand: what is annotated faulty would be found by every test that
/// discovers everything.
#[derive(Default, Clone, Debug)]
struct Boundless;

impl annals::aggregate::EventSourced for Boundless {
    const EVENTS: &'static [&'static str] = &[];

    fn evolve(&mut self, event: annals::message::Decode<'_>) -> Result<Lifecycle, annals::aggregate::EvolveError> {
        Err(annals::aggregate::EvolveError::unknown::<Self>(&event))
    }
}

impl Decision for Boundless {
    const NAME: &'static str = "boundless";
    const BOUNDARY: &'static [&'static [&'static str]] = &[];
}

impl annals::command::CommandTarget for Boundless {
    type Consistency = annals::command::BoundaryConsistency;
}

impl annals::aggregate::HandledBy<Boundless> for UseCoupon {
    fn decide(
        &self,
        _: &Boundless,
        _: &annals::handler::Context<'_>,
        _: &mut Events<Boundless>,
    ) -> Result<(), annals::aggregate::Refusal<MemberError>> {
        Ok(())
    }
}

#[tokio::test]
async fn a_decision_without_a_boundary_is_found_at_start() {
    let builder = Annals::builder().without_discovery().store("memory:").declare(|registrar| {
        let here = annals::registry::Location::here();
        registrar.decision::<Boundless>(here);
        registrar.command_handler::<Boundless, UseCoupon>(here);
    });
    let error = builder.start().await.unwrap_err().to_string();
    assert!(error.contains("has no boundary for its command `coupon.use`: name its tags"), "{error}");
}
