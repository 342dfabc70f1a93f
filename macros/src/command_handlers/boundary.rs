//! `#[boundary]` and `#[condition]`: the consistency boundary of a command, by hand.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{FnArg, Type};

use super::parse::CommandHandler;
use crate::attributes::check_bare;
use crate::block::{Block, Method, text};
use crate::errors::Errors;

/// A method that says something about the boundary of a command.
pub(super) struct Boundary {
    kind: Kind,
    name: Ident,
    command: Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `#[boundary] fn reach(command: &Enrol) -> Criteria`
    Boundary,
    /// `#[condition] fn matters(command: &Enrol, read: Criteria) -> Criteria`
    Condition,
}

pub(super) fn all(block: &Block, handlers: &[CommandHandler], errors: &mut Errors) -> Vec<Boundary> {
    let mut found: Vec<Boundary> = Vec::new();
    for method in block.methods.iter().filter(|method| method.marker != "handle") {
        check_bare(&method.attribute, errors);
        let Some(boundary) = read(method, errors) else { continue };
        let command = text(&boundary.command);
        if found.iter().any(|other| other.kind == boundary.kind && text(&other.command) == command) {
            errors.at(&boundary.command, format_args!("the {} of `{command}` is given already", method.marker));
        } else if !handlers.iter().any(|handler| handler.command().as_deref() == Some(&command)) {
            errors.at(&boundary.command, format_args!("no handler of this block takes the command `{command}`"));
        }
        found.push(boundary);
    }
    found
}

fn read(method: &Method, errors: &mut Errors) -> Option<Boundary> {
    let (kind, example) = match method.marker {
        "boundary" => (Kind::Boundary, "fn reach(command: &Enrol) -> Criteria"),
        _ => (Kind::Condition, "fn matters(command: &Enrol, read: Criteria) -> Criteria"),
    };
    let command = match method.sig.inputs.first() {
        Some(FnArg::Typed(argument)) => match &*argument.ty {
            Type::Reference(reference) if reference.mutability.is_none() => Some((*reference.elem).clone()),
            _ => None,
        },
        _ => None,
    };
    let parameters = if kind == Kind::Boundary { 1 } else { 2 };
    let fits = method.sig.inputs.len() == parameters && method.sig.asyncness.is_none();
    match command.filter(|_| fits) {
        Some(command) => Some(Boundary { kind, name: method.sig.ident.clone(), command }),
        None => {
            errors.at(&method.sig.inputs, format_args!("expected `{example}`"));
            None
        }
    }
}

/// What `boundaries` say about `command`, as items of its impl.
pub(super) fn items(ty: &Type, boundaries: &[Boundary], command: &Type) -> TokenStream {
    let of_command = boundaries.iter().filter(|boundary| text(&boundary.command) == text(command));
    of_command
        .map(|Boundary { kind, name, command }| match kind {
            Kind::Boundary => {
                let call = quote_spanned! {command.span()=> <#ty>::#name(self) };
                quote! {
                    const BOUNDED: bool = true;

                    fn boundary(&self) -> ::core::option::Option<__p::Criteria> {
                        ::core::option::Option::Some(#call)
                    }
                }
            }
            Kind::Condition => {
                let call = quote_spanned! {command.span()=> <#ty>::#name(self, __read) };
                quote! {
                    fn condition(&self, __read: __p::Criteria) -> __p::Criteria {
                        #call
                    }
                }
            }
        })
        .collect()
}
