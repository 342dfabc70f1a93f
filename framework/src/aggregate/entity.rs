//! Child entities: parts of an aggregate that have an id of their own.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};

/// A child entity that is kept in a list and found there by its id. `#[derive(Entity)]` implements it for a struct with
/// a field marked `#[id]`. Entities in maps are found by the key of the map, and need it not.
///
/// ```
/// use annals::prelude::*;
///
/// #[derive(Entity, Serialize, Deserialize, Clone)]
/// struct Copy {
///     #[id]
///     copy: u32,
///     lent: bool,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no id by which it could be found in a list",
    note = "annotate the struct with `#[derive(Entity)]` and its id with `#[id]`, or keep it in a map"
)]
pub trait Entity {
    /// The type of its id.
    type Id: PartialEq;

    /// Its id, unique among its siblings.
    fn id(&self) -> &Self::Id;
}

/// A place for child entities that are found by an id of type `K`: a `Vec`, a `BTreeMap`, a `HashMap`, or, by `()`, an
/// `Option`. A step of `at = copies[copy]` goes through it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` holds no entities that are found by `{K}`",
    note = "expected a `Vec` of entities with an id of this type, or a map with keys of this type",
    note = "a single entity stands without brackets: `at = address`, or `at = address?` for an `Option`"
)]
pub trait Entities<K> {
    /// The entity.
    type Entity;

    /// The entity with this id.
    fn entity(&self, id: &K) -> Option<&Self::Entity>;

    /// The entity with this id, to be changed.
    fn entity_mut(&mut self, id: &K) -> Option<&mut Self::Entity>;

    /// Takes the entity with this id away.
    fn end(&mut self, id: &K);
}

impl<E: Entity> Entities<E::Id> for Vec<E> {
    type Entity = E;

    fn entity(&self, id: &E::Id) -> Option<&E> {
        self.iter().find(|entity| entity.id() == id)
    }

    fn entity_mut(&mut self, id: &E::Id) -> Option<&mut E> {
        self.iter_mut().find(|entity| entity.id() == id)
    }

    fn end(&mut self, id: &E::Id) {
        self.retain(|entity| entity.id() != id);
    }
}

impl<K: Ord, E> Entities<K> for BTreeMap<K, E> {
    type Entity = E;

    fn entity(&self, id: &K) -> Option<&E> {
        self.get(id)
    }

    fn entity_mut(&mut self, id: &K) -> Option<&mut E> {
        self.get_mut(id)
    }

    fn end(&mut self, id: &K) {
        self.remove(id);
    }
}

impl<K: Eq + Hash, E, S: BuildHasher> Entities<K> for HashMap<K, E, S> {
    type Entity = E;

    fn entity(&self, id: &K) -> Option<&E> {
        self.get(id)
    }

    fn entity_mut(&mut self, id: &K) -> Option<&mut E> {
        self.get_mut(id)
    }

    fn end(&mut self, id: &K) {
        self.remove(id);
    }
}

impl<E> Entities<()> for Option<E> {
    type Entity = E;

    fn entity(&self, (): &()) -> Option<&E> {
        self.as_ref()
    }

    fn entity_mut(&mut self, (): &()) -> Option<&mut E> {
        self.as_mut()
    }

    fn end(&mut self, (): &()) {
        *self = None;
    }
}
