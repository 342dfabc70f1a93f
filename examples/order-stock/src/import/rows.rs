//! From rows to commands, each with an id that a repeated import finds again.

use std::collections::HashMap;
use std::path::Path;

use annals::CommandId;
use uuid::{Uuid, uuid};

use super::ImportError;
use super::sheet::{Sheet, name_of, read};
use crate::domain::{AddArticle, Bill, CancelOrder, CustomerId, OpenAccount, OrderId, PlaceOrder, Sku};
use crate::names;

/// The scope of the ids of imported commands.
const IMPORT: Uuid = uuid!("6f1c2f0e-4c0b-5e0e-9b62-5a3f6c1d7a90");

/// A row that became a command.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The file's name without its folder.
    pub(crate) file: String,
    pub(crate) line: u64,
    /// The same each time this row is imported; different for each row of a file.
    pub(crate) id: CommandId,
    pub(crate) request: Request,
    /// Who ordered or cancelled; kept as metadata.
    pub(crate) customer: Option<String>,
}

/// What a row asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    Add(AddArticle),
    Open(OpenAccount),
    Place(PlaceOrder),
    Cancel(CancelOrder),
}

/// Gives out command ids.
///
/// The id says what the row says, and how many rows before it say the same. So it does not depend on the line: rows may
/// be added to a file that was imported before. And two rows that name the same order stay two commands, of which the
/// domain refuses the second.
#[derive(Default)]
struct Ids(HashMap<String, u32>);

impl Ids {
    fn next(&mut self, fields: &[&str]) -> CommandId {
        let content = fields.join("\u{1f}");
        let occurrence = self.0.entry(content.clone()).or_default();
        *occurrence += 1;
        CommandId::derived(IMPORT, &format!("{content}\u{1f}{occurrence}"))
    }
}

/// Reads the stock file: `sku,name,quantity`.
pub(crate) fn stock(path: &Path) -> Result<Sheet<Row>, ImportError> {
    let (file, mut ids) = (name_of(path), Ids::default());
    read(path, &["sku", "name", "quantity"], |fields| {
        let (sku, name, quantity) = (names::sku(fields.get("sku")?)?, fields.get("name")?, fields.quantity()?);
        let id = ids.next(&["add", &sku.to_string(), name, &quantity.to_string()]);
        let request = Request::Add(AddArticle { sku, name: name.to_owned(), quantity });
        Ok(Row { file: file.clone(), line: fields.line, id, request, customer: None })
    })
}

/// Reads the customers file: `customer,balance`.
pub(crate) fn customers(path: &Path) -> Result<Sheet<Row>, ImportError> {
    let (file, mut ids) = (name_of(path), Ids::default());
    read(path, &["customer", "balance"], |fields| {
        let customer = names::customer(fields.get("customer")?)?;
        let balance = fields.money("balance")?.ok_or("the balance is missing")?;
        let id = ids.next(&["open", &customer.to_string(), &balance.to_string()]);
        let request = Request::Open(OpenAccount { customer, balance });
        Ok(Row { file: file.clone(), line: fields.line, id, request, customer: None })
    })
}

/// Reads the orders file: `action,order,sku,quantity` and, if they are there, `customer` and `price`.
pub(crate) fn orders(path: &Path) -> Result<Sheet<Row>, ImportError> {
    let (file, mut ids) = (name_of(path), Ids::default());
    read(path, &["action", "order", "sku", "quantity"], |fields| {
        let order = names::order(fields.get("order")?)?;
        let customer = fields.optional("customer").filter(|name| !name.is_empty()).map(str::to_owned);
        let (id, request) = match fields.get("action")? {
            "place" => {
                let (sku, quantity) = (names::sku(fields.get("sku")?)?, fields.quantity()?);
                let bill = names::bill(customer.as_deref(), fields.money("price")?)?;
                let id = id_of_placing(&mut ids, &order, &sku, quantity, bill.as_ref());
                (id, Request::Place(PlaceOrder { order, sku, quantity, bill }))
            }
            "cancel" => (ids.next(&["cancel", &order.to_string()]), Request::Cancel(CancelOrder { order })),
            other => return Err(format!("unknown action `{other}`, expected `place` or `cancel`")),
        };
        Ok(Row { file: file.clone(), line: fields.line, id, request, customer })
    })
}

/// An order that costs nothing has the id that it had before there were prices.
fn id_of_placing(ids: &mut Ids, order: &OrderId, sku: &Sku, quantity: u32, bill: Option<&Bill>) -> CommandId {
    let (order, sku, quantity) = (order.to_string(), sku.to_string(), quantity.to_string());
    match bill {
        None => ids.next(&["place", &order, &sku, &quantity]),
        Some(Bill { customer, amount }) => {
            ids.next(&["place", &order, &sku, &quantity, &customer.to_string(), &amount.to_string()])
        }
    }
}

impl Request {
    /// The order that the row names, if it names one.
    pub(crate) fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Add(_) | Self::Open(_) => None,
            Self::Place(command) => Some(&command.order),
            Self::Cancel(command) => Some(&command.order),
        }
    }

    /// The article that the row names, if it names one.
    pub(crate) fn sku(&self) -> Option<&Sku> {
        match self {
            Self::Add(command) => Some(&command.sku),
            Self::Place(command) => Some(&command.sku),
            Self::Open(_) | Self::Cancel(_) => None,
        }
    }

    /// Whose account the row names, if it names one.
    pub(crate) fn payer(&self) -> Option<&CustomerId> {
        match self {
            Self::Open(command) => Some(&command.customer),
            Self::Place(command) => command.bill.as_ref().map(|bill| &bill.customer),
            Self::Add(_) | Self::Cancel(_) => None,
        }
    }

    /// What the row would make.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Add(_) => "article",
            Self::Open(_) => "account",
            Self::Place(_) | Self::Cancel(_) => "order",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn sheet(header: &str, text: &str) -> Sheet<Row> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{header}\n{text}").unwrap();
        orders(file.path()).unwrap()
    }

    fn ids_in(header: &str, text: &str) -> Vec<CommandId> {
        sheet(header, text).rows.iter().map(|row| row.id).collect()
    }

    fn ids(text: &str) -> Vec<CommandId> {
        ids_in("action,order,sku,quantity", text)
    }

    #[test]
    fn a_row_finds_its_id_again_when_other_rows_join_the_file() {
        let before = ids("place,o-1,tea,1\nplace,o-2,tea,1\ncancel,o-1,,\n");
        let after = ids("place,o-0,tea,1\nplace,o-1,tea,1\nplace,o-2,tea,1\ncancel,o-1,,\nplace,o-3,tea,1\n");
        assert_eq!(before, after[1..4]);
    }

    #[test]
    fn an_order_that_costs_nothing_finds_its_id_again_when_the_file_gets_prices() {
        let before = ids("place,o-1,tea,1\nplace,o-2,tea,1\nplace,o-3,tea,1\n");
        let with_prices = "place,o-1,tea,1,Ada,\nplace,o-2,tea,1,,0.00\nplace,o-3,tea,1,Ada,9.50\n";
        let after = ids_in("action,order,sku,quantity,customer,price", with_prices);
        assert_eq!(before[..2], after[..2]);
        assert_ne!(before[2], after[2], "with a price it is another order");
    }

    #[test]
    fn a_price_is_an_amount_and_has_a_customer_who_pays_it() {
        let rows = "place,o-1,tea,1,Ada,9.5\nplace,o-2,tea,1,,9.50\nplace,o-3,tea,1,Ada,-1\n\
                    place,o-4,tea,1,Ada,0\ncancel,o-1,,,Ada,\n";
        let sheet = sheet("action,order,sku,quantity,customer,price", rows);
        let payers: Vec<_> = sheet.rows.iter().map(|row| (row.line, row.request.payer())).collect();
        assert_eq!(payers, [(2, Some(&CustomerId::from("Ada"))), (5, None), (6, None)]);
        let reasons: Vec<_> = sheet.faults.iter().map(|fault| (fault.line, fault.reason.as_str())).collect();
        let no_amount = "the price `-1` is no amount such as 12.50, from 0.00 to 184467440737095516.15";
        assert_eq!(reasons, [(3, "an order with a price needs a customer who pays it"), (4, no_amount)]);
    }

    #[test]
    fn no_two_rows_share_an_id() {
        let mut ids = ids("place,o-1,tea,1\nplace,o-1,tea,1\nplace,o-1,tea,2\nplace,o-1,tea,12\nplace,o-1,tea1,2\n\
                           place,o-1,te,1\ncancel,o-1,,\ncancel,o-1,,\ncancel,o-1,tea,1\n");
        let rows = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), rows), (9, 9));
    }
}
