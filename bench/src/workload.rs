//! What is sent: the same commands, in the same order, to every subject.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much is sent, by how many, to how many.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Workload {
    /// Clients that send at the same time.
    pub(crate) clients: u32,
    /// Accounts that the commands are spread over.
    pub(crate) aggregates: u32,
    /// Commands that are measured.
    pub(crate) commands: u32,
}

impl Workload {
    /// One deposit on each account: it makes the streams and fills caches, and is not measured.
    pub(crate) fn warm_up(self) -> impl Iterator<Item = Deposit> {
        (0..self.aggregates).map(|account| Deposit::new(account, u32::MAX - account))
    }

    /// The measured command of this number, from 0. Accounts come in an order without a pattern.
    pub(crate) fn deposit(self, number: u32) -> Deposit {
        let account = (u64::from(self.aggregates) * (scrambled(u64::from(number)) >> 32)) >> 32;
        Deposit::new(u32::try_from(account).unwrap_or(0), number)
    }

    /// Events that are stored in the end.
    pub(crate) fn events(self) -> u64 {
        u64::from(self.commands) + u64::from(self.aggregates)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, aggregates, commands } = self;
        write!(f, "{commands} commands from {clients} clients over {aggregates} accounts")
    }
}

/// Money paid into an account: the command, and word for word the event that it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deposit {
    /// Id of the account.
    pub(crate) account: String,
    /// How much.
    pub(crate) cents: u64,
    /// What the payer wrote.
    pub(crate) reference: String,
}

impl Deposit {
    fn new(account: u32, number: u32) -> Self {
        Self {
            account: format!("account-{account:06}"),
            cents: u64::from(number % 10_000) + 1,
            reference: format!("invoice {number:010}, paid by standing order"),
        }
    }
}

/// A number that looks random but is the same in each run.
///
/// Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
fn scrambled(number: u64) -> u64 {
    let mut bits = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn commands_reach_every_account_and_no_other() {
        let workload = Workload { clients: 1, aggregates: 7, commands: 200 };
        let reached: BTreeSet<_> = (0..200).map(|number| workload.deposit(number).account).collect();
        let warm: BTreeSet<_> = workload.warm_up().map(|deposit| deposit.account).collect();
        assert_eq!(reached, warm);
        assert_eq!(warm.len(), 7);
    }
}
