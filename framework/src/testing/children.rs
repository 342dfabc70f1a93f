//! What a saga wants besides commands: sagas that it begins, and events that it publishes.

use crate::message::{Event, Json, Payloads, StreamId};
use crate::saga::instance::{Happening, child_of};
use crate::saga::{ChildEnd, Saga, SagaHandlers};
use crate::store::{Effect, EffectKind, SagaStatus};

use super::GivenSaga;

impl<S: SagaHandlers> GivenSaga<S> {
    /// The newest input made the saga begin an instance of `C` with this state, maybe among other things.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn then_begins<C: Saga>(self, child: C) -> Self {
        let wanted = json(&child);
        let begun: Vec<Json> = self.sent_of(EffectKind::Saga, C::NAME).map(state_of).collect();
        assert!(
            begun.contains(&wanted),
            "no instance of `{}` was begun with {wanted}, only {}",
            C::NAME,
            Json::from(begun)
        );
        self
    }

    /// The newest input made the saga publish this event to `stream`, maybe among other things.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn then_publishes<E: Event>(self, stream: &StreamId, event: E) -> Self {
        let wanted = json(&event);
        let to = |effect: &&Effect| effect.place().is_some_and(|(place, ..)| place == *stream);
        let published: Vec<Json> = self.sent_of(EffectKind::Event, E::NAME).filter(to).map(state_of).collect();
        assert!(
            published.contains(&wanted),
            "no `{}` was published to `{stream}` as {wanted}, only {}",
            E::NAME,
            Json::from(published)
        );
        self
    }

    /// The instance of `C` that the saga began first, of those that run, has ended with this state.
    ///
    /// ```
    /// use annals::prelude::*;
    /// use annals::saga::{ChildEnd, SagaStatus};
    /// use annals::testing::given_saga;
    ///
    /// # #[derive(Event, Serialize, Deserialize)] #[event(name = "trip.wanted")] struct TripWanted { trip: String }
    /// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
    /// #[saga(name = "flight-search")]
    /// struct FlightSearch {
    ///     found: Option<String>,
    /// }
    ///
    /// #[derive(Saga, Serialize, Deserialize, Default, Clone)]
    /// #[saga(name = "trip")]
    /// struct Trip {}
    ///
    /// #[saga_handlers]
    /// impl Trip {
    ///     #[start(by = trip)]
    ///     fn wanted(&mut self, _: &TripWanted, effects: &mut Effects) {
    ///         effects.begin(FlightSearch::default());
    ///     }
    ///
    ///     #[ended]
    ///     fn searched(&mut self, search: &ChildEnd<FlightSearch>, effects: &mut Effects) {
    ///         if search.state.found.is_some() {
    ///             effects.end();
    ///         }
    ///     }
    /// }
    ///
    /// # fn main() {
    /// given_saga::<Trip>(TripWanted { trip: "t".into() })
    ///     .then_begins(FlightSearch::default())
    ///     .when_saga_ends(FlightSearch { found: Some("LH 1".into()) }, SagaStatus::Completed)
    ///     .then_ended();
    /// # }
    /// ```
    ///
    /// # Panics
    /// When none of its instances runs, or the saga cannot handle that.
    #[must_use = "say what should come of it"]
    #[track_caller]
    pub fn when_saga_ends<C: Saga>(mut self, state: C, status: SagaStatus) -> Self {
        let begun = self.open.iter().find(|effect| effect.kind == EffectKind::Saga && effect.name == C::NAME);
        let Some(effect) = begun.cloned() else { panic!("the saga has begun no `{}` that runs", C::NAME) };
        assert!(status.is_ended(), "the instance of `{}` still runs", C::NAME);
        let state = Payloads::json().encode(&state);
        let state = state.unwrap_or_else(|error| panic!("the state cannot be encoded: {error}"));
        let end = ChildEnd::new(child_of(effect.command), effect.command, status, &state[..]);
        self.sent.clear();
        self.change(&effect, &Happening::Ended(&end, C::NAME));
        self
    }

    fn sent_of(&self, kind: EffectKind, name: &'static str) -> impl Iterator<Item = &Effect> {
        self.sent.iter().filter(move |effect| effect.kind == kind && effect.name == name)
    }
}

fn state_of(effect: &Effect) -> Json {
    serde_json::from_slice(&effect.payload).unwrap_or(Json::Null)
}

#[track_caller]
fn json(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_else(|error| panic!("the value cannot be encoded: {error}"))
}
