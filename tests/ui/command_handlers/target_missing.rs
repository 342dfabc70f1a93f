use annals::prelude::*;

#[derive(Command, Serialize, Deserialize, Clone)]
#[command(name = "lamp.go")]
struct Go {
    lamp: String,
}

#[derive(Aggregate, Default, Clone)]
#[aggregate(name = "lamp")]
struct Lamp;

#[derive(Event, Serialize, Deserialize)]
#[event(name = "lamp.gone")]
struct Gone {}

#[event_sourcing]
impl Lamp {
    #[apply]
    fn gone(&mut self, _event: &Gone) {}
}

#[command_handlers]
impl Lamp {
    #[handle]
    fn go(&self, command: Go) -> Option<Gone> {
        (!command.lamp.is_empty()).then_some(Gone {})
    }
}

fn main() {}
