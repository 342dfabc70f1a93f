use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Event;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn event(event: &Event, errors: &Errors) -> TokenStream {
    let Event { ident, name, revision, fields } = event;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let revision = revision.map(|revision| quote!(const REVISION: u32 = #revision;));
    let tags = fields.tags();
    let location = location(ident.span());
    let registration = registration(ident, quote!(__r.event::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Event for #ident {
            const NAME: &'static str = #name;
            #revision
            #tags
        }
        #registration
    })
}
