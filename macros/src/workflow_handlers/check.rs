use proc_macro2::TokenStream;
use syn::{FnArg, Signature};

use super::parse::{Methods, Run};
use crate::attributes::Keys;
use crate::block::{Block, text};
use crate::errors::Errors;
use crate::handler::{Output, check_one_each};

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("workflow_handlers", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, methods: &Methods, errors: &mut Errors) {
    one_function(block, &methods.runs, errors);
    check_one_each(methods.starts.iter().map(|start| &start.handler), "event", errors);
    for start in &methods.starts {
        if !matches!(start.handler.output, Output::Bare(_)) {
            let name = &start.handler.name;
            errors.at(name, "expected the input of the new instance as the result, as in `-> Self`");
        }
    }
    one_way_each(methods, errors);
}

fn one_function(block: &Block, runs: &[Run], errors: &mut Errors) {
    let Some((first, others)) = runs.split_first() else {
        let ty = text(&block.ty);
        let message = format!(
            "the workflow `{ty}` has no function: expected `#[run] async fn run(self, flow: Flow<Self>) -> Result<(), OrderFailure> {{ .. }}`"
        );
        return errors.at(&block.ty, message);
    };
    for run in others {
        errors.at(&run.attribute, format_args!("`{}` is the `#[run]` method already", first.sig.ident));
    }
    for run in runs {
        function(run, errors);
    }
}

fn function(Run { sig, output, .. }: &Run, errors: &mut Errors) {
    if sig.asyncness.is_none() {
        let message = format!("the function of a workflow awaits its steps: expected `async fn {}`", sig.ident);
        errors.at(&sig.ident, message);
    }
    parameters(sig, errors);
    if !matches!(output, Output::Fallible { ok: Some(_), error: Some(_), .. }) {
        let message = "expected a result, as in `-> Result<(), OrderFailure>`: an error undoes what was done";
        match output {
            Output::Bare(ty) | Output::Fallible { whole: ty, .. } => errors.at(ty, message),
            Output::Nothing => errors.at(&sig.ident, message),
        }
    }
}

fn parameters(sig: &Signature, errors: &mut Errors) {
    let expected = "expected `self` and `flow: Flow<Self>` as the parameters";
    let mut inputs = sig.inputs.iter();
    match inputs.next() {
        Some(FnArg::Receiver(receiver)) if matches!(receiver.kind, syn::ReceiverKind::Value) => {}
        Some(first) => errors.at(first, format_args!("{expected}: the function has the input for itself")),
        None => return errors.at(&sig.ident, expected),
    }
    match inputs.next() {
        Some(FnArg::Typed(_)) => {}
        _ => errors.at(&sig.ident, expected),
    }
    for other in inputs {
        let message =
            "the function takes nothing else: what the code of a call needs it gets by `call.resource::<T>()`";
        errors.at(other, message);
    }
}

/// Each event finds its instance in one way.
fn one_way_each(methods: &Methods, errors: &mut Errors) {
    for (index, awaits) in methods.awaits.iter().enumerate() {
        let name = text(&awaits.event);
        if methods.awaits[..index].iter().any(|other| text(&other.event) == name) {
            errors.at(&awaits.event, format_args!("the event `{name}` is awaited already"));
        }
        let start = methods
            .starts
            .iter()
            .find(|start| start.handler.message.as_ref().is_some_and(|message| text(&message.ty) == name));
        let (Some(by), Some(other)) = (&awaits.by, start.and_then(|start| start.by.as_ref())) else { continue };
        if by != other {
            let message = format!("the event `{name}` finds its instance by one field, and `#[start]` says `{other}`");
            errors.at_span(by.span(), message);
        }
    }
}
