use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::parse::Upcaster;
use crate::block::Block;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn all(block: &Block, upcasters: &[Upcaster], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let calls = upcasters.iter().filter_map(|upcaster| registered(ty, upcaster)).collect();
    hidden(registration(ty, calls, errors))
}

fn registered(ty: &Type, upcaster: &Upcaster) -> Option<TokenStream> {
    let Upcaster { cfg, name, from_name, with_recorded, .. } = upcaster;
    let from = upcaster.from.as_ref()?.number;
    let to = upcaster.to.as_ref().map_or(from.saturating_add(1), |to| to.number);
    let own_name = quote!(<#ty as __p::Event>::NAME);
    let from_name = from_name.as_ref().map_or_else(|| own_name.clone(), |name| quote!(#name));
    let recorded = with_recorded.then(|| quote!(__recorded));
    let span = upcaster.output.as_ref().map_or_else(Span::call_site, Spanned::span);
    let lifted = quote_spanned! {span=> __p::IntoLifted::into_lifted(__lifted) };
    let location = location(name.span());
    Some(quote! {
        #(#cfg)*
        __r.upcaster(__p::UpcastStep {
            from_name: #from_name,
            from: #from,
            to_name: #own_name,
            to: #to,
            lift: |__payload: __p::Json, __recorded: &__p::Recorded| {
                let __lifted = <#ty>::#name(__payload, #recorded);
                #lifted
            },
            location: #location,
        });
    })
}
