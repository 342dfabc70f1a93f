use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::index;
use super::parse::View;
use crate::errors::Errors;
use crate::shape::described;
use crate::subject::{hidden, location, registration};

pub(super) fn view(view: &View, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let View { ident, name, key, version, from, mode, indexes } = view;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let key = key.as_ref().map_or_else(|| quote!(::std::string::String), |key| quote!(#key));
    let version = version.map(|version| quote!(const VERSION: u32 = #version;));
    let lift = from.as_ref().map(|from| {
        quote!(const LIFT: ::core::option::Option<__p::LiftDocument<Self>> = ::core::option::Option::Some(__p::lift_document::<#from, Self>);)
    });
    let mode = mode.as_ref().map(|mode| quote!(const MODE: __p::ViewMode = __p::ViewMode::#mode;));
    let constants = index::constants(ident, &input.vis, indexes);
    let indexes = index::items(indexes);
    let location = location(ident.span());
    let described = described(input);
    let registration = registration(ident, quote!(__r.view::<#ident>(#location); __r.described::<#ident>();), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::View for #ident {
            type Key = #key;
            const NAME: &'static str = #name;
            #version
            #mode
            #lift
            #indexes
        }
        #constants
        #described
        #registration
    })
}
