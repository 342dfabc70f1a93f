//! The body of a workflow's function, or of a part of it: what it awaits is looked at by the compiler, and what would differ
//! from run to run is refused as far as it can be seen.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ItemFn, Macro, Path, ReturnType, Signature, parse_quote};

use crate::errors::Errors;

const BY_NOW: &str = "the time differs from run to run: `flow.now()` gives the instant that is recorded";
const BY_ID: &str = "the id differs from run to run: `flow.uuid()` gives one that stays the same";
const BY_CALL: &str = "what it gives differs from run to run: do it in the code of a call, whose result is recorded, as in \
                       `flow.call(\"name\", |call| async move { .. })`";

/// Has the compiler check every `.await` of `block`, and refuses what differs from run to run.
pub(crate) fn check(block: &mut Block, errors: &mut Errors) {
    Body { errors }.visit_block_mut(block);
}

/// Makes a step of the `async fn` with this signature.
pub(crate) fn into_part(sig: &mut Signature, block: &mut Block, errors: &mut Errors) {
    check(block, errors);
    let Some(word) = sig.asyncness.take() else {
        errors.at(&sig.ident, format_args!("a part of a workflow awaits steps: expected `async fn {}`", sig.ident));
        return;
    };
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let span = word.span;
    let returned = quote_spanned! {span=>
        ::annals::workflow::Part<impl ::core::future::Future<Output = #output>>
    };
    sig.output = parse_quote!(-> #returned);
    let statements = &block.stmts;
    // The type is said once more, since `?` inside of the block has to know it.
    *block = parse_quote! {{
        ::annals::__private::part(async move {
            let __output: #output = async move { #(#statements)* }.await;
            __output
        })
    }};
}

/// `#[workflow_part]`
pub(crate) fn expand_part(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !arguments.is_empty() {
        errors.at(arguments, "`#[workflow_part]` takes no arguments");
    }
    let mut function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            errors.at(
                &item,
                "`#[workflow_part]` goes on a function: expected `async fn charge(flow: &Flow<OrderFlow>) { .. }`",
            );
            let errors = errors.into_tokens();
            return quote!(#item #errors);
        }
    };
    into_part(&mut function.sig, &mut function.block, &mut errors);
    let errors = errors.into_tokens();
    quote!(#function #errors)
}

struct Body<'a> {
    errors: &'a mut Errors,
}

impl VisitMut for Body<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            // The code of a call may do anything: it runs outside, and its result is recorded.
            Expr::MethodCall(call) if call.method == "call" && call.args.len() == 2 => {
                self.visit_expr_mut(&mut call.receiver);
            }
            Expr::Await(awaited) => {
                self.visit_expr_mut(&mut awaited.base);
                let base = &awaited.base;
                let step = quote_spanned! {base.span()=> ::annals::__private::step(#base) };
                *awaited.base = Expr::Verbatim(step);
            }
            Expr::Async(block) => {
                self.visit_block_mut(&mut block.block);
                let part = quote_spanned! {block.async_token.span=> ::annals::__private::part(#block) };
                *expr = Expr::Verbatim(part);
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        if let Some(advice) = advice(path) {
            self.errors.at(&*path, format_args!("this does not belong in a workflow: {advice}"));
        }
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_macro_mut(&mut self, invoked: &mut Macro) {
        let name = invoked.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        let instead = match name.as_str() {
            "join" => Some("`flow.join((.., ..)).await`"),
            "try_join" => Some("`flow.join((.., ..)).await`, then `?` on what each gave"),
            "select" | "select_biased" => Some("`flow.race(.., ..).await`"),
            _ => None,
        };
        if let Some(instead) = instead {
            self.errors.at(&invoked.path, format_args!("what this macro awaits is not recorded: expected {instead}"));
        } else if let Some(span) = awaited(invoked.tokens.clone()) {
            let message = "an `.await` inside of a macro is not seen: await it in a `let` before";
            self.errors.at_span(span, message);
        } else {
            self.visit_path_mut(&mut invoked.path);
        }
    }

    /// An item inside of the body is no part of it.
    fn visit_item_mut(&mut self, _: &mut syn::Item) {}
}

/// What to use in the place of something that differs from run to run.
fn advice(path: &Path) -> Option<&'static str> {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.as_slice() {
        [.., "SystemTime" | "Instant" | "Utc" | "Local" | "Zoned" | "Timestamp", "now"]
        | [.., "OffsetDateTime", "now_utc" | "now_local"] => Some(BY_NOW),
        [.., "Uuid", made] if made.starts_with("new_v4") || made.starts_with("now_v") => Some(BY_ID),
        [.., "CommandId" | "EventId" | "SagaId", "new"] => Some(BY_ID),
        ["tokio" | "rand" | "fastrand" | "getrandom" | "reqwest", _, ..] => Some(BY_CALL),
        ["std", "thread" | "fs" | "env" | "net" | "process", _, ..]
        | ["thread", "sleep" | "spawn"]
        | ["fs", ..]
        | ["env", ..] => (names.len() > 1).then_some(BY_CALL),
        _ => None,
    }
}

/// Where `await` stands among `tokens`.
fn awaited(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "await" => Some(word.span()),
        TokenTree::Group(group) => awaited(group.stream()),
        _ => None,
    })
}
