//! Keys of advisory locks, and the name of the channel.

use uuid::Uuid;

/// The space of the store's keys. It never changes: all nodes of a store agree on it.
const SPACE: Uuid = Uuid::from_bytes(*b"annals advisory\0");

/// The keys of one store. PostgreSQL keeps those of each database apart; those of one schema are kept apart here.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    schema: Uuid,
}

impl Keys {
    pub(super) fn of(schema: &str) -> Self {
        Self { schema: Uuid::new_v5(&SPACE, schema.as_bytes()) }
    }

    /// Held while an append is written.
    pub(super) fn append(&self) -> i64 {
        self.key("append", &[])
    }

    /// Held while the schema is brought up to date.
    pub(super) fn migration(&self) -> i64 {
        self.key("migration", &[])
    }

    /// Held by the node as long as it lives.
    pub(super) fn sign(&self, node: &str) -> i64 {
        self.key("node", &[node])
    }

    /// Where nodes tell each other that something was appended.
    pub(super) fn channel(&self) -> String {
        format!("annals_{}", self.schema.simple())
    }

    fn key(&self, purpose: &str, parts: &[&str]) -> i64 {
        let name = [&[purpose], parts].concat().join("\0");
        let (high, _) = Uuid::new_v5(&self.schema, name.as_bytes()).as_u64_pair();
        high.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Keys;

    #[test]
    fn a_key_never_changes() {
        assert_eq!(Keys::of("public").append(), 6_500_890_252_864_278_994);
        assert_eq!(Keys::of("public").channel(), "annals_6b57c39c945953d683c5c8334adf01ce");
    }

    #[test]
    fn what_is_different_has_different_keys() {
        let (one, two) = (Keys::of("public"), Keys::of("shop"));
        let keys = [one.append(), one.migration(), one.sign("one"), one.sign("two"), two.append(), two.sign("one")];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_ne!(one.channel(), two.channel());
    }
}
