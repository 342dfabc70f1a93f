use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::parse::{Answer, Query};
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn query(query: &Query, errors: &Errors) -> TokenStream {
    let Query { ident, name, answer } = query;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let location = location(ident.span());
    let (contract, registrar) = match answer {
        Answer::Stream { .. } => (quote!(StreamQuery), quote!(stream_query)),
        Answer::Reply { .. } | Answer::Gathered { .. } => (quote!(Query), quote!(query)),
    };
    let types = match answer {
        Answer::Stream { row } => quote! { type Row = #row; },
        Answer::Gathered { reply } => replies(reply.as_deref(), &quote!(__p::Gather)),
        Answer::Reply { reply, update: Some(update) } => replies(reply.as_deref(), &quote!(__p::Updated<#update>)),
        Answer::Reply { reply, update: None } => replies(reply.as_deref(), &quote!(__p::Single)),
    };
    let registration = registration(ident, quote!(__r.#registrar::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::#contract for #ident {
            #types
            const NAME: &'static str = #name;
        }
        #registration
    })
}

fn replies(reply: Option<&Type>, kind: &TokenStream) -> TokenStream {
    let reply = reply.map_or_else(|| quote!(()), |reply| quote!(#reply));
    quote! { type Reply = #reply; type Kind = #kind; }
}
