//! `#[derive(Entity)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "an entity", Shape::Struct, parse::entity, emit::entity)
}
