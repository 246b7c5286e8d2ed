//! The rule tree of react-querybuilder, both ways.
//!
//! A group is `{"combinator": "and" | "or", "not": bool, "rules": [...]}`, a condition
//! `{"field", "operator", "value"}`. What that leaves open is settled here:
//!
//! - `field` names a column, or is a value as in text: `holdings['USDT']`, `length(chains)`;
//! - a text value that is a time expression as in text, `now() - INTERVAL 7 DAY`, is one;
//! - `"valueSource": "field"` compares with another column, `"valueSource": "expression"` reads the value as in text;
//! - what `contains` means hangs on the column's type, so reading needs the schema;
//! - the group `{"combinator": "at_least", "k": 2, "rules": [...]}` and the operators `bucket`, `hasAny`,
//!   `hasAll`, `empty`, `notEmpty`, `mapContains`, `like`, `ilike` say what the builder has no words for.

mod document;
mod operators;
mod read;
mod values;
mod write;

use serde_json::Value as Json;

use super::ast::Rule;
use super::error::RuleError;
use super::limits::Limits;
use super::outline::Outline;
use crate::schema::Schema;

impl Rule {
    /// Reads a rule from the text of its JSON form.
    pub fn from_json(text: &str, schema: &Schema, limits: &Limits) -> Result<Rule, RuleError> {
        limits.check_rule_bytes(text.len())?;
        read::Tree { schema, limits }.rule(&document::parse(text, limits)?)
    }

    /// Reads a rule from its JSON form, parsed already. Repeated keys are no longer noticed there.
    pub fn from_json_value(value: &Json, schema: &Schema, limits: &Limits) -> Result<Rule, RuleError> {
        document::check_depth(value, limits)?;
        read::Tree { schema, limits }.rule(value)
    }

    /// The rule's JSON form. Fails only on a tree that no text gives either.
    pub fn to_json(&self) -> Result<Json, RuleError> {
        Ok(write::document(self))
    }
}

impl Outline {
    /// Reads a rule's parts from the text of its JSON form: every group and condition of the tree is one, in its place.
    pub fn from_json(text: &str, schema: &Schema, limits: &Limits) -> Result<Self, RuleError> {
        limits.check_rule_bytes(text.len())?;
        read::Tree { schema, limits }.outline(&document::parse(text, limits)?)
    }

    /// The same from its JSON form, parsed already.
    pub fn from_json_value(value: &Json, schema: &Schema, limits: &Limits) -> Result<Self, RuleError> {
        document::check_depth(value, limits)?;
        read::Tree { schema, limits }.outline(value)
    }
}

/// The last steps of a JSON pointer, escaped.
fn step(pointer: &str, key: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", key.to_string().replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
