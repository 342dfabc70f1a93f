use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::DeriveInput;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::fingerprint;
use super::parse::{Aggregate, Snapshot, Unique};
use crate::errors::Errors;
use crate::fields::many;
use crate::shape::described;
use crate::subject::{hidden, location, registration};

pub(super) fn aggregate(aggregate: &Aggregate, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Aggregate { ident, name, snapshot, state_stored, unique } = aggregate;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let snapshots = snapshot.as_ref().map(|snapshot| snapshots(snapshot, input));
    let unique = unique_keys(unique);
    let rows = state_stored.map(|span| stored(ident, span));
    let in_rows = state_stored.map(|span| {
        let stored = quote_spanned! {span=> __p::stored::<Self>() };
        quote! {
            fn stored() -> ::core::option::Option<__p::StoredState<Self>> {
                ::core::option::Option::Some(#stored)
            }
        }
    });
    let consistency = if state_stored.is_some() { quote!(StateConsistency) } else { quote!(StreamConsistency) };
    let location = location(ident.span());
    let described = described(input);
    let calls = quote!(__r.aggregate::<#ident>(#location); __r.described::<#ident>(););
    let registration = registration(ident, calls, errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Aggregate for #ident {
            const NAME: &'static str = #name;
            #snapshots
            #unique
            #in_rows

            fn size(&self) -> usize {
                use __p::via::*;
                (&__p::Size(self)).estimate()
            }
        }
        #[automatically_derived]
        impl __p::CommandTarget for #ident {
            type Consistency = __p::#consistency;
        }
        #rows
        #described
        #registration
    })
}

/// What an aggregate whose state is a row is besides.
fn stored(ident: &Ident, span: Span) -> TokenStream {
    let marker = quote_spanned! {span=> impl __p::StateStored for #ident {} };
    quote! {
        #[automatically_derived]
        #marker
        #[automatically_derived]
        impl __p::EventSourced for #ident {
            const EVENTS: &'static [&'static str] = &[];

            fn evolve(
                &mut self,
                __event: __p::Decode<'_>,
            ) -> ::core::result::Result<__p::Lifecycle, __p::EvolveError> {
                ::core::result::Result::Err(__p::EvolveError::unknown::<Self>(&__event))
            }
        }
    }
}

/// `UNIQUE` and `fn unique_keys`; nothing without unique fields.
fn unique_keys(unique: &[Unique]) -> TokenStream {
    if unique.is_empty() {
        return TokenStream::new();
    }
    let names = unique.iter().map(|key| key.name.unraw().to_string());
    let keys = unique.iter().map(|Unique { name, ty }| {
        let text = name.unraw().to_string();
        let (value, of) = match many(ty) {
            None => (quote!(&self.#name), ty),
            Some(inner) => (quote!(__value), inner),
        };
        let value = quote_spanned! {of.span()=> <#of as ::std::string::ToString>::to_string(#value) };
        let push = quote! { __keys.push(__p::UniqueKey { name: #text, value: #value }); };
        match many(ty) {
            None => push,
            Some(_) => quote! { for __value in ::core::iter::IntoIterator::into_iter(&self.#name) { #push } },
        }
    });
    quote! {
        const UNIQUE: &'static [&'static str] = &[#(#names),*];

        fn unique_keys(&self) -> ::std::vec::Vec<__p::UniqueKey> {
            let mut __keys = ::std::vec::Vec::new();
            #(#keys)*
            __keys
        }
    }
}

fn snapshots(snapshot: &Snapshot, input: &DeriveInput) -> TokenStream {
    let Snapshot { span, every, after, on, revision } = snapshot;
    let schema = format!("{revision}-{:016x}", fingerprint::of(input));
    let every = every.map(|every| quote!(.every(#every)));
    let after = after.map(|micros| quote!(.when_loading_takes(::core::time::Duration::from_micros(#micros))));
    let mut policy = quote!(__p::SnapshotPolicy::on_request() #every #after);
    for event in on {
        policy = quote_spanned! {event.span()=> __p::snapshot_on::<Self, #event>(#policy) };
    }
    let snapshots = quote_spanned! {*span=> __p::snapshots::<Self>(#schema, #policy) };
    quote! {
        fn snapshots() -> ::core::option::Option<__p::Snapshots<Self>> {
            ::core::option::Option::Some(#snapshots)
        }
    }
}
