//! A number that changes with the shape of a type.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, Fields};

/// A number for the names and types of all fields, and the serde attributes on them: what the stored form of a state
/// depends on, as far as its own definition tells. The layout of the source has no influence.
pub(super) fn of(input: &DeriveInput) -> u64 {
    let mut hash = Fnv::new();
    serde_attributes(&input.attrs, &mut hash);
    match &input.data {
        Data::Struct(data) => fields(&data.fields, &mut hash),
        Data::Enum(data) => {
            for variant in &data.variants {
                serde_attributes(&variant.attrs, &mut hash);
                hash.word(&variant.ident.to_string());
                fields(&variant.fields, &mut hash);
            }
        }
        Data::Union(_) => {}
    }
    hash.0
}

fn fields(fields: &Fields, hash: &mut Fnv) {
    for field in fields {
        serde_attributes(&field.attrs, hash);
        hash.word(&field.ident.as_ref().map(ToString::to_string).unwrap_or_default());
        words(field.ty.to_token_stream(), hash);
    }
    hash.word(";");
}

fn serde_attributes(attributes: &[Attribute], hash: &mut Fnv) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        words(attribute.meta.to_token_stream(), hash);
    }
}

/// The tokens one by one, since the text of a whole stream depends on the compiler's taste in white space.
fn words(tokens: TokenStream, hash: &mut Fnv) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                hash.word(open);
                words(group.stream(), hash);
                hash.word(close);
            }
            other => hash.word(&other.to_string()),
        }
    }
}

/// FNV-1a, 64 bits: small, and the same on every machine and with every compiler.
///
/// Source: Fowler, Noll, Vo, Eastlake, "The FNV Non-Cryptographic Hash Algorithm", section 2.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: &str) {
        for byte in word.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
