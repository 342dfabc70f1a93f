//! What the workspace's commands and its tests share: private database servers.
//!
//! The commands themselves (`cargo xtask ..`) are the program of this crate.

pub mod servers;
