//! The value behind handlers with `&self`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

/// How the component of type `ty` comes to be: by its default where it has one, else from the resources.
pub(crate) fn probed(ty: &Type) -> TokenStream {
    quote! {{
        use __p::via::*;
        (&__p::Probe::<#ty>::new()).component()
    }}
}

/// [`probed`] if a handler takes `&self`, else none.
pub(crate) fn where_needed(ty: &Type, needed: bool) -> TokenStream {
    if needed { probed(ty) } else { quote!(__p::Component::None) }
}
