//! `#[derive(Aggregate)]`

mod emit;
mod fingerprint;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "an aggregate", Shape::StructOrEnum, parse::aggregate, |aggregate, errors| {
        emit::aggregate(aggregate, input, errors)
    })
}
