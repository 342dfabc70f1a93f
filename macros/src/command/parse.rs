use proc_macro2::Ident;
use syn::{DeriveInput, LitStr, Type};

use crate::attributes::{Keys, check_name, value};
use crate::errors::Errors;
use crate::fields::MarkedFields;

pub(super) struct Command {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) error: Option<Type>,
    pub(super) reply: Option<Type>,
    pub(super) fields: MarkedFields,
}

pub(super) fn command(input: &DeriveInput, errors: &mut Errors) -> Command {
    let (mut name, mut error, mut reply) = (None, None, None);
    let mut keys = Keys::new("command", &["name = \"order.place\"", "error = OrderError", "reply = Total"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "error" => error = Some(value(input)?),
            _ => reply = Some(value(input)?),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    Command { ident: input.ident.clone(), name, error, reply, fields: MarkedFields::of_command(&input.data, errors) }
}
