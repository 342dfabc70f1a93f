//! The append lock of a file: the right to write.

use async_trait::async_trait;

use crate::store::error::BoxError;
use crate::store::sql::{AppendLock, Failure};

use super::writer::Writer;
use super::{SqliteTransaction, errors};

#[async_trait]
impl AppendLock for Writer {
    type Locked = SqliteTransaction;

    async fn lock(&self) -> Result<SqliteTransaction, BoxError> {
        Ok(SqliteTransaction::new(self.begin().await?))
    }

    async fn commit(&self, locked: SqliteTransaction) -> Result<(), Failure> {
        locked.into_inner().commit().await.map_err(errors::of_commit)
    }

    fn failure(&self, error: BoxError) -> Failure {
        errors::of_statement(error)
    }
}
