//! .
pub struct MemoryStore;
