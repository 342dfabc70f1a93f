//! What is sent: the same deposits, in the same order, to every subject.

use serde::{Deserialize, Serialize};

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
    /// The deposit of this number on an account.
    pub(crate) fn on(account: u32, number: u32) -> Self {
        Self {
            account: format!("account-{account:06}"),
            cents: u64::from(number % 10_000) + 1,
            reference: format!("invoice {number:010}, paid by standing order"),
        }
    }

    /// The number that it was made with.
    pub(crate) fn number(&self) -> Option<u32> {
        self.reference.get(8..18)?.parse().ok()
    }
}

/// Accounts that deposits are spread over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accounts(pub(crate) u32);

impl Accounts {
    /// One deposit on each account: it makes the streams and fills caches, and is not measured.
    pub(crate) fn first_deposits(self) -> impl Iterator<Item = Deposit> {
        (0..self.0).map(|account| Deposit::on(account, u32::MAX - account))
    }

    /// The deposit of this number, from 0. Accounts come in an order without a pattern.
    pub(crate) fn deposit(self, number: u32) -> Deposit {
        let account = (u64::from(self.0) * (scrambled(u64::from(number)) >> 32)) >> 32;
        Deposit::on(u32::try_from(account).unwrap_or(0), number)
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
    fn deposits_reach_every_account_and_no_other() {
        let accounts = Accounts(7);
        let reached: BTreeSet<_> = (0..200).map(|number| accounts.deposit(number).account).collect();
        let first: BTreeSet<_> = accounts.first_deposits().map(|deposit| deposit.account).collect();
        assert_eq!(reached, first);
        assert_eq!(first.len(), 7);
    }

    #[test]
    fn a_deposit_tells_its_number() {
        for number in [0, 42, u32::MAX] {
            assert_eq!(Deposit::on(1, number).number(), Some(number));
        }
    }
}
