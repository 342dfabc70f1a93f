use proc_macro2::Ident;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{DeriveInput, LitStr, Token, Type};

use crate::attributes::{Keys, check_name, parentheses, positive, value};
use crate::errors::Errors;
use crate::fields::MarkedFields;

pub(super) struct Command {
    pub(super) ident: Ident,
    pub(super) name: Option<LitStr>,
    pub(super) revision: Option<u32>,
    pub(super) error: Option<Type>,
    pub(super) reply: Option<Type>,
    pub(super) roles: Vec<LitStr>,
    pub(super) validated: bool,
    pub(super) fields: MarkedFields,
}

pub(super) fn command(input: &DeriveInput, errors: &mut Errors) -> Command {
    let (mut name, mut revision, mut error, mut reply) = (None, None, None, None);
    let (mut roles, mut validated) = (Vec::new(), false);
    let known = &[
        "name = \"order.place\"",
        "revision = 2",
        "error = OrderError",
        "reply = Total",
        "roles(\"clerk\", \"manager\")",
        "validate",
    ];
    let mut keys = Keys::new("command", known);
    keys.read_all(&input.attrs, errors, |key, input, errors| {
        match key.word {
            "name" => check_name(name.insert(value(input)?), errors),
            "revision" => revision = positive(&value(input)?, "a revision", errors),
            "error" => error = Some(value(input)?),
            "reply" => reply = Some(value(input)?),
            "roles" => {
                let listed = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(parentheses(input)?)?;
                if listed.is_empty() {
                    errors.at_span(
                        key.span,
                        "expected at least one role: without `roles` everybody may send the command",
                    );
                }
                roles.extend(listed);
                roles.iter().for_each(|role| check_role(role, errors));
            }
            _ => validated = true,
        }
        Ok(())
    });
    keys.require("name", &input.ident, errors);
    let fields = MarkedFields::of_command(&input.data, errors);
    Command { ident: input.ident.clone(), name, revision, error, reply, roles, validated, fields }
}

/// Roles stand in one text, with commas between them.
fn check_role(role: &LitStr, errors: &mut Errors) {
    let text = role.value();
    if text.is_empty() || text.trim() != text || text.contains(',') {
        errors.at(role, "a role is one word, without a comma or white space around it, as in \"clerk\"");
    }
}
