use proc_macro2::{Ident, Span};
use syn::{DeriveInput, LitStr};

use crate::attributes::{Keys, check_name, parentheses, positive, value};
use crate::errors::Errors;

pub(super) struct Aggregate {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) snapshot: Option<Snapshot>,
}

pub(super) struct Snapshot {
    pub(super) span: Span,
    pub(super) every: u64,
    pub(super) schema: u32,
}

pub(super) fn aggregate(input: &DeriveInput, errors: &mut Errors) -> Aggregate {
    let (mut name, mut policy) = (None, None);
    let mut keys = Keys::new("aggregate", &["name = \"order\"", "snapshot(every = 100)"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            _ => policy = snapshot(key.span, parentheses(input)?, errors),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    Aggregate { ident: input.ident.clone(), name, snapshot: policy }
}

fn snapshot(span: Span, tokens: proc_macro2::TokenStream, errors: &mut Errors) -> Option<Snapshot> {
    let (mut every, mut schema) = (None, Some(1));
    let mut keys = Keys::nested("snapshot", &["every = 100", "schema = 2"]);
    keys.read_list(tokens.clone(), errors, |key, input, errors| {
        match key.word {
            "every" => every = positive(&value(input)?, "the number of events between snapshots", errors),
            _ => schema = positive(&value(input)?, "a schema number", errors),
        }
        Ok(())
    });
    if !keys.has("every") {
        errors.at_span(span, "missing `every`, as in `snapshot(every = 100)`");
    }
    Some(Snapshot { span, every: every?, schema: schema? })
}
