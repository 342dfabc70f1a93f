use proc_macro2::TokenStream;
use quote::quote;
use syn::DeriveInput;

use super::parse::Workflow;
use crate::errors::Errors;
use crate::shape::described;
use crate::subject::{hidden, location, registration};

pub(super) fn workflow(workflow: &Workflow, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Workflow { ident, name, version, retention } = workflow;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let version = version.map(|version| quote!(const VERSION: u32 = #version;));
    let retention = retention.iter();
    let location = location(ident.span());
    let described = described(input);
    let calls = quote!(__r.workflow::<#ident>(#location); __r.described::<#ident>(););
    let registration = registration(ident, calls, errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Workflow for #ident {
            const NAME: &'static str = #name;
            #version
            #(#retention)*
        }
        #described
        #registration
    })
}
