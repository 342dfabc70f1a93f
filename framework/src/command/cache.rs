//! The cache of states, as people see it.

/// What the cache of states of one aggregate type holds, and how often it was of use.
///
/// ```
/// # use annals::prelude::*;
/// # #[derive(Command, Serialize, Deserialize)] #[command(name = "lamp.switch")] struct Switch { #[target] lamp: String }
/// # #[derive(Event, Serialize, Deserialize)] #[event(name = "lamp.switched")] struct Switched { on: bool }
/// # #[derive(Aggregate, Serialize, Deserialize, Default, Clone)] #[aggregate(name = "lamp")] struct Lamp { on: bool }
/// # #[command_handlers]
/// # impl Lamp {
/// #     #[handle(create_if_missing)] fn switch(&self, _command: &Switch) -> Switched { Switched { on: !self.on } }
/// # }
/// # #[event_sourcing]
/// # impl Lamp { #[apply] fn switched(&mut self, event: &Switched) { self.on = event.on; } }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let app = Annals::builder().store("memory:").without_discovery().include::<Lamp>().start().await.unwrap();
/// for _ in 0..4 {
///     app.send(Switch { lamp: "hall".into() }).await.unwrap();
/// }
/// let lamps = app.caches().into_iter().find(|cache| cache.aggregate == "lamp").unwrap();
/// assert_eq!((lamps.states, lamps.hits, lamps.misses), (1, 3, 1));
/// assert_eq!(lamps.hit_rate(), 0.75);
/// # app.shutdown().await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheUse {
    /// The aggregate's stored name.
    pub aggregate: &'static str,
    /// States in memory, those in use included.
    pub states: usize,
    /// Bytes that these states take, about.
    pub bytes: usize,
    /// Commands since the start that found their state in memory.
    pub hits: u64,
    /// Commands since the start that had to load their state. A command that creates its aggregate counts as neither.
    pub misses: u64,
}

impl CacheUse {
    /// The part of commands that found their state in memory, from 0 to 1; 0 before there was any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is no count")]
    pub fn hit_rate(&self) -> f64 {
        let all = self.hits.saturating_add(self.misses);
        if all == 0 { 0.0 } else { self.hits as f64 / all as f64 }
    }
}
