//! The annotated domain that the design page opens with.

#![deny(warnings)]
#![allow(dead_code)]

use std::time::Duration;

use annals::prelude::*;
use annals::store::SqliteTransaction;

#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(transparent)]
pub struct OrderId(String);

#[derive(Identifier, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(transparent)]
pub struct Sku(String);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Total(u64);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum OrderError {
    #[error("nothing is ordered")]
    Empty,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub enum StockError {
    #[error("sold out")]
    SoldOut,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.place", error = OrderError)]
pub struct PlaceOrder {
    #[target]
    pub order: OrderId,
    pub sku: Sku,
    pub quantity: u32,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.cancel", error = OrderError)]
pub struct CancelOrder {
    #[target]
    pub order: OrderId,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.approve")]
pub struct ApproveOrder {
    #[target]
    pub order: OrderId,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "order.change", error = OrderError, reply = Total)]
pub struct ChangeLines {
    #[target]
    pub order: OrderId,
    pub quantities: Vec<u32>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "stock.reserve", error = StockError)]
pub struct ReserveStock {
    #[target]
    pub sku: Sku,
    pub order: OrderId,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.placed", revision = 2)]
pub struct OrderPlaced {
    #[tag]
    pub order: OrderId,
    pub sku: Sku,
    pub quantity: u32,
    pub at: Timestamp,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.cancelled")]
pub struct OrderCancelled {
    #[tag]
    pub order: OrderId,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.changed")]
pub struct LineChanged {
    #[tag]
    pub order: OrderId,
    pub quantity: u32,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "order.approved")]
pub struct OrderApproved {
    #[tag]
    pub order: OrderId,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "stock.reserved")]
pub struct StockReserved {
    #[tag]
    pub order: OrderId,
}

#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "order", snapshot(every = 100))]
pub struct Order {
    order: OrderId,
    cancelled: bool,
    quantity: u32,
}

#[command_handlers]
impl Order {
    #[handle(create)]
    fn place(command: PlaceOrder, now: Now) -> Result<OrderPlaced, OrderError> {
        if command.quantity == 0 {
            return Err(OrderError::Empty);
        }
        let PlaceOrder { order, sku, quantity } = command;
        Ok(OrderPlaced { order, sku, quantity, at: now.into() })
    }

    #[handle]
    fn cancel(&self, command: CancelOrder) -> Result<Option<OrderCancelled>, OrderError> {
        Ok((!self.cancelled).then_some(OrderCancelled { order: command.order }))
    }

    #[handle]
    fn change(&mut self, command: ChangeLines, events: &mut Events<Self>) -> Result<Total, OrderError> {
        for quantity in command.quantities {
            events.apply(self, LineChanged { order: command.order.clone(), quantity });
        }
        Ok(Total(self.quantity.into()))
    }

    #[handle]
    fn approve(&self, command: &ApproveOrder) -> OrderApproved {
        OrderApproved { order: command.order.clone() }
    }
}

#[event_sourcing(ignore("order.note"))]
impl Order {
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.order = event.order.clone();
        self.quantity = event.quantity;
    }

    #[apply]
    fn cancelled(&mut self, _event: &OrderCancelled) {
        self.cancelled = true;
    }

    #[apply]
    fn changed(&mut self, event: &LineChanged) {
        self.quantity += event.quantity;
    }

    #[apply]
    fn approved(&mut self, _: &OrderApproved) {}
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "course.enrol")]
pub struct Enrol {
    #[tag]
    pub course: String,
    #[tag]
    pub student: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone)]
#[event(name = "course.enrolled")]
pub struct Enrolled {
    #[tag]
    pub course: String,
    #[tag]
    pub student: String,
}

#[derive(Decision, Default, Clone)]
#[decision(boundary(course, student))]
struct Enrolment {
    taken: u32,
}

#[command_handlers]
impl Enrolment {
    #[handle]
    fn enrol(&self, command: Enrol) -> Option<Enrolled> {
        let Enrol { course, student } = command;
        (self.taken < 20).then_some(Enrolled { course, student })
    }
}

#[event_sourcing]
impl Enrolment {
    #[apply]
    fn enrolled(&mut self, _event: &Enrolled) {
        self.taken += 1;
    }
}

#[upcasters]
impl OrderPlaced {
    #[upcast(from = 1)]
    fn add_time(mut payload: Json, recorded: &Recorded) -> Json {
        payload["at"] = recorded.recorded_at.to_string().into();
        payload
    }
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default)]
#[view(name = "order-summary", version = 1, key = OrderId)]
pub struct OrderSummary {
    quantity: u32,
}

#[view_handlers]
impl OrderSummary {
    #[handle(key = order)]
    fn placed(&mut self, event: &OrderPlaced) {
        self.quantity = event.quantity;
    }

    #[handle(key = order)]
    fn cancelled(&mut self, _event: &OrderCancelled) -> Keep {
        Keep::Delete
    }
}

#[derive(Default)]
pub struct SalesBySku;

#[event_handlers(processor = "sales-by-sku")]
impl SalesBySku {
    #[handle]
    async fn placed(&self, event: &OrderPlaced, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        sqlx::query("insert into sales values ($1)").bind(&event.sku.to_string()).execute(&mut **tx).await?;
        Ok(())
    }

    #[reset]
    async fn reset(&self, tx: &mut SqliteTransaction) -> Result<(), HandlerError> {
        sqlx::query("delete from sales").execute(&mut **tx).await?;
        Ok(())
    }
}

#[derive(Query)]
#[query(name = "sales.top", reply = Vec<i64>)]
pub struct TopSellers {
    limit: u32,
}

#[query_handlers]
impl SalesBySku {
    #[handle]
    async fn top(&self, query: TopSellers, db: &SqlitePool) -> Result<Vec<i64>, QueryError> {
        Ok(sqlx::query_scalar("select 1 limit $1").bind(query.limit).fetch_all(db).await?)
    }
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone)]
#[saga(name = "order-fulfilment")]
pub struct Fulfilment {
    order: OrderId,
}

#[saga_handlers]
impl Fulfilment {
    #[start(by = order)]
    fn placed(&mut self, event: &OrderPlaced, effects: &mut Effects) {
        self.order = event.order.clone();
        effects.send(ReserveStock { sku: event.sku.clone(), order: event.order.clone(), quantity: event.quantity });
        effects.deadline("reservation", Duration::from_secs(60));
    }

    #[handle(by = order)]
    fn reserved(&mut self, event: &StockReserved, effects: &mut Effects) {
        effects.send(ApproveOrder { order: event.order.clone() });
    }

    #[rejected]
    fn refused(&mut self, command: &ReserveStock, _why: &StockError, effects: &mut Effects) {
        effects.send(CancelOrder { order: command.order.clone() });
    }

    #[deadline("reservation")]
    fn overdue(&mut self, effects: &mut Effects) {
        effects.send(CancelOrder { order: self.order.clone() });
    }

    #[end(by = order)]
    fn approved(&mut self, _event: &OrderApproved) {}

    #[end(by = order)]
    fn cancelled(&mut self, _event: &OrderCancelled) {}
}

fn main() {}
