//! Rules made from what a store holds, so that it can be compared with its source without anybody writing rules: some for each
//! column, which look at its NULLs, its order, its commonest value, its elements and keys.

use muster_engine::column::{Dictionary, ListColumn, MapColumn, ValueColumn};
use muster_engine::error::Result;
use muster_engine::key;
use muster_engine::rule::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule};
use muster_engine::schema::{ColumnSchema, ColumnType, ScalarType};
use muster_engine::snapshot::{Column, Snapshot};
use muster_engine::value::Value;

/// With more distinct values, elements or keys than this, the commonest is one of the first so many.
const LOOKED_AT: u32 = 1 << 16;

/// Rules over all users and over each column. A value that no literal can say makes no rule.
pub fn made_rules(snapshot: &Snapshot) -> Result<Vec<Rule>> {
    let bucket = Rule::Bucket { salt: "verify".to_owned(), low: 0, high: 5_000 };
    let mut rules = vec![Rule::Const(true), bucket];
    for (index, schema) in snapshot.schema().columns.iter().enumerate() {
        let operand = Operand::Column(schema.name.clone());
        rules.push(Rule::IsNull { value: operand.clone(), negated: false });
        match (snapshot.column(index)?, &schema.ty) {
            (Column::Value(column), ColumnType::Scalar(ty)) => {
                values(column, ty, &operand, schema, &mut rules)?;
            }

            (Column::List(list), ColumnType::Array(ty)) => elements(list, ty, schema, &mut rules)?,
            (Column::Map(map), ColumnType::Map(ty)) => keys(map, ty, schema, &mut rules)?,
            _ => {}
        }
    }
    Ok(rules)
}

fn values(
    column: &ValueColumn,
    ty: &ScalarType,
    operand: &Operand,
    schema: &ColumnSchema,
    rules: &mut Vec<Rule>,
) -> Result<()> {
    if *ty == ScalarType::Bool {
        rules.push(Rule::Column(schema.name.clone()));
        return Ok(());
    }
    let commonest = commonest(column.dictionary().len(), |code| column.rows_between(code, code + 1))?;
    if let Some(code) = commonest
        && let Some(value) = literal(column.dictionary(), ty, code)?
    {
        let (left, right) = (operand.clone(), Operand::Literal(value));
        rules.push(Rule::Compare { left, op: CompareOp::Eq, right });
    }
    if !matches!(ty, ScalarType::Enum | ScalarType::Uuid) {
        rules.extend(middle(column, ty, operand)?);
    }
    Ok(())
}

/// The middle half of the values.
fn middle(column: &ValueColumn, ty: &ScalarType, operand: &Operand) -> Result<Option<Rule>> {
    let quarter = |quarters: u64| {
        let code = column.dictionary().search(|code| {
            Ok(column.rows_between(0, code + 1)? * 4 <= u64::from(column.present()) * quarters)
        })?;
        literal(column.dictionary(), ty, code.min(column.dictionary().len().saturating_sub(1)))
    };
    if column.dictionary().is_empty() {
        return Ok(None);
    }
    // Where the middle half is one value, it is the commonest one.
    let ends = quarter(1)?.zip(quarter(3)?).filter(|(low, high)| low != high);
    Ok(ends.map(|(low, high)| Rule::Between {
        value: operand.clone(),
        low: Operand::Literal(low),
        high: Operand::Literal(high),
        negated: false,
    }))
}

fn elements(list: &ListColumn, ty: &ScalarType, schema: &ColumnSchema, rules: &mut Vec<Rule>) -> Result<()> {
    let column = schema.name.clone();
    rules.push(Rule::Empty { column: column.clone(), negated: false });
    // Elements with a bitmap are held by more users than any other.
    let heavy = list.heavy_elements()?.to_vec();
    let code = if heavy.is_empty() {
        commonest(list.elements().len(), |code| list.posting_rows(code).map(u64::from))?
    } else {
        let at = commonest(heavy.len() as u32, |at| list.posting_rows(heavy[at as usize]).map(u64::from))?;
        at.map(|at| heavy[at as usize])
    };
    if let Some(code) = code
        && let Some(value) = literal(list.elements(), ty, code)?
    {
        rules.push(Rule::Has { test: HasTest::One, column: column.clone(), values: vec![value] });
    }
    rules.extend(middle(list.lengths(), &ScalarType::UInt { bits: 64 }, &Operand::Length(column))?);
    Ok(())
}

fn keys(map: &MapColumn, ty: &ScalarType, schema: &ColumnSchema, rules: &mut Vec<Rule>) -> Result<()> {
    let code = commonest(map.keys().len(), |code| Ok(map.column(code)?.present().into()))?;
    let Some(code) = code else { return Ok(()) };
    let Some(Literal::Text(key)) = literal(map.keys(), &ScalarType::String, code)? else { return Ok(()) };
    let column = schema.name.clone();
    rules.push(Rule::MapContains { column: column.clone(), key: key.clone() });
    rules.extend(middle(&map.column(code)?, ty, &Operand::MapValue { column, key })?);
    Ok(())
}

/// The code that most rows have; `None` if there are no codes.
fn commonest(codes: u32, rows: impl Fn(u32) -> Result<u64>) -> Result<Option<u32>> {
    let mut best = None;
    for code in 0..codes.min(LOOKED_AT) {
        let rows = rows(code)?;
        if best.is_none_or(|(most, _)| rows > most) {
            best = Some((rows, code));
        }
    }
    Ok(best.map(|(_, code)| code))
}

/// A literal for the value of a code, or one near to it; `None` where the language has none.
fn literal(dictionary: &Dictionary, ty: &ScalarType, code: u32) -> Result<Option<Literal>> {
    let number = |number| Some(Literal::Number(number));
    let decimal = |text: &str| match text.parse() {
        Ok(whole) => number(Number::Int(whole)),
        Err(_) => text.parse().ok().and_then(|float: f64| number(Number::float(float))),
    };
    let text = |value: Value| match (ty, value) {
        (ScalarType::Decimal { .. }, Value::Text(text)) => decimal(&text),
        (_, Value::Text(text)) => Some(Literal::Text(text)),
        (_, Value::Bool(value)) => Some(Literal::Bool(value)),
        (_, Value::Int(value)) => number(Number::Int(value)),
        (_, Value::UInt(value)) => i128::try_from(value).ok().and_then(|value| number(Number::Int(value))),
        (_, Value::Float(value)) if value.is_finite() => number(Number::float(value)),
        _ => None,
    };
    Ok(match (dictionary, ty) {
        // The float itself, not the shorter one that is shown for it.
        (Dictionary::Fixed8(keys), ScalarType::Float { .. }) => {
            text(Value::Float(key::to_float(keys.get(code as usize)?)))
        }
        (Dictionary::Fixed8(keys), _) => text(Value::from_key8(ty, keys.get(code as usize)?)),
        (Dictionary::Fixed16(keys), _) => text(Value::from_key16(ty, keys.get(code as usize)?)),
        (Dictionary::Bytes { .. }, _) => {
            let bytes = dictionary.bytes(code)?.unwrap_or_default();
            std::str::from_utf8(bytes).ok().map(|text| Literal::Text(text.to_owned()))
        }
        (Dictionary::None, _) => None,
    })
}
