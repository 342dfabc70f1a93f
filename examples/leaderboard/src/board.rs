//! The leaderboard: one document for each player, found by its points.

use annals::prelude::*;
use annals::view::{Cursor, ViewError, ViewPage};

use crate::game::Scored;

/// What a player has come to in all games.
#[derive(View, Serialize, Deserialize, Default, Debug, Clone, PartialEq)]
#[view(name = "leaderboard", key = String)]
pub struct Standing {
    /// All points.
    #[index]
    pub points: u64,
    /// How often the player has scored.
    pub scores: u32,
}

#[view_handlers]
impl Standing {
    #[handle(key = player)]
    fn scored(&mut self, event: &Scored) {
        self.points += u64::from(event.points);
        self.scores += 1;
    }
}

/// The best players, so many on a page, behind those of the page before.
///
/// # Errors
/// When the store does not answer.
pub async fn best(app: &Annals, limit: usize, after: Option<Cursor>) -> Result<ViewPage<Standing>, ViewError> {
    app.view::<Standing>().order_by(Standing::POINTS.descending()).limit(limit).after(after).page().await
}
