//! Reads the lists inside attributes, such as `#[command(name = "order.place", error = OrderError)]`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, LitInt, LitStr, Meta, Token};

use crate::errors::Errors;

/// Longest stored name, in bytes: the default of the store's limit for names.
const NAME_BYTES: usize = 512;

/// One key of a list.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) word: &'static str,
    pub(crate) span: Span,
}

/// The list of one attribute, and what was read of it.
pub(crate) struct Keys {
    attribute: &'static str,
    /// Each known key by an example of it; the key is the example's first word.
    known: &'static [&'static str],
    /// Whether the list lies inside another attribute.
    nested: bool,
    seen: Vec<&'static str>,
    /// The attributes that were read, to underline when something is missing in them.
    written: TokenStream,
}

impl Keys {
    pub(crate) fn new(attribute: &'static str, known: &'static [&'static str]) -> Self {
        Self { attribute, known, nested: false, seen: Vec::new(), written: TokenStream::new() }
    }

    /// The list of a key that lies inside an attribute.
    pub(crate) fn nested(key: &'static str, known: &'static [&'static str]) -> Self {
        Self { nested: true, ..Self::new(key, known) }
    }

    /// Reads all attributes of this name among `attributes`. `take` parses what follows a key; where it fails, the
    /// user reads the example of the key.
    pub(crate) fn read_all(
        &mut self,
        attributes: &[Attribute],
        errors: &mut Errors,
        mut take: impl FnMut(Key, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
    ) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(self.attribute)) {
            self.read(attribute, errors, &mut take);
        }
    }

    /// Reads one attribute.
    pub(crate) fn read(
        &mut self,
        attribute: &Attribute,
        errors: &mut Errors,
        take: impl FnMut(Key, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
    ) {
        self.written.extend(attribute.to_token_stream());
        match &attribute.meta {
            Meta::Path(_) => {}
            Meta::List(list) => self.read_list(list.tokens.clone(), errors, take),
            Meta::NameValue(_) => errors.at(attribute, self.expectation()),
        }
    }

    /// Reads what stands between the parentheses of an attribute.
    pub(crate) fn read_list(
        &mut self,
        tokens: TokenStream,
        errors: &mut Errors,
        mut take: impl FnMut(Key, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
    ) {
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = self.read_entry(input, errors, &mut take) {
                    errors.push(error);
                    skip_entry(input)?;
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
    }

    /// Whether `key` was given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.seen.contains(&key)
    }

    /// Records that `key` is missing: at the attribute if there is one, else at `owner`.
    pub(crate) fn require(&self, key: &str, owner: impl ToTokens, errors: &mut Errors) {
        if self.has(key) {
            return;
        }
        let example = self.example(key);
        let message = format!("missing `{key}`, as in `{}`", self.usage(example));
        if self.written.is_empty() { errors.at(owner, message) } else { errors.at(&self.written, message) }
    }

    fn read_entry(
        &mut self,
        input: ParseStream<'_>,
        errors: &mut Errors,
        take: &mut impl FnMut(Key, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
    ) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), self.expectation()))?;
        let Some(known) = self.known.iter().map(|example| first_word(example)).find(|known| key == known) else {
            return Err(syn::Error::new(key.span(), format_args!("unknown key `{key}`: {}", self.expectation())));
        };
        if self.has(known) {
            return Err(syn::Error::new(key.span(), format_args!("`{key}` is given twice")));
        }
        self.seen.push(known);
        let expected = |span| syn::Error::new(span, format_args!("expected `{}`", self.example(known)));
        let at_end = |input: ParseStream<'_>| input.is_empty() || input.peek(Token![,]);
        if let Err(error) = take(Key { word: known, span: key.span() }, input, errors) {
            return Err(expected(if at_end(input) { key.span() } else { error.span() }));
        }
        if at_end(input) { Ok(()) } else { Err(expected(input.span())) }
    }

    fn example(&self, key: &str) -> &'static str {
        self.known.iter().find(|example| first_word(example) == key).copied().unwrap_or_default()
    }

    fn expectation(&self) -> String {
        match self.known {
            [] => format!("`#[{}]` takes no arguments", self.attribute),
            known => format!("`{}` takes {}", self.usage(".."), listed(known)),
        }
    }

    fn usage(&self, list: &str) -> String {
        let attribute = self.attribute;
        if self.nested { format!("{attribute}({list})") } else { format!("#[{attribute}({list})]") }
    }
}

/// The value after `key =`.
pub(crate) fn value<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// The tokens between the parentheses after `key`.
pub(crate) fn parentheses(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let inner;
    syn::parenthesized!(inner in input);
    inner.parse()
}

/// Checks a stored name.
pub(crate) fn check_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.at(name, "a stored name cannot be empty");
    } else if text.len() > NAME_BYTES {
        errors.at(name, format_args!("a stored name has at most {NAME_BYTES} bytes, this one has {}", text.len()));
    } else if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        errors.at(name, "a stored name has no white space, as in \"order.placed\"");
    }
}

/// Checks a number that counts from 1, and gives it.
pub(crate) fn positive<N>(number: &LitInt, what: &str, errors: &mut Errors) -> Option<N>
where
    N: std::str::FromStr<Err: std::fmt::Display> + PartialEq + From<u8>,
{
    match number.base10_parse::<N>() {
        Ok(value) if value == N::from(0) => errors.at(number, format_args!("{what} is at least 1")),
        Ok(value) => return Some(value),
        Err(_) => errors.at(number, format_args!("{what} is a whole number of at most {} bits", size_of::<N>() * 8)),
    }
    None
}

/// Records that a marker such as `#[tag]` carries arguments.
pub(crate) fn check_bare(attribute: &Attribute, errors: &mut Errors) {
    if attribute.meta.require_path_only().is_err() {
        let name = attribute.path().to_token_stream();
        errors.at(attribute, format_args!("`#[{name}]` takes no arguments"));
    }
}

/// `a`, `a or b`, `a, b or c`, each as code.
pub(crate) fn listed(items: &[&str]) -> String {
    let quoted: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

fn first_word(example: &'static str) -> &'static str {
    example.split([' ', '(']).next().unwrap_or(example)
}

fn skip_entry(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
