//! A leaderboard on two nodes.

pub mod board;
pub mod game;
pub mod node;
pub mod version2;
