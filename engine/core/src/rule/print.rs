//! The canonical text of a rule. Reading it back gives the same tree.

use std::fmt::{self, Display, Formatter, Write as _};

use super::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest, TimeExpr, TimeUnit};
use super::text::{quote_identifier, quote_text};

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Const(value) => write!(f, "{value}"),
            Rule::And(of) => joined(f, of, " AND ", |rule| matches!(rule, Rule::And(_) | Rule::Or(_))),
            Rule::Or(of) => joined(f, of, " OR ", |rule| matches!(rule, Rule::Or(_))),
            Rule::Not(rule) => {
                f.write_str("NOT ")?;
                bracketed(f, rule, matches!(**rule, Rule::And(_) | Rule::Or(_)))
            }
            Rule::AtLeast { k, of } => {
                write!(f, "at_least({k}")?;
                for rule in of {
                    write!(f, ", {rule}")?;
                }
                f.write_char(')')
            }
            Rule::Column(name) => f.write_str(&quote_identifier(name)),
            Rule::Compare { left, op, right } => write!(f, "{left} {op} {right}"),
            Rule::Between { value, low, high, negated } => {
                write!(f, "{value} {}BETWEEN {low} AND {high}", not(*negated))
            }
            Rule::In { value, list, negated } => {
                write!(f, "{value} {}IN (", not(*negated))?;
                listed(f, list)?;
                f.write_char(')')
            }
            Rule::IsNull { value, negated } => write!(f, "{value} IS {}NULL", not(*negated)),
            Rule::Text { test: TextTest::StartsWith, column, pattern, negated } => {
                // The tree's only way to say it twice over; text has one.
                let not = not(*negated);
                write!(f, "{not}startsWith({}, {})", quote_identifier(column), quote_text(pattern))
            }
            Rule::Text { test, column, pattern, negated } => {
                let test = if *test == TextTest::Like { "LIKE" } else { "ILIKE" };
                write!(f, "{} {}{test} {}", quote_identifier(column), not(*negated), quote_text(pattern))
            }
            Rule::Has { test: HasTest::One, column, values } => {
                write!(f, "has({}, ", quote_identifier(column))?;
                listed(f, values)?;
                f.write_char(')')
            }
            Rule::Has { test, column, values } => {
                let name = if *test == HasTest::Any { "hasAny" } else { "hasAll" };
                write!(f, "{name}({}, [", quote_identifier(column))?;
                listed(f, values)?;
                f.write_str("])")
            }
            Rule::Empty { column, negated } => {
                let name = if *negated { "notEmpty" } else { "empty" };
                write!(f, "{name}({})", quote_identifier(column))
            }
            Rule::MapContains { column, key } => {
                write!(f, "mapContains({}, {})", quote_identifier(column), quote_text(key))
            }
            Rule::Label(name) => write!(f, "label({})", quote_text(name)),
            Rule::Bucket { salt, low, high } => {
                write!(f, "bucket({}, {}, {})", quote_text(salt), Percent(*low), Percent(*high))
            }
        }
    }
}

fn joined(
    f: &mut Formatter<'_>,
    of: &[Rule],
    join: &str,
    needs_brackets: impl Fn(&Rule) -> bool,
) -> fmt::Result {
    for (index, rule) in of.iter().enumerate() {
        if index > 0 {
            f.write_str(join)?;
        }
        bracketed(f, rule, needs_brackets(rule))?;
    }
    Ok(())
}

fn bracketed(f: &mut Formatter<'_>, rule: &Rule, brackets: bool) -> fmt::Result {
    if brackets { write!(f, "({rule})") } else { write!(f, "{rule}") }
}

fn listed<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

/// Hundredths of a percent as a percentage.
pub(super) struct Percent(pub(super) u32);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}"),
            (whole, tenths) if tenths % 10 == 0 => write!(f, "{whole}.{}", tenths / 10),
            (whole, hundredths) => write!(f, "{whole}.{hundredths:02}"),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Column(name) => f.write_str(&quote_identifier(name)),
            Operand::MapValue { column, key } => {
                write!(f, "{}[{}]", quote_identifier(column), quote_text(key))
            }
            Operand::Length(name) => write!(f, "length({})", quote_identifier(name)),
            Operand::Literal(literal) => write!(f, "{literal}"),
            Operand::Time(time) => write!(f, "{time}"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => write!(f, "{value}"),
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Text(text) => f.write_str(&quote_text(text)),
            Literal::Null => f.write_str("NULL"),
        }
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Number::Int(value) => write!(f, "{value}"),
            Number::Float(value) => match value.get() {
                value if value.is_nan() => f.write_str("nan"),
                value if value.is_infinite() => f.write_str(if value > 0.0 { "inf" } else { "-inf" }),
                // Always with a point or an exponent, and short enough to read back as the same bits.
                value => write!(f, "{value:?}"),
            },
        }
    }
}

impl Display for TimeExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            TimeExpr::Now => f.write_str("now()"),
            TimeExpr::Today => f.write_str("today()"),
            TimeExpr::DateTime { text, zone: None } => write!(f, "toDateTime({})", quote_text(text)),
            TimeExpr::DateTime { text, zone: Some(zone) } => {
                write!(f, "toDateTime({}, {})", quote_text(text), quote_text(zone))
            }
            TimeExpr::Date(text) => write!(f, "toDate({})", quote_text(text)),
            TimeExpr::Shift { base, count, unit } => {
                let sign = if *count < 0 { '-' } else { '+' };
                write!(f, "{base} {sign} INTERVAL {} {unit}", count.unsigned_abs())
            }
        }
    }
}

impl Display for TimeUnit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeUnit::Second => "SECOND",
            TimeUnit::Minute => "MINUTE",
            TimeUnit::Hour => "HOUR",
            TimeUnit::Day => "DAY",
            TimeUnit::Week => "WEEK",
            TimeUnit::Month => "MONTH",
            TimeUnit::Quarter => "QUARTER",
            TimeUnit::Year => "YEAR",
        })
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CompareOp::Eq => "=",
            CompareOp::NotEq => "!=",
            CompareOp::Less => "<",
            CompareOp::LessEq => "<=",
            CompareOp::Greater => ">",
            CompareOp::GreaterEq => ">=",
        })
    }
}
