//! What has changed between two catalogues, and what of it makes stored data unreadable.

use std::fmt;

use super::{Catalogue, Entry, Field, Kind, Presence, Shape, Variant};

/// What has changed since an earlier catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Comparison {
    /// What the program can no longer read, and what to do about it.
    pub faults: Vec<String>,
    /// What is new, and harms nothing that is stored.
    pub growth: Vec<String>,
}

impl Comparison {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.faults.is_empty() && self.growth.is_empty()
    }
}

impl fmt::Display for Comparison {
    /// A line for each change.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.faults.iter().try_for_each(|fault| writeln!(f, "- {fault}"))?;
        self.growth.iter().try_for_each(|growth| writeln!(f, "+ {growth}"))
    }
}

pub(super) fn catalogues(before: &Catalogue, now: &Catalogue) -> Comparison {
    let mut changes = Comparison::default();
    for entry in &before.entries {
        of_entry(entry, now, &mut changes);
    }
    for upcast in &before.upcasts {
        let (kind, name, revision) = (upcast.kind, &upcast.name, upcast.revision);
        let known = now.entry(kind, name).is_some_and(|entry| entry.revision == revision);
        if known || now.lifts(kind, name, revision) {
            continue;
        }
        let what = format!("the upcaster of {kind} `{name}` from revision {revision} has vanished");
        match kind {
            Kind::Snapshot => changes.growth.push(what),
            _ => changes.faults.push(format!("{what}: bring it back, since such a payload may be stored")),
        }
    }
    let is_new = |entry: &&Entry| before.entry(entry.kind, &entry.name).is_none();
    changes.growth.extend(now.entries.iter().filter(is_new).map(|entry| format!("new: {}", head(entry))));
    let new = now.upcasts.iter().filter(|upcast| !before.lifts(upcast.kind, &upcast.name, upcast.revision));
    changes.growth.extend(new.map(|upcast| format!("new: {}", upcast.to_string().trim_end())));
    changes
}

fn of_entry(entry: &Entry, now: &Catalogue, changes: &mut Comparison) {
    let Entry { kind, name, revision, .. } = entry;
    let lifted = now.lifts(*kind, name, *revision);
    // Snapshots and documents of views are made anew from events.
    let derived = matches!(kind, Kind::Snapshot | Kind::View);
    let mut push = |harmless: bool, text: String| match harmless {
        true => changes.growth.push(text),
        false => changes.faults.push(text),
    };
    match now.entry(*kind, name) {
        None if lifted => {
            push(true, format!("{kind} `{name}` is no longer written, and lifted from revision {revision}"))
        }
        None if derived => push(true, format!("{kind} `{name}` is no longer there")),
        None if *kind == Kind::Saga => {
            push(false, format!("saga `{name}` has vanished: instances that are under way would never end"));
        }
        None => push(
            false,
            format!(
                "{kind} `{name}` has vanished: lift it from revision {revision} with `#[upcast(name = \"{name}\", from = \
                 {revision})]`, to another {kind} or to `Dropped`"
            ),
        ),
        Some(current) if current.revision == *revision => {
            let mut of = Differences { entry, faults: Vec::new(), growth: Vec::new() };
            of.entries(current);
            let Differences { faults, growth, .. } = of;
            match kind {
                // Their schema tells them apart.
                Kind::Snapshot => changes.growth.extend(faults),
                _ => changes.faults.extend(faults),
            }
            changes.growth.extend(growth);
        }
        Some(current) => {
            let change = format!("{kind} `{name}` has gone from revision {revision} to {}", current.revision);
            match current.revision > *revision && (lifted || derived) {
                true => push(true, change),
                false => push(false, format!("{change}, and nothing lifts it: add `#[upcast(from = {revision})]`")),
            }
        }
    }
}

fn head(entry: &Entry) -> String {
    let text = entry.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Compares shapes at one revision.
struct Differences<'a> {
    entry: &'a Entry,
    faults: Vec<String>,
    growth: Vec<String>,
}

impl Differences<'_> {
    fn entries(&mut self, now: &Entry) {
        let name = format!("`{}`", self.entry.name);
        match (&self.entry.shape, &now.shape) {
            (Some(before), Some(now)) => self.shapes(&name, before, now),
            (Some(_), None) => self.fault(&format!("{name} is no longer described")),
            (None, Some(_)) => self.grown(format!("{name} is described now")),
            (None, None) => {}
        }
        let before = &self.entry.types;
        for (ty, shape) in now.types.iter() {
            match before.get(ty) {
                Some(before) => self.shapes(&format!("`{ty}` in {name}"), before, shape),
                None => self.grown(format!("the type `{ty}` in {name} is described now")),
            }
        }
        for (ty, _) in before.iter().filter(|(ty, _)| now.types.get(ty).is_none()) {
            self.grown(format!("the type `{ty}` in {name} is no longer described"));
        }
    }

    fn shapes(&mut self, place: &str, before: &Shape, now: &Shape) {
        match (before, now) {
            _ if before == now => {}
            (Shape::Fields(before), Shape::Fields(now)) => self.fields(place, before, now),
            (Shape::Variants(before), Shape::Variants(now)) => self.variants(place, before, now),
            (Shape::Formatted { format: old, shape: before }, Shape::Formatted { format: new, shape: now })
                if old == new =>
            {
                self.shapes(place, before, now);
            }
            _ => self.fault(&format!("{place} was `{}` and is `{}`", shown(before), shown(now))),
        }
    }

    fn fields(&mut self, place: &str, before: &[Field], now: &[Field]) {
        for field in before {
            let name = &field.name;
            let Some(current) = now.iter().find(|current| current.name == *name) else {
                self.fault(&format!("the field `{name}` of {place} has vanished"));
                continue;
            };
            if (&current.ty, &current.format) != (&field.ty, &field.format) {
                self.fault(&format!("the field `{name}` of {place} was `{field}` and is `{current}`"));
            } else if current.presence == Presence::Required && field.presence != Presence::Required {
                self.fault(&format!(
                    "the field `{name}` of {place} may be missing in stored payloads, and must be there now"
                ));
            } else if current.presence != field.presence {
                self.grown(format!("the field `{name}` of {place} may be missing now"));
            }
        }
        for field in now.iter().filter(|field| !before.iter().any(|before| before.name == field.name)) {
            let name = &field.name;
            match field.presence {
                Presence::Required => {
                    self.fault(&format!("the field `{name}` of {place} is new, and stored payloads lack it"));
                }
                _ => self.grown(format!("the field `{name}` of {place} is new, and may be missing")),
            }
        }
    }

    fn variants(&mut self, place: &str, before: &[Variant], now: &[Variant]) {
        for variant in before {
            let name = &variant.name;
            match now.iter().find(|current| current.name == *name) {
                Some(current) => {
                    self.shapes(&format!("the variant `{name}` of {place}"), &variant.shape, &current.shape);
                }
                None => self.fault(&format!("the variant `{name}` of {place} has vanished")),
            }
        }
        for variant in now.iter().filter(|variant| !before.iter().any(|before| before.name == variant.name)) {
            self.grown(format!("the variant `{}` of {place} is new", variant.name));
        }
    }

    fn fault(&mut self, what: &str) {
        let revision = self.entry.revision;
        let next = revision.saturating_add(1);
        let remedy = match self.entry.kind {
            Kind::View => format!("raise the version of the view to {next}"),
            Kind::Saga => {
                "keep it, or give what is new a `#[serde(default)]`: sagas that are under way have this state"
                    .to_owned()
            }
            _ => format!("raise the revision to {next}, and lift with `#[upcast(from = {revision})]`"),
        };
        self.faults.push(format!("{what}: {remedy}"));
    }

    fn grown(&mut self, what: String) {
        self.growth.push(what);
    }
}

fn shown(shape: &Shape) -> String {
    match shape.to_string().trim() {
        "" => "no field".to_owned(),
        text => text.to_owned(),
    }
}
