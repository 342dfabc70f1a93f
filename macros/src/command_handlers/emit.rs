use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::boundary::Boundary;
use super::parse::{Case, CommandHandler, Creation};
use crate::block::{Block, text};
use crate::component;
use crate::errors::Errors;
use crate::handler::{Handler, Message, Output, Role, SelfArgument, requirements};
use crate::subject::{body, body_or, hidden, registration};

pub(super) fn all(block: &Block, handlers: &[CommandHandler], boundaries: &[Boundary], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let component = component::where_needed(
        ty,
        handlers.iter().any(|each| each.handler.is_async && each.handler.receiver.is_some()),
    );
    let mut impls = TokenStream::new();
    let mut calls = TokenStream::new();
    for group in groups(handlers) {
        let (cfg, command, location) = (&group.first.cfg, &group.message.ty, group.first.location());
        if group.first.is_async {
            let sequential = group.handlers.iter().any(|each| each.sequential);
            impls.extend(serves(ty, group.first, group.message, sequential, errors));
            calls.extend(quote_spanned! {command.span()=> #(#cfg)* __r.service_handler::<#ty, #command>(#component, #location); });
        } else {
            impls.extend(decides(ty, &group, boundaries, errors));
            calls.extend(quote_spanned! {command.span()=> #(#cfg)* __r.command_handler::<#ty, #command>(#location); });
        }
    }
    let registration = registration(ty, calls, errors);
    hidden(quote! { #impls #registration })
}

/// The handlers of one command.
struct Group<'a> {
    first: &'a Handler,
    message: &'a Message,
    handlers: Vec<&'a CommandHandler>,
}

/// Handlers by command. One that is not always there stands alone, for its command has another one then.
fn groups(handlers: &[CommandHandler]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for each in handlers {
        let Some(message) = &each.handler.message else { continue };
        let same = |group: &&mut Group<'_>| text(&group.message.ty) == text(&message.ty);
        match groups.iter_mut().find(same).filter(|_| each.handler.cfg.is_empty()) {
            Some(group) => group.handlers.push(each),
            None => groups.push(Group { first: &each.handler, message, handlers: vec![each] }),
        }
    }
    groups
}

impl Group<'_> {
    fn of(&self, case: Case) -> impl Iterator<Item = &CommandHandler> {
        self.handlers.iter().copied().filter(move |each| each.case() == case)
    }

    /// Whether the target may, must or must not exist.
    fn creation(&self) -> TokenStream {
        let creates = self.of(Case::Creates).next().is_some();
        let if_missing = self.handlers.iter().any(|each| each.creation == Creation::IfMissing);
        let changes = self.handlers.iter().any(|each| each.creation == Creation::Never);
        match (creates, if_missing || creates && changes) {
            (_, true) => quote!(MayExist),
            (true, false) => quote!(MustNotExist),
            (false, false) => quote!(MustExist),
        }
    }

    /// Finds the handler for the state, and calls it.
    fn body(&self, ty: &Type) -> TokenStream {
        let changes = self.changes(ty);
        match self.of(Case::Creates).next() {
            None => changes,
            Some(creates) => {
                let creates = decide_body(ty, &creates.handler, self.message);
                if self.handlers.len() == 1 {
                    return creates;
                }
                quote! { if __context.version().is_none() { #creates } else { #changes } }
            }
        }
    }

    /// For a target that exists.
    fn changes(&self, ty: &Type) -> TokenStream {
        let remains = self.of(Case::Remains).next();
        let remains = remains.map(|each| decide_body(ty, &each.handler, self.message));
        let variants: Vec<_> =
            self.of(Case::Variant).filter_map(|each| Some((each.handler.place.when.as_ref()?, each))).collect();
        if variants.is_empty() {
            return remains.unwrap_or_default();
        }
        let arms = variants.iter().map(|(when, each)| {
            let (pattern, body) = (when.pattern(ty), decide_body(ty, &each.handler, self.message));
            quote! { #pattern => { #body } }
        });
        let expected = variants.iter().map(|(when, _)| when.text()).collect::<Vec<_>>().join(" | ");
        let remains = remains.unwrap_or_else(|| {
            quote! { ::core::result::Result::Err(__p::Refusal::WrongVariant { expected: #expected }) }
        });
        quote! {
            #[allow(unreachable_patterns)]
            match __state {
                #(#arms)*
                _ => { #remains }
            }
        }
    }
}

fn decides(ty: &Type, group: &Group<'_>, boundaries: &[Boundary], errors: &Errors) -> TokenStream {
    let (cfg, message) = (&group.first.cfg, group.message);
    let command = &message.ty;
    let (reply, error) = (message.associated("Command", "Reply"), message.associated("Command", "Error"));
    let creation = group.creation();
    let requirements = requirements(group.handlers.iter().map(|each| &each.handler));
    let looked_at = group.handlers.iter().map(|each| each.handler.place.looked_at(ty)).collect();
    let body = body_or(errors, group.body(ty), looked_at);
    let boundary = super::boundary::items(ty, boundaries, command);
    let addressed = errors.is_empty().then(|| {
        quote_spanned! {command.span()=>
            #(#cfg)*
            const _: () = __p::addressed::<#ty, #command>();
        }
    });
    quote! {
        #addressed

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

            #boundary
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
    let entity = handler.place.at.as_ref().map(|at| {
        at.shared(&quote!(__state), &quote!(self), |entities, id| {
            quote! { return ::core::result::Result::Err(__p::no_entity(#entities, &#id)) }
        })
    });
    let error = message.associated("Command", "Error");
    let value = match handler.output.is_fallible() {
        true => quote_spanned! {handler.output.error_span()=> __outcome.map_err(__p::IsError::<#error>::rejected)? },
        false => quote!(__outcome),
    };
    let end = match handler.takes(Role::Events) {
        true => reply(&handler.output, message, quote!(__value)),
        false => events(ty, &handler.output, message),
    };
    let deadlines = handler.local_of(Role::Deadlines).map(|local| quote! { __events.wait_for(#local); });
    quote! {
        #bindings
        #before
        #entity
        let __outcome = #call;
        #after
        let __value = #value;
        #deadlines
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

fn serves(ty: &Type, handler: &Handler, message: &Message, sequential: bool, errors: &Errors) -> TokenStream {
    let (cfg, command) = (&handler.cfg, &message.ty);
    let (reply, error) = (message.associated("Command", "Reply"), message.associated("Command", "Error"));
    let (body, requirements) = (body(errors, serve_body(ty, handler, message)), requirements([handler]));
    let sequential = sequential.then(|| {
        quote!(
            const SEQUENTIAL: bool = true;
        )
    });
    quote! {
        #(#cfg)*
        #[automatically_derived]
        impl __p::ServedBy<#ty> for #command {
            #sequential

            fn serve<'a>(
                &'a self,
                __component: ::core::option::Option<&'a #ty>,
                __context: &'a __p::Context<'a>,
                __work: &'a mut __p::UnitOfWork,
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
