use proc_macro2::{Ident, Span};
use syn::{Attribute, LitStr, Meta, Type};

use crate::attributes::{Keys, check_bare, value};
use crate::block::{Block, Method};
use crate::errors::Errors;
use crate::handler::{AsyncRule, Handler, MessageRule, ReceiverRule, Role, Rules};

/// The methods of the block by their marker.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) inputs: Vec<Input>,
    pub(super) rejections: Vec<Rejection>,
    pub(super) deadlines: Vec<Deadline>,
    pub(super) steps: Vec<(Attribute, Handler)>,
}

/// `#[start]`, `#[handle]` or `#[end]`
pub(super) struct Input {
    pub(super) handler: Handler,
    /// A variant of `SagaRole`.
    pub(super) role: &'static str,
    /// The field of the event by which the instance is found; missing only after a fault.
    pub(super) by: Option<Ident>,
}

/// `#[rejected]`
pub(super) struct Rejection {
    pub(super) handler: Handler,
    /// The command's error; missing only after a fault.
    pub(super) why: Option<Type>,
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

const DEADLINE: Rules = Rules { what: "a `#[deadline]` method", message: None, ..INPUT };

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
            "rejected" => methods.rejections.push(rejection(method, errors)),
            "deadline" => methods.deadlines.push(deadline(method, errors)),
            _ => {
                check_bare(&method.attribute, errors);
                methods.steps.push((method.attribute.clone(), Handler::read(method, &STEPS, errors)));
            }
        }
    }
    methods
}

fn input(method: &Method, marker: &'static str, role: &'static str, errors: &mut Errors) -> Input {
    let mut by = None;
    let mut keys = Keys::new(marker, &["by = order"]);
    keys.read(&method.attribute, errors, |_, input, _| {
        by = Some(value(input)?);
        Ok(())
    });
    keys.require("by", &method.attribute, errors);
    Input { handler: Handler::read(method, &INPUT, errors), role, by }
}

fn rejection(method: &Method, errors: &mut Errors) -> Rejection {
    check_bare(&method.attribute, errors);
    let (method, why) = without_reason(method);
    let handler = Handler::read(&method, &REJECTION, errors);
    let why = match why {
        Some(Type::Reference(reference)) if reference.mutability.is_none() => Some(*reference.elem),
        other => {
            let message = "expected the command's error as the second parameter, as in `why: &StockError`";
            match other {
                Some(ty) => errors.at(ty, message),
                None => errors.at(&method.sig.ident, message),
            }
            None
        }
    };
    Rejection { handler, why }
}

/// The method without its second parameter after `self`, and that parameter's type.
fn without_reason(method: &Method) -> (Method, Option<Type>) {
    let mut sig = method.sig.clone();
    let mut why = None;
    let mut position = 0;
    sig.inputs = std::mem::take(&mut sig.inputs)
        .into_iter()
        .filter_map(|input| {
            if let syn::FnArg::Typed(typed) = &input {
                position += 1;
                if position == 2 {
                    why = Some((*typed.ty).clone());
                    return None;
                }
            }
            Some(input)
        })
        .collect();
    let method = Method { marker: method.marker, attribute: method.attribute.clone(), cfg: method.cfg.clone(), sig };
    (method, why)
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
        let rejections = self.rejections.iter().map(|rejection| &rejection.handler);
        inputs.chain(rejections).chain(self.deadlines.iter().map(|deadline| &deadline.handler))
    }
}

impl Deadline {
    /// Where the name is written.
    pub(super) fn span(&self) -> Span {
        self.name.as_ref().map_or_else(|| self.handler.name.span(), LitStr::span)
    }
}
