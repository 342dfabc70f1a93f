use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use crate::block::Block;
use crate::component;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each, requirements};
use crate::subject::{body, hidden, registration};

pub(super) fn all(block: &Block, handlers: &[Handler], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let component = component::where_needed(ty, handlers.iter().any(|handler| handler.receiver.is_some()));
    let mut impls = TokenStream::new();
    let mut calls = TokenStream::new();
    for (handler, message) in first_of_each(handlers) {
        let (cfg, query, location) = (&handler.cfg, &message.ty, handler.location());
        impls.extend(answered(ty, handler, message, errors));
        calls
            .extend(quote_spanned! {query.span()=> #(#cfg)* __r.query_handler::<#ty, #query>(#component, #location); });
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
    let component = handler.receiver.map(|_| quote! { __p::component::<#ty>(__component)? });
    let call = handler.call(ty, component, Some(message.owned(&quote!(self))));
    let value = quote_spanned! {handler.output.error_span()=>
        __outcome.map_err(__p::IntoQueryError::into_query_error)?
    };
    let value = if handler.output.is_fallible() { value } else { quote!(__outcome) };
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
