//! Three revisions of one event in one stream.

pub mod domain;
pub mod old_days;
