//! Counts visits of pages.

use annals::prelude::*;

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "visit.count", reply = u64)]
struct CountVisit {
    #[target]
    page: String,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "visit.counted")]
struct VisitCounted {}

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "page")]
struct Page {
    visits: u64,
}

#[command_handlers]
impl Page {
    #[handle(create_if_missing)]
    fn count(&mut self, _command: CountVisit, events: &mut Events<Self>) -> u64 {
        events.apply(self, VisitCounted {});
        self.visits
    }
}

#[event_sourcing]
impl Page {
    #[apply]
    fn counted(&mut self, _event: &VisitCounted) {
        self.visits += 1;
    }
}

#[tokio::main]
async fn main() -> annals::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "sqlite://visits.db".to_owned());
    let app = Annals::open(&address).await?;
    match app.send(CountVisit { page: "home".to_owned() }).await {
        Ok(sent) => println!("visit {} of the page, stored at position {}", sent.reply, sent.position),
        Err(error) => eprintln!("{error}"),
    }
    app.shutdown().await
}
