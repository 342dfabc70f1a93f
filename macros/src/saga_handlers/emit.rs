use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::parse::{Deadline, Input, Methods, Rejection};
use crate::block::Block;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each, requirements};
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, methods: &Methods, errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let first = first_of_each(methods.inputs.iter().map(|input| &input.handler));
    let names = first.iter().map(|(handler, event)| {
        let (cfg, name) = (&handler.cfg, event.stored_name());
        quote! { #(#cfg)* #name }
    });
    let arms = methods.inputs.iter().filter_map(|input| arm(ty, input));
    let route = body(
        errors,
        quote! {
            match __event.name() {
                #(#arms)*
                _ => ::core::result::Result::Ok(::core::option::Option::None),
            }
        },
    );
    let rejections = rejections(ty, methods, errors);
    let deadlines = deadlines(ty, methods, errors);
    let steps = methods.steps.first().map(|(_, method)| steps(ty, method, errors));
    let requirements = requirements(methods.handlers());
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.saga_handlers::<#ty>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::SagaHandlers for #ty {
            const EVENTS: &'static [&'static str] = &[#(#names),*];

            fn route(
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<::core::option::Option<__p::SagaInput<Self>>, __p::UpcastError> {
                #route
            }

            #rejections
            #deadlines
            #steps
            #requirements
        }
        #registration
    })
}

fn arm(ty: &Type, input: &Input) -> Option<TokenStream> {
    let handler = &input.handler;
    let (message, by) = (handler.message.as_ref()?, input.by.as_ref()?);
    let (cfg, name, role) = (&handler.cfg, message.stored_name(), format_ident!("{}", input.role));
    let (association, decoded) = (association(by), message.decode());
    let handle = handle(ty, handler, message);
    Some(quote! {
        #(#cfg)*
        #name => {
            let __event = #decoded?;
            ::core::result::Result::Ok(::core::option::Option::Some(__p::SagaInput {
                role: __p::SagaRole::#role,
                association: #association,
                handle: #handle,
            }))
        }
    })
}

fn association(by: &Ident) -> TokenStream {
    let key = by.unraw().to_string();
    quote_spanned! {by.span()=> __p::association(#key, &__event.#by) }
}

fn handle(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let bindings = handler.bindings();
    let call = handler.call(ty, Some(quote!(__saga)), Some(message.owned(&quote!(__event))));
    quote! {
        ::std::boxed::Box::new(
            move |__saga: &mut #ty, __context: &__p::Context<'_>, __effects: &mut __p::Effects| {
                #bindings
                #call;
                ::core::result::Result::Ok(())
            },
        )
    }
}

fn rejections(ty: &Type, methods: &Methods, errors: &Errors) -> TokenStream {
    if methods.rejections.is_empty() {
        return TokenStream::new();
    }
    let each = methods.rejections.iter().filter_map(|rejection| rejection_handler(ty, rejection));
    let body = body(errors, quote! { <[__p::RejectionHandler<Self>]>::into_vec(::std::boxed::Box::new([#(#each),*])) });
    quote! {
        fn rejections() -> ::std::vec::Vec<__p::RejectionHandler<Self>> {
            #body
        }
    }
}

fn rejection_handler(ty: &Type, rejection: &Rejection) -> Option<TokenStream> {
    let handler = &rejection.handler;
    let (command, why) = (&handler.message.as_ref()?.ty, rejection.why.as_ref()?);
    let cfg = &handler.cfg;
    let bindings = handler.bindings();
    let why = quote_spanned! {why.span()=> __p::IsReason::<#why>::reason(__why) };
    let message = quote!(__command, #why);
    let call = handler.call(ty, Some(quote!(__saga)), Some(message));
    Some(quote! {
        #(#cfg)*
        __p::RejectionHandler::new::<#command>(|__saga, __command, __why, __context, __effects| {
            #bindings
            #call;
            ::core::result::Result::Ok(())
        })
    })
}

fn deadlines(ty: &Type, methods: &Methods, errors: &Errors) -> TokenStream {
    if methods.deadlines.is_empty() {
        return TokenStream::new();
    }
    let each = methods.deadlines.iter().filter_map(|deadline| deadline_handler(ty, deadline));
    let body = body(errors, quote! { <[__p::DeadlineHandler<Self>]>::into_vec(::std::boxed::Box::new([#(#each),*])) });
    quote! {
        fn deadlines() -> ::std::vec::Vec<__p::DeadlineHandler<Self>> {
            #body
        }
    }
}

fn deadline_handler(ty: &Type, deadline: &Deadline) -> Option<TokenStream> {
    let (handler, name) = (&deadline.handler, deadline.name.as_ref()?);
    let cfg = &handler.cfg;
    let bindings = handler.bindings();
    let call = handler.call(ty, Some(quote!(__saga)), None);
    Some(quote! {
        #(#cfg)*
        __p::DeadlineHandler {
            name: #name,
            handle: |__saga: &mut #ty, __context: &__p::Context<'_>, __effects: &mut __p::Effects| {
                #bindings
                #call;
                ::core::result::Result::Ok(())
            },
        }
    })
}

fn steps(ty: &Type, method: &Handler, errors: &Errors) -> TokenStream {
    let cfg = &method.cfg;
    let call = method.call(ty, None, None);
    let list = quote_spanned! {method.output.value_span()=> __steps };
    let body = body(
        errors,
        quote! {
            let __steps = #call;
            let __list: __p::Steps<#ty> = #list;
            ::core::option::Option::Some(__list)
        },
    );
    quote! {
        #(#cfg)*
        fn steps() -> ::core::option::Option<__p::Steps<Self>> {
            #body
        }
    }
}
