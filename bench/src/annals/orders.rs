//! Orders that reserve stock through a saga, as those without a price in the example `order-stock`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals::command::{CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::message::{SagaId, Timestamp};
use annals::prelude::*;
use annals::saga::{SagaFilter, SagaStatus};
use annals::store::{Association, SagaRow, SagaWrite, Timer};
use async_trait::async_trait;

use crate::Error;

/// Articles in stock.
const ARTICLES: u32 = 200;
/// Instances that are written together before a measurement.
const WRITTEN: u32 = 1_000;

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.place")]
struct PlaceOrder {
    #[target]
    order: String,
    sku: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.approve")]
struct ApproveOrder {
    #[target]
    order: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.reserve")]
struct ReserveStock {
    #[target]
    sku: String,
    order: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "order.placed")]
struct OrderPlaced {
    order: String,
    sku: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "order.approved")]
struct OrderApproved {
    order: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "stock.reserved")]
struct StockReserved {
    sku: String,
    order: String,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "order")]
struct Order {
    approved: bool,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: PlaceOrder) -> OrderPlaced {
        OrderPlaced { order: command.order, sku: command.sku }
    }

    #[handle]
    fn approve(&self, command: ApproveOrder) -> Option<OrderApproved> {
        (!self.approved).then_some(OrderApproved { order: command.order })
    }
}

#[event_sourcing]
impl Order {
    #[apply]
    fn placed(&mut self, _: &OrderPlaced) {}

    #[apply]
    fn approved(&mut self, _: &OrderApproved) {
        self.approved = true;
    }
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "stock", snapshot(every = 100))]
struct Stock {
    reserved: u64,
}

#[command_handlers]
impl Stock {
    #[handle(create_if_missing)]
    fn reserve(&self, command: ReserveStock) -> StockReserved {
        StockReserved { sku: command.sku, order: command.order }
    }
}

#[event_sourcing]
impl Stock {
    #[apply]
    fn reserved(&mut self, _: &StockReserved) {
        self.reserved += 1;
    }
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "order-fulfilment")]
struct Fulfilment {
    order: String,
    sku: String,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
        *self = Self { order: event.order.clone(), sku: event.sku.clone() };
        effects.send(ReserveStock { sku: event.sku.clone(), order: event.order.clone() });
        effects.deadline("reservation", Duration::from_secs(60));
    }

    #[handle(by = order)]
    fn reserved(&mut self, event: &StockReserved, effects: &mut Effects) {
        effects.cancel_deadline("reservation");
        effects.send(ApproveOrder { order: event.order.clone() });
    }

    #[deadline("reservation")]
    fn overdue(&mut self) {}

    #[end(by = order)]
    fn approved(&mut self, _: &OrderApproved) {}
}

/// An application with orders, stock, and maybe the saga between them.
#[derive(Debug)]
pub(crate) struct Orders {
    app: Annals,
    placed: AtomicU64,
    approved: Approved,
}

/// How many orders were approved.
#[derive(Debug, Clone, Default)]
struct Approved(Arc<AtomicU64>);

#[async_trait]
impl CommandInterceptor for Approved {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let counts = command.command::<ApproveOrder>().is_some();
        let result = next.run(command).await;
        if counts && result.as_ref().is_ok_and(|executed| !executed.repeated) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl Orders {
    /// Without the saga: the bare aggregates.
    pub(crate) async fn bare(url: &str) -> Result<Arc<Self>, Error> {
        let builder = Annals::builder().store(url).without_discovery().include::<Order>().include::<Stock>();
        Ok(Arc::new(Self { app: builder.start().await?, placed: AtomicU64::new(0), approved: Approved::default() }))
    }

    /// With the saga.
    pub(crate) async fn fulfilled(url: &str) -> Result<Arc<Self>, Error> {
        let builder = Annals::builder().store(url).without_discovery();
        let builder = builder.include::<Order>().include::<Stock>().include::<Fulfilment>();
        let approved = Approved::default();
        let app = builder.dispatch_interceptor(approved.clone()).start().await?;
        Ok(Arc::new(Self { app, placed: AtomicU64::new(0), approved }))
    }

    /// Sends the next of the three commands that an order takes, by hand: each client goes through orders of its own.
    pub(crate) async fn step(&self, client: u32, step: u32) -> Result<(), Error> {
        let number = step / 3;
        let order = format!("{client}-{number}");
        let sku = format!("sku-{}", (client + number) % ARTICLES);
        match step % 3 {
            0 => drop(self.app.send(PlaceOrder { order, sku }).await?),
            1 => drop(self.app.send(ReserveStock { sku, order }).await?),
            _ => drop(self.app.send(ApproveOrder { order }).await?),
        }
        Ok(())
    }

    /// Places an order.
    pub(crate) async fn place(&self, number: u32) -> Result<(), Error> {
        let sku = format!("sku-{}", number % ARTICLES);
        self.app.send(PlaceOrder { order: format!("o-{number}"), sku }).await?;
        self.placed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the saga of each order that was placed has come to its end. Only near the end sagas are counted, which takes
    /// as long as there are many.
    pub(crate) async fn fulfil(&self) -> Result<(), Error> {
        let sagas = self.app.sagas().of::<Fulfilment>();
        while self.approved.0.load(Ordering::Relaxed) < self.placed.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loop {
            let counted = sagas.count().await?;
            let completed = counted.iter().filter(|count| count.status == SagaStatus::Completed);
            if completed.map(|count| count.instances).sum::<u64>() >= self.placed.load(Ordering::Relaxed) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Writes so many open instances, each with so many deadlines in a week.
    pub(crate) async fn leave_open(&self, instances: u32, deadlines: u32) -> Result<(), Error> {
        let journal = self.app.journal();
        let due = Timestamp::from_micros(journal.now().as_micros() + 7 * 24 * 3_600 * 1_000_000);
        for first in (0..instances).step_by(WRITTEN as usize) {
            let mut transaction = journal.store().begin().await?;
            let writes = (first..instances.min(first + WRITTEN)).map(|number| {
                let association = Association::new("order", format!("open-{number}"));
                let (id, slice) = (SagaId::new(), association.slice());
                let state = br#"{"order":"open","sku":"sku-0"}"#.to_vec();
                let key = Some(association.text());
                let associations = vec![association.clone()];
                let row = SagaRow { state, key, associations, ..SagaRow::new(id, slice, journal.now()) };
                let timers = (0..deadlines).map(|name| Timer {
                    tenant: String::new(),
                    saga: "order-fulfilment".to_owned(),
                    saga_id: id,
                    slice,
                    name: format!("deadline {name}"),
                    due,
                });
                SagaWrite { timers: timers.collect(), associated: vec![association], ..SagaWrite::of(row) }
            });
            transaction.write_sagas("", "order-fulfilment", writes.collect()).await?;
            transaction.commit().await?;
        }
        if instances > 0 && self.app.sagas().of::<Fulfilment>().list(&SagaFilter::running()).await?.is_empty() {
            return Err("no instance is open".into());
        }
        Ok(())
    }

    /// Ends the application and closes the store.
    pub(crate) async fn close(self: Arc<Self>) -> Result<(), Error> {
        let this = Arc::into_inner(self).ok_or("somebody still uses the application")?;
        Ok(this.app.shutdown().await?)
    }
}
