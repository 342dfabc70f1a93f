use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, LitStr, Token};

use crate::attributes::{Keys, check_name, parentheses, value};
use crate::errors::Errors;

pub(super) struct Decision {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) boundary: Vec<String>,
}

pub(super) fn decision(input: &DeriveInput, errors: &mut Errors) -> Decision {
    let (mut name, mut tags) = (None, Vec::new());
    let mut keys = Keys::new("decision", &["boundary(course, student)", "name = \"enrolment\""]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            _ => tags = boundary(key.span, parentheses(input)?, errors)?,
        }
        Ok(())
    });
    keys.require("boundary", &input.ident, errors);
    Decision { ident: input.ident.clone(), name, boundary: tags }
}

fn boundary(span: proc_macro2::Span, tokens: TokenStream, errors: &mut Errors) -> syn::Result<Vec<String>> {
    let tags = Punctuated::<Ident, Token![,]>::parse_terminated.parse2(tokens)?;
    if tags.is_empty() {
        errors.at_span(span, "a boundary has at least one tag, as in `boundary(course, student)`");
    }
    let mut names = Vec::new();
    for tag in tags {
        let name = tag.unraw().to_string();
        if names.contains(&name) {
            errors.at(&tag, format_args!("the tag `{name}` is in the boundary already"));
        } else {
            names.push(name);
        }
    }
    Ok(names)
}
