//! A library: titles with copies and loans, members that may be barred.

mod member;
mod title;

pub use member::{Bar, Barred, Barring, Forgive, Forgiven, Join, Joined, Leave, Left, Member, MemberError, Standing};
pub use title::{
    AcquireCopy, Copy, CopyAcquired, CopyWithdrawn, Extend, Extended, Lend, Lent, Loan, Return, Returned, Title,
    TitleError, WithdrawCopy,
};
