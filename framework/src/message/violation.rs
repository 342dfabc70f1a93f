//! Rules that a message breaks.

use std::fmt;

/// A rule of its own that a message breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, as in `lines[2].quantity`; empty for the message as a whole.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

/// All rules that a message breaks.
///
/// ```
/// use annals::message::{Violation, Violations};
///
/// let violations = Violations::from(vec![Violation { path: "quantity".into(), message: "lower than 1".into() }]);
/// assert_eq!(violations.to_string(), "quantity: lower than 1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Violation>> for Violations {
    fn from(violations: Vec<Violation>) -> Self {
        Self(violations)
    }
}

#[cfg(feature = "validation")]
impl From<garde::Report> for Violations {
    fn from(report: garde::Report) -> Self {
        let violations = report
            .iter()
            .map(|(path, error)| Violation { path: path.to_string(), message: error.message().to_owned() });
        Self(violations.collect())
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Violation { path, message }) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { "; " };
            match path.as_str() {
                "" => write!(f, "{before}{message}")?,
                path => write!(f, "{before}{path}: {message}")?,
            }
        }
        Ok(())
    }
}
