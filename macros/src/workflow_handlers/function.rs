//! The methods of the block before anything else reads it: their bodies are checked, and `#[awaits]` and `#[part]` taken away.

use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl};

use super::parse::{Awaits, awaits};
use crate::attributes::check_bare;
use crate::errors::Errors;
use crate::workflow_body;

pub(super) fn prepare(block: &mut ItemImpl, errors: &mut Errors) -> Vec<Awaits> {
    let mut all = Vec::new();
    for item in &mut block.items {
        if let ImplItem::Fn(method) = item {
            method_of(method, &mut all, errors);
        }
    }
    all
}

fn method_of(method: &mut ImplItemFn, all: &mut Vec<Awaits>, errors: &mut Errors) {
    if has(method, "run") {
        for attribute in take(method, "awaits") {
            all.extend(awaits(&attribute, errors));
        }
        workflow_body::check(&mut method.block, errors);
    }
    for attribute in take(method, "awaits") {
        errors.at(attribute, "what the function awaits stands above the method marked `#[run]`");
    }
    if let Some(attribute) = take(method, "part").first() {
        check_bare(attribute, errors);
        workflow_body::into_part(&mut method.sig, &mut method.block, errors);
    }
}

fn has(method: &ImplItemFn, marker: &str) -> bool {
    method.attrs.iter().any(|attribute| attribute.path().is_ident(marker))
}

fn take(method: &mut ImplItemFn, marker: &str) -> Vec<Attribute> {
    let (taken, others) =
        std::mem::take(&mut method.attrs).into_iter().partition(|attribute| attribute.path().is_ident(marker));
    method.attrs = others;
    taken
}
