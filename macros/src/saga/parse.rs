use proc_macro2::Ident;
use syn::{DeriveInput, LitStr};

use crate::attributes::{Keys, check_name, value};
use crate::errors::Errors;

pub(super) struct Saga {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
}

pub(super) fn saga(input: &DeriveInput, errors: &mut Errors) -> Saga {
    let mut name = None;
    let mut keys = Keys::new("saga", &["name = \"order-fulfilment\""]);
    keys.read_all(&input.attrs, errors, |_, input, errors| {
        check_name(name.insert(value(input)?), errors);
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    Saga { ident: input.ident.clone(), name }
}
