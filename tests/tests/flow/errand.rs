//! A saga that does what its events tell it, so that a test can say in one line what a saga is to want.

use std::time::Duration;

use annals::Annals;
use annals::app::Builder;
use annals::prelude::*;
use annals::store::Effect;

use crate::book::*;
use crate::given::app;

/// What an event tells the saga to do.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) enum Do {
    /// Have `text` written into the book `book`.
    Note {
        book: String,
        text: String,
    },
    /// The same by a command whose rejection the saga does not handle.
    Whisper {
        book: String,
        text: String,
    },
    Deadline {
        name: String,
        seconds: u64,
    },
    Cancel {
        name: String,
    },
    Associate {
        parcel: String,
    },
    Dissociate {
        parcel: String,
    },
    End,
    Panic,
}

pub(crate) fn note(book: &str, text: &str) -> Do {
    Do::Note { book: book.into(), text: text.into() }
}

pub(crate) fn whisper(book: &str, text: &str) -> Do {
    Do::Whisper { book: book.into(), text: text.into() }
}

pub(crate) fn deadline(name: &str, seconds: u64) -> Do {
    Do::Deadline { name: name.into(), seconds }
}

pub(crate) fn cancel(name: &str) -> Do {
    Do::Cancel { name: name.into() }
}

pub(crate) fn associate(parcel: &str) -> Do {
    Do::Associate { parcel: parcel.into() }
}

pub(crate) fn dissociate(parcel: &str) -> Do {
    Do::Dissociate { parcel: parcel.into() }
}

/// Begins an errand, or tells one that runs what to do next.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "errand.tell")]
pub(crate) struct Tell {
    #[target]
    pub(crate) errand: String,
    pub(crate) begin: bool,
    pub(crate) todo: Vec<Do>,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "errand.close")]
pub(crate) struct Close {
    #[target]
    pub(crate) errand: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "parcel.find")]
pub(crate) struct Find {
    #[target]
    pub(crate) parcel: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "errand.begun")]
pub(crate) struct Begun {
    pub(crate) errand: String,
    pub(crate) todo: Vec<Do>,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "errand.told")]
pub(crate) struct Told {
    pub(crate) errand: String,
    pub(crate) todo: Vec<Do>,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "errand.closed")]
pub(crate) struct Closed {
    pub(crate) errand: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "parcel.found")]
pub(crate) struct Found {
    pub(crate) parcel: String,
}

/// Whoever sends the saga on its way.
#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "errand-master")]
pub(crate) struct Master;

#[command_handlers]
impl Master {
    #[handle(create_if_missing)]
    fn tell(&mut self, command: Tell, events: &mut Events<Self>) {
        let Tell { errand, begin, todo } = command;
        match begin {
            true => events.apply(self, Begun { errand, todo }),
            false => events.apply(self, Told { errand, todo }),
        }
    }

    #[handle(create_if_missing)]
    fn close(&self, command: Close) -> Closed {
        Closed { errand: command.errand }
    }

    #[handle(create_if_missing)]
    fn find(&self, command: Find) -> Found {
        Found { parcel: command.parcel }
    }
}

#[event_sourcing]
impl Master {
    #[apply]
    fn begun(&mut self, _event: &Begun) {}
    #[apply]
    fn told(&mut self, _event: &Told) {}
    #[apply]
    fn closed(&mut self, _event: &Closed) {}
    #[apply]
    fn found(&mut self, _event: &Found) {}
}

#[derive(Saga, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[saga(name = "errand")]
pub(crate) struct Errand {
    pub(crate) errand: String,
    /// How many inputs the instance has had.
    pub(crate) inputs: u32,
}

#[saga_handlers]
impl Errand {
    #[start(by = errand)]
    fn begun(&mut self, event: &Begun, effects: &mut Effects) {
        self.errand = event.errand.clone();
        self.perform(&event.todo, effects);
    }

    #[handle(by = errand)]
    fn told(&mut self, event: &Told, effects: &mut Effects) {
        self.perform(&event.todo, effects);
    }

    #[handle(by = parcel)]
    fn found(&mut self, event: &Found, effects: &mut Effects) {
        self.perform(&[note(&self.errand, &format!("found {}", event.parcel))], effects);
    }

    #[rejected]
    fn refused(&mut self, command: &Note, why: &BookError, effects: &mut Effects) {
        let BookError::Forbidden(text) = why;
        self.perform(&[note(&command.book, &format!("refused: {text}"))], effects);
    }

    #[deadline("soon")]
    fn soon(&mut self, effects: &mut Effects) {
        self.perform(&[note(&self.errand, "soon is over")], effects);
    }

    #[deadline("late")]
    fn late(&mut self, effects: &mut Effects) {
        self.perform(&[note(&self.errand, "late is over")], effects);
    }

    #[end(by = errand)]
    fn closed(&mut self, _event: &Closed) {}

    fn perform(&mut self, todo: &[Do], effects: &mut Effects) {
        self.inputs += 1;
        for act in todo.iter().cloned() {
            match act {
                Do::Note { book, text } => effects.send(Note { book, text }),
                Do::Whisper { book, text } => effects.send(Whisper { book, text }),
                Do::Deadline { name, seconds } => effects.deadline(name, Duration::from_secs(seconds)),
                Do::Cancel { name } => effects.cancel_deadline(name),
                Do::Associate { parcel } => effects.associate("parcel", parcel),
                Do::Dissociate { parcel } => effects.dissociate("parcel", parcel),
                Do::End => effects.end(),
                Do::Panic => panic!("told to panic"),
            }
        }
    }
}

/// An application that runs errands.
pub(crate) fn errands() -> Builder {
    app().include::<Master>().include::<Book>().include::<Errand>()
}

pub(crate) async fn begin(app: &Annals, errand: &str, todo: &[Do]) {
    app.send(Tell { errand: errand.into(), begin: true, todo: todo.to_vec() }).await.unwrap();
}

pub(crate) async fn tell(app: &Annals, errand: &str, todo: &[Do]) {
    app.send(Tell { errand: errand.into(), begin: false, todo: todo.to_vec() }).await.unwrap();
}

pub(crate) async fn close(app: &Annals, errand: &str) {
    app.send(Close { errand: errand.into() }).await.unwrap();
}

pub(crate) async fn find(app: &Annals, parcel: &str) {
    app.send(Find { parcel: parcel.into() }).await.unwrap();
}

/// Commands of errands that were not answered yet.
pub(crate) async fn open_effects(app: &Annals) -> Vec<Effect> {
    app.journal().store().sagas().open_effects("", "errand", None, 100).await.unwrap()
}
