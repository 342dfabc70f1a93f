//! Keys of documents come from what events say, and are bounded as all input is (guarantee 11).

use annals::Sent;
use annals::prelude::*;

use crate::given::{Lasting, PATIENCE, app, eventually};

#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "page.note")]
struct Note {
    #[target]
    page: String,
    word: String,
}

#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "page.noted")]
struct Noted {
    word: String,
}

#[derive(Aggregate, Default, Debug, Clone)]
#[aggregate(name = "page")]
struct Page;

#[command_handlers]
impl Page {
    #[handle(create_if_missing)]
    fn note(&self, command: Note) -> Noted {
        Noted { word: command.word }
    }
}

#[event_sourcing]
impl Page {
    #[apply]
    fn noted(&mut self, _: &Noted) {}
}

#[derive(View, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[view(name = "words", key = String)]
struct Words {
    seen: u32,
}

#[view_handlers]
impl Words {
    #[handle(key = word)]
    fn noted(&mut self, _: &Noted) {
        self.seen += 1;
    }
}

#[tokio::test]
async fn a_key_that_no_store_takes_parks_its_event_and_others_go_on() {
    for lasting in Lasting::each() {
        let builder = app().include::<Page>().include::<Words>().processors(|config| config.attempts = 1);
        let app = lasting.start(builder).await;
        let note = async |word: &str| -> Sent<()> {
            app.send(Note { page: word.len().to_string(), word: word.to_owned() }).await.unwrap()
        };
        note("short").await;
        note(&"x".repeat(600)).await;
        note("with\0zero").await;
        note("after").await;
        let parked = async || {
            let letters = app.processors().dead_letters("view:words@1").await.unwrap();
            (letters.len() == 2).then_some(letters)
        };
        let letters = eventually("both are put aside", parked).await;
        assert!(letters[0].error.contains("the key of a document has 600 bytes"), "{}", letters[0].error);
        assert!(letters[1].error.contains("zero character,"), "{}", letters[1].error);
        let seen = async || {
            let words = app.view::<Words>().list(None, 9).await.unwrap();
            (words.len() == 2).then_some(words)
        };
        let words = tokio::time::timeout(PATIENCE, eventually("the others are folded", seen)).await.unwrap();
        assert_eq!(words.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["after", "short"]);
        app.shutdown().await.unwrap();
    }
}
