use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Command;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn command(command: &Command, errors: &Errors) -> TokenStream {
    let Command { ident, name, error, reply, fields } = command;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let error = error.as_ref().map_or_else(|| quote!(__p::Never), |error| quote!(#error));
    let reply = reply.as_ref().map_or_else(|| quote!(()), |reply| quote!(#reply));
    let (target, tags) = (fields.target(), fields.tags());
    let location = location(ident.span());
    let registration = registration(ident, quote!(__r.command::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Command for #ident {
            type Reply = #reply;
            type Error = #error;
            const NAME: &'static str = #name;
            #tags
            #target
        }
        #registration
    })
}
