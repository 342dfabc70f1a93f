//! `retention = "30d"`: how long ended instances stay.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;

use crate::duration;
use crate::errors::Errors;

/// How long ended instances stay.
pub(crate) enum Retention {
    Forever,
    /// Microseconds.
    For(u64),
}

/// Reads `"forever"`, or a duration of at least a second.
pub(crate) fn parse(text: &LitStr, errors: &mut Errors) -> Option<Retention> {
    if text.value() == "forever" {
        return Some(Retention::Forever);
    }
    let micros = duration::micros(text, errors)?;
    if micros < 1_000_000 {
        errors.at(text, "a retention is at least a second, as in \"30d\", or \"forever\"");
    }
    Some(Retention::For(micros))
}

/// The constant of the trait.
impl ToTokens for Retention {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let value = match self {
            Self::Forever => quote!(__p::SagaRetention::Forever),
            Self::For(micros) => quote!(__p::SagaRetention::For(::core::time::Duration::from_micros(#micros))),
        };
        tokens.extend(quote!(
            const RETENTION: ::core::option::Option<__p::SagaRetention> = ::core::option::Option::Some(#value);
        ));
    }
}
