//! From a rule to its tree.

use serde_json::{Value as Json, json};

use super::super::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest, TimeExpr};
use super::super::print::Percent;
use super::operators::{Operator, name_of, unescape_like};
use super::values::looks_like_time;

/// A whole document: always a group, as the builder expects.
pub(super) fn document(rule: &Rule) -> Json {
    match rule {
        Rule::And(_) | Rule::Or(_) | Rule::AtLeast { .. } | Rule::Const(_) => node(rule),
        Rule::Not(inner) if flipped(inner).is_none() => node(rule),
        leaf => group("and", false, vec![node(leaf)]),
    }
}

fn node(rule: &Rule) -> Json {
    match rule {
        Rule::Not(inner) => match flipped(inner) {
            Some(condition) => condition,
            None => negated_group(inner),
        },
        Rule::And(_) | Rule::Or(_) | Rule::AtLeast { .. } | Rule::Const(_) => joined(rule, false),
        leaf => condition(leaf),
    }
}

fn negated_group(inner: &Rule) -> Json {
    match inner {
        Rule::And(_) | Rule::Or(_) | Rule::AtLeast { .. } | Rule::Const(_) => joined(inner, true),
        other => group("and", true, vec![node(other)]),
    }
}

/// A rule that is a group of its own.
fn joined(rule: &Rule, not: bool) -> Json {
    let nodes = |of: &[Rule]| of.iter().map(node).collect();
    match rule {
        Rule::And(of) => group("and", not, nodes(of)),
        Rule::Or(of) => group("or", not, nodes(of)),
        Rule::AtLeast { k, of } => {
            json!({"combinator": "at_least", "k": k, "not": not, "rules": nodes(of)})
        }
        // All of nothing is true, any of nothing is false.
        Rule::Const(value) => group(if *value { "and" } else { "or" }, not, Vec::new()),
        other => group("and", not, vec![node(other)]),
    }
}

fn group(combinator: &str, not: bool, rules: Vec<Json>) -> Json {
    object([("combinator", combinator.into()), ("not", not.into()), ("rules", rules.into())])
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The negation of a rule as one condition, where there is one.
fn flipped(rule: &Rule) -> Option<Json> {
    match rule {
        Rule::Column(name) => {
            Some(plain(&Operand::Column(name.clone()), Operator::Compare(CompareOp::Eq), false.into()))
        }
        Rule::Label(name) => Some(json!({"field": "label", "operator": "!=", "value": name})),
        Rule::Has { test: HasTest::One, column, values } => Some(has_one(column, values, true)),
        Rule::Text { test: TextTest::StartsWith, column, pattern, negated: false } => {
            Some(plain(&Operand::Column(column.clone()), Operator::BeginsWith(true), pattern.as_str().into()))
        }
        _ => None,
    }
}

fn condition(rule: &Rule) -> Json {
    let column = |name: &String| Operand::Column(name.clone());
    match rule {
        Rule::Column(name) => plain(&column(name), Operator::Compare(CompareOp::Eq), true.into()),
        Rule::Compare { left, op, right } => compare(left, *op, right),
        Rule::Between { value, low, high, negated } => {
            many(value, Operator::Between(*negated), &[low.clone(), high.clone()])
        }
        Rule::In { value, list, negated } => many(value, Operator::In(*negated), list),
        Rule::IsNull { value, negated } => plain(value, Operator::Null(*negated), Json::Null),
        Rule::Text { test: TextTest::StartsWith, column: name, pattern, negated } => {
            plain(&column(name), Operator::BeginsWith(*negated), pattern.as_str().into())
        }
        Rule::Text { test, column: name, pattern, negated } => text(*test, &column(name), pattern, *negated),
        Rule::Has { test: HasTest::One, column, values } => has_one(column, values, false),
        Rule::Has { test, column: name, values } => {
            let operator = if *test == HasTest::Any { Operator::HasAny } else { Operator::HasAll };
            let values: Vec<Operand> = values.iter().cloned().map(Operand::Literal).collect();
            many(&column(name), operator, &values)
        }
        Rule::Empty { column: name, negated } => plain(&column(name), Operator::Empty(*negated), Json::Null),
        Rule::MapContains { column: name, key } => {
            plain(&column(name), Operator::MapContains, key.as_str().into())
        }
        Rule::Label(name) => json!({"field": "label", "operator": "=", "value": name}),
        Rule::Bucket { salt, low, high } => {
            json!({"field": "bucket", "operator": "bucket", "value": [salt, percent(*low), percent(*high)]})
        }
        group => node(group),
    }
}

fn compare(left: &Operand, op: CompareOp, right: &Operand) -> Json {
    let operator = Operator::Compare(op);
    let is_flag =
        matches!((left, op, right), (Operand::Column(_), CompareOp::Eq, Operand::Literal(Literal::Bool(_))));
    // `has_poh = true` is not `has_poh`, which has the plain form.
    match plain_value(right) {
        Some(value) if !is_flag => plain(left, operator, value),
        _ => sourced(left, operator, right),
    }
}

/// A value that needs its source told.
fn sourced(left: &Operand, operator: Operator, right: &Operand) -> Json {
    let source = if right.is_constant() { "expression" } else { "field" };
    let value = if right.is_constant() { right.to_string() } else { field(right) };
    json!({"field": field(left), "operator": name_of(operator), "valueSource": source, "value": value})
}

fn many(left: &Operand, operator: Operator, values: &[Operand]) -> Json {
    if let Some(values) = values.iter().map(plain_value).collect::<Option<Vec<Json>>>() {
        return plain(left, operator, values.into());
    }
    let fields = values.iter().all(|value| !value.is_constant());
    let source = if fields { "field" } else { "expression" };
    let values: Vec<String> =
        values.iter().map(|value| if fields { field(value) } else { value.to_string() }).collect();
    json!({"field": field(left), "operator": name_of(operator), "valueSource": source, "value": values})
}

fn text(test: TextTest, column: &Operand, pattern: &str, negated: bool) -> Json {
    let core = |pattern: Option<&str>| pattern.and_then(unescape_like).filter(|text| !text.is_empty());
    if test == TextTest::Like {
        if let Some(text) = core(pattern.strip_prefix('%').and_then(|rest| rest.strip_suffix('%'))) {
            return plain(column, Operator::Contains(negated), text.into());
        }
        if let Some(text) = core(pattern.strip_prefix('%')) {
            return plain(column, Operator::EndsWith(negated), text.into());
        }
    }
    let operator = if test == TextTest::Like { Operator::Like(negated) } else { Operator::ILike(negated) };
    plain(column, operator, pattern.into())
}

fn has_one(column: &str, values: &[Literal], negated: bool) -> Json {
    let column = Operand::Column(column.to_owned());
    let value = Operand::Literal(values.first().cloned().unwrap_or(Literal::Null));
    let operator = Operator::Contains(negated);
    match plain_value(&value) {
        Some(value) => plain(&column, operator, value),
        None => sourced(&column, operator, &value),
    }
}

fn plain(left: &Operand, operator: Operator, value: Json) -> Json {
    object([("field", field(left).into()), ("operator", name_of(operator).into()), ("value", value)])
}

/// A field: as in text, and quoted where it would be taken for something else.
fn field(operand: &Operand) -> String {
    match operand {
        Operand::Column(name) if name == "label" || name == "bucket" => format!("`{name}`"),
        other => other.to_string(),
    }
}

/// A constant as a JSON value that reads back as itself.
fn plain_value(operand: &Operand) -> Option<Json> {
    match operand {
        Operand::Literal(Literal::Null) => Some(Json::Null),
        Operand::Literal(Literal::Bool(value)) => Some((*value).into()),
        Operand::Literal(Literal::Number(Number::Int(value))) => {
            i64::try_from(*value).map(Json::from).or_else(|_| u64::try_from(*value).map(Json::from)).ok()
        }
        Operand::Literal(Literal::Number(Number::Float(value))) => {
            value.get().is_finite().then(|| value.get().into())
        }
        Operand::Literal(Literal::Text(text)) => (!looks_like_time(text)).then(|| text.as_str().into()),
        Operand::Time(time) => Some(time_text(time).into()),
        Operand::Column(_) | Operand::MapValue { .. } | Operand::Length(_) => None,
    }
}

fn time_text(time: &TimeExpr) -> String {
    time.to_string()
}

fn percent(hundredths: u32) -> Json {
    if hundredths.is_multiple_of(100) {
        (hundredths / 100).into()
    } else {
        Percent(hundredths).to_string().parse::<f64>().map_or(Json::Null, Json::from)
    }
}
