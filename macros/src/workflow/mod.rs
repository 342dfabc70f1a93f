//! `#[derive(Workflow)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "a workflow", Shape::StructOrEnum, parse::workflow, |parsed, errors| {
        emit::workflow(parsed, input, errors)
    })
}
