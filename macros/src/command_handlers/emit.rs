use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::parse::{CommandHandler, Creation};
use crate::block::Block;
use crate::component;
use crate::errors::Errors;
use crate::handler::{Handler, Message, Output, Role, SelfArgument, first_of_each, requirements};
use crate::subject::{body, hidden, registration};

pub(super) fn all(block: &Block, handlers: &[CommandHandler], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let component = component::where_needed(
        ty,
        handlers.iter().any(|each| each.handler.is_async && each.handler.receiver.is_some()),
    );
    let mut impls = TokenStream::new();
    let mut calls = TokenStream::new();
    for (handler, message) in first_of_each(handlers.iter().map(|each| &each.handler)) {
        let (cfg, command, location) = (&handler.cfg, &message.ty, handler.location());
        if handler.is_async {
            impls.extend(serves(ty, handler, message, errors));
            calls.extend(quote_spanned! {command.span()=> #(#cfg)* __r.service_handler::<#ty, #command>(#component, #location); });
        } else {
            let creation = handlers.iter().find(|each| each.handler.name == handler.name).map(|each| each.creation);
            impls.extend(decides(ty, handler, message, creation.unwrap_or(Creation::Never), errors));
            calls.extend(quote_spanned! {command.span()=> #(#cfg)* __r.command_handler::<#ty, #command>(#location); });
        }
    }
    let registration = registration(ty, calls, errors);
    hidden(quote! { #impls #registration })
}

fn decides(ty: &Type, handler: &Handler, message: &Message, creation: Creation, errors: &Errors) -> TokenStream {
    let (cfg, command) = (&handler.cfg, &message.ty);
    let (reply, error) = (message.associated("Command", "Reply"), message.associated("Command", "Error"));
    let creation = match creation {
        Creation::Never => quote!(MustExist),
        Creation::Always => quote!(MustNotExist),
        Creation::IfMissing => quote!(MayExist),
    };
    let (body, requirements) = (body(errors, decide_body(ty, handler, message)), requirements([handler]));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        impl __p::HandledBy<#ty> for #command {
            const CREATION: __p::Creation = __p::Creation::#creation;

            fn initial(&self) -> #ty {
                use __p::via::*;
                (&__p::Initial::<'_, #ty, #command>(self, ::core::marker::PhantomData)).initial()
            }

            fn decide(
                &self,
                __state: &#ty,
                __context: &__p::Context<'_>,
                __events: &mut __p::Events<#ty>,
            ) -> ::core::result::Result<#reply, __p::Refusal<#error>> {
                #body
            }

            #requirements
        }
    }
}

fn decide_body(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let bindings = handler.bindings();
    let state = handler.receiver.map(|receiver| match receiver {
        SelfArgument::Shared => quote!(__state),
        SelfArgument::Mutable => quote!(&mut __next),
    });
    let is_mutable = handler.receiver == Some(SelfArgument::Mutable);
    let before = is_mutable.then(|| quote! { let mut __next = ::core::clone::Clone::clone(__state); });
    let after = is_mutable.then(|| quote! { __events.leave(__next); });
    let call = handler.call(ty, state, Some(message.borrowed(&quote!(self))));
    let error = message.associated("Command", "Error");
    let value = match handler.output.is_fallible() {
        true => quote_spanned! {handler.output.error_span()=> __outcome.map_err(__p::IsError::<#error>::rejected)? },
        false => quote!(__outcome),
    };
    let end = match handler.takes(Role::Events) {
        true => reply(&handler.output, message, quote!(__value)),
        false => events(ty, &handler.output, message),
    };
    quote! {
        #bindings
        #before
        let __outcome = #call;
        #after
        let __value = #value;
        #end
    }
}

/// `__value` is the events; then the reply is empty.
fn events(ty: &Type, output: &Output, message: &Message) -> TokenStream {
    let record = quote_spanned! {output.value_span()=> __p::IntoEvents::<#ty>::into_events(__value, __events); };
    let reply = reply(output, message, quote_spanned!(output.value_span()=> ()));
    quote! { #record #reply }
}

/// `value` is the reply.
fn reply(output: &Output, message: &Message, value: TokenStream) -> TokenStream {
    let expected = message.associated("Command", "Reply");
    let reply = quote_spanned! {output.value_span()=> __p::IsReply::<#expected>::reply(#value) };
    quote! { ::core::result::Result::Ok(#reply) }
}

fn serves(ty: &Type, handler: &Handler, message: &Message, errors: &Errors) -> TokenStream {
    let (cfg, command) = (&handler.cfg, &message.ty);
    let (reply, error) = (message.associated("Command", "Reply"), message.associated("Command", "Error"));
    let (body, requirements) = (body(errors, serve_body(ty, handler, message)), requirements([handler]));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        impl __p::ServedBy<#ty> for #command {
            fn serve<'a>(
                &'a self,
                __component: ::core::option::Option<&'a #ty>,
                __context: &'a __p::Context<'a>,
            ) -> __p::BoxFuture<'a, ::core::result::Result<#reply, __p::Refusal<#error>>> {
                #body
            }

            #requirements
        }
    }
}

fn serve_body(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let bindings = handler.bindings();
    let component = handler.receiver.map(|_| quote! { __p::component::<#ty>(__component)? });
    let call = handler.call(ty, component, Some(message.borrowed(&quote!(self))));
    let error = message.associated("Command", "Error");
    let value = match handler.output.is_fallible() {
        true => {
            quote_spanned! {handler.output.error_span()=> __outcome.map_err(__p::IntoRefusal::<#error>::into_refusal)? }
        }
        false => quote!(__outcome),
    };
    let reply = reply(&handler.output, message, quote!(__value));
    handler.future(quote! {
        #bindings
        let __outcome = #call;
        let __value = #value;
        #reply
    })
}
