//! Money, exact to the cent.

use std::fmt;
use std::ops::{AddAssign, SubAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Cents in a unit of the currency.
const CENTS: u64 = 100;

/// An amount of money, exact to the cent and never below zero; the shop has one currency.
///
/// It is read, shown and stored as a decimal number such as `12.50`, and as a text in JSON, since a number there need not
/// be exact.
///
/// ```
/// use order_stock::terms::Money;
///
/// let price: Money = "12.5".parse()?;
/// assert_eq!(price, Money::cents(1250));
/// assert_eq!(price.to_string(), "12.50");
/// # Ok::<(), order_stock::terms::NoMoney>(())
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(try_from = "String", into = "String")]
pub struct Money(u64);

/// A text that is no amount of money.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("`{text}` is no amount such as 12.50, from 0.00 to {}", Money::MOST)]
pub struct NoMoney {
    text: String,
}

impl Money {
    /// The most that can be written.
    pub const MOST: Self = Self(u64::MAX);

    /// So many cents.
    #[must_use]
    pub const fn cents(cents: u64) -> Self {
        Self(cents)
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Accounts only take out what they hold, and put back what they took out: no sum leaves the range.
impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / CENTS, self.0 % CENTS))
    }
}

impl FromStr for Money {
    type Err = NoMoney;

    /// Reads digits, then a point and one or two more where there are cents.
    fn from_str(text: &str) -> Result<Self, NoMoney> {
        cents(text).map(Self).ok_or_else(|| NoMoney { text: text.to_owned() })
    }
}

fn cents(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=2).contains(&part.len()) || !digits(whole) || !digits(part) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<2}").parse().ok()?;
    whole.checked_mul(CENTS)?.checked_add(part)
}

impl TryFrom<String> for Money {
    type Error = NoMoney;

    fn try_from(text: String) -> Result<Self, NoMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_to_the_cent_and_written_the_same() {
        for (text, cents, written) in [
            ("0", 0, "0.00"),
            ("12", 1200, "12.00"),
            ("12.5", 1250, "12.50"),
            ("12.05", 1205, "12.05"),
            ("007.10", 710, "7.10"),
            ("184467440737095516.15", u64::MAX, "184467440737095516.15"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money, money.to_string().as_str()), (Money::cents(cents), written));
            assert_eq!(serde_json::from_str::<Money>(&serde_json::to_string(&money).unwrap()).unwrap(), money);
        }
        assert_eq!(serde_json::to_string(&Money::cents(1250)).unwrap(), "\"12.50\"");
    }

    #[test]
    fn what_is_no_amount_is_refused_with_the_range() {
        for text in ["", ".", "12.", ".5", "-1", "+1", "1.234", "1,50", "1 000", "1e3", "٣", "184467440737095516.16"] {
            let error = text.parse::<Money>().unwrap_err().to_string();
            assert_eq!(error, format!("`{text}` is no amount such as 12.50, from 0.00 to 184467440737095516.15"));
        }
        assert!(serde_json::from_str::<Money>("12.5").is_err(), "a number of JSON need not be exact");
    }
}
