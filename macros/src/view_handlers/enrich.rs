//! `#[enrich]` methods: reference data, looked up once for the events of a page.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Type};

use crate::attributes::check_bare;
use crate::block::{Block, Method, text};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, Output, ReceiverRule, Rules};
use crate::subject::body;

/// A method with `#[enrich]`.
pub(super) struct Lookup {
    pub(super) handler: Handler,
    /// The types of events that it takes slices of.
    events: Vec<Type>,
}

const LOOKUPS: Rules = Rules {
    what: "an `#[enrich]` method",
    receiver: ReceiverRule::None,
    message: None,
    asynchronous: AsyncRule::Either,
    mutable: None,
    others: true,
};

pub(super) fn lookups(block: &Block, errors: &mut Errors) -> Vec<Lookup> {
    let methods = block.methods.iter().filter(|method| method.marker == "enrich");
    methods.map(|method| lookup(method, errors)).collect()
}

fn lookup(method: &Method, errors: &mut Errors) -> Lookup {
    check_bare(&method.attribute, errors);
    let mut sig = method.sig.clone();
    let mut events = Vec::new();
    sig.inputs = std::mem::take(&mut sig.inputs)
        .into_iter()
        .filter(|input| match slice_of(input) {
            Some(event) => {
                events.push(event.clone());
                false
            }
            None => true,
        })
        .collect();
    if events.is_empty() {
        errors.at(
            &method.sig.ident,
            "expected a slice of the events of a page as the first parameter, as in `placed: &[OrderPlaced]`",
        );
    }
    let typed = || method.sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_)));
    let first_other = typed().position(|input| slice_of(input).is_none());
    let last_slice = typed().enumerate().filter(|(_, input)| slice_of(input).is_some()).last().map(|(place, _)| place);
    if let (Some(other), Some(slice)) = (first_other, last_slice)
        && other < slice
    {
        errors.at(&method.sig.inputs, "the slices of events come before the other parameters");
    }
    let rest = Method { marker: method.marker, attribute: method.attribute.clone(), cfg: method.cfg.clone(), sig };
    let handler = Handler::read(&rest, &LOOKUPS, errors);
    if matches!(handler.output, Output::Nothing) {
        errors.at(&method.sig.ident, "expected a result: what is looked up, as in `-> Result<Prices, HandlerError>`");
    }
    Lookup { handler, events }
}

/// The type in `&[T]`.
fn slice_of(input: &FnArg) -> Option<&Type> {
    let FnArg::Typed(typed) = input else { return None };
    let Type::Reference(reference) = &*typed.ty else { return None };
    match &*reference.elem {
        Type::Slice(slice) if reference.mutability.is_none() => Some(&slice.elem),
        _ => None,
    }
}

/// `ENRICHES`, `fn enrich` and `fn enriched`; nothing without methods.
pub(super) fn items(ty: &Type, lookups: &[Lookup], errors: &Errors) -> TokenStream {
    if lookups.is_empty() {
        return TokenStream::new();
    }
    // Each type is decoded once, whatever the number of methods that take it.
    let mut types: Vec<&Type> = Vec::new();
    for event in lookups.iter().flat_map(|lookup| &lookup.events) {
        if !types.iter().any(|other| text(other) == text(event)) {
            types.push(event);
        }
    }
    let list = |event: &Type| {
        let number = types.iter().position(|other| text(other) == text(event)).unwrap_or_default();
        format_ident!("__list_{number}")
    };
    let lists = types.iter().map(|event| {
        let list = list(event);
        quote!(let mut #list: ::std::vec::Vec<#event> = ::std::vec::Vec::new();)
    });
    let arms = types.iter().map(|event| {
        let list = list(event);
        let name = quote_spanned! {event.span()=> <#event as __p::Event>::NAME };
        quote! {
            #name => ::core::iter::Extend::extend(&mut #list, __event.into_event::<#event>()),
        }
    });
    let calls = lookups.iter().map(|lookup| {
        let Lookup { handler, events } = lookup;
        let (cfg, bindings) = (&handler.cfg, handler.bindings());
        let lists: Vec<_> = events.iter().map(list).collect();
        let call = handler.call(ty, None, Some(quote!(#(&#lists),*)));
        let found = if handler.output.is_fallible() {
            quote_spanned! {handler.output.error_span()=>
                ::core::result::Result::map_err(#call, __p::IntoHandlerError::into_handler_error)?
            }
        } else {
            call
        };
        quote! {
            #(#cfg)*
            if #(!#lists.is_empty())||* {
                #bindings
                __found.insert(#found);
            }
        }
    });
    let found = lookups.iter().filter_map(|lookup| {
        let cfg = &lookup.handler.cfg;
        let ty = match &lookup.handler.output {
            Output::Fallible { ok: Some(ty), .. } | Output::Bare(ty) => ty,
            _ => return None,
        };
        Some(quote!(#(#cfg)* ::core::any::TypeId::of::<#ty>(),))
    });
    let enrich = body(
        errors,
        quote! {
            ::std::boxed::Box::pin(async move {
                #(#lists)*
                for __event in __events {
                    match __event.name() {
                        #(#arms)*
                        _ => {}
                    }
                }
                let mut __found = <__p::Enrichment as ::core::default::Default>::default();
                #(#calls)*
                ::core::result::Result::Ok(__found)
            })
        },
    );
    quote! {
        const ENRICHES: bool = true;

        fn enrich<'__a>(
            __events: ::std::vec::Vec<__p::Decode<'__a>>,
            __context: &'__a __p::Context<'__a>,
        ) -> __p::BoxFuture<'__a, ::core::result::Result<__p::Enrichment, __p::HandlerError>> {
            #enrich
        }

        fn enriched() -> ::std::vec::Vec<::core::any::TypeId> {
            ::std::vec![#(#found)*]
        }
    }
}
