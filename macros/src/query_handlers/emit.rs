use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::block::Block;
use crate::component;
use crate::errors::Errors;
use crate::handler::{Handler, Message, Role, first_of_each, requirements};
use crate::subject::{body, hidden, registration};

pub(super) fn all(block: &Block, handlers: &[Handler], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let component = component::where_needed(ty, handlers.iter().any(|handler| handler.receiver.is_some()));
    let mut impls = TokenStream::new();
    let mut calls = TokenStream::new();
    for (handler, message) in first_of_each(handlers) {
        let (cfg, query, location) = (&handler.cfg, &message.ty, handler.location());
        let register = if handler.streams() {
            impls.extend(streamed(ty, handler, message, errors));
            quote!(stream_handler)
        } else {
            impls.extend(answered(ty, handler, message, errors));
            quote!(query_handler)
        };
        // Errors belong to the query; names are those of this macro, also where the query comes from another macro.
        let span = query.span().resolved_at(proc_macro2::Span::call_site());
        calls.extend(quote_spanned! {span=> #(#cfg)* __r.#register::<#ty, #query>(#component, #location); });
    }
    let registration = registration(ty, calls, errors);
    hidden(quote! { #impls #registration })
}

fn answered(ty: &Type, handler: &Handler, message: &Message, errors: &Errors) -> TokenStream {
    let (cfg, query) = (&handler.cfg, &message.ty);
    let reply = message.associated("Query", "Reply");
    let (body, requirements) = (body(errors, answer(ty, handler, message)), requirements([handler]));
    quote! {
        #(#cfg)*
        #[automatically_derived]
        // The handler may return `QueryError` itself.
        #[allow(clippy::useless_conversion)]
        impl __p::AnsweredBy<#ty> for #query {
            fn answer<'a>(
                self,
                __component: ::core::option::Option<&'a #ty>,
                __context: &'a __p::Context<'a>,
            ) -> __p::BoxFuture<'a, ::core::result::Result<#reply, __p::QueryError>> {
                #body
            }

            #requirements
        }
    }
}

fn answer(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let bindings = handler.bindings();
    let call = call(ty, handler, message);
    let value = value(handler);
    let reply = message.associated("Query", "Reply");
    let reply = quote_spanned! {handler.output.value_span()=>
        __p::IsReply::<#reply>::reply(__value)
    };
    handler.future(quote! {
        #bindings
        let __outcome = #call;
        let __value = #value;
        ::core::result::Result::Ok(#reply)
    })
}

fn streamed(ty: &Type, handler: &Handler, message: &Message, errors: &Errors) -> TokenStream {
    let (cfg, query) = (&handler.cfg, &message.ty);
    let row = message.associated("StreamQuery", "Row");
    let (body, requirements) = (body(errors, stream(ty, handler, message)), requirements([handler]));
    let rows = if handler.takes(Role::Rows) { quote!(mut __rows) } else { quote!(__rows) };
    quote! {
        #(#cfg)*
        #[automatically_derived]
        // The handler may return `QueryError` itself.
        #[allow(clippy::useless_conversion)]
        impl __p::StreamedBy<#ty> for #query {
            fn stream<'a>(
                self,
                __component: ::core::option::Option<&'a #ty>,
                __context: &'a __p::Context<'a>,
                #rows: __p::Rows<#row>,
            ) -> __p::BoxFuture<'a, ::core::result::Result<(), __p::QueryError>> {
                #body
            }

            #requirements
        }
    }
}

/// The handler writes rows, or gives a stream of them.
fn stream(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let bindings = handler.bindings();
    let call = call(ty, handler, message);
    let value = value(handler);
    let ended = if handler.takes(Role::Rows) {
        quote_spanned! {handler.output.value_span()=> let () = __value; ::core::result::Result::Ok(()) }
    } else {
        let row = message.associated("StreamQuery", "Row");
        quote_spanned! {handler.output.value_span()=> __p::forward::<#row, _>(__value, __rows).await }
    };
    handler.future(quote! {
        #bindings
        let __outcome = #call;
        let __value = #value;
        #ended
    })
}

fn call(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let component = handler.receiver.map(|_| quote! { __p::answering::<#ty>(__component, __context)? });
    handler.call(ty, component, Some(message.owned(&quote!(self))))
}

/// The value of `__outcome`, leaving by `?` where it is an error.
fn value(handler: &Handler) -> TokenStream {
    if !handler.output.is_fallible() {
        return quote!(__outcome);
    }
    quote_spanned! {handler.output.error_span()=>
        __outcome.map_err(__p::IntoQueryError::into_query_error)?
    }
}
