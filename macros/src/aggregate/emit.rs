use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::DeriveInput;

use super::fingerprint;
use super::parse::{Aggregate, Snapshot};
use crate::errors::Errors;
use crate::subject::{hidden, location, registration};

pub(super) fn aggregate(aggregate: &Aggregate, input: &DeriveInput, errors: &Errors) -> TokenStream {
    let Aggregate { ident, name, snapshot } = aggregate;
    let name = name.as_ref().map_or_else(|| quote!(""), |name| quote!(#name));
    let snapshots = snapshot.as_ref().map(|snapshot| snapshots(snapshot, input));
    let location = location(ident.span());
    let registration = registration(ident, quote!(__r.aggregate::<#ident>(#location);), errors);
    hidden(quote! {
        #[automatically_derived]
        impl __p::Aggregate for #ident {
            const NAME: &'static str = #name;
            #snapshots
        }
        #[automatically_derived]
        impl __p::CommandTarget for #ident {
            type Consistency = __p::StreamConsistency;
        }
        #registration
    })
}

fn snapshots(snapshot: &Snapshot, input: &DeriveInput) -> TokenStream {
    let Snapshot { span, every, schema } = snapshot;
    let schema = format!("{schema}-{:016x}", fingerprint::of(input));
    let policy = quote_spanned! {*span=> __p::snapshots::<Self>(#every, #schema) };
    quote! {
        fn snapshots() -> ::core::option::Option<__p::SnapshotPolicy<Self>> {
            ::core::option::Option::Some(#policy)
        }
    }
}
