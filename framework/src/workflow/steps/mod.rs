//! What the function of a workflow may await.

mod calling;
mod child;
mod delivery;
mod join;
mod part;
mod race;
mod sending;
mod sleeping;
mod waiting;

pub use calling::Calling;
pub use child::{Child, ChildFailure};
pub(crate) use delivery::Delivery;
pub use join::{Join, JoinAll, Joined};
pub use part::Part;
pub use race::{First, Race};
pub use sending::Sending;
pub use sleeping::Sleeping;
pub use waiting::{Waiting, Within};

/// What the function of a workflow may await: a step that is recorded, or what is made of steps.
///
/// [`Flow`](super::Flow) gives all of them. Of the user's own futures those are steps that `#[workflow_part]` makes: their
/// bodies await steps alone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be awaited in a workflow",
    label = "is not recorded, and would not be found again after a restart",
    note = "await what `flow` gives: `flow.send(..)`, `flow.event(..)`, `flow.sleep(..)`, `flow.join(..)`",
    note = "anything else belongs into the code of a call, whose result is recorded: `flow.call(\"name\", |call| async move {{ .. }})`",
    note = "a helper that awaits steps is marked `#[workflow_part]`"
)]
pub trait Step: Future + sealed::Sealed {}

pub(crate) mod sealed {
    /// Only the library says what is recorded.
    pub trait Sealed {}
}

/// Marks a future as a step.
macro_rules! step {
    (<$($parameter:ident: $bound:path),*> $ty:ty) => {
        impl<$($parameter: $bound),*> $crate::workflow::steps::sealed::Sealed for $ty {}
        #[diagnostic::do_not_recommend]
        impl<$($parameter: $bound),*> $crate::workflow::steps::Step for $ty {}
    };
}
pub(crate) use step;
