use proc_macro2::Ident;
use syn::{Data, DeriveInput, Member, Type};

use crate::attributes::check_bare;
use crate::errors::Errors;

pub(super) struct Entity {
    pub(super) ident: Ident,
    /// The field that is its id.
    pub(super) id: Option<(Member, Type)>,
}

pub(super) fn entity(input: &DeriveInput, errors: &mut Errors) -> Entity {
    let mut id = None;
    if let Data::Struct(data) = &input.data {
        for (field, member) in data.fields.iter().zip(data.fields.members()) {
            for mark in field.attrs.iter().filter(|attribute| attribute.path().is_ident("id")) {
                check_bare(mark, errors);
                if id.is_some() {
                    errors.at(mark, "an entity has one id, and another field is marked already");
                } else {
                    id = Some((member.clone(), field.ty.clone()));
                }
            }
        }
        if id.is_none() {
            errors.at(&input.ident, "missing `#[id]` on the field by which the entity is found among its siblings");
        }
    }
    Entity { ident: input.ident.clone(), id }
}
