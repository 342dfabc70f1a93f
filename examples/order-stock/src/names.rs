//! Reads the names that people give: they are not empty, and not too long for a table or an address.

use crate::domain::{OrderId, Sku};

/// Longest name, in characters.
pub const LONGEST: usize = 100;

/// The name of an order.
///
/// # Errors
/// Says in plain words what is wrong with it.
pub fn order(text: &str) -> Result<OrderId, String> {
    checked("order", text).map(OrderId::from)
}

/// The name of an article.
///
/// # Errors
/// Says in plain words what is wrong with it.
pub fn sku(text: &str) -> Result<Sku, String> {
    checked("article", text).map(Sku::from)
}

fn checked<'a>(what: &str, text: &'a str) -> Result<&'a str, String> {
    match text.trim() {
        "" => Err(format!("the {what} has no name")),
        name if name.chars().count() > LONGEST => {
            Err(format!("the name of the {what} has more than {LONGEST} characters"))
        }
        name if name.chars().any(char::is_control) => Err(format!("the name of the {what} has control characters")),
        name => Ok(name),
    }
}
