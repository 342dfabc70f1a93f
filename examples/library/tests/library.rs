//! What the library promises.

use annals::testing::given;
use library::{
    Bar, Barred, CopyAcquired, CopyWithdrawn, Extend, Extended, Forgiven, Join, Joined, Leave, Left, Lend, Lent,
    Member, MemberError, Return, Returned, Title, TitleError,
};

fn lend(copy: u32) -> Lend {
    Lend { title: "dune".into(), copy, loan: 1, reader: "ada".into() }
}

fn lent(copy: u32) -> Lent {
    Lent { copy, loan: 1, reader: "ada".into() }
}

fn copies() -> (CopyAcquired, CopyAcquired) {
    (CopyAcquired { copy: 1 }, CopyAcquired { copy: 2 })
}

#[test]
fn a_copy_is_lent_to_one_reader_at_a_time() {
    given::<Title>(copies()).when(lend(1)).then_events(lent(1));
    let out = TitleError::Out { copy: 1, reader: "ada".into() };
    given::<Title>((copies(), lent(1))).when(lend(1)).then_error(out);
    given::<Title>((copies(), lent(1))).when(lend(2)).then_events(lent(2));
    given::<Title>((copies(), lent(1), Returned { copy: 1, loan: 1 })).when(lend(1)).then_events(lent(1));
}

#[test]
fn what_is_not_there_is_not_lent() {
    given::<Title>(copies()).when(lend(3)).then_entity_not_found("copies", 3);
    given::<Title>((copies(), CopyWithdrawn { copy: 1 })).when(lend(1)).then_entity_not_found("copies", 1);
    let take_back = Return { title: "dune".into(), copy: 1, loan: 1 };
    given::<Title>(copies()).when(take_back).then_entity_not_found("loans", 1);
}

#[test]
fn a_loan_is_extended_twice() {
    let extended = || Extended { copy: 1, loan: 1 };
    let extend = || Extend { title: "dune".into(), copy: 1, loan: 1 };
    given::<Title>((copies(), lent(1), extended())).when(extend()).then_events(extended());
    given::<Title>((copies(), lent(1), extended(), extended())).when(extend()).then_error(TitleError::ExtendedOften);
}

#[test]
fn who_was_barred_before_pays_more() {
    let bar = |fine| Bar { member: "ada".into(), fine };
    given::<Member>(Joined {}).when(bar(5)).then_events(Barred { fine: 5 });
    given::<Member>((Joined {}, Barred { fine: 5 })).when(bar(3)).then_events(Barred { fine: 8 });
    given::<Member>((Joined {}, Barred { fine: 5 }, Forgiven {})).when(bar(5)).then_events(Barred { fine: 10 });
}

#[test]
fn who_owes_nothing_may_leave_for_good() {
    let leave = || Leave { member: "ada".into() };
    given::<Member>(Joined {}).when(leave()).then_events(Left {});
    given::<Member>((Joined {}, Barred { fine: 5 })).when(leave()).then_error(MemberError::Unpaid { fine: 5 });
    given::<Member>((Joined {}, Left {})).when(Join { member: "ada".into() }).then_ended();
}
