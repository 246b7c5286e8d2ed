//! What users have, in SQL: columns, lengths, and the numbers under map keys.

use crate::rule::ast::Operand;
use crate::rule::error::{RuleError, did_you_mean};
use crate::rule::text::{quote_identifier, quote_text};
use crate::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};

use super::Renderer;

/// A value of each user.
pub(super) struct Value {
    /// The expression, fit to stand on either side of an operator.
    pub(super) sql: String,
    /// What it holds.
    pub(super) ty: ScalarType,
    /// Whether it can be NULL.
    pub(super) nullable: bool,
    /// Its name in errors.
    pub(super) name: String,
}

impl Renderer<'_> {
    /// What a test is about, or `None` for a constant.
    pub(super) fn value(&self, operand: &Operand) -> Result<Option<Value>, RuleError> {
        match operand {
            Operand::Column(name) => self.column(name).map(Some),
            Operand::MapValue { column, key } => self.map_value(column, key).map(Some),
            Operand::Length(name) => {
                let (column, _) = self.array(name, "length")?;
                let sql = length(column);
                let nullable = column.nullable || column.held_as.is_json();
                let ty = ScalarType::UInt { bits: 64 };
                Ok(Some(Value { sql, ty, nullable, name: format!("length({name})") }))
            }
            Operand::Literal(_) | Operand::Time(_) => Ok(None),
        }
    }

    /// A scalar column, or the user id.
    pub(super) fn column(&self, name: &str) -> Result<Value, RuleError> {
        let sql = quote_identifier(name);
        if name == self.schema.user_id {
            let ty = ScalarType::UInt { bits: 64 };
            return Ok(Value { sql, ty, nullable: false, name: name.to_owned() });
        }
        let column = self.schema_of(name)?;
        let hint = match &column.ty {
            ColumnType::Scalar(ty) => {
                // Its padding would show in LIKE, and a longer text fails in IN.
                let sql =
                    if column.held_as == HeldAs::FixedString { format!("toString({sql})") } else { sql };
                return Ok(Value { sql, ty: ty.clone(), nullable: column.nullable, name: name.to_owned() });
            }
            ColumnType::Array(_) => format!("use `has({name}, ...)` or `length({name})`"),
            ColumnType::Map(_) => format!("use `{name}['key']` or `mapContains({name}, 'key')`"),
        };
        Err(RuleError::new(format!("`{name}` is {}, which cannot be compared", column.ty)).hint(hint))
    }

    fn map_value(&self, name: &str, key: &str) -> Result<Value, RuleError> {
        let (column, ty) = self.map(name)?;
        let (sql, key_sql) = (quote_identifier(name), quote_text(key));
        let sql = match column.held_as {
            HeldAs::JsonMap => {
                format!("JSONExtract({}, {key_sql}, 'Nullable(Float64)')", json_text(column))
            }
            // An absent key reads as zero in the warehouse.
            _ => format!("if(mapContains({sql}, {key_sql}), {sql}[{key_sql}], NULL)"),
        };
        Ok(Value { sql, ty: ty.clone(), nullable: true, name: format!("{name}['{key}']") })
    }

    /// An array column and the type of its elements.
    pub(super) fn array(&self, name: &str, what: &str) -> Result<(&ColumnSchema, &ScalarType), RuleError> {
        let column = self.schema_of(name)?;
        match &column.ty {
            ColumnType::Array(ty) => Ok((column, ty)),
            ty => Err(RuleError::new(format!("`{what}` needs an array, but `{name}` is {ty}"))
                .hint(format!("use `{name} = ...` or `mapContains({name}, 'key')`"))),
        }
    }

    /// A map column and the type of its values.
    pub(super) fn map(&self, name: &str) -> Result<(&ColumnSchema, &ScalarType), RuleError> {
        let column = self.schema_of(name)?;
        match &column.ty {
            ColumnType::Map(ty) => Ok((column, ty)),
            ty => Err(RuleError::new(format!("a key in brackets needs a map, but `{name}` is {ty}"))
                .hint(format!("use `{name}` itself, or `has({name}, ...)`"))),
        }
    }

    pub(super) fn schema_of(&self, name: &str) -> Result<&ColumnSchema, RuleError> {
        if let Some((_, column)) = self.schema.column(name) {
            return Ok(column);
        }
        let error = RuleError::new(format!("unknown column `{name}`"));
        let names = self.schema.columns.iter().map(|column| column.name.as_str());
        Err(match did_you_mean(name, names.chain([self.schema.user_id.as_str()])) {
            Some(hint) => error.hint(hint),
            None => error.hint("`muster inspect` lists the columns"),
        })
    }

    /// `value IS NULL`, of any kind of column.
    pub(super) fn is_null(&self, operand: &Operand, negated: bool) -> Result<String, RuleError> {
        let not = if negated { "NOT " } else { "" };
        if let Operand::Column(name) = operand
            && let Some((_, column)) = self.schema.column(name)
            && !matches!(column.ty, ColumnType::Scalar(_))
        {
            let sql = quote_identifier(name);
            return Ok(match json_type(column.held_as) {
                Some(kind) => {
                    let op = if negated { "=" } else { "!=" };
                    format!("JSONType({}) {op} '{kind}'", json_text(column))
                }
                None => format!("{sql} IS {not}NULL"),
            });
        }
        match self.value(operand)? {
            Some(value) => Ok(format!("{} IS {not}NULL", value.sql)),
            None => Err(RuleError::new("IS NULL tests a constant").hint("put a column on its left")),
        }
    }
}

/// What the JSON in a column must be.
pub(super) fn json_type(held_as: HeldAs) -> Option<&'static str> {
    match held_as {
        HeldAs::JsonArray => Some("Array"),
        HeldAs::JsonMap => Some("Object"),
        HeldAs::Native | HeldAs::FixedString => None,
    }
}

/// The text of a JSON column: NULL is as good as no JSON at all, and the server's JSON functions don't take
/// every kind of NULL.
pub(super) fn json_text(column: &ColumnSchema) -> String {
    format!("ifNull({}, '')", quote_identifier(&column.name))
}

/// The number of elements of an array column.
pub(super) fn length(column: &ColumnSchema) -> String {
    let sql = quote_identifier(&column.name);
    match column.held_as {
        HeldAs::JsonArray => {
            let json = json_text(column);
            format!("if(JSONType({json}) = 'Array', JSONLength({json}), NULL)")
        }
        _ => format!("length({sql})"),
    }
}
