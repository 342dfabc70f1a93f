//! Where in the state a method works: `when = Open(open)`, a variant; `at = copies[copy].loans[loan]`, a child entity.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, Member, Pat, PatIdent, Token, Type};

/// Where in the state a method works; everywhere if it says nothing.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) when: Option<When>,
    pub(crate) at: Option<At>,
}

/// A variant of a state that is an enum.
pub(crate) struct When {
    pattern: Pat,
    /// What the pattern binds, in order: the first parameters of the method. `None` where the pattern could not be read.
    bindings: Option<Vec<Ident>>,
}

/// The way to a child entity.
pub(crate) struct At {
    steps: Vec<Step>,
    text: String,
    span: Span,
}

struct Step {
    field: Member,
    by: By,
}

/// How an entity is found in a field.
enum By {
    /// The field is the entity.
    Itself,
    /// The field is an `Option` of it.
    Option,
    /// By this field of the message.
    Id(Box<Expr>),
}

impl Place {
    /// Whether the method works on the whole state.
    pub(crate) fn is_everywhere(&self) -> bool {
        self.when.is_none() && self.at.is_none()
    }

    /// How many parameters come before the message; `None` after a fault that leaves it open.
    pub(crate) fn parts(&self) -> Option<usize> {
        let bound = self.when.as_ref().map_or(Some(0), |when| when.bindings.as_ref().map(Vec::len))?;
        Some(bound + usize::from(self.at.is_some()))
    }

    /// Lets the compiler look at the variant that `when` names, where nothing else is made of it because of other faults:
    /// so that it reports a wrong one with them.
    pub(crate) fn looked_at(&self, ty: &Type) -> TokenStream {
        let Some(pattern) = self.when.as_ref().map(|when| when.pattern(ty)) else { return TokenStream::new() };
        quote! {
            #[allow(unused_variables, irrefutable_let_patterns)]
            if let #pattern = __state {}
        }
    }

    /// The names of the parts in generated code, as arguments.
    pub(crate) fn arguments(&self) -> Vec<TokenStream> {
        let bound = self.when.iter().flat_map(|when| when.bindings.iter().flatten()).map(ToTokens::to_token_stream);
        bound.chain(self.at.iter().map(|at| quote_spanned!(at.span=> __entity))).collect()
    }
}

impl When {
    /// A variant that could not be read; its fault is reported.
    pub(crate) fn unknown() -> Self {
        Self { pattern: Pat::Verbatim(quote!(_)), bindings: None }
    }

    /// Parses what stands after `when =`.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse::<Token![=]>()?;
        let pattern = Pat::parse_multi(input)?;
        if let Pat::Ident(ident) = &pattern
            && ident.subpat.is_none()
            && !ident.ident.to_string().starts_with(char::is_uppercase)
        {
            return Err(syn::Error::new(ident.span(), "no variant"));
        }
        let mut bindings = Bindings::default();
        bindings.visit_pat(&pattern);
        Ok(Self { pattern, bindings: Some(bindings.0) })
    }

    /// The pattern with the state's type before the variant's name.
    pub(crate) fn pattern(&self, ty: &Type) -> TokenStream {
        qualified(&self.pattern, ty)
    }

    /// The pattern as the user wrote it.
    pub(crate) fn text(&self) -> String {
        tidy(&self.pattern.to_token_stream().to_string())
    }
}

impl At {
    /// Parses what stands after `at =`.
    pub(crate) fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.parse::<Token![=]>()?;
        let path: Expr = input.parse()?;
        let mut steps = Vec::new();
        walk(&path, &mut steps)?;
        Ok(Self { steps, text: tidy(&path.to_token_stream().to_string()), span: path.span() })
    }

    /// A way that could not be read; its fault is reported.
    pub(crate) fn unknown(span: Span) -> Self {
        Self { steps: Vec::new(), text: String::new(), span }
    }

    /// The way as the user wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the entity can leave the place where it is.
    pub(crate) fn can_end(&self) -> bool {
        !matches!(self.steps.last(), Some(Step { by: By::Itself, .. }))
    }

    /// `let __entity = ..`, out of `state`, to be looked at. `message` has the ids; `missing` makes what to leave with from
    /// the name of the entities and the id.
    pub(crate) fn shared(
        &self,
        state: &TokenStream,
        message: &TokenStream,
        missing: impl Fn(&str, &TokenStream) -> TokenStream,
    ) -> TokenStream {
        let mut code = quote_spanned! {self.span=> let __entity = #state; };
        for Step { field, by } in &self.steps {
            let (id, shown) = match by {
                By::Itself => {
                    code.extend(quote_spanned! {field.span()=> let __entity = &__entity.#field; });
                    continue;
                }
                By::Option => (quote!(&()), quote!("")),
                By::Id(expr) => (quote_spanned!(expr.span()=> &#message.#expr), quote!(#message.#expr)),
            };
            let leave = missing(&field.to_token_stream().to_string(), &shown);
            code.extend(quote_spanned! {field.span()=>
                let ::core::option::Option::Some(__entity) = __p::Entities::entity(&__entity.#field, #id) else { #leave };
            });
        }
        code
    }

    /// `let __entity = ..`, out of `state`, to be changed; and `__siblings`, where it is found, where it can leave.
    pub(crate) fn mutable(&self, state: &TokenStream, message: &TokenStream, missing: &TokenStream) -> TokenStream {
        let mut code = quote_spanned! {self.span=> let __entity = #state; };
        for Step { field, by } in &self.steps {
            let id = match by {
                By::Itself => {
                    code.extend(quote_spanned! {field.span()=> let __entity = &mut __entity.#field; });
                    continue;
                }
                By::Option => quote!(()),
                By::Id(expr) => quote!(#message.#expr),
            };
            code.extend(quote_spanned! {field.span()=>
                let __siblings = &mut __entity.#field;
                let ::core::option::Option::Some(__entity) = __p::Entities::entity_mut(__siblings, &#id) else { #missing };
            });
        }
        code
    }

    /// Takes the entity out of `__siblings`.
    pub(crate) fn end(&self, message: &TokenStream) -> TokenStream {
        let id = match self.steps.last().map(|step| &step.by) {
            Some(By::Id(expr)) => quote!(#message.#expr),
            _ => quote!(()),
        };
        quote_spanned! {self.span=> __p::Entities::end(__siblings, &#id); }
    }
}

/// The names that a pattern binds, in order.
#[derive(Default)]
struct Bindings(Vec<Ident>);

impl<'a> Visit<'a> for Bindings {
    fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
        // A name in capitals is a variant without fields.
        if !pattern.ident.to_string().starts_with(char::is_uppercase) && !self.0.contains(&pattern.ident) {
            self.0.push(pattern.ident.clone());
        }
        visit::visit_pat_ident(self, pattern);
    }
}

/// `pattern` with the type before names of variants that stand alone.
fn qualified(pattern: &Pat, ty: &Type) -> TokenStream {
    match pattern {
        Pat::Ident(ident) if ident.subpat.is_none() => {
            let name = &ident.ident;
            // The name alone may stand for a variant with fields as well.
            quote!(#ty::#name { .. })
        }
        Pat::TupleStruct(tuple) if tuple.path.get_ident().is_some() => quote!(#ty::#tuple),
        Pat::Struct(fields) if fields.path.get_ident().is_some() => quote!(#ty::#fields),
        Pat::Or(cases) => {
            let cases = cases.cases.iter().map(|case| qualified(case, ty));
            quote!(#(#cases)|*)
        }
        other => quote!(#other),
    }
}

/// The steps of a path such as `copies[copy].loans[loan]`.
fn walk(path: &Expr, steps: &mut Vec<Step>) -> syn::Result<()> {
    let wrong = |tokens: &dyn ToTokens| syn::Error::new_spanned(tokens.to_token_stream(), "no way to an entity");
    let (place, by) = match path {
        Expr::Index(index) => (&*index.expr, By::Id(index.index.clone())),
        Expr::Try(option) => (&*option.expr, By::Option),
        other => (other, By::Itself),
    };
    match place {
        Expr::Path(name) => {
            let field = name.path.require_ident()?.clone();
            steps.push(Step { field: Member::Named(field), by });
        }
        Expr::Field(inner) => {
            walk(&inner.base, steps)?;
            steps.push(Step { field: inner.member.clone(), by });
        }
        other => return Err(wrong(other)),
    }
    Ok(())
}

/// Tokens as the user would write them.
fn tidy(tokens: &str) -> String {
    let mut text = tokens.to_owned();
    for (loose, tight) in [
        (" [", "["),
        ("[ ", "["),
        (" ]", "]"),
        (" . ", "."),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" ?", "?"),
    ] {
        text = text.replace(loose, tight);
    }
    text
}
