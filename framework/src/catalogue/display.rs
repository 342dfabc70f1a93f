//! The catalogue for people.

use std::fmt;

use super::{Catalogue, Entry, Field, Kind, Presence, Shape, Upcast, Variant};

impl fmt::Display for Catalogue {
    /// A line for each entry, for each type inside it, and for each upcast.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| entry.fmt(f))?;
        self.upcasts.iter().try_for_each(|upcast| upcast.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}@{}", self.kind, self.name, self.revision)?;
        if let Some(shape) = &self.shape {
            write!(f, "{shape}")?;
        }
        writeln!(f)?;
        self.types.iter().try_for_each(|(name, shape)| writeln!(f, "    {name}{shape}"))
    }
}

impl fmt::Display for Upcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let into = if self.into.is_empty() { "nothing".to_owned() } else { self.into.join(", ") };
        writeln!(f, "{} {}@{} -> {into}", self.kind, self.name, self.revision)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event",
            Self::Command => "command",
            Self::Snapshot => "snapshot",
            Self::Saga => "saga",
            Self::View => "view",
        })
    }
}

impl fmt::Display for Shape {
    /// What follows the name of the type, with a space in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => Ok(()),
            Self::Fields(fields) if fields.is_empty() => f.write_str(" {}"),
            Self::Fields(fields) => write!(f, " {{ {} }}", joined(fields, ", ")),
            Self::Tuple(types) => write!(f, "({})", types.join(", ")),
            Self::Variants(variants) => write!(f, " = {}", joined(variants, " | ")),
            Self::Formatted { format, shape } => write!(f, "{shape} [{format}]"),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = if self.presence == Presence::Defaulted { "?" } else { "" };
        write!(f, "{}{missing}: {}", self.name, self.ty)?;
        if self.format.is_empty() { Ok(()) } else { write!(f, " [{}]", self.format) }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.shape)
    }
}

fn joined<T: fmt::Display>(items: &[T], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}
