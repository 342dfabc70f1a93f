use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::parse::Fold;
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each, requirements};
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, folds: &[Fold], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let first = first_of_each(folds.iter().map(|fold| &fold.handler));
    let keyed: Vec<_> = first
        .into_iter()
        .filter_map(|(handler, event)| {
            let fold = folds.iter().find(|fold| fold.handler.name == handler.name)?;
            Some((handler, event, fold.key.as_ref()?))
        })
        .collect();
    let sources = keyed.iter().map(|(handler, event, key)| source(handler, event, key));
    let arms = keyed.iter().map(|(handler, event, key)| arm(ty, handler, event, key));
    let route = body(
        errors,
        quote! {
            match __event.name() {
                #(#arms)*
                _ => ::core::result::Result::Ok(::core::option::Option::None),
            }
        },
    );
    let requirements = requirements(folds.iter().map(|fold| &fold.handler));
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.view_handlers::<#ty>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::ViewHandlers for #ty {
            const SOURCES: &'static [__p::ViewSource] = &[#(#sources),*];

            fn route(
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<::core::option::Option<__p::ViewStep<Self>>, __p::UpcastError> {
                #route
            }

            #requirements
        }
        #registration
    })
}

fn source(handler: &Handler, event: &Message, key: &Ident) -> TokenStream {
    let (cfg, name, event, key) = (&handler.cfg, event.stored_name(), &event.ty, key.unraw().to_string());
    quote! {
        #(#cfg)*
        __p::ViewSource {
            event: #name,
            key: #key,
            tags: <#event as __p::Event>::TAG_KEYS,
        }
    }
}

fn arm(ty: &Type, handler: &Handler, message: &Message, key: &Ident) -> TokenStream {
    let (cfg, name) = (&handler.cfg, message.stored_name());
    let (bindings, decoded) = (handler.bindings(), message.decode());
    let call = handler.call(ty, Some(quote!(__view)), Some(message.owned(&quote!(__event))));
    let key = quote_spanned! {key.span()=> __p::key_text::<#ty>(&__event.#key) };
    let keep = quote_spanned! {handler.output.value_span()=> __p::IntoKeep::into_keep(__outcome) };
    quote! {
        #(#cfg)*
        #name => {
            let __event = #decoded?;
            ::core::result::Result::Ok(::core::option::Option::Some(__p::ViewStep {
                key: #key,
                fold: ::std::boxed::Box::new(move |__view: &mut #ty, __context: &__p::Context<'_>| {
                    #bindings
                    let __outcome = #call;
                    ::core::result::Result::Ok(#keep)
                }),
            }))
        }
    }
}
