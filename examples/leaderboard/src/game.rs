//! Games, in which players score.

use annals::prelude::*;

/// A player has scored.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "game.score", error = GameError)]
pub struct Score {
    /// In which game.
    #[target]
    pub game: String,
    /// Who.
    pub player: String,
    /// How many points.
    pub points: u32,
}

/// A game is over.
#[derive(Command, Serialize, Deserialize, Debug, Clone)]
#[command(name = "game.close", error = GameError)]
pub struct Close {
    /// Which one.
    #[target]
    pub game: String,
}

/// A player scored.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "game.scored")]
pub struct Scored {
    /// Who.
    #[tag]
    pub player: String,
    /// How many points.
    pub points: u32,
}

/// A game was closed.
#[derive(Event, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[event(name = "game.closed")]
pub struct Closed {}

/// Why a game takes no score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum GameError {
    /// It is over.
    #[error("the game is over")]
    Over,
}

/// A game begins with its first score. Invariant: nobody scores once it is closed.
#[derive(Aggregate, Serialize, Deserialize, Default, Debug, Clone)]
#[aggregate(name = "game")]
pub struct Game {
    closed: bool,
}

#[command_handlers]
impl Game {
    #[handle(create_if_missing)]
    fn score(&self, command: Score) -> Result<Scored, GameError> {
        if self.closed {
            return Err(GameError::Over);
        }
        Ok(Scored { player: command.player, points: command.points })
    }

    #[handle]
    fn close(&self, _: Close) -> Option<Closed> {
        (!self.closed).then_some(Closed {})
    }
}

#[event_sourcing]
impl Game {
    #[apply]
    fn scored(&mut self, _: &Scored) {}

    #[apply]
    fn closed(&mut self, _: &Closed) {
        self.closed = true;
    }
}
