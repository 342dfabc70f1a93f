//! What serde makes of a type, as far as its own definition tells.

mod case;
mod serde_words;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Type};

use crate::block::text;
use case::Case;
use serde_words::SerdeWords;

/// The impl of `Described`; nothing for a type that is generic, which is refused elsewhere.
pub(crate) fn described(input: &DeriveInput) -> TokenStream {
    let ident = &input.ident;
    let name = ident.unraw().to_string();
    let words = SerdeWords::of(&input.attrs);
    let (shape, types) = match &input.data {
        Data::Struct(data) => (fields(&data.fields, words.fields_case(), words.default), nested(data.fields.iter())),
        Data::Enum(data) => {
            let variants = data.variants.iter().filter_map(|variant| {
                let own = SerdeWords::of(&variant.attrs);
                if own.skip {
                    return None;
                }
                let name = variant_name(&words, &own, variant);
                let case = if own.case == Case::AsWritten { words.variants_fields_case } else { own.case };
                let shape = fields(&variant.fields, case, false);
                Some(quote!(__p::Variant::new(#name, #shape)))
            });
            let shape = quote!(__p::Shape::Variants(::std::vec![#(#variants),*]));
            (shape, nested(data.variants.iter().flat_map(|variant| &variant.fields)))
        }
        Data::Union(_) => return TokenStream::new(),
    };
    let format = words.format();
    quote! {
        #[automatically_derived]
        impl __p::Described for #ident {
            fn type_name() -> &'static str {
                #name
            }

            fn shape() -> __p::Shape {
                #shape.in_format(#format)
            }

            fn describe_nested(__types: &mut __p::Types) {
                use __p::via::*;
                #( (&__p::Inside::<#types>::new()).describe(__types); )*
            }
        }
    }
}

/// The names under which serde stores the variants of an enum, in order.
pub(crate) fn variant_names(input: &DeriveInput) -> Vec<String> {
    let words = SerdeWords::of(&input.attrs);
    let Data::Enum(data) = &input.data else { return Vec::new() };
    data.variants.iter().map(|variant| variant_name(&words, &SerdeWords::of(&variant.attrs), variant)).collect()
}

fn variant_name(words: &SerdeWords, own: &SerdeWords, variant: &syn::Variant) -> String {
    own.rename.clone().unwrap_or_else(|| words.case.variant(&variant.ident.unraw().to_string()))
}

fn fields(fields: &Fields, case: Case, defaulted: bool) -> TokenStream {
    match fields {
        Fields::Unit => quote!(__p::Shape::Unit),
        Fields::Unnamed(unnamed) => {
            let types = unnamed.unnamed.iter().map(|field| text(&field.ty));
            quote!(__p::Shape::tuple(&[#(#types),*]))
        }
        Fields::Named(named) => {
            let fields = named.named.iter().filter_map(|field| named_field(field, case, defaulted));
            quote!(__p::Shape::Fields(::std::vec![#(#fields),*]))
        }
    }
}

fn named_field(field: &Field, case: Case, defaulted: bool) -> Option<TokenStream> {
    let words = SerdeWords::of(&field.attrs);
    if words.skip {
        return None;
    }
    let written = field.ident.as_ref()?.unraw().to_string();
    let name = words.rename.clone().unwrap_or_else(|| case.field(&written));
    let ty = text(&field.ty);
    let presence = if words.default || defaulted {
        quote!(Defaulted)
    } else if crate::block::last_name(&field.ty).is_some_and(|name| name == "Option") && words.with.is_none() {
        quote!(Optional)
    } else {
        quote!(Required)
    };
    let format = words.format();
    Some(quote!(__p::Field::new(#name, #ty, __p::Presence::#presence).in_format(#format)))
}

/// Every type that a field's type names, that of the field included.
fn nested<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<Type> {
    #[derive(Default)]
    struct Named(Vec<Type>);

    impl<'ast> Visit<'ast> for Named {
        fn visit_type(&mut self, ty: &'ast Type) {
            if matches!(ty, Type::Path(_)) && !self.0.contains(ty) {
                self.0.push(ty.clone());
            }
            visit::visit_type(self, ty);
        }
    }

    let mut named = Named::default();
    fields.filter(|field| !SerdeWords::of(&field.attrs).skip).for_each(|field| named.visit_type(&field.ty));
    named.0
}

/// `#[derive(Described)]`
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    crate::subject::expand(
        input,
        "what is described",
        crate::subject::Shape::StructOrEnum,
        |_, _| (),
        |(), _| crate::subject::hidden(described(input)),
    )
}

fn serde(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde"))
}
