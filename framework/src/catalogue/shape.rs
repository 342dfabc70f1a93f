//! The shapes of types, as far as their own definitions tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A type whose shape the catalogue shows. The derives of messages and states implement it, and `#[derive(Described)]` for types
/// inside them.
#[diagnostic::on_unimplemented(
    message = "the shape of `{Self}` is not known",
    note = "annotate the type with `#[derive(Described)]`"
)]
pub trait Described {
    /// The name of the Rust type, without its path.
    fn type_name() -> &'static str;

    /// Its fields or variants.
    fn shape() -> Shape;

    /// Adds the described types inside it.
    fn describe_nested(types: &mut Types);
}

/// What serde makes of a type: names and types of fields, or variants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Shape {
    /// No field.
    Unit,
    /// Fields with names.
    Fields(Vec<Field>),
    /// Fields without names, by their types.
    Tuple(Vec<String>),
    /// One of several.
    Variants(Vec<Variant>),
    /// Another form than the plain one, as serde attributes of the type say.
    Formatted {
        /// The words of the attributes, such as `tag = kind`.
        format: String,
        /// The plain form.
        shape: Box<Shape>,
    },
}

/// A field with a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Field {
    /// The name under which it is stored.
    pub name: String,
    /// The type, as it is written.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether it must be there.
    #[serde(default, skip_serializing_if = "Presence::is_required")]
    pub presence: Presence,
    /// The words of serde attributes that change its form, such as `flatten`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub format: String,
}

/// Whether a field must be there when a payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It must.
    #[default]
    Required,
    /// It may be missing: an `Option`.
    Optional,
    /// It may be missing, and has a default then.
    Defaulted,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Variant {
    /// The name under which it is stored.
    pub name: String,
    /// What it holds.
    pub shape: Shape,
}

/// Types by their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Types(BTreeMap<String, Shape>);

impl Shape {
    /// Fields without names, of these types.
    #[must_use]
    pub fn tuple(types: &[&str]) -> Self {
        Self::Tuple(types.iter().map(|ty| (*ty).to_owned()).collect())
    }

    /// The same shape, changed by serde attributes; the plain one where `format` is empty.
    #[must_use]
    pub fn in_format(self, format: &str) -> Self {
        match format {
            "" => self,
            format => Self::Formatted { format: format.to_owned(), shape: Box::new(self) },
        }
    }
}

impl Field {
    /// A field in its plain form.
    #[must_use]
    pub fn new(name: &str, ty: &str, presence: Presence) -> Self {
        Self { name: name.to_owned(), ty: ty.to_owned(), presence, format: String::new() }
    }

    /// The same field, changed by serde attributes.
    #[must_use]
    pub fn in_format(self, format: &str) -> Self {
        Self { format: format.to_owned(), ..self }
    }
}

impl Presence {
    fn is_required(&self) -> bool {
        *self == Self::Required
    }
}

impl Variant {
    /// A variant.
    #[must_use]
    pub fn new(name: &str, shape: Shape) -> Self {
        Self { name: name.to_owned(), shape }
    }
}

impl Types {
    /// Adds a type; returns whether it was not there yet.
    pub fn add(&mut self, name: &str, shape: impl FnOnce() -> Shape) -> bool {
        if self.0.contains_key(name) {
            return false;
        }
        self.0.insert(name.to_owned(), shape());
        true
    }

    /// The shape of the type `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Shape> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.0.iter().map(|(name, shape)| (name.as_str(), shape))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
