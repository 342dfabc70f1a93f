use proc_macro2::TokenStream;
use quote::quote;

use super::parse::Entity;
use crate::errors::Errors;
use crate::subject::{body, hidden};

pub(super) fn entity(entity: &Entity, errors: &Errors) -> TokenStream {
    let Entity { ident, id } = entity;
    let (id, ty) = match id {
        Some((member, ty)) => (quote!(&self.#member), quote!(#ty)),
        None => (TokenStream::new(), quote!(())),
    };
    let id = body(errors, id);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Entity for #ident {
            type Id = #ty;

            fn id(&self) -> &Self::Id {
                #id
            }
        }
    })
}
