use proc_macro2::Ident;
use syn::{DeriveInput, LitStr, Type};

use crate::attributes::{Keys, check_name, value};
use crate::errors::Errors;

pub(super) struct Query {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) reply: Option<Type>,
}

pub(super) fn query(input: &DeriveInput, errors: &mut Errors) -> Query {
    let (mut name, mut reply) = (None, None);
    let mut keys = Keys::new("query", &["name = \"order.find\"", "reply = Vec<Row>"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            _ => reply = Some(value(input)?),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    keys.require("reply", &input.ident, errors);
    Query { ident: input.ident.clone(), name, reply }
}
