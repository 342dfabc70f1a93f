use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitStr, Type};

use super::parse::Applier;
use crate::block::{Block, moved, text};
use crate::errors::Errors;
use crate::handler::{Handler, Message, Output};
use crate::subject::{body, body_or, hidden, location, registration};

pub(super) fn all(block: &Block, appliers: &[Applier], ignored: &[LitStr], errors: &Errors) -> TokenStream {
    let ty = &block.ty;
    let groups = groups(appliers);
    let impls: TokenStream = groups.iter().map(|group| group.applied(ty, errors)).collect();
    let names = groups.iter().map(|group| {
        let (cfg, name) = (&group.first.cfg, group.event.stored_name());
        quote! { #(#cfg)* #name }
    });
    let may_misfit = appliers.iter().any(|applier| !applier.handler.place.is_everywhere());
    let may_misfit = may_misfit.then(|| quote! { const MAY_MISFIT: bool = true; });
    let evolve = body(errors, evolve(ty, &groups, ignored));
    let location = location(block.span());
    let registration = registration(ty, quote!(__r.event_sourcing::<#ty>(#location);), errors);
    let endings = endings(ty, appliers);
    hidden(quote! {
        #impls
        #endings
        #[automatically_derived]
        impl __p::EventSourced for #ty {
            const EVENTS: &'static [&'static str] = &[#(#names),*];
            #may_misfit

            fn evolve(
                &mut self,
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<__p::Lifecycle, __p::EvolveError> {
                #evolve
            }
        }
        #registration
    })
}

/// Demands that the state is one that may end, under the words that end it. An entity may end in any state.
fn endings(ty: &Type, appliers: &[Applier]) -> TokenStream {
    let ends = appliers.iter().filter_map(|applier| {
        let cfg = &applier.handler.cfg;
        let span = match (applier.ends, &applier.handler.output) {
            _ if applier.handler.place.at.is_some() => return None,
            (Some(span), _) => span,
            (None, Output::Bare(lifecycle)) if applier.then.is_none() => lifecycle.span(),
            (None, _) => return None,
        };
        let ty = moved(ty, span);
        Some(quote_spanned! {span=> #(#cfg)* const _: fn() = __p::ends::<#ty>; })
    });
    ends.collect()
}

/// The appliers of one event.
struct Group<'a> {
    first: &'a Handler,
    event: &'a Message,
    appliers: Vec<&'a Applier>,
}

/// Appliers by event. One that is not always there stands alone.
fn groups(appliers: &[Applier]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for applier in appliers {
        let Some(event) = &applier.handler.message else { continue };
        let same = |group: &&mut Group<'_>| text(&group.event.ty) == text(&event.ty);
        match groups.iter_mut().find(same).filter(|_| applier.handler.cfg.is_empty()) {
            Some(group) => group.appliers.push(applier),
            None => groups.push(Group { first: &applier.handler, event, appliers: vec![applier] }),
        }
    }
    groups
}

impl Group<'_> {
    fn applied(&self, ty: &Type, errors: &Errors) -> TokenStream {
        let (cfg, event) = (&self.first.cfg, &self.event.ty);
        let looked_at = self.looked_at(ty);
        let body = body_or(errors, self.body(ty), looked_at);
        quote! {
            #(#cfg)*
            #[automatically_derived]
            impl __p::AppliedTo<#ty> for #event {
                fn apply_to(&self, __state: &mut #ty) -> __p::Applied {
                    #body
                }
            }
        }
    }

    /// What the compiler is to look at in spite of faults.
    fn looked_at(&self, ty: &Type) -> TokenStream {
        let each = self.appliers.iter().map(|applier| {
            let place = applier.handler.place.looked_at(ty);
            let then = applier.then.iter().map(|then| {
                let ty = moved(ty, then.span());
                quote! { let _ = #ty::#then; }
            });
            quote! { #place #(#then)* }
        });
        each.collect()
    }

    /// Finds the method for the state, and calls it.
    fn body(&self, ty: &Type) -> TokenStream {
        let remains = self.appliers.iter().find(|applier| applier.handler.place.when.is_none());
        let remains = remains.map(|applier| self.call(ty, applier));
        let variants: Vec<_> =
            self.appliers.iter().filter_map(|applier| Some((applier.handler.place.when.as_ref()?, applier))).collect();
        if variants.is_empty() {
            return remains.unwrap_or_default();
        }
        let arms = variants.iter().map(|(when, applier)| {
            let (pattern, call) = (when.pattern(ty), self.call(ty, applier));
            quote! { #pattern => { #call } }
        });
        let place = format!("when {}", variants.iter().map(|(when, _)| when.text()).collect::<Vec<_>>().join(" | "));
        let remains = remains.unwrap_or_else(|| self.misfit(&place));
        quote! {
            #[allow(unreachable_patterns)]
            match __state {
                #(#arms)*
                _ => { #remains }
            }
        }
    }

    fn call(&self, ty: &Type, applier: &Applier) -> TokenStream {
        let handler = &applier.handler;
        let place = &handler.place;
        let receiver = place.is_everywhere().then(|| quote!(__state));
        let call = handler.call(ty, receiver, Some(quote!(self)));
        if let Some(at) = &place.at {
            let missing = self.misfit(&format!("at {}", at.text()));
            let entity = at.mutable(&quote!(&mut *__state), &quote!(self), &quote!(return #missing));
            let lifecycle = lifecycle(applier, call);
            let end = at.can_end().then(|| at.end(&quote!(self)));
            let keeps = at.can_end().then(|| quote! { if __lifecycle == __p::Lifecycle::End { #end } });
            return quote! {
                #entity
                let __lifecycle: __p::Lifecycle = #lifecycle;
                #keeps
                ::core::result::Result::Ok(__p::Lifecycle::Keep)
            };
        }
        let Some(then) = &applier.then else {
            let lifecycle = lifecycle(applier, call);
            return quote! { ::core::result::Result::Ok(#lifecycle) };
        };
        let next = match &handler.output {
            Output::Nothing => quote! { #call; *__state = #ty::#then; },
            output => quote_spanned! {output.value_span()=> let __next = #call; *__state = #ty::#then(__next); },
        };
        let after = match applier.ends {
            Some(_) => quote!(End),
            None => quote!(Keep),
        };
        quote! { #next ::core::result::Result::Ok(__p::Lifecycle::#after) }
    }

    fn misfit(&self, place: &str) -> TokenStream {
        let name = self.event.stored_name();
        quote! { ::core::result::Result::Err(__p::Misfit { event: #name, place: #place }) }
    }
}

/// Whether what the method is applied to goes on.
fn lifecycle(applier: &Applier, call: TokenStream) -> TokenStream {
    match (applier.ends, &applier.handler.output) {
        (Some(_), _) => quote! { { #call; __p::Lifecycle::End } },
        (None, Output::Nothing) => quote! { { #call; __p::Lifecycle::Keep } },
        (None, output) => quote_spanned! {output.value_span()=> __p::IntoLifecycle::into_lifecycle(#call) },
    }
}

fn evolve(ty: &Type, groups: &[Group<'_>], ignored: &[LitStr]) -> TokenStream {
    let arms = groups.iter().map(|group| {
        let (cfg, decoded, name) = (&group.first.cfg, group.event.decode(), group.event.stored_name());
        quote! {
            #(#cfg)*
            #name => {
                let __event = #decoded?;
                ::core::result::Result::Ok(__p::AppliedTo::<#ty>::apply_to(&__event, self)?)
            }
        }
    });
    let keep = quote!(::core::result::Result::Ok(__p::Lifecycle::Keep));
    let ignored = (!ignored.is_empty()).then(|| quote! { #(#ignored)|* => #keep, });
    quote! {
        match __event.name() {
            #(#arms)*
            #ignored
            _ => ::core::result::Result::Err(__p::EvolveError::unknown::<Self>(&__event)),
        }
    }
}
