use proc_macro2::Ident;
use quote::format_ident;
use syn::{DeriveInput, LitStr, Type};

use super::index::{self, Index};
use crate::attributes::{Keys, check_name, positive, value};
use crate::errors::Errors;

pub(super) struct View {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) key: Option<Type>,
    pub(super) version: Option<u32>,
    /// How documents of the version before look.
    pub(super) from: Option<Type>,
    /// A variant of `ViewMode`.
    pub(super) mode: Option<Ident>,
    pub(super) indexes: Vec<Index>,
}

pub(super) fn view(input: &DeriveInput, errors: &mut Errors) -> View {
    let (mut name, mut key_type, mut version, mut from) = (None, None, None, None);
    let mut mode: Option<(&str, Ident)> = None;
    let mut keys = Keys::new(
        "view",
        &[
            "name = \"order-summary\"",
            "key = OrderId",
            "version = 2",
            "from = OrderSummaryV1",
            "asynchronous",
            "inline",
            "live",
        ],
    );
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "key" => key_type = Some(value(input)?),
            "version" => version = positive(&value(input)?, "a version", errors),
            "from" => from = Some(value(input)?),
            word => match &mode {
                Some((first, _)) => {
                    errors.at_span(
                        key.span,
                        format_args!("`{word}` contradicts `{first}`: a view has one of these words"),
                    );
                }
                None => mode = Some((word, mode_variant(word))),
            },
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    keys.require("key", &input.ident, errors);
    let indexes = index::of(&input.data, errors);
    View {
        ident: input.ident.clone(),
        name,
        key: key_type,
        version,
        from,
        mode: mode.map(|(_, variant)| variant),
        indexes,
    }
}

fn mode_variant(word: &str) -> Ident {
    match word {
        "inline" => format_ident!("Inline"),
        "live" => format_ident!("Live"),
        _ => format_ident!("Asynchronous"),
    }
}
