//! Reads the signature of a marked method: receiver, message, parameters, result.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, PatType, PathArguments, Receiver, ReceiverKind, ReturnType, Signature, Type,
};

use crate::block::{Method, last_name, text};
use crate::errors::Errors;
use crate::place::Place;

/// A marked method.
pub(crate) struct Handler {
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
    /// Where in the state it works.
    pub(crate) place: Place,
    pub(crate) receiver: Option<SelfArgument>,
    /// The message; missing only where the rules ask for none, or after a fault.
    pub(crate) message: Option<Message>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
}

/// How a method takes `self`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelfArgument {
    /// `&self`
    Shared,
    /// `&mut self`
    Mutable,
}

/// The message that a method handles.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) ty: Type,
    pub(crate) by_reference: bool,
}

/// What comes after the message.
pub(crate) struct Parameter {
    pub(crate) role: Role,
    pub(crate) ty: Type,
}

/// What a parameter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `&mut Events<Self>`
    Events,
    /// `&mut Deadlines`
    Deadlines,
    /// `&mut Effects`
    Effects,
    /// `&mut UnitOfWork`
    Work,
    /// `&mut T` of an event handler.
    Transaction,
    /// `&mut Rows<T>` of a query handler.
    Rows,
    /// `&T`
    Reference,
    /// `T`
    Value,
}

/// What a method returns.
pub(crate) enum Output {
    Nothing,
    Bare(Box<Type>),
    Fallible { whole: Box<Type>, ok: Option<Box<Type>>, error: Option<Box<Type>> },
}

/// What a kind of method may look like.
pub(crate) struct Rules {
    /// Names the kind, as in "a command handler".
    pub(crate) what: &'static str,
    pub(crate) receiver: ReceiverRule,
    pub(crate) message: Option<MessageRule>,
    pub(crate) asynchronous: AsyncRule,
    /// What `&mut T` may stand for.
    pub(crate) mutable: Option<Role>,
    /// Whether there may be parameters besides.
    pub(crate) others: bool,
}

/// How `self` is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceiverRule {
    /// Not at all.
    None,
    /// `&self`, or not at all.
    SharedOrNone,
    /// `&mut self`
    Mutable,
    /// Any of the three.
    Any,
}

/// How the message is taken.
#[derive(Clone, Copy)]
pub(crate) struct MessageRule {
    /// "command", "event" or "query".
    pub(crate) kind: &'static str,
    pub(crate) by_value: bool,
    pub(crate) example: &'static str,
}

/// Whether the method is async.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsyncRule {
    Either,
    /// It is not, for this reason.
    Never(&'static str),
}

impl Handler {
    /// Reads a method by the rules of its kind.
    pub(crate) fn read(method: &Method, rules: &Rules, errors: &mut Errors) -> Self {
        Self::read_at(method, Place::default(), rules, errors)
    }

    /// Reads a method that works on a part of the state: the parts come before the message.
    pub(crate) fn read_at(method: &Method, place: Place, rules: &Rules, errors: &mut Errors) -> Self {
        let sig = &method.sig;
        check_async(sig, rules, errors);
        let receiver = receiver(sig, place.is_everywhere(), rules, errors);
        let mut typed = sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        for _ in 0..place.parts().unwrap_or_else(|| likely_parts(sig, rules)) {
            if let Some(part) = typed.next() {
                check_part(part, rules, errors);
            }
        }
        let message = rules.message.as_ref().and_then(|rule| message(sig, typed.next(), rules, rule, errors));
        let mut parameters: Vec<Parameter> = Vec::new();
        for typed in typed {
            if let Some(next) = parameter(&typed.ty, rules, errors) {
                if next.role.is_single() && parameters.iter().any(|other| other.role == next.role) {
                    errors.at(&typed.ty, format_args!("{} takes one `&mut` parameter", rules.what));
                } else {
                    parameters.push(next);
                }
            }
        }
        Self {
            cfg: method.cfg.clone(),
            name: sig.ident.clone(),
            is_async: sig.asyncness.is_some(),
            place,
            receiver,
            message,
            parameters,
            output: Output::read(&sig.output),
        }
    }

    /// Whether there is a parameter of this role.
    pub(crate) fn takes(&self, role: Role) -> bool {
        self.parameters.iter().any(|parameter| parameter.role == role)
    }

    /// Whether the answer is a stream of rows.
    pub(crate) fn streams(&self) -> bool {
        self.takes(Role::Rows) || self.output.is_stream()
    }

    /// `let` for each parameter that comes from `__context` or `__transaction`, leaving by `?` if it is not there.
    pub(crate) fn bindings(&self) -> TokenStream {
        self.parameters.iter().enumerate().map(|(index, parameter)| parameter.binding(index)).collect()
    }

    /// What `role` is bound to by [`Handler::bindings`], if there is such a parameter.
    pub(crate) fn local_of(&self, role: Role) -> Option<Ident> {
        self.parameters.iter().position(|parameter| parameter.role == role).map(local)
    }

    /// The call: `receiver` and `message` as given, then the parameters. With `.await` if it is async.
    pub(crate) fn call(&self, ty: &Type, receiver: Option<TokenStream>, message: Option<TokenStream>) -> TokenStream {
        let name = &self.name;
        let parameters = self.parameters.iter().enumerate().map(|(index, parameter)| parameter.argument(index));
        let arguments = receiver.into_iter().chain(self.place.arguments()).chain(message).chain(parameters);
        let awaited = self.is_async.then(|| quote!(.await));
        quote! { <#ty>::#name(#(#arguments),*) #awaited }
    }

    /// A boxed future of `body`, so that one that cannot be sent is reported at the method.
    pub(crate) fn future(&self, body: TokenStream) -> TokenStream {
        quote_spanned! {self.name.span()=> ::std::boxed::Box::pin(async move { #body }) }
    }

    /// The requirements of the parameters, as elements of an array.
    pub(crate) fn requirements(&self) -> TokenStream {
        let cfg = &self.cfg;
        let each = self.parameters.iter().filter_map(Parameter::requirement);
        each.map(|requirement| quote! { #(#cfg)* #requirement, }).collect()
    }

    /// The place of the method, for start-up messages.
    pub(crate) fn location(&self) -> TokenStream {
        crate::subject::location(self.name.span())
    }
}

/// `fn requirements` over all handlers; nothing where none has a parameter.
pub(crate) fn requirements<'a>(handlers: impl IntoIterator<Item = &'a Handler>) -> TokenStream {
    let each: TokenStream = handlers.into_iter().map(Handler::requirements).collect();
    if each.is_empty() {
        return TokenStream::new();
    }
    quote! {
        fn requirements() -> ::std::vec::Vec<__p::Requirement> {
            <[__p::Requirement]>::into_vec(::std::boxed::Box::new([#each]))
        }
    }
}

/// Reports every handler whose message another one of the block has already.
pub(crate) fn check_one_each<'a>(handlers: impl IntoIterator<Item = &'a Handler>, kind: &str, errors: &mut Errors) {
    let mut seen: Vec<(String, &Handler)> = Vec::new();
    for handler in handlers {
        let Some(message) = &handler.message else { continue };
        let name = text(&message.ty);
        match seen.iter().find(|(other, first)| *other == name && first.cfg.is_empty() && handler.cfg.is_empty()) {
            Some((_, first)) => {
                errors.at(&message.ty, format_args!("the {kind} `{name}` is handled by `{}` already", first.name));
            }
            None => seen.push((name, handler)),
        }
    }
}

/// Those of `handlers` that are the first for their message.
pub(crate) fn first_of_each<'a>(handlers: impl IntoIterator<Item = &'a Handler>) -> Vec<(&'a Handler, &'a Message)> {
    let mut seen: Vec<String> = Vec::new();
    let mut first = Vec::new();
    for handler in handlers {
        let Some(message) = &handler.message else { continue };
        let name = text(&message.ty);
        if !handler.cfg.is_empty() || !seen.contains(&name) {
            seen.push(name);
            first.push((handler, message));
        }
    }
    first
}

impl Message {
    /// The message as the method takes it, out of a reference `place`.
    pub(crate) fn borrowed(&self, place: &TokenStream) -> TokenStream {
        let ty = &self.ty;
        if self.by_reference {
            place.clone()
        } else {
            quote_spanned! {ty.span()=> <#ty as ::core::clone::Clone>::clone(#place) }
        }
    }

    /// Decodes `__event`, which is still in its stored form.
    pub(crate) fn decode(&self) -> TokenStream {
        let ty = &self.ty;
        quote_spanned! {ty.span()=> __event.into_event::<#ty>() }
    }

    /// The stored name of the event.
    pub(crate) fn stored_name(&self) -> TokenStream {
        let ty = &self.ty;
        quote_spanned! {ty.span()=> <#ty as __p::Event>::NAME }
    }

    /// `<Self as trait_>::item` where the message is `Self`.
    pub(crate) fn associated(&self, trait_: &str, item: &str) -> TokenStream {
        let (trait_, item) = (format_ident!("{trait_}"), format_ident!("{item}"));
        quote_spanned! {self.ty.span()=> <Self as __p::#trait_>::#item }
    }

    /// The message as the method takes it, out of an owned `place`.
    pub(crate) fn owned(&self, place: &TokenStream) -> TokenStream {
        if self.by_reference { quote!(&#place) } else { place.clone() }
    }
}

impl Role {
    /// Whether a method takes at most one of them.
    fn is_single(self) -> bool {
        matches!(self, Self::Events | Self::Deadlines | Self::Effects | Self::Work | Self::Transaction | Self::Rows)
    }
}

impl Parameter {
    fn binding(&self, index: usize) -> TokenStream {
        let (local, ty) = (local(index), &self.ty);
        let value = match self.role {
            Role::Deadlines => quote! { <__p::Deadlines as ::core::default::Default>::default() },
            Role::Events | Role::Effects | Role::Work | Role::Rows => return TokenStream::new(),
            Role::Transaction => quote_spanned! {ty.span()=> __p::transaction::<#ty>(__transaction)? },
            Role::Reference => quote_spanned! {ty.span()=> __context.reference::<#ty>()? },
            Role::Value => quote_spanned! {ty.span()=> <#ty as __p::FromContext>::from_context(__context)? },
        };
        let mutable = (self.role == Role::Deadlines).then(|| quote!(mut));
        quote! { let #mutable #local = #value; }
    }

    fn argument(&self, index: usize) -> TokenStream {
        match self.role {
            Role::Events => quote_spanned! {self.ty.span()=> __events },
            Role::Effects => quote_spanned! {self.ty.span()=> __effects },
            Role::Work => quote_spanned! {self.ty.span()=> __work },
            Role::Rows => quote_spanned! {self.ty.span()=> &mut __rows },
            Role::Deadlines => {
                let local = local(index);
                quote_spanned! {self.ty.span()=> &mut #local }
            }
            Role::Transaction | Role::Reference | Role::Value => local(index).into_token_stream(),
        }
    }

    fn requirement(&self) -> Option<TokenStream> {
        let ty = &self.ty;
        match self.role {
            Role::Events | Role::Deadlines | Role::Effects | Role::Work | Role::Rows => None,
            Role::Transaction => Some(quote_spanned! {ty.span()=> __p::Requirement::transaction::<#ty>() }),
            Role::Reference => Some(quote_spanned! {ty.span()=> __p::Requirement::reference::<#ty>() }),
            Role::Value => Some(quote_spanned! {ty.span()=> <#ty as __p::FromContext>::requirement() }),
        }
    }
}

impl Output {
    pub(crate) fn read(output: &ReturnType) -> Self {
        let ReturnType::Type(_, ty) = output else { return Self::Nothing };
        if matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
            return Self::Nothing;
        }
        let whole = ty.clone();
        let Type::Path(path) = &*whole else { return Self::Bare(whole) };
        let Some(last) = path.path.segments.last().filter(|last| last.ident == "Result") else {
            return Self::Bare(whole);
        };
        let mut types = match &last.arguments {
            PathArguments::AngleBracketed(arguments) => arguments
                .args
                .iter()
                .filter_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(Box::new(ty.clone())),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        }
        .into_iter();
        let (ok, error) = (types.next(), types.next());
        Self::Fallible { whole, ok, error }
    }

    /// Whether the value is `impl Stream`, or a boxed one.
    fn is_stream(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Bare(ty) => is_stream(ty),
            Self::Fallible { ok, .. } => ok.as_deref().is_some_and(is_stream),
        }
    }

    pub(crate) fn is_fallible(&self) -> bool {
        matches!(self, Self::Fallible { .. })
    }

    /// Where an error about the value belongs.
    pub(crate) fn value_span(&self) -> Span {
        match self {
            Self::Nothing => Span::call_site(),
            Self::Bare(ty) => ty.span(),
            Self::Fallible { whole, ok, .. } => ok.as_ref().unwrap_or(whole).span(),
        }
    }

    /// Where an error about the error belongs.
    pub(crate) fn error_span(&self) -> Span {
        match self {
            Self::Fallible { whole, error, .. } => error.as_ref().unwrap_or(whole).span(),
            _ => Span::call_site(),
        }
    }
}

fn is_stream(ty: &Type) -> bool {
    let named = |ident: &Ident| ident == "Stream" || ident == "TryStream";
    match ty {
        Type::ImplTrait(one) => one.bounds.iter().any(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| named(&last.ident)),
            _ => false,
        }),
        Type::Path(_) => last_name(ty).is_some_and(|name| name == "BoxStream" || name == "LocalBoxStream"),
        _ => false,
    }
}

fn check_async(sig: &Signature, rules: &Rules, errors: &mut Errors) {
    if let (Some(word), AsyncRule::Never(reason)) = (&sig.asyncness, rules.asynchronous) {
        errors.at(word, format_args!("{} is not async: {reason}", rules.what));
    }
}

fn receiver(sig: &Signature, everywhere: bool, rules: &Rules, errors: &mut Errors) -> Option<SelfArgument> {
    let found = sig.receiver();
    let kind = found.and_then(kind_of);
    let fits = match rules.receiver {
        ReceiverRule::Mutable if !everywhere => found.is_none(),
        ReceiverRule::None => found.is_none(),
        ReceiverRule::SharedOrNone => found.is_none() || kind == Some(SelfArgument::Shared),
        ReceiverRule::Mutable => kind == Some(SelfArgument::Mutable),
        ReceiverRule::Any => found.is_none() || kind.is_some(),
    };
    if !fits {
        let what = rules.what;
        let expected = match rules.receiver {
            ReceiverRule::Mutable if !everywhere => "expected the part of the state in place of `self`",
            ReceiverRule::None => "expected no `self`",
            ReceiverRule::SharedOrNone => "expected `&self`",
            ReceiverRule::Mutable => "expected `&mut self`",
            ReceiverRule::Any => "expected `&self` or `&mut self`",
        };
        match found {
            Some(receiver) => errors.at(receiver, format_args!("{expected}: this is {what}")),
            None => errors.at(&sig.ident, format_args!("{expected} as the first parameter: this is {what}")),
        }
    }
    // A `self` of another kind is reported once, and taken for `&self` by the checks that follow.
    kind.or(found.map(|_| SelfArgument::Shared))
}

/// A part of the state is lent, and to be changed only by events.
/// How many parameters come before the message, told by their looks: where nothing may follow the message it is the last
/// one, else the first that is no reference.
fn likely_parts(sig: &Signature, rules: &Rules) -> usize {
    let typed = || sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_)));
    let is_value = |input: &FnArg| matches!(input, FnArg::Typed(typed) if !matches!(*typed.ty, Type::Reference(_)));
    match rules.others {
        true => typed().position(is_value).unwrap_or_default(),
        false => typed().count().saturating_sub(1),
    }
}

fn check_part(part: &PatType, rules: &Rules, errors: &mut Errors) {
    let mutable = rules.receiver == ReceiverRule::Mutable;
    match &*part.ty {
        Type::Reference(reference) if mutable || reference.mutability.is_none() => {}
        Type::Reference(_) => {
            errors.at(
                &part.ty,
                format_args!(
                    "expected a shared reference to the part of the state: {} changes nothing itself",
                    rules.what
                ),
            );
        }
        other => errors.at(
            other,
            format_args!(
                "expected a reference to the part of the state, as in `&{}`: the parts come before the message",
                text(other)
            ),
        ),
    }
}

fn kind_of(receiver: &Receiver) -> Option<SelfArgument> {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Some(SelfArgument::Shared),
        ReceiverKind::Reference(_, _, Some(_)) => Some(SelfArgument::Mutable),
        _ => None,
    }
}

fn message(
    sig: &Signature,
    argument: Option<&PatType>,
    rules: &Rules,
    rule: &MessageRule,
    errors: &mut Errors,
) -> Option<Message> {
    let Some(argument) = argument else {
        let MessageRule { kind, example, .. } = rule;
        errors.at(
            &sig.ident,
            format_args!("expected the {kind} as the first parameter, as in `{example}`: this is {}", rules.what),
        );
        return None;
    };
    let reference = match &*argument.ty {
        Type::Reference(reference) => Some(reference),
        _ => None,
    };
    let ty = reference.map_or(&*argument.ty, |reference| &*reference.elem);
    let fits = match reference {
        Some(reference) => reference.mutability.is_none(),
        None => rule.by_value,
    };
    if !matches!(ty, Type::Path(_) | Type::Group(_))
        || last_name(ty).is_some_and(|name| name == "Events" || name == "Effects" || name == "Deadlines")
    {
        errors.at(
            &argument.ty,
            format_args!("expected the {} as the first parameter, as in `{}`", rule.kind, rule.example),
        );
        return None;
    }
    if !fits {
        let name = text(ty);
        errors.at(&argument.ty, format_args!("expected a shared reference to the {}, as in `&{name}`", rule.kind));
        if reference.is_some() {
            return None;
        }
    }
    Some(Message { ty: ty.clone(), by_reference: reference.is_some() })
}

fn parameter(ty: &Type, rules: &Rules, errors: &mut Errors) -> Option<Parameter> {
    if !rules.others {
        let mutable = matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
        if !mutable || rules.mutable.is_none() {
            errors.at(ty, format_args!("{} takes no other parameter", rules.what));
            return None;
        }
    }
    let (role, inner) = match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            (mutable(&reference.elem, ty, rules, errors)?, &*reference.elem)
        }
        Type::Path(_)
            if rules.mutable == Some(Role::Events) && last_name(ty).is_some_and(|name| name == "Deadlines") =>
        {
            errors.at(ty, "deadlines are set and taken back in place: expected `&mut Deadlines`");
            return None;
        }
        Type::Reference(reference) => (Role::Reference, &*reference.elem),
        other => (Role::Value, other),
    };
    let findable = matches!(inner, Type::Path(_) | Type::Tuple(_) | Type::Array(_) | Type::Group(_) | Type::Paren(_));
    let is_str = last_name(inner).is_some_and(|name| name == "str");
    if !findable || is_str {
        errors.at(
            ty,
            "a parameter is found by its type: expected the name of a type, as in `now: Now` or `pool: &SqlitePool`",
        );
        return None;
    }
    Some(Parameter { role, ty: inner.clone() })
}

/// What `&mut ty` stands for.
fn mutable(ty: &Type, whole: &Type, rules: &Rules, errors: &mut Errors) -> Option<Role> {
    let named = last_name(ty).map(ToString::to_string);
    let what = rules.what;
    let message = match (named.as_deref(), rules.mutable) {
        (Some("Events"), Some(Role::Events)) => return Some(Role::Events),
        (Some("Deadlines"), Some(Role::Events)) => return Some(Role::Deadlines),
        (Some("Effects"), Some(Role::Effects)) => return Some(Role::Effects),
        (Some("UnitOfWork"), Some(Role::Work)) => return Some(Role::Work),
        (Some("Rows"), Some(Role::Rows)) => return Some(Role::Rows),
        (Some("Events"), _) => {
            format!("{what} records no events: only a command handler of an aggregate or a decision does")
        }
        (Some("Deadlines"), Some(Role::Effects)) => {
            format!("{what} sets a deadline with `effects.deadline(..)`: expected `&mut Effects`")
        }
        (Some("Deadlines"), _) => {
            format!("{what} sets no deadlines: only a command handler of an aggregate or a decision does")
        }
        (Some("Effects"), _) => format!("{what} has no effects: only a saga has"),
        (Some("UnitOfWork"), _) => {
            format!("{what} has no unit of work: only an `async` command handler, outside aggregates, has")
        }
        (Some("Rows"), _) => format!("{what} writes no rows: only a query handler does"),
        (_, Some(Role::Transaction)) => return Some(Role::Transaction),
        (_, Some(Role::Events)) => {
            "expected `&mut Events<Self>` or `&mut Deadlines`: nothing else can be changed here".to_owned()
        }
        (_, Some(Role::Work)) => "expected `&mut UnitOfWork`: nothing else can be changed here".to_owned(),
        (_, Some(Role::Rows)) => format!(
            "{what} cannot change a parameter: expected `{0}` or `&{0}`, or `&mut Rows<..>` for the rows of an answer",
            text(ty)
        ),
        (_, Some(Role::Effects)) => "expected `&mut Effects`: nothing else can be changed here".to_owned(),
        (Some(name), None) if name.ends_with("Transaction") => format!("{what} runs outside of transactions"),
        _ => format!("{what} cannot change a parameter: expected `{0}` or `&{0}`", text(ty)),
    };
    errors.at(whole, message);
    None
}

fn local(index: usize) -> Ident {
    format_ident!("__parameter{index}")
}
