//! `#[derive(Command)]`

mod emit;
mod parse;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::subject::{self, Shape};

pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    subject::expand(input, "a command", Shape::Struct, parse::command, |parsed, errors| {
        emit::command(parsed, input, errors)
    })
}
