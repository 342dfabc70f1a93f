use proc_macro2::Ident;
use syn::{DeriveInput, LitBool, LitInt, LitStr};

use crate::attributes::{Keys, check_name, positive, value};
use crate::errors::Errors;
use crate::retention::{self, Retention};

pub(super) struct Saga {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) version: Option<LitInt>,
    pub(super) history: Option<LitBool>,
    pub(super) retention: Option<Retention>,
}

pub(super) fn saga(input: &DeriveInput, errors: &mut Errors) -> Saga {
    let (mut name, mut version, mut history, mut retention) = (None, None, None, None);
    let known = &["name = \"order-fulfilment\"", "version = 2", "history = false", "retention = \"30d\""];
    let mut keys = Keys::new("saga", known);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "version" => {
                let number: LitInt = value(input)?;
                version = positive::<u32>(&number, "a version", errors).map(|_| number);
            }
            "history" => history = Some(value(input)?),
            _ => retention = retention::parse(&value(input)?, errors),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    Saga { ident: input.ident.clone(), name, version, history, retention }
}
