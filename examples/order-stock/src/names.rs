//! Reads the names and times that people give. Names are not empty, and not too long for a table or an address.

use annals::Timestamp;

use crate::domain::{Bill, CustomerId, Money, OrderId, Sku};

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

/// The name of a customer.
///
/// # Errors
/// Says in plain words what is wrong with it.
pub fn customer(text: &str) -> Result<CustomerId, String> {
    checked("customer", text).map(CustomerId::from)
}

/// Who pays how much. Without a price, or with one of nothing, an order needs no payment.
///
/// # Errors
/// Says in plain words what is wrong with the customer's name, or that a price has none.
pub fn bill(payer: Option<&str>, price: Option<Money>) -> Result<Option<Bill>, String> {
    match (payer, price.filter(|price| !price.is_zero())) {
        (_, None) => Ok(None),
        (None, Some(_)) => Err("an order with a price needs a customer who pays it".to_owned()),
        (Some(payer), Some(amount)) => Ok(Some(Bill { customer: customer(payer)?, amount })),
    }
}

/// An instant, or the last one of a day in UTC.
///
/// # Errors
/// Says in plain words what is wrong with it.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let end_of_day = || format!("{text}T23:59:59.999999Z").parse().ok();
    match text.parse() {
        Ok(instant) => Ok(instant),
        Err(error) => end_of_day().ok_or_else(|| format!("{error}, and no day such as `2026-11-21`")),
    }
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

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn a_day_is_its_end_in_utc() {
        assert_eq!(time("2026-11-21").unwrap().to_string(), "2026-11-21T23:59:59.999999Z");
        assert_eq!(time("2026-11-21T12:00:00+01:00").unwrap().to_string(), "2026-11-21T11:00:00Z");
        for wrong in ["", "yesterday", "2026-02-30", "2026-11-21T12:00:00", "2026-11", "12:00"] {
            assert!(time(wrong).unwrap_err().contains("no day such as"), "{wrong}");
        }
    }
}
