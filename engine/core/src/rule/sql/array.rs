//! Arrays and maps in SQL, native or held as JSON.

use crate::rule::ast::{HasTest, Literal, Number, Operand};
use crate::rule::bind::operand::Class;
use crate::rule::error::RuleError;
use crate::rule::text::{quote_identifier, quote_text};
use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};

use super::Renderer;
use super::compare::{Constant, address, mismatch, uuid};
use super::number::members;
use super::value::{Value, json_text, json_type, length};

impl Renderer<'_> {
    pub(super) fn has(&self, test: HasTest, name: &str, values: &[Literal]) -> Result<String, RuleError> {
        let (column, ty) = self.array(name, "has")?;
        let element = Value {
            sql: String::new(),
            ty: ty.clone(),
            nullable: false,
            name: format!("an element of {name}"),
        };
        let mut sought = Vec::with_capacity(values.len());
        for value in values {
            sought.push(self.element(&element, value)?);
        }
        // What no element can equal is in no array.
        let missing = sought.contains(&None);
        let sought: Vec<String> = sought.into_iter().flatten().collect();
        let array = elements(column, ty, values);
        let may_hold_null = column.held_as != HeldAs::JsonArray || values.iter().any(reads_as_json);
        let known = match test {
            HasTest::One | HasTest::All if missing => "false".to_owned(),
            HasTest::One => format!("has({array}, {})", sought.concat()),
            HasTest::Any if sought.is_empty() => "false".to_owned(),
            HasTest::All if sought.is_empty() => "true".to_owned(),
            // The server takes a NULL element for an empty text or a zero there; not so in `has`.
            HasTest::Any if may_hold_null => each_of(&array, &sought, " OR "),
            HasTest::All if may_hold_null => each_of(&array, &sought, " AND "),
            HasTest::Any => format!("hasAny({array}, [{}])", sought.join(", ")),
            HasTest::All => format!("hasAll({array}, [{}])", sought.join(", ")),
        };
        Ok(guarded(column, &known))
    }

    /// A literal as an element of an array, or `None` if no element can equal it.
    fn element(&self, element: &Value, literal: &Literal) -> Result<Option<String>, RuleError> {
        let constant = self.constant(&Operand::Literal(literal.clone()))?;
        Ok(match (Class::of(&element.ty), &constant) {
            (Class::Number, Constant::Bool(_) | Constant::Number(_)) => {
                let number = constant.number().unwrap_or(Number::Int(0));
                // Of the two zeros of a float, either finds both here.
                members(&element.ty, &[number]).0.into_iter().next()
            }
            (Class::Text | Class::Enum, Constant::Text(text)) => Some(quote_text(text)),
            (Class::Uuid, Constant::Text(text)) => {
                Some(uuid(text).ok_or_else(|| mismatch(element, &constant))?)
            }
            (Class::Ip, Constant::Text(text)) => Some(address(element, &constant, text)?),
            (Class::Time, Constant::Text(_)) => self.time_member(element, &constant)?,
            _ => return Err(mismatch(element, &constant)),
        })
    }

    pub(super) fn empty(&self, name: &str, negated: bool) -> Result<String, RuleError> {
        let function = if negated { "notEmpty" } else { "empty" };
        let column = self.schema_of(name)?;
        match (&column.ty, column.held_as) {
            (ColumnType::Array(_), HeldAs::JsonArray) => {
                Ok(format!("{} {} 0", length(column), if negated { "!=" } else { "=" }))
            }
            (ColumnType::Array(_), _) => Ok(format!("{function}({})", quote_identifier(name))),
            (ColumnType::Scalar(ScalarType::String), _) => {
                Ok(format!("{function}({})", self.column(name)?.sql))
            }
            (ty, _) => Err(RuleError::new(format!("`empty` needs an array or text, but `{name}` is {ty}"))
                .hint(format!("write `{name} IS NULL` to find users without a value"))),
        }
    }

    pub(super) fn map_contains(&self, name: &str, key: &str) -> Result<String, RuleError> {
        let (column, _) = self.map(name)?;
        let (sql, key) = (quote_identifier(name), quote_text(key));
        Ok(match column.held_as {
            HeldAs::JsonMap => {
                let json = json_text(column);
                guarded(column, &format!("JSONExtract({json}, {key}, 'Nullable(Float64)') IS NOT NULL"))
            }
            // A key whose value is NULL has no number under it.
            _ => format!("(mapContains({sql}, {key}) AND {sql}[{key}] IS NOT NULL)"),
        })
    }
}

/// NULL where the JSON is not of the right kind.
fn guarded(column: &ColumnSchema, sql: &str) -> String {
    match json_type(column.held_as) {
        Some(kind) => format!("if(JSONType({}) = '{kind}', {sql}, NULL)", json_text(column)),
        None => sql.to_owned(),
    }
}

/// The array to search for `values`.
fn elements(column: &ColumnSchema, ty: &ScalarType, values: &[Literal]) -> String {
    let name = quote_identifier(&column.name);
    match (column.held_as, ty) {
        // Elements that are no strings become text; only few texts can be mistaken for one.
        (HeldAs::JsonArray, _) if values.iter().any(reads_as_json) => format!(
            "arrayMap(x -> if(startsWith(x, '\"'), JSONExtractString(x), NULL), \
             JSONExtractArrayRaw({}))",
            json_text(column)
        ),
        (HeldAs::JsonArray, _) => format!("JSONExtract({}, 'Array(String)')", json_text(column)),
        // A name the type does not have is an error in the warehouse; padding is no part of a text.
        (_, ScalarType::Enum) | (HeldAs::FixedString, _) => format!("arrayMap(x -> toString(x), {name})"),
        _ => name,
    }
}

/// Whether a text could be what a JSON value other than a string turns into.
fn reads_as_json(literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) => {
            text.is_empty()
                || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '[' | '{'))
                || matches!(text.as_str(), "true" | "false" | "null")
        }
        _ => true,
    }
}

/// Each value looked for on its own.
fn each_of(array: &str, sought: &[String], joint: &str) -> String {
    let each: Vec<String> = sought.iter().map(|value| format!("has({array}, {value})")).collect();
    if each.len() > 1 { format!("({})", each.join(joint)) } else { each.concat() }
}
