//! The naive evaluator: one user at a time over plain values, three-valued, as simple as can be.
//!
//! Written from the rule language's definition and the warehouse's behaviour, never from the executor: when the two
//! disagree, one of them is wrong.

use std::collections::{BTreeMap, HashSet};

use muster_engine::rule::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest};
use muster_engine::schema::{ColumnType, ScalarType};

use super::cell::Cell;
use super::compare::{Value, compare};
use super::hash;
use super::like::Pattern;
use super::literals::{cell_value, literal_value};
use super::table::Table;
use super::time::Clock;

/// From so many ids on, a list of users is looked up rather than gone through for every row.
const LISTED_MIN: usize = 50;

/// Labels by name.
pub type LabelRules = BTreeMap<String, Rule>;

/// The evaluator over one table at one time.
pub struct Naive<'t> {
    table: &'t Table,
    clock: Clock,
    labels: &'t LabelRules,
}

/// A rule with its names and literals looked up, so that a row costs little.
enum Test {
    Const(Option<bool>),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    AtLeast(u32, Vec<Test>),
    Truth(usize),
    Compare(Source, CompareOp, Source),
    /// With the comparison with each item of the list.
    In(Source, Vec<Test>),
    /// The user is one of many.
    Listed(HashSet<i128>),
    IsNull(Source),
    Like(usize, Pattern),
    StartsWith(usize, Vec<u8>),
    Has(HasTest, usize, Vec<Value<'static>>),
    Empty(usize),
    MapContains(usize, String),
    Bucket(u64, u64, u64),
}

/// Where a compared value comes from.
#[derive(Clone)]
enum Source {
    UserId,
    Column(usize),
    MapValue(usize, String),
    Length(usize),
    Constant(Value<'static>),
}

impl<'t> Naive<'t> {
    pub fn new(table: &'t Table, now: i64, labels: &'t LabelRules) -> Self {
        Self { table, clock: Clock::new(&table.schema.time_zone, now), labels }
    }

    /// The rule's value for every row.
    pub fn answers(&self, rule: &Rule) -> Vec<Option<bool>> {
        let test = self.prepare(rule);
        (0..self.table.rows()).map(|row| self.answer(&test, row)).collect()
    }

    fn prepare(&self, rule: &Rule) -> Test {
        let all = |rules: &[Rule]| rules.iter().map(|rule| self.prepare(rule)).collect();
        match rule {
            Rule::Const(value) => Test::Const(Some(*value)),
            Rule::And(rules) => Test::All(all(rules)),
            Rule::Or(rules) => Test::Any(all(rules)),
            Rule::Not(rule) => Test::Not(Box::new(self.prepare(rule))),
            Rule::AtLeast { k, of } => Test::AtLeast(*k, all(of)),
            Rule::Column(name) => Test::Truth(self.index(name)),
            Rule::Compare { left, op, right } => self.comparison(left, *op, right),
            Rule::Between { value, low, high, negated } => {
                // Not each other's negation where NaN is concerned: it is neither inside nor outside.
                if *negated {
                    let below = self.comparison(value, CompareOp::Less, low);
                    Test::Any(vec![below, self.comparison(value, CompareOp::Greater, high)])
                } else {
                    let above = self.comparison(value, CompareOp::GreaterEq, low);
                    Test::All(vec![above, self.comparison(value, CompareOp::LessEq, high)])
                }
            }
            Rule::In { value: Operand::Column(name), list, negated }
                if *name == self.table.schema.user_id
                    && list.len() > LISTED_MIN
                    && list.iter().all(is_id) =>
            {
                let id = |item: &Operand| match item {
                    Operand::Literal(Literal::Number(Number::Int(id))) => Some(*id),
                    _ => None,
                };
                negate(Test::Listed(list.iter().filter_map(id).collect()), *negated)
            }
            Rule::In { value, list, negated } => {
                let items = list.iter().map(|item| self.comparison(value, CompareOp::Eq, item)).collect();
                negate(Test::In(self.source(value, None), items), *negated)
            }
            Rule::IsNull { value, negated } => negate(Test::IsNull(self.source(value, None)), *negated),
            Rule::Text { test, column, pattern, negated } => {
                let column = self.index(column);
                let test = match test {
                    TextTest::Like => Test::Like(column, Pattern::new(pattern, false)),
                    TextTest::ILike => Test::Like(column, Pattern::new(pattern, true)),
                    TextTest::StartsWith => Test::StartsWith(column, pattern.as_bytes().to_vec()),
                };
                negate(test, *negated)
            }
            Rule::Has { test, column, values } => {
                let column = self.index(column);
                let ty = self.element_type(column);
                let values = values.iter().map(|value| literal_value(value, ty, &self.clock)).collect();
                Test::Has(*test, column, values)
            }
            Rule::Empty { column, negated } => negate(Test::Empty(self.index(column)), *negated),
            Rule::MapContains { column, key } => Test::MapContains(self.index(column), key.clone()),
            Rule::Label(name) => self.prepare(&self.labels[name]),
            Rule::Bucket { salt, low, high } => {
                Test::Bucket(hash::xxh64(salt.as_bytes()), u64::from(*low), u64::from(*high))
            }
        }
    }

    fn comparison(&self, left: &Operand, op: CompareOp, right: &Operand) -> Test {
        let ty = self.type_of(left).or_else(|| self.type_of(right));
        Test::Compare(self.source(left, ty.as_ref()), op, self.source(right, ty.as_ref()))
    }

    /// A literal is read as the type of what it is compared with.
    fn source(&self, operand: &Operand, other: Option<&ScalarType>) -> Source {
        match operand {
            Operand::Column(name) if *name == self.table.schema.user_id => Source::UserId,
            Operand::Column(name) => Source::Column(self.index(name)),
            Operand::MapValue { column, key } => Source::MapValue(self.index(column), key.clone()),
            Operand::Length(name) => Source::Length(self.index(name)),
            Operand::Literal(Literal::Null) => Source::Constant(Value::Null),
            Operand::Literal(literal) => Source::Constant(literal_value(
                literal,
                other.expect("a literal against a column"),
                &self.clock,
            )),
            Operand::Time(time) => Source::Constant(self.clock.evaluate(time)),
        }
    }

    fn type_of(&self, operand: &Operand) -> Option<ScalarType> {
        match operand {
            Operand::Column(name) if *name == self.table.schema.user_id => {
                Some(ScalarType::UInt { bits: 64 })
            }
            Operand::Length(_) => Some(ScalarType::UInt { bits: 64 }),
            Operand::Column(name) | Operand::MapValue { column: name, .. } => {
                Some(self.element_type(self.index(name)).clone())
            }
            Operand::Literal(_) | Operand::Time(_) => None,
        }
    }

    fn index(&self, name: &str) -> usize {
        self.table.schema.column(name).unwrap_or_else(|| panic!("no column {name}")).0
    }

    fn element_type(&self, column: usize) -> &ScalarType {
        match &self.table.schema.columns[column].ty {
            ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty) => ty,
        }
    }

    fn answer(&self, test: &Test, row: usize) -> Option<bool> {
        let cell = |column: usize| &self.table.columns[column][row];
        match test {
            Test::Const(value) => *value,
            Test::All(tests) => self.all(tests, row),
            Test::Any(tests) => self.any(tests, row),
            Test::Not(test) => self.answer(test, row).map(|value| !value),
            Test::AtLeast(k, tests) => self.at_least(*k, tests, row),
            Test::Truth(column) => match cell(*column) {
                Cell::Null => None,
                Cell::Bool(value) => Some(*value),
                other => panic!("{other:?} is no condition"),
            },
            Test::Compare(left, op, right) => compare(&self.value(left, row), *op, &self.value(right, row)),
            Test::In(source, items) => match self.value(source, row) {
                Value::Null => None,
                value => Some(items.iter().any(|item| self.is_item(&value, item, row))),
            },
            Test::Listed(users) => Some(users.contains(&self.table.user_ids[row].into())),
            // Arrays and maps have no value to compare, but may be NULL.
            Test::IsNull(Source::Column(column)) => Some(cell(*column).is_null()),
            Test::IsNull(source) => Some(self.value(source, row) == Value::Null),
            Test::Like(column, pattern) => text(cell(*column)).map(|text| pattern.matches(text)),
            Test::StartsWith(column, prefix) => text(cell(*column)).map(|text| text.starts_with(prefix)),
            Test::Has(test, column, values) => self.has(*test, *column, values, row),
            Test::Empty(column) => match cell(*column) {
                Cell::Null => None,
                Cell::Text(text) => Some(text.is_empty()),
                Cell::Array(elements) => Some(elements.is_empty()),
                other => panic!("{other:?} is never empty"),
            },
            Test::MapContains(column, key) => match cell(*column) {
                Cell::Null => None,
                map => Some(!map_value(map, key).is_null()),
            },
            Test::Bucket(salt, low, high) => {
                let bucket = hash::mix(self.table.user_ids[row] ^ salt) % 10_000;
                Some(*low <= bucket && bucket < *high)
            }
        }
    }

    /// A NULL in the list is passed over, and NaN, which equals nothing, is found in a list that has it.
    fn is_item(&self, value: &Value<'_>, item: &Test, row: usize) -> bool {
        let both_nan = match (value, item) {
            (Value::Float(value), Test::Compare(_, _, Source::Constant(Value::Float(item)))) => {
                value.is_nan() && item.is_nan()
            }
            _ => false,
        };
        both_nan || self.answer(item, row) == Some(true)
    }

    fn all(&self, tests: &[Test], row: usize) -> Option<bool> {
        let mut result = Some(true);
        for test in tests {
            match self.answer(test, row) {
                Some(false) => return Some(false),
                None => result = None,
                Some(true) => {}
            }
        }
        result
    }

    fn any(&self, tests: &[Test], row: usize) -> Option<bool> {
        let mut result = Some(false);
        for test in tests {
            match self.answer(test, row) {
                Some(true) => return Some(true),
                None => result = None,
                Some(false) => {}
            }
        }
        result
    }

    fn at_least(&self, k: u32, tests: &[Test], row: usize) -> Option<bool> {
        let answers: Vec<_> = tests.iter().map(|test| self.answer(test, row)).collect();
        let sure = answers.iter().filter(|&&answer| answer == Some(true)).count();
        let possible = answers.iter().filter(|&&answer| answer != Some(false)).count();
        let k = k as usize;
        if sure >= k {
            Some(true)
        } else if possible < k {
            Some(false)
        } else {
            None
        }
    }

    fn has(&self, test: HasTest, column: usize, values: &[Value<'_>], row: usize) -> Option<bool> {
        let Cell::Array(elements) = &self.table.columns[column][row] else { return None };
        let ty = self.element_type(column);
        let found = |value: &Value<'_>| {
            elements.iter().any(|element| {
                compare(&cell_value(element, ty, &self.clock.zone), CompareOp::Eq, value) == Some(true)
            })
        };
        Some(match test {
            HasTest::One | HasTest::Any => values.iter().any(found),
            HasTest::All => values.iter().all(found),
        })
    }

    fn value<'a>(&'a self, source: &'a Source, row: usize) -> Value<'a> {
        let cell = |column: usize| &self.table.columns[column][row];
        match source {
            Source::UserId => Value::Int(false, u128::from(self.table.user_ids[row])),
            Source::Column(column) => cell_value(cell(*column), self.element_type(*column), &self.clock.zone),
            Source::MapValue(column, key) => {
                cell_value(map_value(cell(*column), key), self.element_type(*column), &self.clock.zone)
            }
            Source::Length(column) => match cell(*column) {
                Cell::Null => Value::Null,
                Cell::Array(elements) => Value::int(elements.len() as i128),
                other => panic!("{other:?} has no length"),
            },
            Source::Constant(Value::Text(text)) => Value::Text(std::borrow::Cow::Borrowed(text)),
            Source::Constant(value) => value.clone(),
        }
    }
}

fn is_id(item: &Operand) -> bool {
    matches!(item, Operand::Literal(Literal::Number(Number::Int(_))))
}

fn negate(test: Test, negated: bool) -> Test {
    if negated { Test::Not(Box::new(test)) } else { test }
}

fn text(cell: &Cell) -> Option<&[u8]> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text),
        other => panic!("{other:?} is no text"),
    }
}

/// What stands under a key: the first entry counts.
fn map_value<'a>(map: &'a Cell, key: &str) -> &'a Cell {
    let Cell::Map(entries) = map else { return &Cell::Null };
    entries.iter().find(|(name, _)| name == key).map_or(&Cell::Null, |(_, value)| value)
}
