use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::enrich::{self, Lookup};
use super::parse::{Fold, KeySource};
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each, requirements};
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, folds: &[Fold], lookups: &[Lookup], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let first = first_of_each(folds.iter().map(|fold| &fold.handler));
    let keyed: Vec<_> = first
        .into_iter()
        .filter_map(|(handler, event)| {
            let fold = folds.iter().find(|fold| fold.handler.name == handler.name)?;
            Some((handler, event, fold.keys.as_ref()?))
        })
        .collect();
    let sources = keyed.iter().map(|(handler, event, key)| source(handler, event, key));
    let arms = keyed.iter().map(|(handler, event, key)| arm(ty, handler, event, key));
    let route = body(
        errors,
        quote! {
            match __event.name() {
                #(#arms)*
                _ => ::core::result::Result::Ok(::std::vec::Vec::new()),
            }
        },
    );
    let handlers = folds.iter().map(|fold| &fold.handler).chain(lookups.iter().map(|lookup| &lookup.handler));
    let requirements = requirements(handlers);
    let enrich = enrich::items(ty, lookups, errors);
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.view_handlers::<#ty>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::ViewHandlers for #ty {
            const SOURCES: &'static [__p::ViewSource] = &[#(#sources),*];

            fn route(
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<::std::vec::Vec<__p::ViewStep<Self>>, __p::UpcastError> {
                #route
            }

            #enrich

            #requirements
        }
        #registration
    })
}

fn source(handler: &Handler, event: &Message, keys: &KeySource) -> TokenStream {
    let (cfg, name, event) = (&handler.cfg, event.stored_name(), &event.ty);
    let key = match keys {
        KeySource::Field(field) | KeySource::Fields(field) => {
            let field = field.unraw().to_string();
            quote!(::core::option::Option::Some(#field))
        }
        KeySource::Function(_) => quote!(::core::option::Option::None),
    };
    quote! {
        #(#cfg)*
        __p::ViewSource {
            event: #name,
            key: #key,
            tags: <#event as __p::Event>::TAG_KEYS,
        }
    }
}

fn arm(ty: &Type, handler: &Handler, message: &Message, keys: &KeySource) -> TokenStream {
    let (cfg, name) = (&handler.cfg, message.stored_name());
    let (bindings, decoded, event) = (handler.bindings(), message.decode(), &message.ty);
    let keep = quote_spanned! {handler.output.value_span()=> __p::IntoKeep::into_keep(__outcome) };
    let fold = |call: TokenStream| {
        quote! {
            ::std::boxed::Box::new(move |__view: &mut #ty, __context: &__p::Context<'_>| {
                #bindings
                let __outcome = #call;
                ::core::result::Result::Ok(#keep)
            })
        }
    };
    let steps = match keys {
        KeySource::Field(field) => {
            let key = quote_spanned! {field.span()=> __p::key_text::<#ty>(&__event.#field) };
            let fold = fold(handler.call(ty, Some(quote!(__view)), Some(message.owned(&quote!(__event)))));
            quote!(::std::vec![__p::ViewStep { key: #key, fold: #fold }])
        }
        KeySource::Fields(_) | KeySource::Function(_) => {
            let texts = match keys {
                KeySource::Function(path) => quote_spanned! {path.span()=>
                    __p::key_texts::<#ty>(&__p::keys_of::<#ty, #event, _>(#path, &__event))
                },
                KeySource::Field(field) | KeySource::Fields(field) => {
                    quote_spanned! {field.span()=> __p::key_texts::<#ty>(&__event.#field) }
                }
            };
            let fold = fold(handler.call(ty, Some(quote!(__view)), Some(quote!(&__event))));
            quote! {{
                let __texts = #texts;
                let __event = ::std::sync::Arc::new(__event);
                let mut __steps = ::std::vec::Vec::with_capacity(__texts.len());
                for __key in __texts {
                    let __event = ::std::sync::Arc::clone(&__event);
                    __steps.push(__p::ViewStep { key: __key, fold: #fold });
                }
                __steps
            }}
        }
    };
    quote! {
        #(#cfg)*
        #name => {
            let __event = #decoded?;
            ::core::result::Result::Ok(#steps)
        }
    }
}
