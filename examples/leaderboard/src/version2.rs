//! The leaderboard by another rule, as the next version of the view: whoever scores ten points or more at once gets five besides.
//!
//! The name stays, the version is another one: its documents are made of all events, and those of version 1 stay as they are.

use annals::prelude::*;
use annals::view::{Cursor, ViewError, ViewPage};

use crate::game::Scored;

/// Points from which on a score counts for more.
pub const LARGE: u32 = 10;
/// What it counts for more.
pub const BONUS: u64 = 5;

/// What a player has come to in all games.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "leaderboard", version = 2, key = String)]
pub struct Standing {
    /// All points, with what large scores count for more.
    #[index]
    pub points: u64,
    /// How many large scores there were.
    pub large: u32,
    /// How often the player has scored.
    pub scores: u32,
}

#[view_handlers]
impl Standing {
    #[handle(key = player)]
    fn scored(&mut self, event: &Scored) {
        self.points += u64::from(event.points);
        self.scores += 1;
        if event.points >= LARGE {
            self.points += BONUS;
            self.large += 1;
        }
    }
}

/// The best players, so many on a page, behind those of the page before.
///
/// # Errors
/// When the store does not answer.
pub async fn best(app: &Annals, limit: usize, after: Option<Cursor>) -> Result<ViewPage<Standing>, ViewError> {
    app.view::<Standing>().order_by(Standing::POINTS.descending()).limit(limit).after(after).page().await
}
