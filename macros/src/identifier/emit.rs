use proc_macro2::TokenStream;
use quote::quote;
use syn::Type;

use super::parse::Identifier;

pub(super) fn identifier(identifier: &Identifier) -> TokenStream {
    let Identifier { ident, inner } = identifier;
    let from_str = is_string(inner).then(|| {
        quote! {
            #[automatically_derived]
            impl ::core::convert::From<&str> for #ident {
                fn from(text: &str) -> Self {
                    Self(::core::convert::From::from(text))
                }
            }
        }
    });
    quote! {
        const _: () = {
            #[automatically_derived]
            impl ::core::fmt::Display for #ident {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    <#inner as ::core::fmt::Display>::fmt(&self.0, f)
                }
            }
            #[automatically_derived]
            impl ::core::str::FromStr for #ident {
                type Err = <#inner as ::core::str::FromStr>::Err;

                fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                    ::core::result::Result::map(<#inner as ::core::str::FromStr>::from_str(text), Self)
                }
            }
            #[automatically_derived]
            impl ::core::convert::From<#inner> for #ident {
                fn from(inner: #inner) -> Self {
                    Self(inner)
                }
            }
            #from_str
            #[automatically_derived]
            impl ::annals::__private::Wraps for #ident {
                type Inner = #inner;

                fn inner(&self) -> &#inner {
                    &self.0
                }
            }
        };
    }
}

fn is_string(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"))
}
