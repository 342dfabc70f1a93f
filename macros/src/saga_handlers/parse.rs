use proc_macro2::{Ident, Span};
use syn::{Attribute, FnArg, LitInt, LitStr, Meta, Path, Type};

use crate::attributes::{Keys, check_bare, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};

/// The methods of the block by their marker.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) inputs: Vec<Input>,
    pub(super) begins: Vec<(Attribute, Handler)>,
    pub(super) replies: Vec<Answer>,
    pub(super) rejections: Vec<Answer>,
    pub(super) ends: Vec<End>,
    pub(super) compensations: Vec<(Attribute, Handler)>,
    pub(super) upcasts: Vec<Upcast>,
    pub(super) deadlines: Vec<Deadline>,
    pub(super) steps: Vec<(Attribute, Handler)>,
}

/// `#[start]`, `#[handle]` or `#[end]`
pub(super) struct Input {
    pub(super) handler: Handler,
    /// A variant of `SagaRole`.
    pub(super) role: &'static str,
    /// By what the instances are found; missing only after a fault.
    pub(super) by: Option<By>,
    /// The key of the association, where it is not the name of the field.
    pub(super) key: Option<LitStr>,
}

/// By what the instances are found that an event concerns.
pub(super) enum By {
    /// The field holds one value.
    Field(Ident),
    /// The field holds values: an `Option`, a `Vec`, a set.
    Fields(Ident),
    /// A function makes values of the event.
    Function(Path),
    /// The metadata hold it under this key.
    Metadata(LitStr),
}

/// `#[accepted]` or `#[rejected]`
pub(super) struct Answer {
    pub(super) handler: Handler,
    /// The command's reply or error; missing only after a fault.
    pub(super) what: Option<Type>,
}

/// `#[ended]`
pub(super) struct End {
    pub(super) handler: Handler,
    /// The saga that has ended; missing only after a fault.
    pub(super) saga: Option<Type>,
}

/// `#[upcast(from = 1)]`
pub(super) struct Upcast {
    pub(super) cfg: Vec<Attribute>,
    pub(super) name: Ident,
    pub(super) from: Option<LitInt>,
}

/// `#[deadline("..")]`
pub(super) struct Deadline {
    pub(super) handler: Handler,
    /// Missing only after a fault.
    pub(super) name: Option<LitStr>,
}

const INPUT: Rules = Rules {
    what: "a saga handler",
    receiver: ReceiverRule::Mutable,
    message: Some(MessageRule { kind: "event", by_value: false, example: "event: &OrderPlaced" }),
    asynchronous: AsyncRule::Never("what it wants to happen it says through `effects: &mut Effects`"),
    mutable: Some(Role::Effects),
    others: true,
};

const REJECTION: Rules = Rules {
    what: "a `#[rejected]` method",
    message: Some(MessageRule { kind: "command", by_value: false, example: "command: &ReserveStock" }),
    ..INPUT
};

const REPLY: Rules = Rules { what: "an `#[accepted]` method", ..REJECTION };

const DEADLINE: Rules = Rules { what: "a `#[deadline]` method", message: None, ..INPUT };

const BEGIN: Rules = Rules { what: "the `#[begin]` method", ..DEADLINE };

const COMPENSATION: Rules = Rules { what: "the `#[compensate]` method", ..DEADLINE };

const END: Rules = Rules { what: "an `#[ended]` method", ..DEADLINE };

const STEPS: Rules = Rules {
    what: "the `#[steps]` method",
    receiver: ReceiverRule::None,
    message: None,
    asynchronous: AsyncRule::Never("it only lists the steps"),
    mutable: None,
    others: false,
};

pub(super) fn methods(block: &Block, errors: &mut Errors) -> Methods {
    let mut methods = Methods::default();
    for method in &block.methods {
        match method.marker {
            "start" => methods.inputs.push(input(method, "start", "Start", errors)),
            "handle" => methods.inputs.push(input(method, "handle", "Handle", errors)),
            "end" => methods.inputs.push(input(method, "end", "End", errors)),
            "begin" => methods.begins.push(bare(method, &BEGIN, errors)),
            "accepted" => methods.replies.push(answer(method, &REPLY, "reply", "reply: &Booking", errors)),
            "rejected" => methods.rejections.push(answer(method, &REJECTION, "error", "why: &StockError", errors)),
            "ended" => methods.ends.push(end(method, errors)),
            "compensate" => methods.compensations.push(bare(method, &COMPENSATION, errors)),
            "upcast" => methods.upcasts.push(upcast(method, errors)),
            "deadline" => methods.deadlines.push(deadline(method, errors)),
            _ => methods.steps.push(bare(method, &STEPS, errors)),
        }
    }
    methods
}

fn bare(method: &Method, rules: &Rules, errors: &mut Errors) -> (Attribute, Handler) {
    check_bare(&method.attribute, errors);
    (method.attribute.clone(), Handler::read(method, rules, errors))
}

const FOUND: [&str; 4] = ["by = order", "by_any = orders", "by_metadata = \"shop\"", "key = \"purchase\""];
const STARTED: [&str; 5] = [FOUND[0], FOUND[1], FOUND[2], FOUND[3], "always"];

fn input(method: &Method, marker: &'static str, role: &'static str, errors: &mut Errors) -> Input {
    let (mut by, mut key_name, mut role): (Option<By>, _, _) = (None, None, role);
    let mut keys = Keys::new(marker, if marker == "start" { &STARTED } else { &FOUND });
    keys.read(&method.attribute, errors, |key, input, errors| {
        let found = match key.word {
            "by" => By::Field(value(input)?),
            "by_any" => {
                let path: Path = value(input)?;
                path.get_ident().cloned().map_or(By::Function(path), By::Fields)
            }
            "by_metadata" => By::Metadata(value(input)?),
            "key" => {
                key_name = Some(value(input)?);
                return Ok(());
            }
            _ => {
                role = "StartAlways";
                return Ok(());
            }
        };
        if by.is_some() {
            errors.at_span(
                key.span,
                "an event finds its instances in one way: by one field, by many values, or by metadata",
            );
        }
        by.get_or_insert(found);
        Ok(())
    });
    if by.is_none() && role != "StartAlways" {
        keys.require("by", &method.attribute, errors);
    }
    if let (Some(By::Function(path)), None) = (&by, &key_name) {
        errors.at(path, "a function gives values, and the association needs a name besides: add `key = \"order\"`");
    }
    Input { handler: Handler::read(method, &INPUT, errors), role, by, key: key_name }
}

fn answer(method: &Method, rules: &Rules, what: &str, example: &str, errors: &mut Errors) -> Answer {
    check_bare(&method.attribute, errors);
    let (method, second) = without_second(method);
    let handler = Handler::read(&method, rules, errors);
    let what = match second {
        Some(Type::Reference(reference)) if reference.mutability.is_none() => Some(*reference.elem),
        other => {
            let message = format!("expected the command's {what} as the second parameter, as in `{example}`");
            match other {
                Some(ty) => errors.at(ty, message),
                None => errors.at(&method.sig.ident, message),
            }
            None
        }
    };
    Answer { handler, what }
}

/// `fn refunded(&mut self, refund: &ChildEnd<Refund>, ..)`
fn end(method: &Method, errors: &mut Errors) -> End {
    check_bare(&method.attribute, errors);
    let (method, first) = without(method, 1);
    let handler = Handler::read(&method, &END, errors);
    let saga = match &first {
        Some(Type::Reference(reference)) if reference.mutability.is_none() => argument(&reference.elem, "ChildEnd"),
        _ => None,
    };
    if saga.is_none() {
        let message = "expected the end of a saga as the first parameter, as in `refund: &ChildEnd<Refund>`";
        match &first {
            Some(ty) => errors.at(ty, message),
            None => errors.at(&method.sig.ident, message),
        }
    }
    End { handler, saga }
}

/// The `T` of `name<T>`.
fn argument(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(ty) if arguments.args.len() == 1 => Some(ty.clone()),
        _ => None,
    }
}

fn upcast(method: &Method, errors: &mut Errors) -> Upcast {
    let mut from = None;
    let mut keys = Keys::new("upcast", &["from = 1"]);
    keys.read(&method.attribute, errors, |_, input, _| {
        from = Some(value(input)?);
        Ok(())
    });
    keys.require("from", &method.attribute, errors);
    let (sig, name) = (&method.sig, &method.sig.ident);
    let one = sig.inputs.len() == 1 && matches!(sig.inputs.first(), Some(FnArg::Typed(_)));
    if !one || matches!(sig.output, syn::ReturnType::Default) || sig.asyncness.is_some() {
        let message = format!("expected the old state and the next one, as in `fn {name}(state: Json) -> Json`");
        errors.at(name, message);
        from = None;
    }
    Upcast { cfg: method.cfg.clone(), name: name.clone(), from }
}

fn without_second(method: &Method) -> (Method, Option<Type>) {
    without(method, 2)
}

/// The method without the parameter at this place after `self`, counted from 1, and that parameter's type.
fn without(method: &Method, place: usize) -> (Method, Option<Type>) {
    let mut sig = method.sig.clone();
    let mut found = None;
    let mut position = 0;
    sig.inputs = std::mem::take(&mut sig.inputs)
        .into_iter()
        .filter_map(|input| {
            if let FnArg::Typed(typed) = &input {
                position += 1;
                if position == place {
                    found = Some((*typed.ty).clone());
                    return None;
                }
            }
            Some(input)
        })
        .collect();
    let method = Method { marker: method.marker, attribute: method.attribute.clone(), cfg: method.cfg.clone(), sig };
    (method, found)
}

fn deadline(method: &Method, errors: &mut Errors) -> Deadline {
    let name = match &method.attribute.meta {
        Meta::List(list) => list.parse_args::<LitStr>().ok(),
        _ => None,
    };
    match &name {
        Some(name) if name.value().is_empty() => errors.at(name, "a deadline has a name, as in \"reservation\""),
        Some(_) => {}
        None => errors.at(&method.attribute, "expected the deadline's name, as in `#[deadline(\"reservation\")]`"),
    }
    Deadline { handler: Handler::read(method, &DEADLINE, errors), name }
}

impl Methods {
    /// All methods whose parameters come from the context.
    pub(super) fn handlers(&self) -> impl Iterator<Item = &Handler> {
        let inputs = self.inputs.iter().map(|input| &input.handler);
        let answers = self.replies.iter().chain(&self.rejections).map(|answer| &answer.handler);
        let bare = self.begins.iter().chain(&self.compensations).map(|(_, handler)| handler);
        let ends = self.ends.iter().map(|end| &end.handler);
        inputs.chain(answers).chain(bare).chain(ends).chain(self.deadlines.iter().map(|deadline| &deadline.handler))
    }
}

impl Deadline {
    /// Where the name is written.
    pub(super) fn span(&self) -> Span {
        self.name.as_ref().map_or_else(|| self.handler.name.span(), LitStr::span)
    }
}
