//! Having a component take steps, whatever its handlers do.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::handler::{AfterCommit, HandlerError, panic_message};
use crate::message::RecordedEvent;
use crate::store::{StoreTransaction, holding};

use super::component::{Batch, EventComponent, Finished, Step};
use super::config::ProcessorConfig;
use super::kept::Carried;
use super::passage::Passage;

/// How long a shut-down waits for a handler that is under way.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Has a component take `steps` that keeps nothing in memory behind them. Gives what is to be done after the commit.
pub(crate) async fn handle_with(
    component: &dyn EventComponent,
    steps: Vec<(&RecordedEvent, Step, Passage)>,
    transaction: &mut dyn StoreTransaction,
    config: &ProcessorConfig,
    stop: &CancellationToken,
) -> Result<AfterCommit, HandlerError> {
    Ok(handle_page(component, steps, Carried::default(), transaction, config, stop).await?.after)
}

/// Has a component take `steps`, which begins with what it has `carried` over. A panic is an error, and so is a step that takes
/// too long.
pub(super) async fn handle_page(
    component: &dyn EventComponent,
    mut steps: Vec<(&RecordedEvent, Step, Passage)>,
    carried: Carried,
    transaction: &mut dyn StoreTransaction,
    config: &ProcessorConfig,
    stop: &CancellationToken,
) -> Result<Finished, HandlerError> {
    let work = async {
        let mut batch: Box<dyn Batch + '_> = component.batch(carried);
        let mut wanted: Vec<_> = steps.iter_mut().map(|(event, step, _)| (*event, step)).collect();
        batch.prepare(&mut wanted, transaction).await?;
        for (event, step, passage) in steps {
            in_time(component, batch.handle(event, step, &passage, transaction), config, stop).await?;
        }
        batch.finish(transaction).await
    };
    caught(component, work).await
}

/// Runs code of a component that holds a transaction. A panic is an error.
pub(super) async fn caught<T>(
    component: &dyn EventComponent,
    work: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    unharmed(component, holding(work)).await
}

/// Runs code of a component. A panic is an error.
pub(super) async fn unharmed<T>(
    component: &dyn EventComponent,
    work: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.unwrap_or_else(|panic| Err(panicked(component, &*panic)))
}

/// Gives a handler the time that is configured, or less when the application is shut down.
pub(super) async fn in_time(
    component: &dyn EventComponent,
    handled: impl Future<Output = Result<(), HandlerError>>,
    config: &ProcessorConfig,
    stop: &CancellationToken,
) -> Result<(), HandlerError> {
    let mut handled = std::pin::pin!(handled);
    // Most handlers are done at once, and need no timer.
    if let Some(done) = (&mut handled).now_or_never() {
        return done;
    }
    let time = async {
        tokio::select! {
            () = tokio::time::sleep(config.handler_time) => {}
            () = async { stop.cancelled().await; tokio::time::sleep(SHUTDOWN_GRACE).await } => {}
        }
    };
    tokio::select! {
        biased;
        handled = handled => handled,
        () = time => Err(HandlerError::new(format!("a handler of {} took too long", component.label()))),
    }
}

fn panicked(component: &dyn EventComponent, panic: &(dyn Any + Send)) -> HandlerError {
    HandlerError::new(format!("a handler of {} panicked: {}", component.label(), panic_message(panic)))
}
