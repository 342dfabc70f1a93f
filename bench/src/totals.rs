//! What reading comes to: the final type that every reader builds.

use crate::Error;
use crate::deposit::Deposit;

/// What a fold over deposits leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Totals {
    /// Events read.
    pub(crate) events: u64,
    /// Sum of all deposits.
    pub(crate) cents: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, cents: u64) {
        self.events += 1;
        self.cents += cents;
    }

    /// Decodes one payload and adds it.
    pub(crate) fn add_json(&mut self, payload: &[u8]) -> Result<(), Error> {
        let deposit: Deposit = serde_json::from_slice(payload)?;
        self.add(deposit.cents);
        Ok(())
    }

    /// Decodes and adds payloads that follow each other.
    pub(crate) fn add_json_lines(&mut self, payloads: &[u8]) -> Result<(), Error> {
        for deposit in serde_json::Deserializer::from_slice(payloads).into_iter::<Deposit>() {
            self.add(deposit?.cents);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_alone_and_in_lines_come_to_the_same() {
        let payloads: Vec<_> =
            (0..3).map(|number| serde_json::to_string(&Deposit::on(1, number)).expect("plain data")).collect();
        let (mut alone, mut lines) = (Totals::default(), Totals::default());
        for payload in &payloads {
            alone.add_json(payload.as_bytes()).expect("it was just written");
        }
        lines.add_json_lines(payloads.join("\n").as_bytes()).expect("it was just written");
        assert_eq!((alone, lines), (Totals { events: 3, cents: 6 }, alone));
        assert!(lines.add_json_lines(b"{\"account\"").is_err());
    }
}
