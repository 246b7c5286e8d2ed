//! What could change about a user: the features that a rule looks at, and for each the values worth trying.
//!
//! A rule only tells values apart by its constants, so a value on each constant and one on either side of it stand for all.

use std::collections::BTreeSet;

use super::near::{near, sought};
use crate::error::Result;
use crate::execute::features::{ELEMENTS_MAX, Feature};
use crate::execute::overlay::{Content, Held, Overlay, Program, View, holdable};
use crate::rule::ast::{HasTest, Operand};
use crate::rule::bind::datum::{Datum, Sought};
use crate::rule::bind::row::{Of, Source, Test, Values};
use crate::schema::{ColumnType, ScalarType, Schema};
use crate::snapshot::{Column, Snapshot};

/// Values that are tried for one feature.
pub const WHY_VALUES_MAX: usize = 96;
/// Elements of an array that are tried in all combinations; of more, each by itself.
const COMBINED_ELEMENTS_MAX: usize = 4;
/// Elements of an array that are tried.
const ELEMENTS_TRIED_MAX: usize = 16;
/// The longest array that is made up.
const LENGTH_MAX: u64 = 1_000;
/// Values of the data that are tried where the rule names none.
const EXAMPLES: u32 = 8;

/// What a value that stands for "not known" weighs beside one that does not.
const NULL_WEIGHT: u32 = 10_000;

/// A feature that can change by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A column: a scalar, a whole array, or whether there is a map at all.
    Column(u32),
    /// A map's key.
    Key(u32, Box<str>),
}

/// A value that a feature could have, and how unlikely a change it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) content: Content,
    pub(super) weight: u32,
}

impl Subject {
    /// What a rule calls it.
    pub(super) fn operand(&self, schema: &Schema) -> Option<Operand> {
        let name = |column: &u32| schema.columns.get(*column as usize).map(|found| found.name.clone());
        Some(match self {
            Self::Column(column) => Operand::Column(name(column)?),
            Self::Key(column, key) => Operand::MapValue { column: name(column)?, key: key.to_string() },
        })
    }

    /// Puts a value in its place.
    pub(super) fn set(&self, overlay: &mut Overlay, schema: &Schema, content: &Content) {
        match (self, content) {
            (Self::Column(column), content) => overlay.set_column(schema, *column, content.clone()),
            (Self::Key(column, key), Content::Scalar(held)) => {
                overlay.set_key(schema, *column, key, held.clone());
            }
            (Self::Key(..), _) => {}
        }
    }

    /// The value as people write it.
    pub(super) fn feature(&self, schema: &Schema, content: &Content) -> Option<Feature> {
        let ty = &schema.columns.get(self.column() as usize)?.ty;
        Some(match (self, content, ty) {
            (Self::Key(..), Content::Scalar(held), ColumnType::Map(ty)) => Feature::Value(held.value(ty)),
            _ => content.feature(ty),
        })
    }

    pub(super) fn column(&self) -> u32 {
        match self {
            Self::Column(column) | Self::Key(column, _) => *column,
        }
    }

    fn of(source: &Source) -> Option<Self> {
        match &source.of {
            Of::UserId => None,
            Of::Column(column) | Of::Length(column) => Some(Self::Column(*column)),
            Of::Key(column, key) => Some(Self::Key(*column, key.clone())),
        }
    }
}

/// The features that a condition depends on; a map's keys besides the ones that it names matter to whether there is a map.
pub(super) fn subjects_of(test: &Test) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = test.sources().filter_map(Subject::of).collect();
    match test {
        Test::Has { column, .. } | Test::ColumnIsNull(column, _) => subjects.push(Subject::Column(*column)),
        Test::MapContains(source) => subjects.extend(source.of.column().map(Subject::Column)),
        _ => {}
    }
    subjects
}

/// The values worth trying for a feature of a row, by the conditions that look at it.
pub(super) fn candidates(
    subject: &Subject,
    leaves: &[&Test],
    program: &Program,
    view: &View<'_>,
) -> Result<Vec<Candidate>> {
    let schema = view.snapshot.schema();
    let Some(described) = schema.columns.get(subject.column() as usize) else { return Ok(Vec::new()) };
    let mut found = match (subject, &described.ty) {
        (Subject::Column(column), ColumnType::Array(ty)) => lists(*column, ty, leaves, program, view)?,
        (Subject::Column(column), ColumnType::Map(_)) => {
            let content = if view.present(*column)? { None } else { Some(Vec::new()) };
            let weight = if content.is_some() { 1 } else { NULL_WEIGHT };
            vec![Candidate { content: Content::Map(content), weight }]
        }
        (_, ColumnType::Scalar(ty) | ColumnType::Map(ty)) => scalars(subject, ty, leaves, program, view)?,
        (Subject::Key(..), ColumnType::Array(_)) => Vec::new(),
    };
    // What cannot be written as a value of the column cannot be asked for either.
    found.retain(|candidate| {
        let feature = subject.feature(schema, &candidate.content);
        feature.is_some_and(|feature| holdable(schema, subject.column(), &feature, &candidate.content))
    });
    Ok(found)
}

fn scalars(
    subject: &Subject,
    ty: &ScalarType,
    leaves: &[&Test],
    program: &Program,
    view: &View<'_>,
) -> Result<Vec<Candidate>> {
    let mut held: Vec<Held> = Vec::new();
    let source = leaves
        .iter()
        .flat_map(|test| test.sources())
        .find(|source| Subject::of(source).as_ref() == Some(subject));
    let dictionary =
        source.and_then(|source| source.column.as_ref()).map(crate::column::ValueColumn::dictionary);
    for test in leaves {
        match test {
            Test::Compare(_, _, Some(sought)) => held.extend(near(ty, sought, dictionary)?),
            Test::In(_, list, _) => {
                for sought in list.items().iter().take(WHY_VALUES_MAX / 4) {
                    held.extend(near(ty, sought, dictionary)?);
                }
            }
            Test::Pair(left, _, right) => {
                let other = if Subject::of(left).as_ref() == Some(subject) { right } else { left };
                if let Some(datum) = view.value(other)? {
                    let nanos = || datum.nanos(&other.ty, program.clock());
                    if let Some(sought) = sought(datum, &other.ty, nanos) {
                        held.extend(near(ty, &sought, dictionary)?);
                    }
                }
            }
            Test::Text(_, matcher, _) => {
                let example = matcher.example();
                let others = [format!("{example}a"), format!("a{example}"), "a".to_owned()];
                let texts = std::iter::once(example).chain(others);
                held.extend(texts.map(|text| Held::Bytes(text.into_bytes().into())));
            }
            _ => {}
        }
        if held.len() > WHY_VALUES_MAX * 4 {
            break;
        }
    }
    if let Some(dictionary) = dictionary {
        let count = dictionary.len();
        for at in 0..EXAMPLES.min(count) {
            let code = (u64::from(at) * u64::from(count) / u64::from(EXAMPLES.min(count))) as u32;
            held.push(match Datum::of_code(dictionary, code)? {
                Datum::Key8(key) => Held::Key8(key),
                Datum::Key16(key) => Held::Key16(key),
                Datum::Bytes(bytes) => Held::Bytes(bytes.into()),
            });
        }
    }
    // Any value at all, where the data has none.
    held.push(match ty {
        ScalarType::String | ScalarType::Enum => Held::Bytes(Box::default()),
        ScalarType::Int { bits: 128 } | ScalarType::Decimal { precision: 19.., .. } => {
            Held::Key16(crate::key::wide_int(0))
        }
        ScalarType::UInt { bits: 128 } | ScalarType::Uuid | ScalarType::Ipv6 => Held::Key16(0),
        ScalarType::Float { .. } => Held::Key8(crate::key::float(0.0)),
        ScalarType::Bool | ScalarType::UInt { .. } | ScalarType::Ipv4 => Held::Key8(0),
        _ => Held::Key8(crate::key::int(0)),
    });
    let mut distinct: Vec<Held> = Vec::new();
    for value in held {
        if distinct.len() < WHY_VALUES_MAX && !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    let known = distinct.into_iter().enumerate();
    let mut found: Vec<Candidate> =
        known.map(|(at, held)| Candidate { content: Content::Scalar(held), weight: 1 + at as u32 }).collect();
    found.push(Candidate { content: Content::Scalar(Held::Null), weight: NULL_WEIGHT });
    Ok(found)
}

fn lists(
    column: u32,
    ty: &ScalarType,
    leaves: &[&Test],
    program: &Program,
    view: &View<'_>,
) -> Result<Vec<Candidate>> {
    let null = Candidate { content: Content::List(None), weight: NULL_WEIGHT };
    let Some(current) = current_list(column, view)? else { return Ok(vec![null]) };
    let (mut mentioned, mut lengths): (Vec<Held>, BTreeSet<u64>) = (Vec::new(), BTreeSet::new());
    let equal = |held: &Held, sought: &Sought| {
        let order = held.datum().and_then(|datum| sought.order_of(datum, ty, program.clock()));
        order.is_some_and(std::cmp::Ordering::is_eq)
    };
    let around = |sought: &Sought, lengths: &mut BTreeSet<u64>| -> Result<()> {
        for held in near(&ScalarType::UInt { bits: 64 }, sought, None)? {
            if let Held::Key8(length @ 0..=LENGTH_MAX) = held {
                lengths.insert(length);
            }
        }
        Ok(())
    };
    for test in leaves {
        match test {
            Test::Has { each, .. } => {
                for sought in each.iter().flatten() {
                    let exact = near(ty, sought, None)?.into_iter().find(|held| equal(held, sought));
                    if let Some(held) = exact.filter(|held| !mentioned.contains(held)) {
                        mentioned.push(held);
                    }
                }
            }
            Test::Compare(_, _, Some(sought)) => around(sought, &mut lengths)?,
            Test::In(_, list, _) => {
                list.items()
                    .iter()
                    .take(WHY_VALUES_MAX / 4)
                    .try_for_each(|item| around(item, &mut lengths))?;
            }
            Test::Pair(left, _, right) => {
                let other = if left.of == Of::Length(column) { right } else { left };
                let number = view.value(other)?.and_then(|datum| datum.number(&other.ty));
                if let Some(number) = number.filter(|number| !number.is_nan()) {
                    around(&Sought::Number(number), &mut lengths)?;
                }
            }
            _ => {}
        }
    }
    let all = leaves.iter().any(|test| matches!(test, Test::Has { test: HasTest::All, .. }));
    let choices = choices(&mentioned, &current, all);
    let fillers = fillers(column, &mentioned, view.snapshot)?;
    let mut found: Vec<Candidate> = Vec::new();
    for wanted in &choices {
        let lengths = lengths.iter().copied().map(Some);
        for length in std::iter::once(None).chain(lengths) {
            let Some(list) = edited(&current, &mentioned, wanted, length, &fillers) else { continue };
            let edits = edits(&current, &list);
            if edits > 0 && found.len() < WHY_VALUES_MAX * 4 {
                let content = Content::List(Some(list));
                if !found.iter().any(|candidate| candidate.content == content) {
                    found.push(Candidate { content, weight: edits });
                }
            }
        }
    }
    found.push(Candidate { content: Content::List(Some(Vec::new())), weight: 100 });
    found.push(null);
    found.sort_by_key(|candidate| candidate.weight);
    Ok(found)
}

/// Which of the mentioned elements an array could have: all combinations of a few, of many each one more or less.
fn choices(mentioned: &[Held], current: &[Held], all: bool) -> Vec<Vec<bool>> {
    let now: Vec<bool> = mentioned.iter().map(|held| current.contains(held)).collect();
    let mut choices = vec![now.clone(), vec![false; mentioned.len()]];
    if mentioned.len() <= COMBINED_ELEMENTS_MAX {
        let combinations = (0..1_usize << mentioned.len())
            .map(|bits| (0..mentioned.len()).map(|at| bits >> at & 1 == 1).collect());
        choices.extend(combinations);
        return choices;
    }
    for at in 0..mentioned.len().min(ELEMENTS_TRIED_MAX) {
        let mut one = now.clone();
        one[at] = !one[at];
        choices.push(one);
    }
    if all || mentioned.len() <= ELEMENTS_TRIED_MAX {
        choices.push(vec![true; mentioned.len()]);
    }
    choices
}

/// The array with the wanted ones of the mentioned elements, of a certain length if one is asked for.
fn edited(
    current: &[Held],
    mentioned: &[Held],
    wanted: &[bool],
    length: Option<u64>,
    fillers: &[Held],
) -> Option<Vec<Held>> {
    let want = |held: &Held| mentioned.iter().position(|other| other == held).is_none_or(|at| wanted[at]);
    let mut list: Vec<Held> = current.iter().filter(|held| want(held)).cloned().collect();
    for (held, _) in mentioned.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
        if !list.contains(held) {
            list.push(held.clone());
        }
    }
    let Some(length) = length else { return Some(list) };
    while (list.len() as u64) > length {
        // What the rule does not mention goes first, from the end; then repetitions.
        let spare = list
            .iter()
            .rposition(|held| !mentioned.contains(held))
            .or_else(|| (0..list.len()).rev().find(|&at| list[..at].contains(&list[at])));
        list.remove(spare?);
    }
    let mut fillers =
        fillers.iter().filter(|held| !list.contains(held)).cloned().collect::<Vec<_>>().into_iter();
    while (list.len() as u64) < length {
        list.push(fillers.next().unwrap_or(Held::Null));
    }
    Some(list)
}

/// How many elements come or go.
fn edits(from: &[Held], to: &[Held]) -> u32 {
    let mut left = to.to_vec();
    let mut gone = 0;
    for held in from {
        match left.iter().position(|other| other == held) {
            Some(at) => drop(left.swap_remove(at)),
            None => gone += 1,
        }
    }
    gone + left.len() as u32
}

/// Elements of the data that the rule does not mention.
fn fillers(column: u32, mentioned: &[Held], snapshot: &Snapshot) -> Result<Vec<Held>> {
    let Column::List(list) = snapshot.column(column as usize)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for code in 0..list.elements().len().min(4 * EXAMPLES) {
        let held = held_of(Datum::of_code(list.elements(), code)?);
        if !mentioned.contains(&held) {
            found.push(held);
        }
    }
    Ok(found)
}

fn held_of(datum: Datum<'_>) -> Held {
    match datum {
        Datum::Key8(key) => Held::Key8(key),
        Datum::Key16(key) => Held::Key16(key),
        Datum::Bytes(bytes) => Held::Bytes(bytes.into()),
    }
}

/// The array that a row has; empty where it is NULL. The snapshot keeps no repetitions and no NULL elements: NULLs stand for them.
/// `None` if there are too many elements to look each up.
fn current_list(column: u32, view: &View<'_>) -> Result<Option<Vec<Held>>> {
    if let Some(Content::List(list)) = view.overlay.column(column) {
        return Ok(Some(list.clone().unwrap_or_default()));
    }
    let Column::List(list) = view.snapshot.column(column as usize)? else { return Ok(None) };
    if list.elements().len() > ELEMENTS_MAX {
        return Ok(None);
    }
    list.lengths().check_codes()?;
    let Some(Datum::Key8(length)) = Datum::of_row(list.lengths(), view.row)? else {
        return Ok(Some(Vec::new()));
    };
    let mut held = Vec::new();
    for code in 0..list.elements().len() {
        if list.postings(code)?.contains(view.row)? {
            held.push(held_of(Datum::of_code(list.elements(), code)?));
        }
    }
    if length > LENGTH_MAX {
        return Ok(None);
    }
    held.resize(held.len().max(length as usize), Held::Null);
    Ok(Some(held))
}
