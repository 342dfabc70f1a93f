use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::parse::Saga;
use crate::errors::Errors;
use crate::shape::described;
use crate::subject::{hidden, location, registration};

pub(super) fn saga(saga: &Saga, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Saga { ident, name, version, history, retention } = saga;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let version = version.iter().map(|version| quote!(const VERSION: u32 = #version;));
    let history = history.iter().map(|history| quote!(const HISTORY: bool = #history;));
    let retention = retention.iter();
    let (version, history) = (quote!(#(#version)*), quote!(#(#history)*));
    let location = location(ident.span());
    let described = described(input);
    let registration = registration(ident, quote!(__r.saga::<#ident>(#location); __r.described::<#ident>();), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Saga for #ident {
            const NAME: &'static str = #name;
            #version
            #history
            #(#retention)*
        }
        #described
        #registration
    })
}
