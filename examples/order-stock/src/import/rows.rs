//! From rows to commands, each with an id that a repeated import finds again.

use std::collections::HashMap;
use std::path::Path;

use annals::CommandId;
use uuid::{Uuid, uuid};

use super::ImportError;
use super::sheet::{Sheet, name_of, read};
use crate::domain::{AddArticle, CancelOrder, OrderId, PlaceOrder, Sku};
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

/// Reads the orders file: `action,order,sku,quantity` and, if it is there, `customer`.
pub(crate) fn orders(path: &Path) -> Result<Sheet<Row>, ImportError> {
    let (file, mut ids) = (name_of(path), Ids::default());
    read(path, &["action", "order", "sku", "quantity"], |fields| {
        let order = names::order(fields.get("order")?)?;
        let (id, request) = match fields.get("action")? {
            "place" => {
                let (sku, quantity) = (names::sku(fields.get("sku")?)?, fields.quantity()?);
                let id = ids.next(&["place", &order.to_string(), &sku.to_string(), &quantity.to_string()]);
                (id, Request::Place(PlaceOrder { order, sku, quantity }))
            }
            "cancel" => (ids.next(&["cancel", &order.to_string()]), Request::Cancel(CancelOrder { order })),
            other => return Err(format!("unknown action `{other}`, expected `place` or `cancel`")),
        };
        let customer = fields.optional("customer").filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Row { file: file.clone(), line: fields.line, id, request, customer })
    })
}

impl Request {
    /// The order that the row names, if it names one.
    pub(crate) fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Add(_) => None,
            Self::Place(command) => Some(&command.order),
            Self::Cancel(command) => Some(&command.order),
        }
    }

    /// The article that the row names, if it names one.
    pub(crate) fn sku(&self) -> Option<&Sku> {
        match self {
            Self::Add(command) => Some(&command.sku),
            Self::Place(command) => Some(&command.sku),
            Self::Cancel(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn ids(text: &str) -> Vec<CommandId> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "action,order,sku,quantity\n{text}").unwrap();
        orders(file.path()).unwrap().rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn a_row_finds_its_id_again_when_other_rows_join_the_file() {
        let before = ids("place,o-1,tea,1\nplace,o-2,tea,1\ncancel,o-1,,\n");
        let after = ids("place,o-0,tea,1\nplace,o-1,tea,1\nplace,o-2,tea,1\ncancel,o-1,,\nplace,o-3,tea,1\n");
        assert_eq!(before, after[1..4]);
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
