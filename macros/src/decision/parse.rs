use proc_macro2::{Ident, Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{DeriveInput, LitStr, Token};

use crate::attributes::{Keys, check_name, parentheses, value};
use crate::errors::Errors;

pub(super) struct Decision {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    /// Groups of tags: an event carries all of one.
    pub(super) boundary: Vec<Vec<String>>,
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
    if !keys.has("name") {
        keys.require("boundary", &input.ident, errors);
    }
    Decision { ident: input.ident.clone(), name, boundary: tags }
}

fn boundary(span: Span, tokens: TokenStream, errors: &mut Errors) -> syn::Result<Vec<Vec<String>>> {
    let groups = Punctuated::<Group, Token![,]>::parse_terminated.parse2(tokens)?;
    if groups.is_empty() {
        errors.at_span(span, "a boundary has at least one tag, as in `boundary(course, student)`");
    }
    let mut names: Vec<Vec<String>> = Vec::new();
    for Group(tags) in groups {
        let mut group: Vec<String> = tags.iter().map(|tag| tag.unraw().to_string()).collect();
        group.dedup();
        if group.len() < tags.len() || names.contains(&group) {
            errors.at(&tags, format_args!("the tag `{}` is in the boundary already", group.join(" & ")));
        } else {
            names.push(group);
        }
    }
    Ok(names)
}

/// Tags joined by `&`.
struct Group(Punctuated<Ident, Token![&]>);

impl Parse for Group {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self(Punctuated::parse_separated_nonempty(input)?))
    }
}
