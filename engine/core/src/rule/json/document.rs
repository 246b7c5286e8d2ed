//! JSON text to a value: bounded in depth before anything recursive sees it, and strict about repeated keys.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use super::super::error::{Place, RuleError};
use super::super::limits::Limits;

/// Levels of JSON for one level of a rule: a group and its array; a value adds a list.
const LEVELS_PER_GROUP: usize = 2;
const LEVELS_OF_VALUE: usize = 2;

/// Parses a document.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Json, RuleError> {
    let deepest = nesting(text);
    if deepest > levels_max(limits) {
        limits.check_depth(deepest / LEVELS_PER_GROUP)?;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // Bounded above, more tightly than by its own fixed limit.
    deserializer.disable_recursion_limit();
    // The parser recurses; its frames are not small.
    let stack_bytes = (256 << 10) + deepest * (4 << 10);
    let parsed = stacker::maybe_grow(stack_bytes, stack_bytes + (1 << 20), || {
        let Strict(value) = Strict::deserialize(&mut deserializer)?;
        deserializer.end().map(|()| value)
    });
    parsed.map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        RuleError::new(format!(
            "the rule tree is not valid JSON (line {}, column {}): {message}",
            error.line(),
            error.column()
        ))
    })
}

/// Fails on a value nested deeper than a rule may be.
pub(super) fn check_depth(value: &Json, limits: &Limits) -> Result<(), RuleError> {
    let mut open = vec![(value, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > levels_max(limits) {
            limits.check_depth(depth / LEVELS_PER_GROUP)?;
        }
        match value {
            Json::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Json::Object(members) => open.extend(members.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

fn levels_max(limits: &Limits) -> usize {
    limits.depth.saturating_mul(LEVELS_PER_GROUP).saturating_add(LEVELS_OF_VALUE)
}

/// The deepest nesting of brackets outside of strings.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// A value whose objects have no key twice.
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key \"{key}\" occurs twice")));
            }
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

/// An error at a place of a document.
pub(super) fn at(pointer: &str, error: RuleError) -> RuleError {
    // A position in a text inside the document would mislead.
    RuleError { place: Some(Place::Json(pointer.to_owned())), ..error }
}
