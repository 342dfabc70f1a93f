use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, LitStr, Token, Type};

use crate::attributes::{Keys, check_bare, check_name, parentheses, positive, value};
use crate::duration;
use crate::errors::Errors;

pub(super) struct Aggregate {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) snapshot: Option<Snapshot>,
    /// Where it says that the state is a row.
    pub(super) state_stored: Option<Span>,
    pub(super) unique: Vec<Unique>,
}

/// A field with `#[unique]`.
pub(super) struct Unique {
    pub(super) name: Ident,
    pub(super) ty: Type,
}

pub(super) struct Snapshot {
    pub(super) span: Span,
    pub(super) every: Option<u64>,
    /// Microseconds.
    pub(super) after: Option<u64>,
    /// Events.
    pub(super) on: Vec<Type>,
    pub(super) revision: u32,
}

pub(super) fn aggregate(input: &DeriveInput, errors: &mut Errors) -> Aggregate {
    let (mut name, mut policy, mut state_stored) = (None, None, None);
    let mut keys = Keys::new("aggregate", &["name = \"order\"", "snapshot(every = 100)", "state_stored"]);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "state_stored" => state_stored = Some(key.span),
            _ => policy = Some(snapshot(key.span, list(input)?, errors)),
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    if let (Some(span), Some(_)) = (state_stored, &policy) {
        errors.at_span(span, "a state that is stored needs no snapshots: expected either `state_stored` or `snapshot`");
    }
    Aggregate { ident: input.ident.clone(), name, snapshot: policy, state_stored, unique: unique(input, errors) }
}

/// The fields with `#[unique]`.
fn unique(input: &DeriveInput, errors: &mut Errors) -> Vec<Unique> {
    let fields: Vec<_> = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    };
    let is_struct = matches!(input.data, Data::Struct(_));
    let mut found = Vec::new();
    for field in fields {
        for mark in field.attrs.iter().filter(|attribute| attribute.path().is_ident("unique")) {
            check_bare(mark, errors);
            match &field.ident {
                Some(name) if is_struct => found.push(Unique { name: name.clone(), ty: field.ty.clone() }),
                _ => errors.at(mark, "a unique key needs a name: expected a named field of a struct"),
            }
        }
    }
    found
}

/// What stands between parentheses, which may be missing.
fn list(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    if input.is_empty() || input.peek(Token![,]) { Ok(TokenStream::new()) } else { parentheses(input) }
}

fn snapshot(span: Span, tokens: TokenStream, errors: &mut Errors) -> Snapshot {
    let mut snapshot = Snapshot { span, every: None, after: None, on: Vec::new(), revision: 1 };
    let known = &["every = 100", "after = \"200ms\"", "on = OrderCompleted", "revision = 2"];
    Keys::nested("snapshot", known).read_list(tokens, errors, |key, input, errors| {
        match key.word {
            "every" => snapshot.every = positive(&value(input)?, "the number of events between snapshots", errors),
            "after" => snapshot.after = duration::micros(&value(input)?, errors),
            "on" => snapshot.on = events(input)?,
            _ => snapshot.revision = positive(&value(input)?, "a revision", errors).unwrap_or(1),
        }
        Ok(())
    });
    snapshot
}

/// The events after `on`: one as `= OrderCompleted`, several as `(OrderCompleted, OrderCancelled)`.
fn events(input: ParseStream<'_>) -> syn::Result<Vec<Type>> {
    if input.peek(Token![=]) {
        return Ok(vec![value(input)?]);
    }
    let events = Punctuated::<Type, Token![,]>::parse_terminated.parse2(parentheses(input)?)?;
    if events.is_empty() { Err(input.error("no event")) } else { Ok(events.into_iter().collect()) }
}
