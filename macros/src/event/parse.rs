use proc_macro2::Ident;
use syn::{DeriveInput, LitStr};

use crate::attributes::{Keys, check_name, positive, value};
use crate::errors::Errors;
use crate::fields::MarkedFields;

pub(super) struct Event {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) revision: Option<u32>,
    pub(super) fields: MarkedFields,
}

pub(super) fn event(input: &DeriveInput, errors: &mut Errors) -> Event {
    let (mut name, mut revision) = (None, None);
    let mut keys = Keys::new("event", &["name = \"order.placed\"", "revision = 2"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            _ => revision = positive(&value(input)?, "a revision", errors),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    Event { ident: input.ident.clone(), name, revision, fields: MarkedFields::of_event(&input.data, errors) }
}
