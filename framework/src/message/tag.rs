//! Tags: the facts about an event that a consistency boundary can ask for.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A key and a value by which events are found across streams, such as `order:o-1`.
///
/// `#[tag]` on a field makes the field's name the key and its text the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag {
    key: Cow<'static, str>,
    value: String,
}

impl Tag {
    /// The tag `key:value`. No store takes a key with a colon.
    pub fn new(key: impl Into<Cow<'static, str>>, value: impl fmt::Display) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }

    /// What the value is about; the name of the field that carries `#[tag]`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value as text.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Reads the stored form, `key:value`; `None` without a colon.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, value) = text.split_once(':')?;
        Some(Self { key: Cow::Owned(key.to_owned()), value: value.to_owned() })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.value)
    }
}
