//! What serde attributes say about the stored form.

use quote::ToTokens;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Expr, ExprLit, Lit, Token};

use super::case::Case;

/// The words of serde attributes that change what is stored. What is faulty in them serde reports itself.
#[derive(Default)]
pub(super) struct SerdeWords {
    pub(super) rename: Option<String>,
    pub(super) case: Case,
    pub(super) variants_fields_case: Case,
    pub(super) default: bool,
    pub(super) skip: bool,
    pub(super) with: Option<String>,
    /// Others, as they are written.
    others: Vec<String>,
}

impl SerdeWords {
    pub(super) fn of(attributes: &[Attribute]) -> Self {
        let mut words = Self::default();
        for attribute in super::serde(attributes) {
            // A fault is serde's to report.
            let _ = attribute.parse_nested_meta(|meta| words.take(&meta));
        }
        words
    }

    /// The case of the fields of a struct.
    pub(super) fn fields_case(&self) -> Case {
        self.case
    }

    /// How the stored form differs from the plain one; empty where it does not.
    pub(super) fn format(&self) -> String {
        self.with.iter().chain(&self.others).cloned().collect::<Vec<_>>().join(", ")
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let word = meta.path.to_token_stream().to_string();
        if meta.input.peek(syn::token::Paren) {
            // `rename(serialize = "..", deserialize = "..")`: what is written counts.
            return meta.parse_nested_meta(|inner| {
                let value = text(&inner)?;
                if inner.path.is_ident("serialize") { self.set(&word, value) } else { Ok(()) }
            });
        }
        let value = text(meta)?;
        self.set(&word, value)
    }

    fn set(&mut self, word: &str, value: Option<String>) -> syn::Result<()> {
        match (word, value) {
            ("rename", value) => self.rename = value,
            ("rename_all", Some(value)) => self.case = Case::parse(&value),
            ("rename_all_fields", Some(value)) => self.variants_fields_case = Case::parse(&value),
            ("default", _) => self.default = true,
            ("skip", _) => self.skip = true,
            ("with" | "serialize_with" | "deserialize_with", Some(value)) => {
                self.with = Some(format!("{word} = {value}"));
            }
            ("tag" | "content" | "from" | "into" | "try_from" | "remote", Some(value)) => {
                self.others.push(format!("{word} = {value}"));
            }
            ("flatten" | "untagged" | "transparent", _) => self.others.push(word.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// The text after `=`.
fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<Option<String>> {
    if !meta.input.peek(Token![=]) {
        return Ok(None);
    }
    Ok(match meta.value()?.parse::<Expr>()? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
        other => Some(other.to_token_stream().to_string()),
    })
}
