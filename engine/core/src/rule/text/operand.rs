//! Values: columns, what is in them, and constants.

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, Subscript, UnaryOperator, Value, ValueWithSpan,
};

use super::super::ast::{Literal, Number, Operand};
use super::super::error::RuleError;
use super::strings::unescape;
use super::{Reader, hints};

impl Reader<'_> {
    /// The value that an expression is.
    pub(super) fn operand_of(&self, expr: &Expr) -> Result<Operand, RuleError> {
        match expr {
            Expr::Nested(inner) => self.operand_of(inner),
            Expr::Identifier(ident) => match number_name(ident) {
                Some(number) => Ok(Operand::Literal(Literal::Number(number))),
                None => Ok(Operand::Column(self.name(ident)?)),
            },
            Expr::CompoundFieldAccess { root, access_chain } => self.map_value(expr, root, access_chain),
            Expr::Value(_) | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
                Ok(Operand::Literal(self.literal(expr)?))
            }
            Expr::BinaryOp { op: BinaryOperator::Plus | BinaryOperator::Minus, .. }
            | Expr::TypedString(_) => Ok(Operand::Time(self.time(expr)?)),
            Expr::Function(function) => self.function_value(expr, function),
            Expr::BinaryOp { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::UnaryOp { op: UnaryOperator::Not, .. } => Err(self.condition_as_value(expr)),
            other => Err(self.unsupported(other)),
        }
    }

    pub(super) fn condition_as_value(&self, expr: &Expr) -> RuleError {
        self.error(expr, "a condition stands where a value is expected")
            .hint("join conditions with AND, OR and NOT instead of comparing them")
    }

    fn map_value(&self, expr: &Expr, root: &Expr, chain: &[AccessExpr]) -> Result<Operand, RuleError> {
        let (Expr::Identifier(ident), [AccessExpr::Subscript(Subscript::Index { index })]) = (root, chain)
        else {
            return Err(self.unsupported(expr));
        };
        let column = self.name(ident)?;
        let key = self.text_of(index, "the key of a map")?;
        Ok(Operand::MapValue { column, key })
    }

    /// A constant that is not a time.
    pub(super) fn literal(&self, expr: &Expr) -> Result<Literal, RuleError> {
        match expr {
            Expr::Nested(inner) => self.literal(inner),
            Expr::Value(value) => match &value.value {
                Value::Boolean(value) => Ok(Literal::Bool(*value)),
                Value::Null => Ok(Literal::Null),
                Value::SingleQuotedString(raw) => {
                    Ok(Literal::Text(unescape(raw, '\'').map_err(|error| self.located(error, expr))?))
                }
                _ => Ok(Literal::Number(self.number(expr, false)?)),
            },
            Expr::Identifier(_) | Expr::UnaryOp { .. } => Ok(Literal::Number(self.number(expr, false)?)),
            other => Err(self.error(other, "a constant is expected here").hint("use 5, 1.5, 'text' or true")),
        }
    }

    /// A number, negated if `negative`. Signs belong to the digits, so that the least integer can be read.
    pub(super) fn number(&self, expr: &Expr, negative: bool) -> Result<Number, RuleError> {
        match expr {
            Expr::Nested(inner) => self.number(inner, negative),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => self.number(expr, !negative),
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.number(expr, negative),
            Expr::Identifier(ident) => match number_name(ident) {
                Some(Number::Float(float)) => {
                    Ok(Number::float(if negative { -float.get() } else { float.get() }))
                }
                _ => Err(self.error(expr, "a constant is expected here").hint("use a number")),
            },
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => {
                parse_number(&digits.replace('_', ""), 10, negative)
                    .ok_or_else(|| self.error(expr, format!("the number {digits} is too large")))
            }
            Expr::Value(ValueWithSpan { value: Value::HexStringLiteral(digits), .. }) => {
                parse_number(digits, 16, negative)
                    .ok_or_else(|| self.error(expr, format!("the number 0x{digits} is not readable")))
            }
            other => Err(self.unsupported(other)),
        }
    }

    /// A column's name.
    pub(super) fn name(&self, ident: &Ident) -> Result<String, RuleError> {
        let name = match ident.quote_style {
            Some(quote) => unescape(&ident.value, quote).map_err(|error| self.place(error, ident.span))?,
            None => ident.value.clone(),
        };
        if name.is_empty() {
            return Err(self.place(RuleError::new("a column name is empty"), ident.span));
        }
        Ok(name)
    }

    /// The column that a test on whole columns is about.
    pub(super) fn column_of(&self, expr: &Expr, test: &str) -> Result<String, RuleError> {
        match self.operand_of(expr)? {
            Operand::Column(name) => Ok(name),
            _ => Err(self
                .error(expr, format!("{test} works on a column's name alone"))
                .hint(format!("write it as in {}", example(test)))),
        }
    }

    /// A quoted text.
    pub(super) fn text_of(&self, expr: &Expr, what: &str) -> Result<String, RuleError> {
        match expr {
            Expr::Nested(inner) => self.text_of(inner, what),
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(raw), .. }) => {
                unescape(raw, '\'').map_err(|error| self.located(error, expr))
            }
            Expr::Identifier(Ident { quote_style: Some('"'), value, .. }) => Err(self
                .error(expr, format!("{what} must be a text, but \"{value}\" is a column's name"))
                .hint(format!("write '{value}'"))),
            other => Err(self.error(other, format!("{what} must be a text")).hint("put it in single quotes")),
        }
    }

    /// Gives an error a place.
    pub(super) fn located(&self, error: RuleError, expr: &Expr) -> RuleError {
        self.place(error, sqlparser::ast::Spanned::span(expr))
    }
}

fn example(test: &str) -> &'static str {
    match test {
        "LIKE" | "ILIKE" => "country LIKE 'U%'",
        "startsWith" => "startsWith(country, 'U')",
        "mapContains" => "mapContains(holdings, 'PEPE')",
        "has" | "hasAny" | "hasAll" => "has(active_chains, 'ethereum')",
        _ => hints::CONDITIONS[0],
    }
}

/// The floats that are written as words.
pub(super) fn number_name(ident: &Ident) -> Option<Number> {
    if ident.quote_style.is_some() {
        return None;
    }
    match ident.value.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => Some(Number::float(f64::INFINITY)),
        "nan" => Some(Number::float(f64::NAN)),
        _ => None,
    }
}

/// An integer if it fits 128 bits and is written as one, else a float; `None` when too large for that.
fn parse_number(digits: &str, radix: u32, negative: bool) -> Option<Number> {
    let sign = if negative { "-" } else { "" };
    if let Ok(integer) = i128::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(Number::Int(integer));
    }
    if radix != 10 {
        return None;
    }
    let float: f64 = format!("{sign}{digits}").parse().ok()?;
    float.is_finite().then(|| Number::float(float))
}
