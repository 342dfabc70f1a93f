//! The golden file of the catalogue.

use std::path::Path;

use crate::catalogue::Catalogue;
use crate::handler::error::chain;

use super::{GoldenError, Update, write};

/// Compares everything stored that is annotated in the linked crates with the golden file at `path`, and writes the file where
/// it is missing.
///
/// # Panics
/// When a stored name, a revision or a field has vanished or changed without a raised revision and an upcaster, or when the
/// catalogue has grown: the difference is shown.
#[track_caller]
pub fn catalogue(path: impl AsRef<Path>) {
    let checked = Update::from_env().and_then(|update| check_catalogue(&crate::catalogue(), path.as_ref(), update));
    if let Err(error) = checked {
        panic!("{}", chain(&error));
    }
}

/// Compares the catalogue `now` with the golden file at `path`, such as the part that is not of tests
/// ([`Catalogue::only`]).
///
/// # Errors
/// [`GoldenError`].
pub fn check_catalogue(now: &Catalogue, path: impl AsRef<Path>, update: Update) -> Result<(), GoldenError> {
    let path = path.as_ref();
    let json = match std::fs::read_to_string(path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return match update {
                Update::Nothing => Err(GoldenError::Missing { path: path.to_owned() }),
                _ => write(path, &now.to_json()),
            };
        }
        Err(source) => return Err(GoldenError::File { path: path.to_owned(), source }),
    };
    if update == Update::Everything {
        return write(path, &now.to_json());
    }
    let before =
        Catalogue::from_json(&json).map_err(|source| GoldenError::Foreign { path: path.to_owned(), source })?;
    let changes = before.compare(now);
    match (changes.faults.is_empty(), changes.growth.is_empty(), update) {
        (true, true, _) => Ok(()),
        (false, ..) => Err(GoldenError::Faults { path: path.to_owned(), changes }),
        (true, false, Update::Growth) => write(path, &now.to_json()),
        (true, false, _) => Err(GoldenError::Grown { path: path.to_owned(), changes }),
    }
}
