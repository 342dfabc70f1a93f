//! A notebook: an aggregate whose snapshots can be asked for, and made to fail.

use annals::prelude::*;
use serde::Serializer;

/// Each note is an event.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "notebook.write", reply = usize)]
pub struct Write {
    #[target]
    pub notebook: String,
    pub notes: Vec<String>,
}

/// Closing a closed notebook changes nothing.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "notebook.close")]
pub struct Close {
    #[target]
    pub notebook: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "notebook.noted")]
pub struct Noted {
    pub note: String,
    pub shelf: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "notebook.closed")]
pub struct Closed {}

/// Snapshots on request, and whenever the application says so.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[aggregate(name = "notebook", snapshot)]
pub struct Notebook {
    #[serde(serialize_with = "legible")]
    pub notes: Vec<String>,
    pub closed: bool,
}

#[command_handlers]
impl Notebook {
    #[handle(create_if_missing)]
    fn write(&mut self, command: Write, events: &mut Events<Self>) -> usize {
        events.record(command.notes.into_iter().map(|note| Noted { note, shelf: "all".into() }).collect::<Vec<_>>());
        self.notes.len()
    }

    #[handle]
    fn close(&self, _command: Close) -> Option<Closed> {
        (!self.closed).then_some(Closed {})
    }
}

#[event_sourcing]
impl Notebook {
    #[apply]
    fn noted(&mut self, event: &Noted) {
        assert_ne!(event.note, "mined", "the notebook was mined");
        self.notes.push(event.note.clone());
    }

    #[apply]
    fn closed(&mut self, _event: &Closed) {
        self.closed = true;
    }
}

/// What is illegible cannot be written, and some notes explode.
fn legible<S: Serializer>(notes: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    assert!(!notes.iter().any(|note| note == "explosive"), "a note has exploded");
    if notes.iter().any(|note| note == "illegible") {
        return Err(serde::ser::Error::custom("a note is illegible"));
    }
    notes.serialize(serializer)
}

/// All notes of all notebooks, kept with each append.
#[derive(View, Serialize, Deserialize, Debug, Clone, Default)]
#[view(name = "shelf", key = String, inline)]
pub struct Shelf {
    pub notes: usize,
}

#[view_handlers]
impl Shelf {
    #[handle(key = shelf)]
    fn noted(&mut self, _event: &Noted) {
        self.notes += 1;
    }
}

pub fn write(notebook: &str, notes: &[&str]) -> Write {
    Write { notebook: notebook.to_owned(), notes: notes.iter().map(|note| (*note).to_owned()).collect() }
}

pub fn close(notebook: &str) -> Close {
    Close { notebook: notebook.to_owned() }
}
