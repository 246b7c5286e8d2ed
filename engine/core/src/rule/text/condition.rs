//! Conditions: what is true, false or unknown of a user.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::super::ast::{CompareOp, Literal, Operand, Rule, TextTest};
use super::super::error::RuleError;
use super::Reader;
use super::operand::number_name;

impl Reader<'_> {
    /// The condition that an expression is.
    pub(super) fn condition(&self, expr: Expr) -> Result<Rule, RuleError> {
        match expr {
            Expr::Nested(inner) => self.condition(*inner),
            Expr::BinaryOp { op: BinaryOperator::And, .. } => {
                Ok(Rule::all(self.chain(expr, &BinaryOperator::And)?))
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => {
                Ok(Rule::any(self.chain(expr, &BinaryOperator::Or)?))
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Rule::Not(Box::new(self.condition(*expr)?))),
            Expr::BinaryOp { ref left, ref op, ref right } => match compare_op(op) {
                Some(op) => self.compare(left, op, right),
                None => Err(self.unsupported(&expr)),
            },
            Expr::Between { expr, negated, low, high } => {
                let value = self.tested(&expr, "BETWEEN")?;
                let (low, high) = (self.operand_of(&low)?, self.operand_of(&high)?);
                Ok(Rule::Between { value, low, high, negated })
            }
            Expr::InList { expr, list, negated } => self.in_list(&expr, list, negated),
            Expr::IsNull(value) => {
                Ok(Rule::IsNull { value: self.tested(&value, "IS NULL")?, negated: false })
            }
            Expr::IsNotNull(value) => {
                Ok(Rule::IsNull { value: self.tested(&value, "IS NOT NULL")?, negated: true })
            }
            Expr::Like { negated, any: false, ref expr, ref pattern, escape_char: None } => {
                self.text_test(TextTest::Like, expr, pattern, negated)
            }
            Expr::ILike { negated, any: false, ref expr, ref pattern, escape_char: None } => {
                self.text_test(TextTest::ILike, expr, pattern, negated)
            }
            Expr::Like { escape_char: Some(_), ref expr, .. }
            | Expr::ILike { escape_char: Some(_), ref expr, .. } => Err(self
                .error(expr, "ESCAPE is not part of the rule language")
                .hint("the escape is always `\\`")),
            Expr::Identifier(ref ident) => match number_name(ident) {
                Some(_) => Err(self.not_a_condition(&expr, "a number")),
                None => Ok(Rule::Column(self.name(ident)?)),
            },
            Expr::Value(ref value) => match value.value {
                Value::Boolean(value) => Ok(Rule::Const(value)),
                Value::Number(..) | Value::HexStringLiteral(_) => {
                    Err(self.not_a_condition(&expr, "a number"))
                }
                Value::SingleQuotedString(_) => Err(self.not_a_condition(&expr, "a text")),
                Value::Null => Err(self.not_a_condition(&expr, "NULL")),
                _ => Err(self.unsupported(&expr)),
            },
            Expr::Function(function) => self.function_condition(function),
            Expr::CompoundFieldAccess { .. } => {
                Err(self.not_a_condition(&expr, "a map's value").hint("compare it, as in map['key'] > 0"))
            }
            other => Err(self.unsupported(&other)),
        }
    }

    /// The members of a chain of one operator, which the parser nests to the left.
    fn chain(&self, expr: Expr, join: &BinaryOperator) -> Result<Vec<Rule>, RuleError> {
        let mut last_first = Vec::new();
        let mut rest = expr;
        loop {
            match rest {
                Expr::BinaryOp { left, ref op, right } if op == join => {
                    last_first.push(*right);
                    rest = *left;
                }
                first => {
                    last_first.push(first);
                    break;
                }
            }
        }
        last_first.into_iter().rev().map(|member| self.condition(member)).collect()
    }

    pub(super) fn compare(&self, left: &Expr, op: CompareOp, right: &Expr) -> Result<Rule, RuleError> {
        let (left_operand, right_operand) = (self.operand_of(left)?, self.operand_of(right)?);
        match (left_operand.is_constant(), right_operand.is_constant()) {
            (true, true) => Err(self
                .error(left, "a comparison of two constants")
                .hint("name a column on one side, or write true or false")),
            (true, false) => {
                Ok(Rule::Compare { left: right_operand, op: op.mirrored(), right: left_operand })
            }
            (false, _) => Ok(Rule::Compare { left: left_operand, op, right: right_operand }),
        }
    }

    fn in_list(&self, expr: &Expr, list: Vec<Expr>, negated: bool) -> Result<Rule, RuleError> {
        let value = self.tested(expr, "IN")?;
        let list: Result<Vec<Operand>, RuleError> = list
            .into_iter()
            .map(|item| {
                let operand = match &item {
                    Expr::Array(_) | Expr::Tuple(_) => {
                        return Err(self
                            .error(&item, "IN takes its values in plain parentheses")
                            .hint("write column IN ('a', 'b')"));
                    }
                    item => self.operand_of(item)?,
                };
                if operand.is_constant() {
                    Ok(operand)
                } else {
                    Err(self
                        .error(&item, "IN compares with constants, not with columns")
                        .hint("write column = other_column, joined by OR"))
                }
            })
            .collect();
        Ok(Rule::In { value, list: list?, negated })
    }

    /// What a test such as IN is about: a column or something of a column.
    pub(super) fn tested(&self, expr: &Expr, test: &str) -> Result<Operand, RuleError> {
        let operand = self.operand_of(expr)?;
        if operand.is_constant() {
            return Err(self
                .error(expr, format!("{test} tests a column, not a constant"))
                .hint(format!("write column {test}, with the column first")));
        }
        Ok(operand)
    }

    fn text_test(
        &self,
        test: TextTest,
        expr: &Expr,
        pattern: &Expr,
        negated: bool,
    ) -> Result<Rule, RuleError> {
        let name = if test == TextTest::Like { "LIKE" } else { "ILIKE" };
        let column = self.column_of(expr, name)?;
        let pattern_text = self.text_of(pattern, &format!("the pattern of {name}"))?;
        check_pattern(&pattern_text).map_err(|error| self.located(error, pattern))?;
        Ok(Rule::Text { test, column, pattern: pattern_text, negated })
    }

    fn not_a_condition(&self, expr: &Expr, what: &str) -> RuleError {
        self.error(expr, format!("{what} stands where a condition is expected"))
            .hint("a condition is a boolean column, a comparison or a test such as IN")
    }
}

/// Fails on a pattern that ends in the middle of an escape, as the warehouse does.
pub(in super::super) fn check_pattern(pattern: &str) -> Result<(), RuleError> {
    let trailing = pattern.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if trailing % 2 == 1 {
        return Err(RuleError::new("a pattern that ends in a single backslash")
            .hint("write two (four in a quoted text) for the character itself"));
    }
    Ok(())
}

fn compare_op(op: &BinaryOperator) -> Option<CompareOp> {
    Some(match op {
        BinaryOperator::Eq => CompareOp::Eq,
        BinaryOperator::NotEq => CompareOp::NotEq,
        BinaryOperator::Lt => CompareOp::Less,
        BinaryOperator::LtEq => CompareOp::LessEq,
        BinaryOperator::Gt => CompareOp::Greater,
        BinaryOperator::GtEq => CompareOp::GreaterEq,
        _ => return None,
    })
}

/// Literals that arrays may be searched for.
pub(super) fn searchable(literal: Literal) -> Result<Literal, RuleError> {
    match literal {
        Literal::Null => Err(RuleError::new("NULL can't be looked for in an array")
            .hint("write has, hasAny or hasAll with constants")),
        other => Ok(other),
    }
}
