use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;

use super::parse::{Arguments, Methods, Mode};
use crate::block::Block;
use crate::component;
use crate::errors::Errors;
use crate::handler::{Handler, Message, first_of_each, requirements};
use crate::subject::{body, hidden, location, registration};

pub(super) fn all(block: &Block, arguments: &Arguments, methods: &Methods, errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let replays = arguments.skips_replay.then(|| {
        quote! {
            fn replays(_: &str) -> bool {
                false
            }
        }
    });
    let processor = arguments.processor.as_ref().map_or_else(|| quote!(""), |processor| quote!(#processor));
    let handlers = first_of_each(&methods.handlers);
    let names = handlers.iter().map(|(handler, event)| {
        let (cfg, name) = (&handler.cfg, event.stored_name());
        quote! { #(#cfg)* #name }
    });
    let arms = handlers.iter().map(|(handler, event)| arm(ty, handler, event));
    let handle = body(
        errors,
        quote! {
            match __event.name() {
                #(#arms)*
                _ => ::std::boxed::Box::pin(async { ::core::result::Result::Ok(()) }),
            }
        },
    );
    let external = arguments.mode == Mode::External;
    let transaction = (!external).then(|| quote! { __transaction: &'a mut dyn __p::StoreTransaction, });
    let once = |name: TokenStream, method: &Handler| once(&name, ty, method, transaction.as_ref(), errors);
    let setup = methods.setups.first().map(|(_, method)| once(quote!(setup), method));
    let reset = methods.resets.first().map(|(_, method)| once(quote!(reset), method));
    let name = arguments.name.as_ref().map(|name| quote! { const NAME: &'static str = #name; });
    let inline = (arguments.mode == Mode::Inline).then(|| quote! { const INLINE: bool = true; });
    let (implemented, register) = match external {
        true => (quote!(ExternalHandlers), quote!(external_handlers)),
        false => (quote!(EventHandlers), quote!(event_handlers)),
    };
    let requirements = requirements(methods.all());
    let (component, location) = (component::probed(ty), location(block.span()));
    let registration = registration(ty, quote!(__r.#register::<#ty>(#component, #location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::#implemented for #ty {
            const PROCESSOR: &'static str = #processor;
            const EVENTS: &'static [&'static str] = &[#(#names),*];
            #name
            #inline

            fn handle<'a>(
                &'a self,
                __event: __p::Decode<'a>,
                __context: &'a __p::Context<'a>,
                #transaction
            ) -> __p::BoxFuture<'a, ::core::result::Result<(), __p::HandlerError>> {
                #handle
            }

            #replays
            #setup
            #reset
            #requirements
        }
        #registration
    })
}

fn arm(ty: &Type, handler: &Handler, message: &Message) -> TokenStream {
    let (cfg, name) = (&handler.cfg, message.stored_name());
    let bindings = handler.bindings();
    let call = handler.call(ty, handler.receiver.map(|_| quote!(self)), Some(message.owned(&quote!(__event))));
    let result = result(handler, call);
    let decoded = message.decode();
    let future = handler.future(quote! {
        let __event = __event?;
        #bindings
        #result
    });
    quote! {
        #(#cfg)*
        #name => {
            let __event = #decoded;
            #future
        }
    }
}

/// `fn setup` or `fn reset`.
fn once(
    name: &TokenStream,
    ty: &Type,
    method: &Handler,
    transaction: Option<&TokenStream>,
    errors: &Errors,
) -> TokenStream {
    let cfg = &method.cfg;
    let bindings = method.bindings();
    let result = result(method, method.call(ty, method.receiver.map(|_| quote!(self)), None));
    let future = method.future(quote! {
        #bindings
        #result
    });
    let body = body(
        errors,
        quote! {
            let __future: __p::BoxFuture<'a, ::core::result::Result<(), __p::HandlerError>> = #future;
            ::core::option::Option::Some(__future)
        },
    );
    quote! {
        #(#cfg)*
        fn #name<'a>(
            &'a self,
            __context: &'a __p::Context<'a>,
            #transaction
        ) -> ::core::option::Option<__p::BoxFuture<'a, ::core::result::Result<(), __p::HandlerError>>> {
            #body
        }
    }
}

fn result(handler: &Handler, call: TokenStream) -> TokenStream {
    if handler.output.is_fallible() {
        let span = handler.output.error_span();
        let failure = quote_spanned! {span=> __p::IntoHandlerError::into_handler_error(__error) };
        quote! {
            match #call {
                ::core::result::Result::Ok(()) => ::core::result::Result::Ok(()),
                ::core::result::Result::Err(__error) => ::core::result::Result::Err(#failure),
            }
        }
    } else {
        quote! { #call; ::core::result::Result::<(), __p::HandlerError>::Ok(()) }
    }
}
