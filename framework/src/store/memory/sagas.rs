//! What is read of the records of sagas.

use std::collections::{BTreeMap, HashSet};

use crate::message::{CommandId, SagaId, Timestamp};
use crate::store::sagas::{
    Effect, HistoryRow, SagaCount, SagaFilter, SagaRow, SagaStatus, Timer, WaitingInput, WhichEffects,
};
use crate::store::segment::Segment;

use super::records::{Records, named};

impl Records {
    /// The open effects of `saga` in `segment` that wait for no older one of their instance, in the order of their instants.
    fn foremost<'a>(&'a self, tenant: &str, saga: &str, segment: Segment) -> impl Iterator<Item = &'a Effect> {
        let of = named(tenant, saga);
        let first = (of.clone(), Timestamp::from_micros(i64::MIN), 0);
        let dues = self.effect_dues.range(first..).take_while(move |((key, ..), ())| *key == of);
        let effects = dues.filter_map(|((.., place), ())| self.effects.get(place));
        effects.filter(move |effect| segment.has(effect.slice) && !self.waits(effect))
    }

    /// Whether an older effect of the instance comes first.
    fn waits(&self, effect: &Effect) -> bool {
        let of = named(&effect.tenant, &effect.saga);
        let first = (of.clone(), effect.saga_id, 0, 0);
        let older = self.effect_order.range(first..).take_while(|((key, instance, number, _), _)| {
            *key == of && *instance == effect.saga_id && *number < effect.number
        });
        older.into_iter().any(|(_, group)| effect.group == 0 || *group != effect.group)
    }

    fn effects_of<'a>(&'a self, tenant: &'a str, saga: &'a str) -> impl Iterator<Item = &'a Effect> {
        self.effects.values().filter(move |effect| effect.tenant == tenant && effect.saga == saga)
    }

    pub(super) fn due_effects(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Vec<Effect> {
        let due = self.foremost(tenant, saga, segment).take_while(|effect| effect.not_before <= now);
        due.take(limit).cloned().collect()
    }

    pub(super) fn next_effect(&self, tenant: &str, saga: &str, segment: Segment) -> Option<Timestamp> {
        self.foremost(tenant, saga, segment).next().map(|effect| effect.not_before)
    }

    pub(super) fn open_effects(&self, tenant: &str, saga: &str, instance: Option<SagaId>, limit: usize) -> Vec<Effect> {
        let open = self.effects_of(tenant, saga).filter(|effect| instance.is_none_or(|id| effect.saga_id == id));
        let mut open: Vec<Effect> = open.cloned().collect();
        if instance.is_some() {
            open.sort_by_key(|effect| effect.number);
        }
        open.truncate(limit);
        open
    }

    pub(super) fn effects(
        &self,
        tenant: &str,
        saga: &str,
        which: WhichEffects<'_>,
        after: Option<(Timestamp, CommandId)>,
        limit: usize,
    ) -> Vec<Effect> {
        let wanted = |effect: &&Effect| match which {
            WhichEffects::Waiting => effect.parked.is_none(),
            WhichEffects::Parked => effect.parked.is_some(),
            WhichEffects::Scope(scope) => effect.scope.as_deref() == Some(scope),
        };
        let key = |effect: &&Effect| (effect.not_before, effect.command);
        let behind = |effect: &&Effect| after.is_none_or(|after| key(effect) > after);
        let mut found: Vec<&Effect> = self.effects_of(tenant, saga).filter(wanted).filter(behind).collect();
        found.sort_by_key(key);
        found.into_iter().take(limit).cloned().collect()
    }

    fn timers_in<'a>(&'a self, tenant: &'a str, saga: &'a str, segment: Segment) -> impl Iterator<Item = &'a Timer> {
        let all = self.timers.values().filter(move |timer| timer.tenant == tenant && timer.saga == saga);
        all.filter(move |timer| segment.has(timer.slice))
    }

    pub(super) fn due_timers(
        &self,
        tenant: &str,
        saga: &str,
        segment: Segment,
        now: Timestamp,
        limit: usize,
    ) -> Vec<Timer> {
        let due = self.timers_in(tenant, saga, segment).filter(|timer| timer.due <= now);
        let mut due: Vec<Timer> = due.cloned().collect();
        due.sort_by_key(|timer| timer.due);
        due.truncate(limit);
        due
    }

    pub(super) fn next_timer(&self, tenant: &str, saga: &str, segment: Segment) -> Option<Timestamp> {
        self.timers_in(tenant, saga, segment).map(|timer| timer.due).min()
    }

    fn instances(&self, tenant: &str, saga: &str) -> impl Iterator<Item = &SagaRow> {
        let of = named(tenant, saga);
        let first = (of.clone(), SagaId::from(uuid::Uuid::nil()));
        self.sagas.range(first..).take_while(move |((saga, _), _)| *saga == of).map(|(_, row)| row)
    }

    pub(super) fn list_sagas(&self, tenant: &str, saga: &str, filter: &SagaFilter, limit: usize) -> Vec<SagaRow> {
        let mut found: Vec<SagaRow> = self.instances(tenant, saga).filter(|row| filter.takes(row)).cloned().collect();
        found.sort_by_key(|row| (row.began, row.id));
        found.truncate(limit);
        found
    }

    pub(super) fn count_sagas(&self, tenant: &str, saga: &str) -> Vec<SagaCount> {
        let mut counts: BTreeMap<(SagaStatus, Option<&String>), SagaCount> = BTreeMap::new();
        for row in self.instances(tenant, saga) {
            let count = counts.entry((row.status, row.step.as_ref())).or_insert_with(|| SagaCount {
                status: row.status,
                step: row.step.clone(),
                instances: 0,
                attention: 0,
                oldest: row.began,
            });
            count.instances += 1;
            count.attention += u64::from(row.attention.is_some());
            count.oldest = count.oldest.min(row.began);
        }
        counts.into_values().collect()
    }

    pub(super) fn history(&self, tenant: &str, saga: &str, id: SagaId) -> Vec<HistoryRow> {
        let of = (named(tenant, saga), id);
        let rows = self.history.range((of.clone(), 0)..).take_while(|((key, _), _)| *key == of);
        rows.map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn waiting(&self, tenant: &str, saga: &str, id: SagaId) -> Vec<WaitingInput> {
        let of = (named(tenant, saga), id);
        let rows = self.waiting.range((of.clone(), 0)..).take_while(|((key, _), _)| *key == of);
        rows.map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn forget_sagas(&mut self, tenant: &str, saga: &str, before: Timestamp, limit: usize) -> u64 {
        let open: HashSet<SagaId> = self.effects_of(tenant, saga).map(|effect| effect.saga_id).collect();
        let ended = self.instances(tenant, saga).filter(|row| row.status.is_ended() && row.changed < before);
        let free = ended.filter(|row| !open.contains(&row.id));
        let keys: HashSet<_> = free.map(|row| (named(tenant, saga), row.id)).take(limit).collect();
        if !keys.is_empty() {
            for key in &keys {
                self.sagas.remove(key);
            }
            self.history.retain(|(of, _), _| !keys.contains(of));
            self.waiting.retain(|(of, _), _| !keys.contains(of));
        }
        keys.len() as u64
    }
}
