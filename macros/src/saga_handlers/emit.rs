use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Type};

use super::parse::{Answer, By, Deadline, End, Input, Methods, Upcast};
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
    let begin = alone(ty, "begin", &methods.begins, errors);
    let replies = each(
        ty,
        "replies",
        "ReplyHandler",
        methods.replies.iter().filter_map(|reply| answer(ty, "ReplyHandler", reply)),
        errors,
    );
    let rejected = methods.rejections.iter().filter_map(|rejection| answer(ty, "RejectionHandler", rejection));
    let rejections = each(ty, "rejections", "RejectionHandler", rejected, errors);
    let ends = each(ty, "ends", "EndHandler", methods.ends.iter().filter_map(|ended| end(ty, ended)), errors);
    let passed = methods.deadlines.iter().filter_map(|deadline| deadline_handler(ty, deadline));
    let deadlines = each(ty, "deadlines", "DeadlineHandler", passed, errors);
    let compensation = alone(ty, "compensation", &methods.compensations, errors);
    let lifted = methods.upcasts.iter().filter_map(|upcast| lift(ty, upcast));
    let upcasts = each(ty, "upcasts", "StateUpcast", lifted, errors);
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
                __metadata: &__p::Metadata,
            ) -> ::core::result::Result<::core::option::Option<__p::SagaInput<Self>>, __p::UpcastError> {
                #route
            }

            #begin
            #replies
            #rejections
            #ends
            #deadlines
            #compensation
            #upcasts
            #steps
            #requirements
        }
        #registration
    })
}

fn arm(ty: &Type, input: &Input) -> Option<TokenStream> {
    let handler = &input.handler;
    let message = handler.message.as_ref()?;
    let (cfg, name, role) = (&handler.cfg, message.stored_name(), format_ident!("{}", input.role));
    let (associations, decoded) = (associations(input, message), message.decode());
    let handle = handle(ty, handler, message);
    Some(quote! {
        #(#cfg)*
        #name => {
            let __event = #decoded?;
            ::core::result::Result::Ok(::core::option::Option::Some(__p::SagaInput {
                role: __p::SagaRole::#role,
                associations: #associations,
                handle: #handle,
            }))
        }
    })
}

fn associations(input: &Input, message: &Message) -> TokenStream {
    let event = &message.ty;
    let key = |name: &dyn ToString| match &input.key {
        Some(key) => quote!(#key),
        None => {
            let name = name.to_string();
            quote!(#name)
        }
    };
    match &input.by {
        None => quote!(::std::vec::Vec::new()),
        Some(By::Field(field)) => {
            let key = key(&field.unraw());
            quote_spanned! {field.span()=> <[__p::Association]>::into_vec(::std::boxed::Box::new([__p::association(#key, &__event.#field)])) }
        }
        Some(By::Fields(field)) => {
            let key = key(&field.unraw());
            quote_spanned! {field.span()=> __p::associations(#key, &__event.#field) }
        }
        Some(By::Function(path)) => {
            let key = key(&"");
            quote_spanned! {path.span()=> __p::associations_by::<#event, _>(#key, #path, &__event) }
        }
        Some(By::Metadata(name)) => {
            let key = key(&name.value());
            quote_spanned! {name.span()=> __p::associations(#key, __metadata.get(#name)) }
        }
    }
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

/// A method of the trait that lists handlers; nothing where there is none.
fn each(
    ty: &Type,
    method: &str,
    handler: &str,
    handlers: impl Iterator<Item = TokenStream>,
    errors: &Errors,
) -> TokenStream {
    let all: Vec<TokenStream> = handlers.collect();
    if all.is_empty() {
        return TokenStream::new();
    }
    let (method, handler) = (format_ident!("{method}"), format_ident!("{handler}"));
    let handler = if handler == "StateUpcast" { quote!(__p::#handler) } else { quote!(__p::#handler<#ty>) };
    let body = body(errors, quote! { <[#handler]>::into_vec(::std::boxed::Box::new([#(#all),*])) });
    quote! {
        fn #method() -> ::std::vec::Vec<#handler> {
            #body
        }
    }
}

/// A method of the trait that gives one handler without a message.
fn alone(ty: &Type, method: &str, methods: &[(Attribute, Handler)], errors: &Errors) -> TokenStream {
    let Some((_, handler)) = methods.first() else { return TokenStream::new() };
    let (method, cfg, closure) = (format_ident!("{method}"), &handler.cfg, closure(ty, handler));
    let body = body(errors, quote!(::core::option::Option::Some(#closure)));
    quote! {
        #(#cfg)*
        fn #method() -> ::core::option::Option<__p::BeginFn<#ty>> {
            #body
        }
    }
}

/// Handles what comes without a message.
fn closure(ty: &Type, handler: &Handler) -> TokenStream {
    let bindings = handler.bindings();
    let call = handler.call(ty, Some(quote!(__saga)), None);
    quote! {
        |__saga: &mut #ty, __context: &__p::Context<'_>, __effects: &mut __p::Effects| {
            #bindings
            #call;
            ::core::result::Result::Ok(())
        }
    }
}

fn answer(ty: &Type, kind: &str, answer: &Answer) -> Option<TokenStream> {
    let handler = &answer.handler;
    let (command, what) = (&handler.message.as_ref()?.ty, answer.what.as_ref()?);
    let (cfg, kind) = (&handler.cfg, format_ident!("{kind}"));
    let bindings = handler.bindings();
    let what = match kind == "ReplyHandler" {
        true => quote_spanned! {what.span()=> __p::IsReplyOf::<#what>::reply(__answer) },
        false => quote_spanned! {what.span()=> __p::IsReason::<#what>::reason(__answer) },
    };
    let call = handler.call(ty, Some(quote!(__saga)), Some(quote!(__command, #what)));
    Some(quote! {
        #(#cfg)*
        __p::#kind::new::<#command>(|__saga, __command, __answer, __context, __effects| {
            #bindings
            #call;
            ::core::result::Result::Ok(())
        })
    })
}

fn end(ty: &Type, end: &End) -> Option<TokenStream> {
    let (handler, child) = (&end.handler, end.saga.as_ref()?);
    let cfg = &handler.cfg;
    let bindings = handler.bindings();
    let call = handler.call(ty, Some(quote!(__saga)), Some(quote!(__end)));
    Some(quote! {
        #(#cfg)*
        __p::EndHandler::new::<#child>(|__saga, __end, __context, __effects| {
            #bindings
            #call;
            ::core::result::Result::Ok(())
        })
    })
}

fn deadline_handler(ty: &Type, deadline: &Deadline) -> Option<TokenStream> {
    let (handler, name) = (&deadline.handler, deadline.name.as_ref()?);
    let (cfg, closure) = (&handler.cfg, closure(ty, handler));
    Some(quote! {
        #(#cfg)*
        __p::DeadlineHandler { name: #name, handle: #closure }
    })
}

fn lift(ty: &Type, upcast: &Upcast) -> Option<TokenStream> {
    let Upcast { cfg, name, from } = upcast;
    let from = from.as_ref()?;
    let call = quote_spanned! {name.span()=> __p::lift_state(<#ty>::#name, __state) };
    Some(quote! {
        #(#cfg)*
        __p::StateUpcast { from: #from, lift: |__state| #call }
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
