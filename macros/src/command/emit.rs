use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::DeriveInput;

use super::parse::Command;
use crate::errors::Errors;
use crate::shape::described;
use crate::subject::{body, hidden, location, registration};

pub(super) fn command(command: &Command, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Command { ident, name, revision, error, reply, roles, validated, fields } = command;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let revision = revision.map(|revision| quote!(const REVISION: u32 = #revision;));
    let error = error.as_ref().map_or_else(|| quote!(__p::Never), |error| quote!(#error));
    let reply = reply.as_ref().map_or_else(|| quote!(()), |reply| quote!(#reply));
    let (target, tags, routing) = (fields.target(), fields.tags(), fields.routing());
    let roles = (!roles.is_empty()).then(|| quote!(const ROLES: &'static [&'static str] = &[#(#roles),*];));
    let rules = validated.then(|| rules(ident, errors));
    let location = location(ident.span());
    let described = described(input);
    let registration =
        registration(ident, quote!(__r.command::<#ident>(#location); __r.described::<#ident>();), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Command for #ident {
            type Reply = #reply;
            type Error = #error;
            const NAME: &'static str = #name;
            #revision
            #tags
            #target
            #routing
            #roles
            #rules
        }
        #described
        #registration
    })
}

/// The rules that the user's own derive has put on the command.
fn rules(ident: &proc_macro2::Ident, errors: &Errors) -> TokenStream {
    let check = body(errors, quote_spanned! {ident.span()=> __p::validate::<#ident>(self) });
    quote! {
        const VALIDATED: bool = true;

        fn validate(&self) -> ::core::result::Result<(), __p::Violations> {
            #check
        }
    }
}
