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
    pub(super) fn in_list(&self, operand: &Operand, list: &[Operand]) -> Result<String, RuleError> {
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
                let listed = within(&value, &value.sql, &texts);
                if !nan {
                    return Ok(listed);
                }
                // A list compares bits, and NaN has many.
                let is_nan = format!("isNaN({})", value.sql);
                Ok(if texts.is_empty() { is_nan } else { format!("({listed} OR {is_nan})") })
            }
            Class::Text => {
                let texts = self.texts(&value, &constants, |text, _| Ok(quote_text(text)))?;
                Ok(within(&value, &value.sql, &texts))
            }
            Class::Enum => {
                let texts = self.texts(&value, &constants, |text, _| Ok(quote_text(text)))?;
                Ok(within(&value, &format!("toString({})", value.sql), &texts))
            }
            Class::Uuid => {
                let texts = self.texts(&value, &constants, |text, item| {
                    uuid(text).ok_or_else(|| mismatch(&value, item))
                })?;
                Ok(within(&value, &value.sql, &texts))
            }
            Class::Ip => {
                let texts = self.texts(&value, &constants, |text, item| address(&value, item, text))?;
                Ok(within(&value, &value.sql, &texts))
            }
            Class::Time => self.time_list(&value, &constants),
        }
    }

    fn texts(
        &self,
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

    fn time_list(&self, value: &Value, constants: &[Constant]) -> Result<String, RuleError> {
        let mut texts = Vec::with_capacity(constants.len());
        let mut live = Vec::new();
        for item in constants {
            match item {
                Constant::Text(_) | Constant::Moment(_) => texts.extend(self.time_member(value, item)?),
                Constant::Live(..) => live.push(self.compare_time(value, CompareOp::Eq, item)?),
                other => return Err(mismatch(value, other)),
            }
        }
        let listed = within(value, &value.sql, &texts);
        if live.is_empty() {
            return Ok(listed);
        }
        if !texts.is_empty() {
            live.push(listed);
        }
        Ok(format!("({})", live.join(" OR ")))
    }
}

/// `sql IN (texts)`; with nothing to be equal to, false where there is a value.
fn within(value: &Value, sql: &str, texts: &[String]) -> String {
    if texts.is_empty() { known(value, false) } else { format!("{sql} IN ({})", texts.join(", ")) }
}
