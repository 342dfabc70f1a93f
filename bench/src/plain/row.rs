//! A row of the events table before it is written.

use jiff::Timestamp;
use uuid::Uuid;

use crate::Error;
use crate::deposit::Deposit;

/// An event to insert.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Given by the database where it is `None`.
    pub(crate) position: Option<i64>,
    pub(crate) stream: String,
    pub(crate) version: i64,
    pub(crate) payload: String,
    /// `key:value`.
    pub(crate) tag: Option<String>,
    pub(crate) id: Uuid,
    /// Microseconds since 1970.
    pub(crate) recorded_at: i64,
}

impl Row {
    /// The row of `deposit` as the event `version` of its account.
    pub(crate) fn new(deposit: &Deposit, version: i64) -> Result<Self, Error> {
        Ok(Self {
            position: None,
            stream: deposit.account.clone(),
            version,
            payload: serde_json::to_string(deposit)?,
            tag: None,
            id: fresh_id(),
            recorded_at: Timestamp::now().as_microsecond(),
        })
    }

    pub(crate) fn tagged(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    /// The tags as a JSON array.
    pub(super) fn tags(&self) -> String {
        self.tag.as_ref().map_or_else(|| "[]".to_owned(), |tag| format!("[\"{tag}\"]"))
    }

    /// One of 1,024 slices by the stream's id.
    pub(super) fn slice(&self) -> i32 {
        let hash = self
            .stream
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        (hash & 1023) as i32
    }
}

#[expect(clippy::disallowed_methods, reason = "plain SQL does without the framework's ids")]
fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
