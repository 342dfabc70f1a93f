//! `#[derive(Decision)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "a decision", Shape::StructOrEnum, parse::decision, emit::decision)
}
