//! The fields of a message that carry `#[target]`, `#[routing]` or `#[tag]`.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, Field, Fields, GenericArgument, PathArguments, Type};

use crate::attributes::check_bare;
use crate::errors::Errors;

/// What a field can be marked with; events have no routing key, and there the compiler says so.
const MARKS: [&str; 3] = ["target", "routing", "tag"];

/// The marked fields of a message.
#[derive(Default)]
pub(crate) struct MarkedFields {
    target: Option<Marked>,
    routing: Option<Marked>,
    tags: Vec<Marked>,
}

struct Marked {
    name: Ident,
    ty: Type,
}

impl MarkedFields {
    /// Reads the marks of a command.
    pub(crate) fn of_command(data: &Data, errors: &mut Errors) -> Self {
        Self::read(data, errors, |errors, first, second| {
            if let Some(first) = first {
                errors.at(second, format_args!("a command has one target, and `{first}` is marked already"));
            }
        })
    }

    /// Reads the marks of an event.
    pub(crate) fn of_event(data: &Data, errors: &mut Errors) -> Self {
        let mut read = Self::read(data, errors, |errors, _, mark| {
            errors.at(mark, "an event has no target: expected `#[tag]`, which makes it findable by this field");
        });
        read.target = None;
        read
    }

    fn read(data: &Data, errors: &mut Errors, target: impl Fn(&mut Errors, Option<&Ident>, &Attribute)) -> Self {
        let mut found = Self::default();
        let Data::Struct(data) = data else { return found };
        if let Fields::Unnamed(fields) = &data.fields {
            for mark in fields.unnamed.iter().flat_map(marks) {
                let name = mark.path().to_token_stream();
                let message = format!(
                    "a marked field needs a name: expected named fields, as in `{{ #[{name}] order: OrderId }}`"
                );
                errors.at(mark, message);
            }
            return found;
        }
        for field in &data.fields {
            let Some(name) = &field.ident else { continue };
            let mut tagged = false;
            for mark in marks(field) {
                check_bare(mark, errors);
                let marked = Marked { name: name.clone(), ty: field.ty.clone() };
                if mark.path().is_ident("target") {
                    target(errors, found.target.as_ref().map(|first| &first.name), mark);
                    found.target.get_or_insert(marked);
                } else if mark.path().is_ident("routing") {
                    if let Some(first) = &found.routing {
                        let first = &first.name;
                        errors.at(mark, format_args!("a command has one routing key, and `{first}` is marked already"));
                    }
                    found.routing.get_or_insert(marked);
                } else if tagged {
                    errors.at(mark, format_args!("`{name}` is tagged already"));
                } else {
                    tagged = true;
                    found.tags.push(marked);
                }
            }
        }
        found
    }

    /// `TARGET` and `fn target` of a command; nothing without a target.
    pub(crate) fn target(&self) -> TokenStream {
        let Some(Marked { name, ty }) = &self.target else { return TokenStream::new() };
        let text = quote_spanned! {ty.span()=> <#ty as ::std::string::ToString>::to_string(&self.#name) };
        let field = name.unraw().to_string();
        quote! {
            const TARGET: ::core::option::Option<&'static str> = ::core::option::Option::Some(#field);

            fn target(&self) -> ::core::option::Option<::std::string::String> {
                ::core::option::Option::Some(#text)
            }
        }
    }

    /// `ROUTING` and `fn routing_key` of a command; nothing without a mark of its own.
    pub(crate) fn routing(&self) -> TokenStream {
        let Some(Marked { name, ty }) = &self.routing else { return TokenStream::new() };
        let text = quote_spanned! {ty.span()=> <#ty as ::std::string::ToString>::to_string(&self.#name) };
        let field = name.unraw().to_string();
        quote! {
            const ROUTING: ::core::option::Option<&'static str> = ::core::option::Option::Some(#field);

            fn routing_key(&self) -> ::core::option::Option<::std::string::String> {
                ::core::option::Option::Some(#text)
            }
        }
    }

    /// `TAG_KEYS` and `fn tags`; nothing without tags.
    pub(crate) fn tags(&self) -> TokenStream {
        if self.tags.is_empty() {
            return TokenStream::new();
        }
        let keys = self.tags.iter().map(|tag| tag.name.unraw().to_string());
        let tags = self.tags.iter().map(Marked::tag);
        quote! {
            const TAG_KEYS: &'static [&'static str] = &[#(#keys),*];

            fn tags(&self) -> ::std::vec::Vec<__p::Tag> {
                let mut __tags = ::std::vec::Vec::new();
                #(#tags)*
                __tags
            }
        }
    }
}

impl Marked {
    fn tag(&self) -> TokenStream {
        let Self { name, ty } = self;
        let key = name.unraw().to_string();
        match many(ty) {
            None => {
                let value = quote_spanned! {ty.span()=> __p::Tag::new(#key, &self.#name) };
                quote! { __tags.push(#value); }
            }
            Some(inner) => {
                let value = quote_spanned! {inner.span()=> __p::Tag::new(#key, __value) };
                quote! { for __value in ::core::iter::IntoIterator::into_iter(&self.#name) { __tags.push(#value); } }
            }
        }
    }
}

fn marks(field: &Field) -> impl Iterator<Item = &Attribute> {
    let is_mark = |attribute: &&Attribute| MARKS.iter().any(|mark| attribute.path().is_ident(mark));
    field.attrs.iter().filter(is_mark)
}

/// What an `Option` or a `Vec` holds.
pub(crate) fn many(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if last.ident == "Option" || last.ident == "Vec" => Some(inner),
        _ => None,
    }
}
