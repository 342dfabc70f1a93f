//! The stock of one article.

use std::collections::BTreeMap;

use super::*;

/// The stock of one article. Invariant: `left` and what `held` holds always add up to what was added; an order
/// reserves at most once.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "stock", snapshot(every = 100))]
pub struct Stock {
    known: bool,
    left: u32,
    /// What each order holds: 0 once it has given it back, so that a late repeat of its reservation has no effect.
    held: BTreeMap<OrderId, u32>,
}

#[command_handlers]
impl Stock {
    #[handle(create)]
    fn add(command: AddArticle) -> ArticleAdded {
        let AddArticle { sku, name, quantity } = command;
        ArticleAdded { sku, name, quantity }
    }

    #[handle(create_if_missing)]
    fn reserve(&self, command: ReserveStock) -> Result<Option<StockReserved>, StockError> {
        let ReserveStock { sku, order, quantity } = command;
        match self.left {
            _ if !self.known => Err(StockError::UnknownArticle),
            _ if self.held.contains_key(&order) => Ok(None),
            left if left < quantity => Err(StockError::TooLittle { left }),
            _ => Ok(Some(StockReserved { sku, order, quantity })),
        }
    }

    #[handle(create_if_missing)]
    fn release(&self, command: ReleaseStock) -> Option<StockReleased> {
        let ReleaseStock { sku, order } = command;
        let quantity = *self.held.get(&order)?;
        (quantity > 0).then_some(StockReleased { sku, order, quantity })
    }
}

#[event_sourcing]
impl Stock {
    #[apply]
    fn added(&mut self, event: &ArticleAdded) {
        (self.known, self.left) = (true, event.quantity);
    }

    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.left -= event.quantity;
        self.held.insert(event.order.clone(), event.quantity);
    }

    #[apply]
    fn released(&mut self, event: &StockReleased) {
        self.left += event.quantity;
        self.held.insert(event.order.clone(), 0);
    }
}
