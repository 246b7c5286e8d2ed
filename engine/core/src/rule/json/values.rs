//! The values of conditions: what a JSON value means beside a column, another field, or read as in text.

use serde_json::Value as Json;

use super::super::ast::{Literal, Number, Operand};
use super::super::error::{Place, RuleError};
use super::super::limits::Limits;
use super::super::text::parse_operand;
use super::document::at;
use super::read::Tree;
use super::step;
use crate::rule::bind::operand::Class;
use crate::schema::ScalarType;

type Result<T> = std::result::Result<T, RuleError>;

/// Where the value of a condition comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Value,
    Field,
    Expression,
}

/// The value of a condition.
pub(super) struct Values<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) source: Source,
    /// Type of what it is compared with.
    pub(super) ty: Option<ScalarType>,
    pub(super) value: &'a Json,
    pub(super) pointer: &'a str,
}

impl Values<'_> {
    pub(super) fn one(&self) -> Result<Operand> {
        self.operand(self.value)
    }

    /// A list: an array, or a text with commas as the builder's inputs give it.
    pub(super) fn many(&self) -> Result<Vec<Operand>> {
        match self.value {
            Json::Array(items) => {
                self.tree.limits.check_list(items.len())?;
                let operand = |(index, item)| {
                    self.operand(item).map_err(|error| error.at(Place::Json(step(self.pointer, index))))
                };
                items.iter().enumerate().map(operand).collect()
            }
            Json::String(text) if self.source != Source::Expression => {
                let items: Vec<Json> = text.split(',').map(|item| item.trim().into()).collect();
                self.tree.limits.check_list(items.len())?;
                items.iter().map(|item| self.operand(item)).collect()
            }
            other => Err(RuleError::new(format!("{} stands where a list is expected", kind(other)))),
        }
    }

    pub(super) fn text(&self) -> Result<String> {
        match self.value {
            Json::String(text) if self.source == Source::Value => Ok(text.clone()),
            other => Err(RuleError::new(format!("{} stands where a text is expected", kind(other)))),
        }
    }

    fn operand(&self, value: &Json) -> Result<Operand> {
        match (self.source, value) {
            (Source::Field, Json::String(field)) => {
                self.tree.field(field).map_err(|error| at(self.pointer, error))
            }
            (Source::Expression, Json::String(text)) => {
                parse_operand(text, self.tree.limits).map_err(|error| at(self.pointer, error))
            }
            (Source::Field | Source::Expression, other) => {
                Err(RuleError::new(format!("{} stands where a text is expected", kind(other))))
            }
            (Source::Value, value) => self.constant(value),
        }
    }

    fn constant(&self, value: &Json) -> Result<Operand> {
        Ok(Operand::Literal(match value {
            Json::Null => Literal::Null,
            Json::Bool(value) => Literal::Bool(*value),
            Json::Number(number) => Literal::Number(match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Number::Int(value.into()),
                (None, Some(value)) => Number::Int(value.into()),
                (None, None) => Number::float(number.as_f64().unwrap_or(f64::NAN)),
            }),
            Json::String(text) => return self.text_constant(text),
            other => {
                return Err(RuleError::new(format!(
                    "{} stands where a single value is expected",
                    kind(other)
                )));
            }
        }))
    }

    /// A text, or what the builder's inputs mean by it: they give numbers and flags as texts too.
    fn text_constant(&self, text: &str) -> Result<Operand> {
        if looks_like_time(text) {
            return parse_operand(text, self.tree.limits).map_err(|error| at(self.pointer, error));
        }
        let as_text = Operand::Literal(Literal::Text(text.to_owned()));
        let Some(ty) = &self.ty else { return Ok(as_text) };
        if Class::of(ty) != Class::Number {
            return Ok(as_text);
        }
        match (ty, text.trim()) {
            (_, "") => Err(RuleError::new("the value is empty").hint("enter a number")),
            (ScalarType::Bool, "true") => Ok(Operand::Literal(Literal::Bool(true))),
            (ScalarType::Bool, "false") => Ok(Operand::Literal(Literal::Bool(false))),
            // Binding says what is wrong with any other text here.
            (_, trimmed) => {
                Ok(number(trimmed).map_or(as_text, |number| Operand::Literal(Literal::Number(number))))
            }
        }
    }
}

/// The number that a text is, in digits.
fn number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse() {
        return Some(Number::Int(integer));
    }
    let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
    float.map(Number::float)
}

/// Whether a text value is a time expression rather than a text.
pub(super) fn looks_like_time(text: &str) -> bool {
    let starts = ["now(", "today(", "yesterday(", "toDate(", "toDateTime("];
    let lower =
        |prefix: &str| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    starts.iter().any(|prefix| lower(prefix))
        && matches!(parse_operand(text, &Limits::default()), Ok(Operand::Time(_)))
}

/// The kind of a JSON value, for errors.
pub(super) fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
