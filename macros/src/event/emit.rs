use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::parse::Event;
use crate::errors::Errors;
use crate::shape::described;
use crate::subject::{hidden, location, registration};

pub(super) fn event(event: &Event, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Event { ident, name, revision, fields } = event;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let revision = revision.map(|revision| quote!(const REVISION: u32 = #revision;));
    let tags = fields.tags();
    let location = location(ident.span());
    let described = described(input);
    let registration = registration(ident, quote!(__r.event::<#ident>(#location); __r.described::<#ident>();), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Event for #ident {
            const NAME: &'static str = #name;
            #revision
            #tags
        }
        #described
        #registration
    })
}
