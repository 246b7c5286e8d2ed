//! Which rules a person can also run on the warehouse as they stand, and get the same users.
//!
//! All others go through the rendered SQL; docs/rule-language.md says what differs.

use muster_engine::rule::ast::{HasTest, Literal, Number, Operand, Rule, TextTest, TimeExpr};
use muster_engine::schema::{ColumnType, HeldAs, ScalarType};

use super::table::Table;

/// Whether the rule's own text is expected to give the same count.
pub fn runs(rule: &Rule, table: &Table) -> bool {
    match rule {
        Rule::And(rules) | Rule::Or(rules) => rules.iter().all(|rule| runs(rule, table)),
        Rule::Not(rule) => runs(rule, table),
        // Enums of different types compare by their numbers there.
        Rule::Compare { left: Operand::Column(name), right: Operand::Column(_), .. }
            if scalar(name, table) == Some(&ScalarType::Enum) =>
        {
            false
        }
        Rule::Compare { left, right, .. } => operands(&[left, right], table),
        Rule::Between { value, low, high, .. } => operands(&[value, low, high], table),
        Rule::In { value, list, .. } => {
            let plain = matches!(value, Operand::Column(name) if in_is_equality(name, table));
            plain
                && list
                    .iter()
                    .all(|item| operands(&[value, item], table) && !matches!(item, Operand::Time(_)))
        }
        Rule::IsNull { value, .. } => match value {
            Operand::Column(name) => scalar(name, table).is_some(),
            _ => false,
        },
        // A search for a text between two `%` ignores case in ways of its own.
        Rule::Text { test: TextTest::ILike, pattern, .. }
            if !pattern.is_ascii() || pattern.starts_with('%') =>
        {
            false
        }
        Rule::Text { column, .. } => scalar(column, table).is_some(),
        Rule::Const(_) | Rule::Column(_) => true,
        Rule::Has { column, test, values } => {
            // `hasAny` and `hasAll` take a NULL element for the empty value.
            let empty = |value: &Literal| match value {
                Literal::Text(text) => text.is_empty(),
                value => matches!(value, Literal::Bool(false) | Literal::Number(Number::Int(0))),
            };
            let plain = *test == HasTest::One || !values.iter().any(empty);
            let exact = |ty: &ScalarType| {
                matches!(ty, ScalarType::String | ScalarType::Int { .. } | ScalarType::UInt { .. })
            };
            plain && array(column, table).is_some_and(exact)
        }
        Rule::Empty { column, .. } => array(column, table).is_some() || scalar(column, table).is_some(),
        Rule::AtLeast { .. } | Rule::MapContains { .. } | Rule::Label(_) | Rule::Bucket { .. } => false,
    }
}

fn operands(all: &[&Operand], table: &Table) -> bool {
    // Days after 2106 are beyond what an instant can be there.
    let day = |operand: &&Operand| matches!(operand, Operand::Column(name) if is_day(name, table));
    let instant = |operand: &&Operand| match operand {
        Operand::Column(name) => scalar(name, table).is_some() && !is_day(name, table),
        Operand::Time(time) => !time.is_day(),
        _ => false,
    };
    if all.iter().any(day) && all.iter().any(instant) {
        return false;
    }
    all.iter().all(|operand| match operand {
        Operand::Column(name) => {
            *name == table.schema.user_id
                || scalar(name, table).is_some_and(|ty| match ty {
                    // Compared as a float, cut to the scale, or refused.
                    ScalarType::Decimal { .. } => false,
                    // A day beside an instant is read in the other's zone, or the server's.
                    ScalarType::DateTime { zone } | ScalarType::DateTime64 { zone, .. } => zone.is_none(),
                    _ => true,
                })
        }
        Operand::Length(name) => array(name, table).is_some(),
        Operand::MapValue { .. } => false,
        // Wider literals are floats there.
        Operand::Literal(Literal::Number(Number::Int(value))) => {
            (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(value)
        }
        Operand::Literal(_) => true,
        Operand::Time(time) => fixed(time),
    })
}

/// Not of the moment that the warehouse looks at it.
fn fixed(time: &TimeExpr) -> bool {
    match time {
        TimeExpr::Now | TimeExpr::Today => false,
        TimeExpr::DateTime { .. } | TimeExpr::Date(_) => true,
        TimeExpr::Shift { base, .. } => fixed(base),
    }
}

/// `IN` compares floats by their bits, and days with days.
fn in_is_equality(name: &str, table: &Table) -> bool {
    !matches!(scalar(name, table), Some(ScalarType::Float { .. } | ScalarType::Date))
}

fn is_day(name: &str, table: &Table) -> bool {
    scalar(name, table) == Some(&ScalarType::Date)
}

/// Not of FixedString, whose filling `LIKE` sees.
fn scalar<'t>(name: &str, table: &'t Table) -> Option<&'t ScalarType> {
    let column = table.schema.column(name)?.1;
    match &column.ty {
        ColumnType::Scalar(ty) if column.held_as == HeldAs::Native => Some(ty),
        _ => None,
    }
}

fn array<'t>(name: &str, table: &'t Table) -> Option<&'t ScalarType> {
    let column = table.schema.column(name)?.1;
    match &column.ty {
        ColumnType::Array(ty) if column.held_as == HeldAs::Native => Some(ty),
        _ => None,
    }
}
