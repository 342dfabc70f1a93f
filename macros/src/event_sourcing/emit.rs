use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitStr, Type};

use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each};
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, appliers: &[Handler], ignored: &[LitStr], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let appliers = first_of_each(appliers);
    let impls: TokenStream = appliers.iter().map(|(applier, event)| applied(ty, applier, event, errors)).collect();
    let names = appliers.iter().map(|(applier, event)| {
        let (cfg, name) = (&applier.cfg, event.stored_name());
        quote! { #(#cfg)* #name }
    });
    let evolve = body(errors, evolve(ty, &appliers, ignored));
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.event_sourcing::<#ty>(#location);), errors);
    hidden(quote! {
        #impls
        #[automatically_derived]
        impl __p::EventSourced for #ty {
            const EVENTS: &'static [&'static str] = &[#(#names),*];

            fn evolve(&mut self, __event: __p::Decode<'_>) -> ::core::result::Result<(), __p::EvolveError> {
                #evolve
            }
        }
        #registration
    })
}

fn applied(ty: &Type, applier: &Handler, event: &Message, errors: &Errors) -> TokenStream {
    let (cfg, event) = (&applier.cfg, &event.ty);
    let body = body(errors, applier.call(ty, Some(quote!(__state)), Some(quote!(self))));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        impl __p::AppliedTo<#ty> for #event {
            fn apply_to(&self, __state: &mut #ty) {
                #body
            }
        }
    }
}

fn evolve(ty: &Type, appliers: &[(&Handler, &Message)], ignored: &[LitStr]) -> TokenStream {
    let arms = appliers.iter().map(|(applier, event)| {
        let call = applier.call(ty, Some(quote!(self)), Some(event.owned(&quote!(__event))));
        let (cfg, decoded, name) = (&applier.cfg, event.decode(), event.stored_name());
        quote! {
            #(#cfg)*
            #name => {
                let __event = #decoded?;
                #call;
                ::core::result::Result::Ok(())
            }
        }
    });
    let ignored = (!ignored.is_empty()).then(|| quote! { #(#ignored)|* => ::core::result::Result::Ok(()), });
    quote! {
        match __event.name() {
            #(#arms)*
            #ignored
            _ => ::core::result::Result::Err(__p::EvolveError::unknown::<Self>(&__event)),
        }
    }
}
