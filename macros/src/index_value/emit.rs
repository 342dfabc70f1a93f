use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::parse::IndexValue;

pub(super) fn index_value(ident: &Ident, value: &IndexValue) -> TokenStream {
    let text = match value {
        IndexValue::Around(member, ty) => {
            quote_spanned! {ty.span()=> <#ty as __p::IndexValue>::index_text(&self.#member) }
        }
        IndexValue::Names(names) => {
            let arms = names.iter().map(|(variant, name)| quote!(Self::#variant => #name,));
            quote!(::std::borrow::Cow::Borrowed(match self { #(#arms)* }))
        }
    };
    quote! {
        #[automatically_derived]
        impl __p::IndexValue for #ident {
            fn index_text(&self) -> ::std::borrow::Cow<'_, str> {
                #text
            }
        }
    }
}
