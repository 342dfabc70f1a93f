//! JSON, taken apart.

use crate::message::Json;

use super::{Fields, field};

pub(super) fn fields(value: &Json) -> Fields {
    let mut fields = Fields::new();
    add(&mut fields, String::new(), value);
    fields
}

fn add(fields: &mut Fields, path: String, value: &Json) {
    match value {
        Json::Object(object) => {
            fields.push((path.clone(), "{..}".to_owned()));
            object.iter().for_each(|(name, value)| add(fields, field(&path, name), value));
        }
        Json::Array(array) => {
            fields.push((path.clone(), "[..]".to_owned()));
            array.iter().enumerate().for_each(|(index, value)| add(fields, format!("{path}[{index}]"), value));
        }
        leaf => fields.push((path, leaf.to_string())),
    }
}
