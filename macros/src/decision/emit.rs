use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Decision;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn decision(decision: &Decision, errors: &Errors) -> TokenStream {
    let Decision { ident, name, boundary } = decision;
    let name = name.as_ref().map_or_else(|| boundary.concat().join("+"), syn::LitStr::value);
    let boundary = boundary.iter().map(|group| quote!(&[#(#group),*]));
    let location = location(ident.span());
    let registration = registration(ident, quote!(__r.decision::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Decision for #ident {
            const NAME: &'static str = #name;
            const BOUNDARY: &'static [&'static [&'static str]] = &[#(#boundary),*];
        }
        #[automatically_derived]
        impl __p::CommandTarget for #ident {
            type Consistency = __p::BoundaryConsistency;
        }
        #registration
    })
}
