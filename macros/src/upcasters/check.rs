use proc_macro2::TokenStream;

use super::parse::Upcaster;
use crate::attributes::Keys;
use crate::block::Block;
use crate::errors::Errors;

/// The macro itself takes no arguments.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) {
    Keys::new("upcasters", &[]).read_list(arguments, errors, |_, _, _| Ok(()));
}

pub(super) fn all(block: &Block, upcasters: &[Upcaster], errors: &mut Errors) {
    if upcasters.is_empty() {
        block.report_empty("#[upcast(from = 1)]", "fn add_time(payload: Json) -> Json", errors);
    }
    for (index, upcaster) in upcasters.iter().enumerate() {
        goes_forward(upcaster, errors);
        is_alone(upcaster, &upcasters[..index], errors);
        if upcaster.output.is_none() {
            let message = "expected what it becomes as the result: `Json`, the event itself, or `Dropped` for nothing";
            errors.at(&upcaster.name, message);
        }
    }
}

fn goes_forward(upcaster: &Upcaster, errors: &mut Errors) {
    let (Some(from), Some(to)) = (&upcaster.from, &upcaster.to) else { return };
    if upcaster.from_name.is_none() && to.number <= from.number {
        let message = format!("an upcaster goes forward: expected a revision above {}", from.number);
        errors.at(&to.written, message);
    }
}

fn is_alone(upcaster: &Upcaster, before: &[Upcaster], errors: &mut Errors) {
    let Some(from) = &upcaster.from else { return };
    let name = |upcaster: &Upcaster| upcaster.from_name.as_ref().map(syn::LitStr::value);
    let same = before.iter().find(|other| {
        other.from.as_ref().is_some_and(|other| other.number == from.number)
            && name(other) == name(upcaster)
            && other.cfg.is_empty()
            && upcaster.cfg.is_empty()
    });
    if let Some(first) = same {
        let message = format!("`{}` lifts from revision {} already", first.name, from.number);
        errors.at(&from.written, message);
    }
}
