//! The names of operators.

use super::super::ast::CompareOp;

/// What an operator does with the field and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Compare(CompareOp),
    /// Whether negated.
    In(bool),
    Between(bool),
    Null(bool),
    Contains(bool),
    BeginsWith(bool),
    EndsWith(bool),
    Like(bool),
    ILike(bool),
    HasAny,
    HasAll,
    Empty(bool),
    MapContains,
    Bucket,
}

/// Every operator by its name; the first of each kind is the one written.
pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("=", Operator::Compare(CompareOp::Eq)),
    ("!=", Operator::Compare(CompareOp::NotEq)),
    ("<", Operator::Compare(CompareOp::Less)),
    ("<=", Operator::Compare(CompareOp::LessEq)),
    (">", Operator::Compare(CompareOp::Greater)),
    (">=", Operator::Compare(CompareOp::GreaterEq)),
    ("in", Operator::In(false)),
    ("notIn", Operator::In(true)),
    ("between", Operator::Between(false)),
    ("notBetween", Operator::Between(true)),
    ("null", Operator::Null(false)),
    ("notNull", Operator::Null(true)),
    ("contains", Operator::Contains(false)),
    ("doesNotContain", Operator::Contains(true)),
    ("beginsWith", Operator::BeginsWith(false)),
    ("doesNotBeginWith", Operator::BeginsWith(true)),
    ("endsWith", Operator::EndsWith(false)),
    ("doesNotEndWith", Operator::EndsWith(true)),
    ("like", Operator::Like(false)),
    ("notLike", Operator::Like(true)),
    ("ilike", Operator::ILike(false)),
    ("notIlike", Operator::ILike(true)),
    ("hasAny", Operator::HasAny),
    ("hasAll", Operator::HasAll),
    ("empty", Operator::Empty(false)),
    ("notEmpty", Operator::Empty(true)),
    ("mapContains", Operator::MapContains),
    ("bucket", Operator::Bucket),
];

/// The name an operator is written with.
pub(super) fn name_of(operator: Operator) -> &'static str {
    OPERATORS.iter().find(|(_, known)| *known == operator).map_or("=", |(name, _)| name)
}

/// `LIKE` pattern for a text itself.
pub(super) fn escape_like(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The text that a `LIKE` pattern without wildcards stands for, if it is written as [`escape_like`] does.
pub(super) fn unescape_like(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => return None,
            '\\' => out.push(chars.next().filter(|c| matches!(c, '%' | '_' | '\\'))?),
            c => out.push(c),
        }
    }
    Some(out)
}
