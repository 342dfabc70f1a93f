//! The `impl` block under an attribute macro.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Signature, Type};

use crate::attributes::listed;
use crate::errors::Errors;

/// Every marker of a method, in any of our blocks.
const MARKERS: [&str; 20] = [
    "handle",
    "apply",
    "start",
    "end",
    "begin",
    "accepted",
    "rejected",
    "ended",
    "compensate",
    "deadline",
    "steps",
    "setup",
    "reset",
    "upcast",
    "boundary",
    "condition",
    "enrich",
    "run",
    "awaits",
    "part",
];

/// A block without our attributes, and the methods that carried one.
pub(crate) struct Block {
    item: ItemImpl,
    /// The type that the block belongs to.
    pub(crate) ty: Type,
    pub(crate) methods: Vec<Method>,
}

/// A method that carried a marker.
pub(crate) struct Method {
    /// The marker's name.
    pub(crate) marker: &'static str,
    pub(crate) attribute: Attribute,
    /// The `#[cfg(..)]` that the generated code has to share.
    pub(crate) cfg: Vec<Attribute>,
    /// The signature, with `Self` written out.
    pub(crate) sig: Signature,
}

/// Which markers a block knows.
pub(crate) struct Markers {
    /// Name of the block's macro.
    pub(crate) block: &'static str,
    pub(crate) known: &'static [&'static str],
}

impl Block {
    /// Reads `item`, which stands under the macro.
    ///
    /// # Errors
    /// What to emit where it is no block of a plain type.
    pub(crate) fn parse(item: TokenStream, markers: &Markers, errors: &mut Errors) -> Result<Self, TokenStream> {
        let item = match syn::parse2::<ItemImpl>(item.clone()) {
            Ok(block) => block,
            Err(error) => {
                let is_block = item.clone().into_iter().any(|token| token.to_string() == "impl");
                errors.push(if is_block { error } else { not_a_block(&item, markers) });
                let errors = std::mem::take(errors).into_tokens();
                return Err(quote!(#item #errors));
            }
        };
        let mut block = Self { ty: (*item.self_ty).clone(), item, methods: Vec::new() };
        let plain = block.check(markers, errors);
        block.take_methods(markers, errors);
        if plain { Ok(block) } else { Err(block.with(TokenStream::new(), std::mem::take(errors))) }
    }

    /// The block as the user wrote it, then `code`, then the errors.
    pub(crate) fn with(&self, code: TokenStream, errors: Errors) -> TokenStream {
        let (item, errors) = (&self.item, errors.into_tokens());
        quote!(#item #code #errors)
    }

    /// Records that no method is marked.
    pub(crate) fn report_empty(&self, marker: &str, example: &str, errors: &mut Errors) {
        let ty = text(&self.ty);
        errors.at(
            &self.ty,
            format_args!("no method of this block of `{ty}` is marked: expected `{marker} {example} {{ .. }}`"),
        );
    }

    /// Where the block begins.
    pub(crate) fn span(&self) -> Span {
        self.item.impl_token.span
    }

    /// Whether this is a block of a plain type, for which impls can be emitted.
    fn check(&self, markers: &Markers, errors: &mut Errors) -> bool {
        let (block, ty) = (markers.block, &self.ty);
        let mut plain = true;
        let mut refuse = |tokens: &dyn ToTokens, message: String| {
            errors.at(tokens, message);
            plain = false;
        };
        if let Some((path, _)) = &self.item.trait_ {
            refuse(
                path,
                format!("`#[{block}]` goes on a block without a trait: expected `impl {} {{ .. }}`", text(ty)),
            );
        }
        if !self.item.generics.params.is_empty() {
            refuse(&self.item.generics, format!("`#[{block}]` cannot be generic: what is registered is one type"));
        }
        if !matches!(ty, Type::Path(_)) {
            refuse(ty, format!("expected the name of a type, as in `#[{block}] impl Order {{ .. }}`"));
        }
        plain
    }

    fn take_methods(&mut self, markers: &Markers, errors: &mut Errors) {
        for item in &mut self.item.items {
            match item {
                ImplItem::Fn(method) => self.methods.extend(take_method(method, &self.ty, markers, errors)),
                ImplItem::Const(item) => refuse_marks(&mut item.attrs, errors),
                ImplItem::Type(item) => refuse_marks(&mut item.attrs, errors),
                _ => {}
            }
        }
    }
}

fn not_a_block(item: &TokenStream, markers: &Markers) -> syn::Error {
    let message = format!("`#[{}]` goes on a block of methods: expected `impl Order {{ .. }}`", markers.block);
    match item.clone().into_iter().next() {
        Some(first) => syn::Error::new(first.span(), message),
        None => syn::Error::new(item.span(), message),
    }
}

fn take_method(item: &mut ImplItemFn, ty: &Type, markers: &Markers, errors: &mut Errors) -> Option<Method> {
    let mut method: Option<Method> = None;
    for attribute in take_marks(&mut item.attrs) {
        let marker = attribute.path().to_token_stream().to_string();
        let known = markers.known.iter().copied().find(|known| *known == marker);
        match (known, &method) {
            (None, _) => errors.at(&attribute, misplaced(&marker, markers)),
            (Some(_), Some(first)) => {
                let message =
                    format!("`{}` is marked `#[{}]` already: a method has one marker", item.sig.ident, first.marker);
                errors.at(&attribute, message);
            }
            (Some(marker), None) => {
                let cfg = item.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect();
                method = Some(Method { marker, attribute, cfg, sig: without_self(&item.sig, ty) });
            }
        }
    }
    let method = method?;
    check_signature(&method.sig, errors);
    Some(method)
}

fn misplaced(marker: &str, markers: &Markers) -> String {
    let known: Vec<String> = markers.known.iter().map(|known| format!("#[{known}]")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    format!("`#[{marker}]` does not belong in a block with `#[{}]`: expected {}", markers.block, listed(&known))
}

fn refuse_marks(attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    for attribute in take_marks(attributes) {
        errors.at(&attribute, "expected a method under this attribute");
    }
}

fn take_marks(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    let is_mark = |attribute: &Attribute| MARKERS.iter().any(|marker| attribute.path().is_ident(marker));
    let (marks, others) = std::mem::take(attributes).into_iter().partition(is_mark);
    *attributes = others;
    marks
}

fn check_signature(sig: &Signature, errors: &mut Errors) {
    if sig.generics.type_params().next().is_some() || sig.generics.const_params().next().is_some() {
        errors.at(&sig.generics, "a marked method cannot be generic: it is called with the types that it names");
    }
    if !matches!(sig.safety, syn::Safety::Default) {
        errors.at(&sig.safety, "a marked method cannot be unsafe");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a marked method is a plain `fn`");
    }
}

/// `sig` with `Self` replaced by the type, so that its types mean the same in an impl for another type.
fn without_self(sig: &Signature, ty: &Type) -> Signature {
    struct WrittenOut<'a>(&'a Type);

    impl VisitMut for WrittenOut<'_> {
        fn visit_type_mut(&mut self, node: &mut Type) {
            if matches!(node, Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self")) {
                *node = self.0.clone();
            } else {
                visit_mut::visit_type_mut(self, node);
            }
        }
    }

    let mut sig = sig.clone();
    WrittenOut(ty).visit_signature_mut(&mut sig);
    sig
}

/// A type as the user would write it.
pub(crate) fn text(ty: &Type) -> String {
    let mut text = String::new();
    let mut word = false;
    for part in ty.to_token_stream().to_string().split(' ') {
        let starts = part.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if word && starts {
            text.push(' ');
        }
        text.push_str(part);
        if part == "," {
            text.push(' ');
        }
        word = part.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    }
    text
}

/// The last name of a type, such as `Events` of `annals::Events<Self>`.
pub(crate) fn last_name(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        Type::Group(group) => last_name(&group.elem),
        Type::Paren(paren) => last_name(&paren.elem),
        _ => None,
    }
}

/// `tokens` at `span`, where the compiler then reports what is wrong with them.
pub(crate) fn moved(tokens: impl ToTokens, span: Span) -> TokenStream {
    let each = tokens.into_token_stream().into_iter().map(|token| {
        let mut token = match token {
            TokenTree::Group(group) => TokenTree::Group(Group::new(group.delimiter(), moved(group.stream(), span))),
            other => other,
        };
        token.set_span(span);
        token
    });
    each.collect()
}
