//! `IN`: NULL in a list is passed over, NaN is found by NaN, and the rest is equality.

use crate::rule::ast::{CompareOp, Operand};
use crate::rule::bind::operand::Class;
use crate::rule::error::RuleError;
use crate::rule::text::quote_text;

use super::compare::{Constant, address, mismatch, uuid};
use super::number::members;
use super::value::Value;
use super::{Renderer, known};

impl Renderer<'_> {
    pub(super) fn in_list(
        &self,
        operand: &Operand,
        list: &[Operand],
        negated: bool,
    ) -> Result<String, RuleError> {
        let Some(value) = self.value(operand)? else {
            return Err(RuleError::new("IN tests a constant").hint("put a column on its left"));
        };
        let constants: Result<Vec<Constant>, RuleError> = list
            .iter()
            .map(|item| self.constant(item))
            .filter(|item| !matches!(item, Ok(Constant::Null)))
            .collect();
        let constants = constants?;
        match Class::of(&value.ty) {
            Class::Number => {
                let numbers: Result<Vec<_>, RuleError> = constants
                    .iter()
                    .map(|item| item.number().ok_or_else(|| mismatch(&value, item)))
                    .collect();
                let (texts, nan) = members(&value.ty, &numbers?);
                if !nan {
                    return Ok(within(&value, &value.sql, &texts, negated));
                }
                let listed = within(&value, &value.sql, &texts, false);
                // A list compares bits, and NaN has many.
                let is_nan = format!("isNaN({})", value.sql);
                let sql = if texts.is_empty() { is_nan } else { format!("({listed} OR {is_nan})") };
                Ok(if negated { format!("NOT {sql}") } else { sql })
            }
            Class::Text => {
                let texts = texts(&value, &constants, |text, _| Ok(quote_text(text)))?;
                Ok(within(&value, &value.sql, &texts, negated))
            }
            Class::Enum => {
                let texts = texts(&value, &constants, |text, _| Ok(quote_text(text)))?;
                Ok(within(&value, &format!("toString({})", value.sql), &texts, negated))
            }
            Class::Uuid => {
                let texts =
                    texts(&value, &constants, |text, item| uuid(text).ok_or_else(|| mismatch(&value, item)))?;
                Ok(within(&value, &value.sql, &texts, negated))
            }
            Class::Ip => {
                let texts = texts(&value, &constants, |text, item| address(&value, item, text))?;
                Ok(within(&value, &value.sql, &texts, negated))
            }
            Class::Time => self.time_list(&value, &constants, negated),
        }
    }

    fn time_list(&self, value: &Value, constants: &[Constant], negated: bool) -> Result<String, RuleError> {
        let mut texts = Vec::with_capacity(constants.len());
        let mut live = Vec::new();
        for item in constants {
            match item {
                Constant::Text(_) | Constant::Moment(_) => texts.extend(self.time_member(value, item)?),
                Constant::Live(..) => live.push(self.compare_time(value, CompareOp::Eq, item)?),
                other => return Err(mismatch(value, other)),
            }
        }
        if live.is_empty() {
            return Ok(within(value, &value.sql, &texts, negated));
        }
        if !texts.is_empty() {
            live.push(within(value, &value.sql, &texts, false));
        }
        let not = if negated { "NOT " } else { "" };
        Ok(format!("{not}({})", live.join(" OR ")))
    }
}

/// `sql IN (texts)`; with nothing to be equal to, false where there is a value.
pub(super) fn within(value: &Value, sql: &str, texts: &[String], negated: bool) -> String {
    if texts.is_empty() {
        return known(value, negated);
    }
    let not = if negated { "NOT " } else { "" };
    format!("{sql} {not}IN ({})", texts.join(", "))
}

/// Text constants, each rendered.
fn texts(
    value: &Value,
    constants: &[Constant],
    render: impl Fn(&str, &Constant) -> Result<String, RuleError>,
) -> Result<Vec<String>, RuleError> {
    constants
        .iter()
        .map(|item| match item {
            Constant::Text(text) => render(text, item),
            other => Err(mismatch(value, other)),
        })
        .collect()
}
