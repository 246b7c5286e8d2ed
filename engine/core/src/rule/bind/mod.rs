//! Binding: a rule and a snapshot in, a set of rows to be computed out.
//!
//! Names become columns, literals become codes of this snapshot's dictionaries, labels become their rules, `now()` becomes an
//! instant, NOT goes down to the leaves, and unknown disappears: see [`condition`].

pub mod condition;
pub(crate) mod datum;
mod number;
pub(crate) mod operand;
pub mod ranges;
pub(crate) mod row;
mod text;
pub mod time;

use std::cell::RefCell;
use std::collections::HashMap;

use crate::column::{ListColumn, MapColumn, ValueColumn};
use crate::error::Error;
use crate::rule::ast::{HasTest, Literal, Operand, Rule, TextTest};
use crate::rule::error::{RuleError, did_you_mean};
use crate::rule::labels::{
    LabelSet, LabelSets, Labels, NoLabels, expand, expand_to_known, names_in, unknown,
};
use crate::rule::limits::Limits;
use crate::schema::{ColumnSchema, ColumnType, ScalarType};
use crate::snapshot::{Column, RowSet, Snapshot};

use condition::{ColumnKey, Condition, Leaf, Part, bucket_seed};
pub use number::Num;
use operand::{Const, Side};
use ranges::Range;
use time::Clock;

/// What a rule is bound with besides the snapshot.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `now()`, in Unix seconds.
    pub now: i64,
    /// Where labels come from.
    pub labels: &'a dyn Labels,
    /// Bounds on the rule.
    pub limits: &'a Limits,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("now", &self.now).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Why a question has no answer: the rule is wrong, or the snapshot is.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The caller's to fix.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The operator's to fix.
    #[error(transparent)]
    Store(#[from] Error),
}

type Result<T, E = QueryError> = std::result::Result<T, E>;

/// Binds rules to one snapshot.
#[derive(Debug)]
pub struct Binder<'a> {
    snapshot: &'a Snapshot,
    clock: Clock,
    /// Columns under map keys, opened once.
    keys: RefCell<HashMap<ColumnKey, ValueColumn>>,
    /// What is known of labels that rules keep.
    labels: RefCell<LabelSets>,
}

/// A rule made ready for a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Expanded {
    /// Every label replaced by its rule, but for lists.
    pub(crate) rule: Rule,
    /// The rows of the lists that it keeps.
    pub(crate) lists: LabelSets,
    /// The same rule for who wants rows alone, if labels' rows are known: those labels stay, too.
    known: Option<(Rule, LabelSets)>,
}

impl Expanded {
    /// Replaces labels, checks the limits, finds the rows of lists.
    pub(crate) fn new(rule: &Rule, snapshot: &Snapshot, scope: &Scope<'_>) -> Result<Self> {
        let Scope { now, labels, limits } = *scope;
        let written = rule;
        let rule = expand(written, labels, limits)?;
        limits.check(&rule)?;
        let rows =
            |name: &str, truth| labels.rows(name, truth, snapshot, now).filter(|set| set.is_of(snapshot));
        let mut lists = LabelSets::new();
        for name in names_in(&rule) {
            let set = match rows(name, true) {
                Some(set) => set,
                None => list_rows(name, snapshot, labels)?,
            };
            lists.insert(name.to_owned(), LabelSet::List(set));
        }
        let mut known = None;
        if !names_in(written).is_empty() {
            let both = |name: &str| {
                let both = [rows(name, false), rows(name, true)];
                both.iter().any(Option::is_some).then_some(both)
            };
            known = expand_to_known(written, labels, limits, &both)?;
        }
        Ok(Self { rule, lists, known })
    }

    /// The rows for which it is true, or those for which it is false, by what is known of its labels.
    pub(crate) fn bind(&self, binder: &Binder<'_>, truth: bool) -> Result<Condition> {
        binder.know(&self.lists);
        let Some((rule, sets)) = &self.known else { return binder.bind(&self.rule, truth) };
        binder.know(sets);
        binder.bind(rule, truth)
    }
}

/// The rows of a list that nobody prepared.
fn list_rows(name: &str, snapshot: &Snapshot, labels: &dyn Labels) -> Result<RowSet> {
    let Some(users) = labels.users(name) else {
        return Err(RuleError::new(format!("the users of label `{name}`, a list, cannot be read now"))
            .hint("ask again, or look at whether the catalog is there")
            .into());
    };
    Ok(RowSet::of_users(snapshot, &users)?)
}

impl<'a> Binder<'a> {
    /// A binder for a snapshot, at an instant.
    pub fn new(snapshot: &'a Snapshot, now: i64) -> Result<Self> {
        let clock = Clock::new(now, &snapshot.schema().time_zone)?;
        Ok(Self { snapshot, clock, keys: RefCell::default(), labels: RefCell::default() })
    }

    /// Tells it of labels that rules keep.
    pub(crate) fn know(&self, labels: &LabelSets) {
        let mut known = self.labels.borrow_mut();
        for (name, set) in labels {
            known.entry(name.clone()).or_insert_with(|| set.clone());
        }
    }

    /// Forgets all that it was told of labels.
    pub(crate) fn forget_labels(&self) {
        self.labels.borrow_mut().clear();
    }

    /// The clock in use.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The rows for which the rule is true, or those for which it is false.
    pub fn bind(&self, rule: &Rule, truth: bool) -> Result<Condition> {
        match rule {
            Rule::Const(value) => Ok(if *value == truth { Condition::All } else { Condition::None }),
            Rule::Not(rule) => self.bind(rule, !truth),
            Rule::And(of) | Rule::Or(of) => {
                let bound = of.iter().map(|rule| self.bind(rule, truth)).collect::<Result<_>>()?;
                let conjunction = matches!(rule, Rule::And(_)) == truth;
                Ok(if conjunction { Condition::And(bound) } else { Condition::Or(bound) })
            }
            Rule::AtLeast { k, of } => {
                let bound = of.iter().map(|rule| self.bind(rule, truth)).collect::<Result<Vec<_>>>()?;
                // Not k of n is: more than n - k are false.
                let needed = if truth { *k } else { (of.len() as u32 + 1).saturating_sub(*k) };
                Ok(Condition::AtLeast(needed, bound))
            }
            Rule::Column(name) => self.bind_flag(name, truth),
            Rule::Compare { left, op, right } => self.bind_compare(left, *op, right, truth),
            Rule::Between { value, low, high, negated } => {
                self.bind_between(value, low, high, *negated, truth)
            }
            Rule::In { value, list, negated } => self.bind_in(value, list, *negated != truth),
            Rule::IsNull { value, negated } => self.bind_is_null(value, *negated == truth),
            Rule::Text { test, column, pattern, negated } => {
                self.bind_text(*test, column, pattern, *negated != truth)
            }
            Rule::Has { test, column, values } => self.bind_has(*test, column, values, truth),
            Rule::Empty { column, negated } => self.bind_empty(column, *negated != truth),
            Rule::MapContains { column, key } => self.bind_map_contains(column, key, truth),
            Rule::Label(name) => self.bind_label(name, truth),
            Rule::Bucket { salt, low, high } => Ok(Condition::Leaf(Leaf::Bucket {
                seed: bucket_seed(salt),
                low: *low,
                high: *high,
                inside: truth,
            })),
        }
    }

    /// A label that stayed: a list, or one whose rows are known.
    fn bind_label(&self, name: &str, truth: bool) -> Result<Condition> {
        let known = self.labels.borrow().get(name).cloned();
        let leaf = |set: &RowSet, inside| {
            Condition::Leaf(Leaf::Set { set: set.clone(), label: name.to_owned(), inside })
        };
        match known {
            Some(LabelSet::List(set)) => Ok(leaf(&set, truth)),
            Some(LabelSet::Rule(rule, sets)) => match &sets[usize::from(truth)] {
                Some(set) => Ok(leaf(set, true)),
                // Where it is unknown it is neither, so one does not follow from the other.
                None => self.bind(&rule, truth),
            },
            None => Err(unknown(name, &NoLabels).into()),
        }
    }

    fn bind_flag(&self, name: &str, truth: bool) -> Result<Condition> {
        let Side::Column { ty, .. } = self.column_side(name)? else {
            return Err(RuleError::new(format!("`{name}` is not a condition"))
                .hint(format!("compare it: `{name} = 1`"))
                .into());
        };
        if ty != ScalarType::Bool {
            let error =
                RuleError::new(format!("`{name}` is {ty}, not Bool, so it is not a condition by itself"));
            return Err(error.hint(format!("compare it, as in `{name} > 0` or `{name} IS NOT NULL`")).into());
        }
        let operand = Operand::Column(name.to_owned());
        let yes = Operand::Literal(Literal::Bool(true));
        self.bind_compare(&operand, crate::rule::ast::CompareOp::Eq, &yes, truth)
    }

    fn bind_between(
        &self,
        value: &Operand,
        low: &Operand,
        high: &Operand,
        negated: bool,
        truth: bool,
    ) -> Result<Condition> {
        use crate::rule::ast::CompareOp::{Greater, GreaterEq, Less, LessEq};
        let (low_op, high_op) = if negated { (Less, Greater) } else { (GreaterEq, LessEq) };
        let ends = vec![
            self.bind_compare(value, low_op, low, truth)?,
            self.bind_compare(value, high_op, high, truth)?,
        ];
        // NOT BETWEEN is an OR, BETWEEN an AND; asking for what is false turns either into the other.
        Ok(if negated == truth { Condition::Or(ends) } else { Condition::And(ends) })
    }

    /// `value IN list` when `inside`, else the rows where that is false.
    fn bind_in(&self, value: &Operand, list: &[Operand], inside: bool) -> Result<Condition> {
        let consts = list
            .iter()
            .map(|item| match self.side(item)? {
                Side::Const(value) => Ok(value),
                _ => Err(RuleError::new("an IN list holds a column")
                    .hint("compare columns with = and OR")
                    .into()),
            })
            .collect::<Result<Vec<_>>>()?;
        match self.side(value)? {
            Side::Column { key, ty, column } => {
                let Some(column) = column else { return Ok(Condition::None) };
                let mut found = Vec::with_capacity(list.len());
                for item in &consts {
                    found.extend(self.codes_in_list(value, &ty, &column, item)?);
                }
                Ok(codes_or_complement(key, &column, found, inside))
            }
            Side::UserId => {
                let mut rows = Vec::with_capacity(list.len());
                for item in &consts {
                    if let Some(id) = self.exact_id(item)? {
                        rows.extend(self.snapshot.ids().row(id)?);
                    }
                }
                rows.sort_unstable();
                rows.dedup();
                Ok(Condition::Leaf(Leaf::Rows { rows, inside }))
            }
            Side::Const(_) => Err(constant_alone("IN")),
        }
    }

    fn bind_is_null(&self, value: &Operand, want_present: bool) -> Result<Condition> {
        let presence = |key| Condition::Leaf(Leaf::Presence { column: key, present: want_present });
        if let Operand::Column(name) = value
            && let Some((index, schema)) = self.snapshot.schema().column(name)
            && !matches!(schema.ty, ColumnType::Scalar(_))
        {
            return Ok(presence(ColumnKey { index: index as u32, part: Part::Whole }));
        }
        match self.side(value)? {
            Side::Column { key, column: Some(_), .. } => Ok(presence(key)),
            Side::Column { column: None, .. } if want_present => Ok(Condition::None),
            Side::Column { .. } => Ok(Condition::All),
            Side::UserId => Ok(if want_present { Condition::All } else { Condition::None }),
            Side::Const(_) => Err(constant_alone("IS NULL")),
        }
    }

    fn bind_text(&self, test: TextTest, name: &str, pattern: &str, matches: bool) -> Result<Condition> {
        let Side::Column { key, ty, column } = self.column_side(name)? else {
            return Err(not_text(name, "UInt64"));
        };
        if ty != ScalarType::String {
            return Err(not_text(name, &ty.to_string()));
        }
        let Some(column) = column else { return Ok(Condition::None) };
        let found = text::codes_matching(column.dictionary(), test, pattern)?;
        Ok(codes_or_complement(key, &column, found, matches))
    }

    fn bind_has(&self, test: HasTest, name: &str, values: &[Literal], truth: bool) -> Result<Condition> {
        let (index, ty, list) = self.list(name, "has")?;
        let mut each = Vec::with_capacity(values.len());
        for value in values {
            let value = Const::from_literal(value);
            let codes = self.element_codes(name, &ty, list, &value)?;
            // An element nobody has: held by no row.
            let held = codes.map_or(if truth { Condition::None } else { Condition::All }, |code| {
                Condition::Leaf(Leaf::Element { column: index, code, held: truth })
            });
            each.push(held);
        }
        let conjunction = (test == HasTest::All) == truth;
        let combined = if conjunction { Condition::And(each) } else { Condition::Or(each) };
        // A NULL list is neither; rows that hold an element have a list anyway.
        let column = ColumnKey { index, part: Part::Whole };
        Ok(Condition::And(vec![Condition::Leaf(Leaf::Presence { column, present: true }), combined]))
    }

    fn bind_empty(&self, name: &str, empty: bool) -> Result<Condition> {
        let schema = self.schema_of(name)?;
        match &schema.ty {
            ColumnType::Array(_) => {
                let length = Operand::Length(name.to_owned());
                self.bind_in(
                    &length,
                    &[Operand::Literal(Literal::Number(crate::rule::ast::Number::Int(0)))],
                    empty,
                )
            }
            ColumnType::Scalar(ScalarType::String) => {
                let column = Operand::Column(name.to_owned());
                self.bind_in(&column, &[Operand::Literal(Literal::Text(String::new()))], empty)
            }
            ty => Err(RuleError::new(format!("`empty` needs an array or text, but `{name}` is {ty}"))
                .hint(format!("write `{name} IS NULL` to find users without a value"))
                .into()),
        }
    }

    fn bind_map_contains(&self, name: &str, key: &str, truth: bool) -> Result<Condition> {
        let (index, map, _) = self.map(name)?;
        let whole = ColumnKey { index, part: Part::Whole };
        let has_map = Condition::Leaf(Leaf::Presence { column: whole, present: true });
        let Some(code) = map.keys().find_bytes(key.as_bytes())? else {
            return Ok(if truth { Condition::None } else { has_map });
        };
        let column = ColumnKey { index, part: Part::Key(code) };
        let has_key = Condition::Leaf(Leaf::Presence { column, present: truth });
        Ok(if truth { has_key } else { Condition::And(vec![has_map, has_key]) })
    }

    fn schema_of(&self, name: &str) -> Result<&'a ColumnSchema> {
        let schema = self.snapshot.schema();
        schema.column(name).map(|(_, column)| column).ok_or_else(|| self.unknown_column(name))
    }

    fn unknown_column(&self, name: &str) -> QueryError {
        let schema = self.snapshot.schema();
        let error = RuleError::new(format!("unknown column `{name}`"));
        let names = schema.columns.iter().map(|column| column.name.as_str()).chain([schema.user_id.as_str()]);
        match did_you_mean(name, names) {
            Some(hint) => error.hint(hint),
            None => error.hint("`muster inspect` lists the columns"),
        }
        .into()
    }

    fn list(&self, name: &str, what: &str) -> Result<(u32, ScalarType, &'a ListColumn)> {
        let (index, schema) = self.snapshot.schema().column(name).ok_or_else(|| self.unknown_column(name))?;
        match (&schema.ty, self.snapshot.column(index)?) {
            (ColumnType::Array(ty), Column::List(list)) => Ok((index as u32, ty.clone(), list)),
            (ty, _) => {
                let error = RuleError::new(format!("`{what}` needs an array, but `{name}` is {ty}"));
                Err(match ty {
                    ColumnType::Map(_) => error.hint(format!("use `mapContains({name}, 'key')`")),
                    _ => error.hint(format!("use `{name} = ...` or `{name} IN (...)`")),
                }
                .into())
            }
        }
    }

    fn map(&self, name: &str) -> Result<(u32, &'a MapColumn, ScalarType)> {
        let (index, schema) = self.snapshot.schema().column(name).ok_or_else(|| self.unknown_column(name))?;
        match (&schema.ty, self.snapshot.column(index)?) {
            (ColumnType::Map(ty), Column::Map(map)) => Ok((index as u32, map, ty.clone())),
            (ty, _) => {
                let error = RuleError::new(format!("a key in brackets needs a map, but `{name}` is {ty}"));
                Err(match ty {
                    ColumnType::Array(_) => error.hint(format!("use `has({name}, ...)`")),
                    _ => error.hint(format!("use `{name}` itself")),
                }
                .into())
            }
        }
    }

    /// The value column of a key: opened here once, or part of the snapshot.
    pub fn value_column(&self, key: ColumnKey) -> Result<ValueColumn, Error> {
        if let Some(column) = self.keys.borrow().get(&key) {
            return Ok(column.clone());
        }
        let column = open_value(self.snapshot, key)?;
        self.keys.borrow_mut().insert(key, column.clone());
        Ok(column)
    }
}

/// Opens the value column that a key names.
pub fn open_value(snapshot: &Snapshot, key: ColumnKey) -> Result<ValueColumn, Error> {
    match (snapshot.column(key.index as usize)?, key.part) {
        (Column::Value(column), Part::Whole) => Ok(column.clone()),
        (Column::List(list), Part::Length) => Ok(list.lengths().clone()),
        (Column::Map(map), Part::Key(code)) => map.column(code),
        _ => Err(Error::input(format!("column {} has no such part", key.index))),
    }
}

/// Rows whose code is among those found, or rows with a value whose code is not.
fn codes_or_complement(key: ColumnKey, column: &ValueColumn, found: Vec<Range>, inside: bool) -> Condition {
    let found = ranges::normalise(found);
    let ranges = if inside { found } else { ranges::complement(&found, column.dictionary().len()) };
    if ranges.is_empty() { Condition::None } else { Condition::Leaf(Leaf::Codes { column: key, ranges }) }
}

fn not_text(name: &str, ty: &str) -> QueryError {
    RuleError::new(format!("LIKE and startsWith need a String column, but `{name}` is {ty}"))
        .hint(format!("compare it with `{name} = ...` or `{name} IN (...)`"))
        .into()
}

fn constant_alone(what: &str) -> QueryError {
    RuleError::new(format!("{what} tests a constant")).hint("put a column on its left").into()
}
