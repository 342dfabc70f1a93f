//! `#[index]` on the fields of a view.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, Field, Fields, LitStr, Type, Visibility};

use crate::attributes::{Keys, check_name, value};
use crate::errors::Errors;

/// Longest name of an index, in bytes: what the store takes.
const NAME_BYTES: usize = 128;

pub(super) struct Index {
    field: Ident,
    ty: Type,
    /// The stored name.
    name: String,
}

/// The indexes of a view.
pub(super) fn of(data: &Data, errors: &mut Errors) -> Vec<Index> {
    let mut indexes: Vec<Index> = Vec::new();
    match data {
        Data::Struct(data) => {
            for field in &data.fields {
                for (number, mark) in marks(field).enumerate() {
                    if number > 0 {
                        errors.at(mark, "the field is indexed already");
                        continue;
                    }
                    let Some(index) = index(field, mark, &data.fields, errors) else { continue };
                    if indexes.iter().any(|other| other.name == index.name) {
                        errors.at(mark, format_args!("there is an index with the name `{}` already", index.name));
                    } else {
                        indexes.push(index);
                    }
                }
            }
        }
        Data::Enum(data) => {
            for mark in data.variants.iter().flat_map(|variant| &variant.fields).flat_map(marks) {
                errors.at(mark, "only a view that is a struct has indexes: expected a struct with named fields");
            }
        }
        Data::Union(_) => {}
    }
    indexes
}

fn index(field: &Field, mark: &Attribute, fields: &Fields, errors: &mut Errors) -> Option<Index> {
    let Some(ident) = field.ident.as_ref().filter(|_| matches!(fields, Fields::Named(_))) else {
        errors.at(mark, "an indexed field needs a name: expected named fields, as in `{ #[index] customer: String }`");
        return None;
    };
    let mut name: Option<LitStr> = None;
    Keys::new("index", &["name = \"customer\""]).read(mark, errors, |_, input, errors| {
        check_name(name.insert(value(input)?), errors);
        Ok(())
    });
    let stored = name.as_ref().map_or_else(|| ident.unraw().to_string(), LitStr::value);
    if stored.len() > NAME_BYTES {
        let place = name.as_ref().map_or_else(|| ident.to_token_stream(), ToTokens::to_token_stream);
        errors.at(
            place,
            format_args!("the name of an index has at most {NAME_BYTES} bytes, this one has {}", stored.len()),
        );
    }
    Some(Index { field: ident.clone(), ty: field.ty.clone(), name: stored })
}

fn marks(field: &Field) -> impl Iterator<Item = &Attribute> {
    field.attrs.iter().filter(|attribute| attribute.path().is_ident("index"))
}

/// `INDEXES` and `fn index`; nothing without indexes.
pub(super) fn items(indexes: &[Index]) -> TokenStream {
    if indexes.is_empty() {
        return TokenStream::new();
    }
    let names = indexes.iter().map(|index| &index.name);
    let adds = indexes.iter().map(|Index { field, ty, name }| {
        quote_spanned! {ty.span()=> __p::IndexEntries::add(__entries, #name, &self.#field); }
    });
    quote! {
        const INDEXES: &'static [&'static str] = &[#(#names),*];

        fn index(&self, __entries: &mut __p::IndexEntries) {
            #(#adds)*
        }
    }
}

/// A constant for each index.
pub(super) fn constants(view: &Ident, visibility: &Visibility, indexes: &[Index]) -> TokenStream {
    if indexes.is_empty() {
        return TokenStream::new();
    }
    let constants = indexes.iter().map(|Index { field, ty, name }| {
        let constant = format_ident!("{}", field.unraw().to_string().to_uppercase(), span = field.span());
        let doc = format!("Finds and orders documents by `{name}`.");
        let ty = quote_spanned! {ty.span()=>
            __p::Index<#view, <#ty as __p::Indexed>::Value, <#ty as __p::Indexed>::Count>
        };
        quote! {
            #[doc = #doc]
            #visibility const #constant: #ty = __p::Index::new(#name);
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code, reason = "not every index is read by name")]
        impl #view {
            #(#constants)*
        }
    }
}
