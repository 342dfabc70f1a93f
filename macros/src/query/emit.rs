use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Query;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn query(query: &Query, errors: &Errors) -> TokenStream {
    let Query { ident, name, reply } = query;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let reply = reply.as_ref().map_or_else(|| quote!(()), |reply| quote!(#reply));
    let location = location(ident.span());
    let registration = registration(ident, quote!(__r.query::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Query for #ident {
            type Reply = #reply;
            const NAME: &'static str = #name;
        }
        #registration
    })
}
