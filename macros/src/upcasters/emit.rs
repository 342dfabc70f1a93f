use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::parse::{Parameter, Upcaster};
use crate::block::Block;
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn all(block: &Block, upcasters: &[Upcaster], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let calls = upcasters.iter().filter_map(|upcaster| registered(ty, upcaster)).collect();
    hidden(registration(ty, calls, errors))
}

fn registered(ty: &Type, upcaster: &Upcaster) -> Option<TokenStream> {
    let Upcaster { cfg, name, from_name, into, parameters, .. } = upcaster;
    let (payload, output) = (upcaster.payload.as_ref()?, upcaster.output.as_ref()?);
    let from = upcaster.from.as_ref()?.number;
    let to = option(upcaster.to.as_ref().map(|to| {
        let number = to.number;
        quote!(#number)
    }));
    let from_name = option(from_name.as_ref().map(|name| quote!(#name)));
    let into = into.iter().map(|event| quote_spanned! {event.span()=> __p::Target::event::<#event>() });
    let arguments = parameters.iter().map(|parameter| match parameter {
        Parameter::Recorded => quote!(__lifting.recorded()?),
        Parameter::Pass => quote!(__lifting.pass()?),
    });
    let recorded = parameters.contains(&Parameter::Recorded);
    let pass = parameters.contains(&Parameter::Pass);
    let old = quote_spanned! {payload.span()=> __lifting.payload::<#payload>()? };
    let upcasted = quote_spanned! {output.span()=> (&&&&__p::OutputOf::of(&__held)).upcasted(__held) };
    let owner = quote_spanned! {ty.span()=> (&&&&__p::Owner::<#ty>::new()).owned() };
    let location = location(name.span());
    Some(quote! {
        #(#cfg)*
        __r.upcaster({
            use __p::via::*;
            __p::upcast_step(__p::StepOf {
                owned: #owner,
                name: #from_name,
                from: #from,
                to: #to,
                yields: (&&&&(&&__p::OutputOf::<#output>::new()).inner()).yields(),
                into: ::std::vec![#(#into),*],
                asks: __p::Asks { recorded: #recorded, pass: #pass },
                lift: |__lifting: &mut __p::Lifting<'_>| {
                    let __old = #old;
                    let __output = <#ty>::#name(__old, #(#arguments),*);
                    let __held = (&&__p::OutputOf::of(&__output)).held(__output)?;
                    #upcasted
                },
                location: #location,
            })
        });
    })
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
