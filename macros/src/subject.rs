//! The type under a derive macro.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Data, DeriveInput};

use crate::errors::Errors;

/// Which types a derive macro accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A message: a struct, since each message has a stored name of its own.
    Struct,
    /// A state: a struct or an enum.
    StructOrEnum,
}

/// Parses, checks and emits. After a fault the impl is still emitted, so that the type is what the user meant it to be
/// and no second wave of errors follows. `what` names it, as in "a command".
pub(crate) fn expand<T>(
    input: &DeriveInput,
    what: &str,
    shape: Shape,
    parse: impl FnOnce(&DeriveInput, &mut Errors) -> T,
    emit: impl FnOnce(&T, &Errors) -> TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let parsed = parse(input, &mut errors);
    let mut code = if check(input, what, shape, &mut errors) { emit(&parsed, &errors) } else { TokenStream::new() };
    code.extend(errors.into_tokens());
    code
}

/// Checks the kind of type. Where it is false nothing can be emitted.
fn check(input: &DeriveInput, what: &str, shape: Shape, errors: &mut Errors) -> bool {
    let kind = match &input.data {
        Data::Struct(_) => true,
        Data::Enum(data) if shape == Shape::Struct => {
            let name = &input.ident;
            let message = format!(
                "{what} has a stored name of its own: expected one struct for each, as in `struct {name} {{ .. }}`"
            );
            errors.at(data.enum_token, message);
            false
        }
        Data::Enum(_) => true,
        Data::Union(data) => {
            errors.at(data.union_token, format_args!("{what} cannot be a union: expected a struct"));
            false
        }
    };
    let plain = input.generics.params.is_empty();
    if !plain {
        let message = format!("{what} cannot be generic: its stored name stands for one type");
        errors.at(&input.generics, message);
    }
    kind && plain
}

/// Wraps generated code so that no name of it is visible outside.
pub(crate) fn hidden(code: TokenStream) -> TokenStream {
    quote::quote! {
        const _: () = {
            use ::annals::__private as __p;
            #code
        };
    }
}

/// Hands `calls` on a registrar `__r` to `inventory`, for the type `owner`; nothing if `errors` has any, since a
/// faulty program registers nothing.
pub(crate) fn registration(owner: &impl quote::ToTokens, calls: TokenStream, errors: &Errors) -> TokenStream {
    if !errors.is_empty() {
        return TokenStream::new();
    }
    quote::quote! {
        __p::inventory::submit! {
            __p::Registration::of::<#owner>(|__r| { #calls })
        }
    }
}

/// The place of `span`, as the start-up messages show it.
pub(crate) fn location(span: proc_macro2::Span) -> TokenStream {
    quote_spanned! {span=> __p::Location { file: ::core::file!(), line: ::core::line!() } }
}

/// `code`, or what stands for it in an impl that only keeps a second wave of errors away.
pub(crate) fn body(errors: &Errors, code: TokenStream) -> TokenStream {
    body_or(errors, code, TokenStream::new())
}

/// As [`body`]; after a fault the compiler still looks at `looked_at`, and reports what is wrong there with the rest.
pub(crate) fn body_or(errors: &Errors, code: TokenStream, looked_at: TokenStream) -> TokenStream {
    if errors.is_empty() { code } else { quote::quote!(#looked_at ::core::unreachable!()) }
}
