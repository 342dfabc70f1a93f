use proc_macro2::Ident;
use syn::{Data, DeriveInput, Fields, Type};

use crate::errors::Errors;

pub(super) struct Identifier {
    pub(super) ident: Ident,
    pub(super) inner: Type,
}

pub(super) fn identifier(input: &DeriveInput, errors: &mut Errors) -> Option<Identifier> {
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        errors.at(&input.generics, "an identifier cannot be generic");
    }
    let inner = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
            _ => None,
        },
        _ => None,
    };
    if inner.is_none() {
        errors.at(ident, format_args!("expected a struct around one value, as in `struct {ident}(String);`"));
    }
    let inner = inner?.clone();
    errors.is_empty().then(|| Identifier { ident: ident.clone(), inner })
}
