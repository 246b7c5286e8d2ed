//! Random rule trees in normal form, for the tests of every direction.

use proptest::collection::vec;
use proptest::prelude::*;

use super::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest, TimeExpr, TimeUnit};

/// Names that need quoting and names that don't.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[a-z_][a-z0-9_]{0,8}",
        1 => prop::sample::select(vec!["and", "select", "date", "nan", "label", "n.a", "a`b", "a\\", "é", "a b", "true"])
            .prop_map(str::to_owned),
        1 => any::<String>().prop_filter("not empty", |name| !name.is_empty()),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z0-9 ]{0,6}",
        1 => "[a%_'\"`\\\\\n\t\u{0}-\u{1f}é😀-]{0,6}",
        1 => prop::sample::select(vec!["now()", "today() - INTERVAL 1 DAY", "1,2", "true", "12", "toDate('x')"])
            .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        4 => (-1000i64..1000).prop_map(|value| Number::Int(value.into())),
        1 => any::<i64>().prop_map(|value| Number::Int(value.into())),
        1 => any::<u64>().prop_map(|value| Number::Int(value.into())),
        1 => prop::sample::select(vec![i128::MIN, i128::MAX, u64::MAX as i128 + 1]).prop_map(Number::Int),
        3 => any::<f64>().prop_map(Number::float),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1e16, 5e-324])
            .prop_map(Number::float),
    ]
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<bool>().prop_map(Literal::Bool),
        number().prop_map(Literal::Number),
        text().prop_map(Literal::Text),
        Just(Literal::Null),
    ]
}

/// What arrays may be searched for.
fn searched() -> impl Strategy<Value = Literal> {
    literal().prop_filter("arrays are not searched for NULL", |value| *value != Literal::Null)
}

fn time() -> impl Strategy<Value = TimeExpr> {
    let base = prop_oneof![
        Just(TimeExpr::Now),
        Just(TimeExpr::Today),
        (text(), prop::option::of(text())).prop_map(|(text, zone)| TimeExpr::DateTime { text, zone }),
        text().prop_map(TimeExpr::Date),
    ];
    let unit = prop::sample::select(vec![
        TimeUnit::Second,
        TimeUnit::Minute,
        TimeUnit::Hour,
        TimeUnit::Day,
        TimeUnit::Week,
        TimeUnit::Month,
        TimeUnit::Quarter,
        TimeUnit::Year,
    ]);
    (base, vec((-i64::from(u32::MAX)..=i64::from(u32::MAX), unit), 0..3)).prop_map(|(base, shifts)| {
        shifts.into_iter().fold(base, |base, (count, unit)| TimeExpr::Shift {
            base: base.into(),
            count,
            unit,
        })
    })
}

fn constant() -> impl Strategy<Value = Operand> {
    prop_oneof![3 => literal().prop_map(Operand::Literal), 1 => time().prop_map(Operand::Time)]
}

fn variable() -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => name().prop_map(Operand::Column),
        1 => (name(), text()).prop_map(|(column, key)| Operand::MapValue { column, key }),
        1 => name().prop_map(Operand::Length),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![3 => constant(), 1 => variable()]
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    prop::sample::select(vec![
        CompareOp::Eq,
        CompareOp::NotEq,
        CompareOp::Less,
        CompareOp::LessEq,
        CompareOp::Greater,
        CompareOp::GreaterEq,
    ])
}

/// A pattern that does not end in the middle of an escape.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        text(),
        text().prop_map(|text| format!("%{text}%")),
        text().prop_map(|text| format!("{text}%")),
        text().prop_map(|text| format!("%{text}")),
    ]
    .prop_filter("whole escapes", |pattern| super::text::check_pattern(pattern).is_ok())
}

fn leaf() -> impl Strategy<Value = Rule> {
    prop_oneof![
        1 => any::<bool>().prop_map(Rule::Const),
        2 => name().prop_map(Rule::Column),
        4 => (variable(), compare_op(), operand())
            .prop_map(|(left, op, right)| Rule::Compare { left, op, right }),
        1 => (variable(), operand(), operand(), any::<bool>())
            .prop_map(|(value, low, high, negated)| Rule::Between { value, low, high, negated }),
        2 => (variable(), vec(constant(), 1..4), any::<bool>())
            .prop_map(|(value, list, negated)| Rule::In { value, list, negated }),
        1 => (variable(), any::<bool>()).prop_map(|(value, negated)| Rule::IsNull { value, negated }),
        1 => (any::<bool>(), name(), pattern(), any::<bool>()).prop_map(|(like, column, pattern, negated)| {
            Rule::Text { test: if like { TextTest::Like } else { TextTest::ILike }, column, pattern, negated }
        }),
        1 => (name(), text()).prop_map(|(column, pattern)| {
            Rule::Text { test: TextTest::StartsWith, column, pattern, negated: false }
        }),
        1 => (name(), searched()).prop_map(|(column, value)| {
            Rule::Has { test: HasTest::One, column, values: vec![value] }
        }),
        1 => (any::<bool>(), name(), vec(searched(), 0..3)).prop_map(|(any, column, values)| {
            Rule::Has { test: if any { HasTest::Any } else { HasTest::All }, column, values }
        }),
        1 => (name(), any::<bool>()).prop_map(|(column, negated)| Rule::Empty { column, negated }),
        1 => (name(), text()).prop_map(|(column, key)| Rule::MapContains { column, key }),
        1 => text().prop_map(Rule::Label),
        1 => (text(), 0u32..=10_000, 0u32..=10_000).prop_map(|(salt, a, b)| {
            Rule::Bucket { salt, low: a.min(b), high: a.max(b) }
        }),
    ]
}

/// A tree in normal form.
pub(super) fn rule() -> impl Strategy<Value = Rule> {
    leaf().prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 2..5).prop_map(Rule::all),
            3 => vec(inner.clone(), 2..5).prop_map(Rule::any),
            2 => inner.clone().prop_map(|rule| Rule::Not(Box::new(rule))),
            1 => (0u32..6, vec(inner, 1..5)).prop_map(|(k, of)| Rule::AtLeast { k, of }),
        ]
    })
}
