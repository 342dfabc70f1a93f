//! What is left of each article.

use super::*;

/// What is left of an article.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "stock-level", key = Sku)]
pub struct StockLevel {
    pub name: String,
    pub left: u32,
    pub held: u32,
}

#[view_handlers]
impl StockLevel {
    #[handle(key = sku)]
    fn added(&mut self, event: ArticleAdded) {
        *self = Self { name: event.name, left: event.quantity, held: 0 };
    }

    #[handle(key = sku)]
    fn reserved(&mut self, event: &StockReserved) {
        self.left -= event.quantity;
        self.held += event.quantity;
    }

    #[handle(key = sku)]
    fn released(&mut self, event: &StockReleased) {
        self.left += event.quantity;
        self.held -= event.quantity;
    }
}
