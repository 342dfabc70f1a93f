use proc_macro2::Ident;
use syn::{DeriveInput, LitInt, LitStr};

use crate::attributes::{Keys, check_name, positive, value};
use crate::errors::Errors;
use crate::retention::{self, Retention};

pub(super) struct Workflow {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) version: Option<u32>,
    pub(super) retention: Option<Retention>,
}

pub(super) fn workflow(input: &DeriveInput, errors: &mut Errors) -> Workflow {
    let mut workflow = Workflow { ident: input.ident.clone(), name: None, version: None, retention: None };
    let mut keys = Keys::new("workflow", &["name = \"order-flow\"", "version = 1", "retention = \"30d\""]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(workflow.name.insert(value(input)?), errors),
            "version" => workflow.version = positive(&value::<LitInt>(input)?, "a version", errors),
            _ => workflow.retention = retention::parse(&value(input)?, errors),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    workflow
}
