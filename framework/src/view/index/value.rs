//! Values as texts whose bytes are in the order of the values.

use std::borrow::Cow;
use std::sync::Arc;

use uuid::Uuid;

use crate::message::{CommandId, EventId, Position, SagaId, Timestamp, Version};

/// A value that documents can be found by.
///
/// Numbers, `bool`, `char`, texts, [`Timestamp`]s, UUIDs and the ids of messages are such values; types with
/// `#[derive(Identifier)]` are where what they hold is one. For others `#[derive(IndexValue)]` stands on a struct around one value, or
/// on an enum of plain names, which are ordered as texts.
///
/// ```
/// use std::borrow::Cow;
/// use annals::view::IndexValue;
///
/// #[derive(Clone, Copy)]
/// struct Grade(char);
///
/// // By hand: the byte order of the texts is the order of the values.
/// impl IndexValue for Grade {
///     fn index_text(&self) -> Cow<'_, str> {
///         self.0.to_string().into()
///     }
/// }
///
/// assert!((-5_i32).index_text() < 3_i32.index_text() && 3_i32.index_text() < 20_i32.index_text());
/// ```
///
/// A value may have 512 bytes in this form ([`Limits::index_value_bytes`](crate::store::Limits::index_value_bytes)), and
/// no zero character; the event that would write another one fails in its handler, with an error that names the index.
/// When the form changes, the version of each view with such an index is raised.
#[diagnostic::on_unimplemented(
    message = "documents cannot be found by a `{Self}`",
    label = "expected a number, a text, `bool`, `Timestamp`, an id, or an `Option`, `Vec` or set of such values",
    note = "`#[derive(IndexValue)]` on a struct around one value, or on an enum of plain names, makes it one"
)]
pub trait IndexValue {
    /// The value as text. Two texts are in the order of their values, byte by byte.
    fn index_text(&self) -> Cow<'_, str>;
}

/// A type around one value, as `#[derive(Identifier)]` makes it.
pub trait Wraps {
    /// What it holds.
    type Inner;

    /// What it holds.
    fn inner(&self) -> &Self::Inner;
}

#[diagnostic::do_not_recommend]
impl<T: Wraps<Inner: IndexValue>> IndexValue for T {
    fn index_text(&self) -> Cow<'_, str> {
        self.inner().index_text()
    }
}

/// What an index of `T` is compared with: a `T`, a `&T`, and a `&str` where `T` is `String`.
#[diagnostic::on_unimplemented(
    message = "an index of `{T}` cannot be compared with `{Self}`",
    label = "expected `{T}` or `&{T}`"
)]
pub trait IndexOperand<T: ?Sized> {
    /// The operand as text; see [`IndexValue::index_text`].
    fn operand_text(&self) -> Cow<'_, str>;
}

impl<T: IndexValue> IndexOperand<T> for T {
    fn operand_text(&self) -> Cow<'_, str> {
        self.index_text()
    }
}

impl<T: IndexValue> IndexOperand<T> for &T {
    fn operand_text(&self) -> Cow<'_, str> {
        (*self).index_text()
    }
}

impl IndexOperand<String> for &str {
    fn operand_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

/// A number of at most 64 bits: 20 digits; a negative one has a minus, which comes before all digits, and its distance
/// from the smallest one.
fn number(negative: bool, magnitude: u64) -> Cow<'static, str> {
    if negative { format!("-{:020}", u64::MAX - magnitude).into() } else { format!("{magnitude:020}").into() }
}

macro_rules! numbers {
    ($($signed:ty, $unsigned:ty;)+) => {$(
        impl IndexValue for $signed {
            fn index_text(&self) -> Cow<'_, str> {
                number(*self < 0, self.unsigned_abs() as u64)
            }
        }

        impl IndexValue for $unsigned {
            fn index_text(&self) -> Cow<'_, str> {
                number(false, *self as u64)
            }
        }
    )+};
}

numbers! { i8, u8; i16, u16; i32, u32; i64, u64; isize, usize; }

macro_rules! texts {
    ($($type:ty => |$value:ident| $text:expr;)+) => {$(
        impl IndexValue for $type {
            fn index_text(&self) -> Cow<'_, str> {
                let $value = self;
                $text
            }
        }
    )+};
}

texts! {
    String => |text| Cow::Borrowed(text);
    Box<str> => |text| Cow::Borrowed(text);
    Arc<str> => |text| Cow::Borrowed(text);
    &'static str => |text| Cow::Borrowed(text);
    Cow<'static, str> => |text| Cow::Borrowed(text);
    char => |character| character.to_string().into();
    bool => |truth| Cow::Borrowed(if *truth { "true" } else { "false" });
    Timestamp => |instant| Cow::Owned(instant.as_micros().index_text().into_owned());
    Position => |position| Cow::Owned(position.get().index_text().into_owned());
    Version => |version| Cow::Owned(version.get().index_text().into_owned());
    Uuid => |id| id.to_string().into();
    EventId => |id| id.uuid().to_string().into();
    CommandId => |id| id.uuid().to_string().into();
    SagaId => |id| id.uuid().to_string().into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_order_of_their_numbers() {
        let numbers = [i64::MIN, -1_000_000, -10, -9, -1, 0, 1, 9, 10, 255, 256, i64::MAX - 1, i64::MAX];
        for pair in numbers.windows(2) {
            assert!(pair[0].index_text() < pair[1].index_text(), "{pair:?}");
        }
        assert!(i64::MAX.index_text() < u64::MAX.index_text());
        assert_eq!((-7_i8).index_text(), (-7_i64).index_text(), "a field may be widened");
    }

    #[test]
    fn instants_and_truths_are_in_order() {
        assert!(Timestamp::from_micros(-5).index_text() < Timestamp::from_micros(5).index_text());
        assert!(false.index_text() < true.index_text());
    }

    #[test]
    fn what_an_index_is_compared_with_has_the_form_of_what_it_holds() {
        let owned = "a".to_owned();
        assert_eq!(IndexOperand::<String>::operand_text(&"a"), IndexOperand::<String>::operand_text(&&owned));
        assert_eq!(IndexOperand::<u32>::operand_text(&7), 7_u32.index_text());
    }
}
