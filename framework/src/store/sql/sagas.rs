//! Saga instances with their associations, effects and timers.

use std::collections::HashMap;

use crate::message::SagaId;
use crate::store::error::StoreError;
use crate::store::records::{Association, Effect, SagaRow, SagaWrite};

use super::session::{Session, Statement};
use super::statements::Statements;
use super::value::ColumnError;
use super::{json, rows};

/// Runs the statements of sagas on a session.
pub(super) struct Sagas<'a, S: ?Sized> {
    pub(super) session: &'a mut S,
    pub(super) sql: &'static Statements,
}

impl<S: Session + ?Sized> Sagas<'_, S> {
    /// The instances of `saga` that are associated with any of `associations`.
    pub(super) async fn find(
        &mut self,
        tenant: &str,
        saga: &str,
        associations: &[Association],
    ) -> Result<Vec<SagaRow>, StoreError> {
        let wanted = associations.iter().map(|association| (&association.key, &association.value));
        let wanted = json::list(wanted).map_err(StoreError::unavailable)?;
        let found = self.session.fetch(Statement::new(self.sql.find_sagas).bind(tenant).bind(saga).bind(wanted)).await;
        let ids: Result<Vec<SagaId>, ColumnError> =
            found.map_err(StoreError::unavailable)?.into_iter().map(|mut row| Ok(row.id("saga_id")?.into())).collect();
        let ids = ids.map_err(StoreError::unavailable)?;
        if ids.is_empty() { Ok(Vec::new()) } else { self.by_id(tenant, saga, &ids).await }
    }

    /// The instances `ids` of `saga`, with their associations.
    pub(super) async fn by_id(&mut self, tenant: &str, saga: &str, ids: &[SagaId]) -> Result<Vec<SagaRow>, StoreError> {
        let ids = json::list(ids.iter().map(|id| json::id(id.uuid()))).map_err(StoreError::unavailable)?;
        let found = self.session.fetch(Statement::new(self.sql.sagas).bind(tenant).bind(saga).bind(&ids)).await;
        let found: Result<Vec<_>, _> = found.map_err(StoreError::unavailable)?.into_iter().map(rows::saga).collect();
        let mut found = found.map_err(StoreError::unavailable)?;
        let associations = Statement::new(self.sql.associations).bind(tenant).bind(saga).bind(ids);
        let associations = self.session.fetch(associations).await;
        let mut of_instance: HashMap<SagaId, Vec<Association>> = HashMap::new();
        for mut row in associations.map_err(StoreError::unavailable)? {
            let mut read = || -> Result<_, ColumnError> {
                let id = row.id("saga_id")?.into();
                Ok((id, Association { key: row.text("association_key")?, value: row.text("association_value")? }))
            };
            let (id, association) = read().map_err(StoreError::unavailable)?;
            of_instance.entry(id).or_default().push(association);
        }
        for row in &mut found {
            row.associations = of_instance.remove(&row.id).unwrap_or_default();
        }
        Ok(found)
    }

    /// Writes one instance with its effects and timers.
    pub(super) async fn write(&mut self, write: &SagaWrite) -> Result<(), StoreError> {
        self.write_row(write).await?;
        self.write_associations(write).await?;
        self.write_timers(write).await?;
        self.add_effects(&write.effects).await
    }

    async fn write_row(&mut self, write: &SagaWrite) -> Result<(), StoreError> {
        let (saga, row) = (&write.saga, &write.row);
        let text = if row.revision == 0 { self.sql.add_saga } else { self.sql.update_saga };
        let statement = of_instance(text, write)
            .bind(row.revision)
            .bind(row.state.clone())
            .bind(row.progress.clone())
            .bind(row.ended)
            .bind(row.effects);
        if self.execute(statement).await? == 0 {
            return Err(StoreError::Changed { what: format!("instance {} of saga `{saga}`", row.id) });
        }
        Ok(())
    }

    async fn write_associations(&mut self, write: &SagaWrite) -> Result<(), StoreError> {
        let row = &write.row;
        let kept = if row.ended { &[][..] } else { &row.associations };
        let kept = json::list(kept.iter().map(|association| (&association.key, &association.value)));
        let kept = kept.map_err(StoreError::unavailable)?;
        if row.revision > 0 {
            let drop = of_instance(self.sql.drop_associations, write).bind(&kept);
            self.execute(drop).await?;
        }
        if !row.ended && !row.associations.is_empty() {
            let add = of_instance(self.sql.add_associations, write).bind(kept);
            self.execute(add).await?;
        }
        Ok(())
    }

    async fn write_timers(&mut self, write: &SagaWrite) -> Result<(), StoreError> {
        if write.row.ended {
            self.execute(of_instance(self.sql.drop_timers, write)).await?;
            return Ok(());
        }
        if !write.cancelled.is_empty() {
            let names = json::list(&write.cancelled).map_err(StoreError::unavailable)?;
            self.execute(of_instance(self.sql.cancel_timers, write).bind(names)).await?;
        }
        if !write.timers.is_empty() {
            let timers = write.timers.iter().map(|timer| (&timer.name, timer.due.as_micros()));
            let timers = json::list(timers).map_err(StoreError::unavailable)?;
            self.execute(of_instance(self.sql.set_timers, write).bind(timers)).await?;
        }
        Ok(())
    }

    /// Adds effects, in order.
    pub(super) async fn add_effects(&mut self, effects: &[Effect]) -> Result<(), StoreError> {
        for effect in effects {
            let metadata = serde_json::to_string(&effect.metadata).map_err(StoreError::unavailable)?;
            let statement = Statement::new(self.sql.add_effect)
                .bind(&effect.tenant)
                .bind(effect.command)
                .bind(&effect.saga)
                .bind(effect.saga_id)
                .bind(effect.number)
                .bind(&effect.name)
                .bind(effect.payload.clone())
                .bind(metadata)
                .bind(effect.step.clone())
                .bind(effect.attempts)
                .bind(effect.not_before)
                .bind(effect.parked.clone());
            self.execute(statement).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        self.session.execute(statement).await.map_err(StoreError::unavailable)
    }
}

/// A statement whose first parameters name the instance.
fn of_instance(text: &'static str, write: &SagaWrite) -> Statement {
    Statement::new(text).bind(&write.tenant).bind(&write.saga).bind(write.row.id)
}
