use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Field, Fields, Type};

use crate::errors::Errors;
use crate::shape::variant_names;

pub(super) enum IndexValue {
    /// A struct around one value: the field and its type.
    Around(TokenStream, Box<Type>),
    /// An enum of plain names, each with its stored name.
    Names(Vec<(Ident, String)>),
}

pub(super) fn index_value(input: &DeriveInput, errors: &mut Errors) -> Option<IndexValue> {
    let ident = &input.ident;
    if !input.generics.params.is_empty() {
        errors.at(&input.generics, "a value of an index cannot be generic");
        return None;
    }
    let parsed = match &input.data {
        Data::Struct(data) => around(&data.fields),
        Data::Enum(data) => {
            let full = data.variants.iter().filter(|variant| !matches!(variant.fields, Fields::Unit));
            let mut plain = !data.variants.is_empty();
            for variant in full {
                plain = false;
                errors.at(variant, "a value of an index is one of some plain names: expected a name without fields");
            }
            let names = data.variants.iter().map(|variant| variant.ident.clone()).zip(variant_names(input)).collect();
            if !errors.is_empty() {
                return None;
            }
            plain.then_some(IndexValue::Names(names))
        }
        Data::Union(_) => None,
    };
    if parsed.is_none() {
        let message =
            format!("expected a struct around one value, as in `struct {ident}(u64);`, or an enum of plain names");
        errors.at(ident, message);
    }
    parsed
}

fn around(fields: &Fields) -> Option<IndexValue> {
    let mut fields_of = fields.iter();
    let (Some(field), None) = (fields_of.next(), fields_of.next()) else { return None };
    Some(IndexValue::Around(member(field), Box::new(field.ty.clone())))
}

fn member(field: &Field) -> TokenStream {
    field.ident.as_ref().map_or_else(|| quote!(0), ToTokens::to_token_stream)
}
