//! Books: where sagas leave their marks, and an interceptor that gets in their way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::Annals;
use annals::command::{CommandFailure, CommandInterceptor, CommandMessage, CommandResult, Next};
use annals::prelude::*;

use crate::given::Faults;

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "book.note", error = BookError)]
pub(crate) struct Note {
    #[target]
    pub(crate) book: String,
    pub(crate) text: String,
}

#[derive(Command, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[command(name = "book.whisper", error = BookError)]
pub(crate) struct Whisper {
    #[target]
    pub(crate) book: String,
    pub(crate) text: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum BookError {
    #[error("{0} is not said here")]
    Forbidden(String),
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "book.noted")]
pub(crate) struct Noted {
    pub(crate) book: String,
    pub(crate) text: String,
}

/// Where sagas leave their marks. It does not take a text that begins with "no".
#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "book")]
pub(crate) struct Book {
    pub(crate) lines: Vec<String>,
}

#[command_handlers]
impl Book {
    #[handle(create_if_missing)]
    fn note(&self, command: Note) -> Result<Noted, BookError> {
        noted(command.book, command.text)
    }

    #[handle(create_if_missing)]
    fn whisper(&self, command: Whisper) -> Result<Noted, BookError> {
        noted(command.book, command.text)
    }
}

fn noted(book: String, text: String) -> Result<Noted, BookError> {
    if text.starts_with("no") { Err(BookError::Forbidden(text)) } else { Ok(Noted { book, text }) }
}

#[event_sourcing]
impl Book {
    #[apply]
    fn noted(&mut self, event: &Noted) {
        self.lines.push(event.text.clone());
    }
}

/// What stands in a book.
pub(crate) async fn lines(app: &Annals, book: &str) -> Vec<String> {
    let book = app.aggregate::<Book>(book).load().await.unwrap();
    book.map(|book| book.state.lines).unwrap_or_default()
}

/// Executes commands and then reports that it failed, or never comes to execute them.
#[derive(Clone, Default)]
pub(crate) struct Troublemaker {
    /// By the text of the note; `before ..` where the command is not even executed.
    pub(crate) faults: Faults,
    /// The notes that were tried, with the id of each attempt.
    tried: Arc<Mutex<Vec<(String, CommandId)>>>,
}

impl Troublemaker {
    /// The ids under which `text` was tried.
    pub(crate) fn tried(&self, text: &str) -> Vec<CommandId> {
        self.tried.lock().unwrap().iter().filter(|(tried, _)| tried == text).map(|(_, id)| *id).collect()
    }
}

#[async_trait::async_trait]
impl CommandInterceptor for Troublemaker {
    async fn intercept(&self, command: CommandMessage, next: Next<'_>) -> CommandResult {
        let Some(Note { text, .. }) = command.command().cloned() else { return next.run(command).await };
        self.tried.lock().unwrap().push((text.clone(), command.id));
        if self.faults.strike(&format!("hang {text}")) {
            std::future::pending::<()>().await;
        }
        assert!(!self.faults.strike(&format!("panic {text}")), "told to panic around a command");
        let failure = CommandFailure::Timeout { after: Duration::ZERO };
        if self.faults.strike(&format!("before {text}")) {
            return Err(failure.into());
        }
        let result = next.run(command).await;
        if self.faults.strike(&text) { Err(failure.into()) } else { result }
    }
}
