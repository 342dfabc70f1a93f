use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::parse::{Awaits, Methods, Start};
use crate::block::{Block, text};
use crate::errors::Errors;
use crate::handler::Output;
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, methods: &Methods, errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let events = events(methods);
    let names = events.iter().map(|event| stored_name(event.ty));
    let arms = events.iter().filter_map(|event| arm(ty, event));
    let route = body(
        errors,
        quote! {
            match __event.name() {
                #(#arms)*
                _ => ::core::result::Result::Ok(::core::option::Option::None),
            }
        },
    );
    let found = methods.awaits.iter().filter_map(|awaits| found(ty, awaits));
    let associations = associations(ty, methods, errors);
    let function = function(ty, methods, errors);
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.workflow_handlers::<#ty>(#location);), errors);
    hidden(quote! {
        #(#found)*

        #[automatically_derived]
        impl __p::WorkflowHandlers for #ty {
            const EVENTS: &'static [&'static str] = &[#(#names),*];

            fn route(
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<::core::option::Option<__p::WorkflowInput<Self>>, __p::UpcastError> {
                #route
            }

            #associations
            #function
        }
        #registration
    })
}

/// What an event is to the workflow.
struct Event<'a> {
    ty: &'a Type,
    by: Option<&'a Ident>,
    start: Option<&'a Start>,
    awaited: bool,
}

/// The events, each once.
fn events(methods: &Methods) -> Vec<Event<'_>> {
    let mut events: Vec<Event<'_>> = Vec::new();
    for start in &methods.starts {
        let Some(message) = &start.handler.message else { continue };
        events.push(Event { ty: &message.ty, by: start.by.as_ref(), start: Some(start), awaited: false });
    }
    for awaits in &methods.awaits {
        match events.iter_mut().find(|event| text(event.ty) == text(&awaits.event)) {
            Some(event) => event.awaited = true,
            None => events.push(Event { ty: &awaits.event, by: awaits.by.as_ref(), start: None, awaited: true }),
        }
    }
    events
}

fn stored_name(ty: &Type) -> TokenStream {
    quote_spanned! {ty.span()=> <#ty as __p::Event>::NAME }
}

fn arm(ty: &Type, event: &Event<'_>) -> Option<TokenStream> {
    let (decoded, name, by) = (event.ty, stored_name(event.ty), event.by?);
    let key = by.unraw().to_string();
    let association = quote_spanned! {by.span()=> __p::association(#key, &__event.#by) };
    let awaited = event.awaited.then(|| quote!(let __input = __input.awaits(&__event)?;));
    let begins = event.start.map(|start| {
        let call = start.handler.call(ty, None, Some(quote!(&__event)));
        let made = quote_spanned! {start.handler.output.value_span()=> __made };
        quote! {
            let __input = __input.begins(move || {
                let __made = #call;
                let __made: #ty = #made;
                __made
            });
        }
    });
    Some(quote! {
        #name => {
            let __event = __event.into_event::<#decoded>()?;
            let __input = __p::WorkflowInput::<#ty>::new(#association);
            #awaited
            #begins
            ::core::result::Result::Ok(::core::option::Option::Some(__input))
        }
    })
}

/// What lets the function wait for an event.
fn found(ty: &Type, awaits: &Awaits) -> Option<TokenStream> {
    let (event, by) = (&awaits.event, awaits.by.as_ref()?);
    let key = by.unraw().to_string();
    let value = awaits.with.as_ref().map(|with| {
        let value = quote_spanned! {with.span()=> __p::value_text(&__input.#with) };
        quote! {
            #[automatically_derived]
            impl __p::FoundBy<#ty> for #event {
                fn value(__input: &#ty) -> ::std::string::String {
                    #value
                }
            }
        }
    });
    Some(quote! {
        #[automatically_derived]
        impl __p::AwaitedBy<#ty> for #event {
            const KEY: &'static str = #key;
        }
        #value
    })
}

fn associations(ty: &Type, methods: &Methods, errors: &Errors) -> TokenStream {
    let each = methods.awaits.iter().filter_map(|awaits| {
        let (event, by) = (&awaits.event, awaits.by.as_ref()?);
        awaits.with.as_ref()?;
        let key = by.unraw().to_string();
        Some(quote!(__p::association(#key, &<#event as __p::FoundBy<#ty>>::value(self))))
    });
    let list = body(errors, quote! { <[__p::Association]>::into_vec(::std::boxed::Box::new([#(#each),*])) });
    quote! {
        fn associations(&self) -> ::std::vec::Vec<__p::Association> {
            #list
        }
    }
}

fn function(ty: &Type, methods: &Methods, errors: &Errors) -> TokenStream {
    let run = methods.runs.first();
    let (output, error) = match run.map(|run| &run.output) {
        Some(Output::Fallible { ok: Some(ok), error: Some(error), .. }) => (quote!(#ok), quote!(#error)),
        _ => (quote!(()), quote!(())),
    };
    let name = run.map(|run| &run.sig.ident);
    // After a fault there is a function all the same, so that the types are the ones that the user wrote.
    let call = match (name, errors.is_empty()) {
        (Some(name), true) => quote_spanned! {name.span()=> <#ty>::#name(self, __flow) },
        _ => quote!(async { ::core::unreachable!() }),
    };
    quote! {
        type Output = #output;
        type Error = #error;

        fn run(
            self,
            __flow: __p::Flow<Self>,
        ) -> impl ::core::future::Future<Output = ::core::result::Result<Self::Output, Self::Error>> {
            #call
        }
    }
}
