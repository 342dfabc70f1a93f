//! Uncommitted changes of a table, over its committed rows.

use std::collections::BTreeMap;

/// A table's committed rows.
pub(super) type Rows<K, V> = BTreeMap<K, V>;

/// What a transaction has put (`Some`) and removed (`None`).
#[derive(Debug, Clone)]
pub(super) struct Changes<K, V>(BTreeMap<K, Option<V>>);

impl<K, V> Default for Changes<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Clone> Changes<K, V> {
    pub(super) fn put(&mut self, key: K, row: V) {
        self.0.insert(key, Some(row));
    }

    pub(super) fn remove(&mut self, key: K) {
        self.0.insert(key, None);
    }

    /// The row that the transaction sees under `key`.
    pub(super) fn get(&self, committed: &Rows<K, V>, key: &K) -> Option<V> {
        match self.0.get(key) {
            Some(change) => change.clone(),
            None => committed.get(key).cloned(),
        }
    }

    /// The rows that the transaction sees from `first` on, in key order, as long as `belongs` holds.
    pub(super) fn run(&self, committed: &Rows<K, V>, first: &K, belongs: impl Fn(&K) -> bool) -> Rows<K, V> {
        let mut rows: Rows<K, V> = committed
            .range(first..)
            .take_while(|(key, _)| belongs(key))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        for (key, change) in self.0.range(first..).take_while(|(key, _)| belongs(key)) {
            match change {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => rows.remove(key),
            };
        }
        rows
    }

    /// The greatest key that is committed or was changed.
    pub(super) fn last_key(&self, committed: &Rows<K, V>) -> Option<K> {
        let changed = self.0.last_key_value().map(|(key, _)| key);
        committed.last_key_value().map(|(key, _)| key).max(changed).cloned()
    }

    /// Makes the changes permanent.
    pub(super) fn commit_to(self, committed: &mut Rows<K, V>) {
        for (key, change) in self.0 {
            match change {
                Some(row) => committed.insert(key, row),
                None => committed.remove(&key),
            };
        }
    }
}
