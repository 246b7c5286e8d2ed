//! Overlays: fresher values of one user's features, which win over the snapshot's for one answer.
//!
//! The nightly snapshot is hours old when a request knows better: a balance that just changed, a chain that was just joined. An
//! overlay holds such values, checked against the schema and converted to what columns store, and
//! [`Audience::contains_with`] answers as if the user's row had them.

mod convert;
mod program;
mod show;
mod view;

use super::Audience;
use super::features::Feature;
use crate::rule::ast::Operand;
use crate::rule::bind::QueryError;
use crate::rule::bind::datum::Datum;
use crate::rule::bind::time::Clock;
use crate::rule::error::{RuleError, did_you_mean};
use crate::rule::limits::Limits;
use crate::schema::{ColumnSchema, ColumnType, Schema};
use crate::value::Value;

pub(super) use program::{Leaf, Node, Program};
pub(super) use view::View;

/// Values in one overlay, elements of lists and entries of maps included.
pub const OVERLAY_VALUES_MAX: usize = 10_000;

/// Values of one user's features that are fresher than a snapshot's.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    columns: Vec<OverlaidColumn>,
    keys: Vec<OverlaidKey>,
    /// A bit for each column, by its position modulo 64: most leaves are told apart by it.
    mask: u64,
}

#[derive(Debug, Clone)]
struct OverlaidColumn {
    column: u32,
    /// What the column was called, and its type, so that another schema is noticed.
    name: Box<str>,
    ty: ColumnType,
    content: Content,
}

#[derive(Debug, Clone)]
struct OverlaidKey {
    column: u32,
    name: Box<str>,
    ty: ColumnType,
    key: Box<str>,
    value: Held,
}

/// What a column holds for the user.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Scalar(Held),
    /// Elements, NULL ones and repetitions too; `None` is a NULL array.
    List(Option<Vec<Held>>),
    /// Entries that are not NULL, the first of each key; `None` is a NULL map.
    Map(Option<Vec<(Box<str>, Held)>>),
}

/// A value as columns store it, or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Held {
    Null,
    Key8(u64),
    Key16(u128),
    Bytes(Box<[u8]>),
}

impl Held {
    pub(super) fn datum(&self) -> Option<Datum<'_>> {
        match self {
            Self::Null => None,
            Self::Key8(key) => Some(Datum::Key8(*key)),
            Self::Key16(key) => Some(Datum::Key16(*key)),
            Self::Bytes(bytes) => Some(Datum::Bytes(bytes)),
        }
    }
}

impl Audience {
    /// Whether a user would be in the audience if the row had the values of an overlay: what [`Audience::contains`] says of a
    /// table in which it has them.
    ///
    /// `None` for an id that is not in the snapshot, whatever the overlay says: of such a user nothing but the overlay is known, not
    /// even which features are NULL, so an answer would be a guess.
    ///
    /// The first call prepares the rule for values; after that a condition that looks at no overlaid feature costs what it costs in
    /// [`Audience::contains`], and one that does a comparison.
    pub fn contains_with(&self, user_id: u64, overlay: &Overlay) -> Result<Option<bool>, QueryError> {
        overlay.check_schema(self.snapshot.schema())?;
        let Some(row) = self.snapshot.row_of(user_id)? else { return Ok(None) };
        if overlay.is_empty() {
            return Ok(Some(self.contains_row(row)?));
        }
        let program = self.program()?;
        if !program.touched_by(overlay) {
            return Ok(Some(self.contains_row(row)?));
        }
        Ok(Some(program.holds(&View::new(&self.snapshot, row, overlay))?))
    }

    /// The rule, ready to be asked of values; prepared once.
    pub(super) fn program(&self) -> Result<&Program, QueryError> {
        if let Some(program) = self.program.get() {
            return Ok(program);
        }
        let program = Program::bound(&self.snapshot, &self.binder()?, &self.rule, true)?;
        Ok(self.program.get_or_init(|| program))
    }
}

impl Overlay {
    /// Values by the names of their features: a column, or a map's key as in rules, `holdings['USDT']`. An array column takes a list
    /// (NULL elements count towards its length and match nothing), a map column a whole map, which stands for all of its keys;
    /// keys that are given by themselves as well win over it. NULL is taken for any column, also one that has none in the snapshot: it
    /// says that the value is not known now.
    ///
    /// A value must be one that the column can hold exactly: a number that would be rounded or cut is an error, and so are the user id
    /// and `length(array)`, which follows from the array.
    pub fn new<'a>(
        schema: &Schema,
        features: impl IntoIterator<Item = (&'a str, Feature)>,
    ) -> Result<Self, RuleError> {
        let clock = Clock::new(0, &schema.time_zone)?;
        let (mut overlay, mut values) = (Self::default(), 0);
        for (name, feature) in features {
            values += match &feature {
                Feature::List(elements) => elements.len().max(1),
                Feature::Map(entries) => entries.len().max(1),
                Feature::Value(_) | Feature::Length(_) => 1,
            };
            if values > OVERLAY_VALUES_MAX {
                return Err(RuleError::new(format!(
                    "the overlay has more than {OVERLAY_VALUES_MAX} values, the limit (OVERLAY_VALUES_MAX)"
                ))
                .hint("overlay only what changed since the snapshot"));
            }
            let (column, key) = named(schema, name)?;
            let described = &schema.columns[column as usize];
            if let (Some(key), ColumnType::Map(ty)) = (key, &described.ty) {
                let Feature::Value(value) = &feature else {
                    return Err(convert::misfit(name, &ty.to_string(), &feature));
                };
                let value = convert::held(name, ty, described.held_as, value, &clock)?;
                overlay.add_key(described, column, &key, value, name)?;
            } else {
                let content = convert::content(described, &feature, &clock)?;
                overlay.add_column(described, column, content)?;
            }
        }
        Ok(overlay)
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.keys.is_empty()
    }

    fn add_column(&mut self, schema: &ColumnSchema, column: u32, content: Content) -> Result<(), RuleError> {
        if self.column(column).is_some() {
            return Err(twice(&schema.name));
        }
        let (name, ty) = (schema.name.as_str().into(), schema.ty.clone());
        self.columns.push(OverlaidColumn { column, name, ty, content });
        self.mask |= mask_of(column);
        Ok(())
    }

    fn add_key(
        &mut self,
        schema: &ColumnSchema,
        column: u32,
        key: &str,
        value: Held,
        named: &str,
    ) -> Result<(), RuleError> {
        if self.keys.iter().any(|other| other.column == column && *other.key == *key) {
            return Err(twice(named));
        }
        let (name, ty) = (schema.name.as_str().into(), schema.ty.clone());
        self.keys.push(OverlaidKey { column, name, ty, key: key.into(), value });
        self.mask |= mask_of(column);
        Ok(())
    }

    /// Fails if it was made for a schema that has other columns in these places.
    pub(super) fn check_schema(&self, schema: &Schema) -> Result<(), RuleError> {
        let fits = |column: u32, name: &str, ty: &ColumnType| {
            let found = schema.columns.get(column as usize);
            found.is_some_and(|found| found.name == name && found.ty == *ty)
        };
        let strange = self
            .columns
            .iter()
            .map(|at| (at.column, &at.name, &at.ty))
            .chain(self.keys.iter().map(|at| (at.column, &at.name, &at.ty)))
            .find(|(column, name, ty)| !fits(*column, name, ty));
        match strange {
            None => Ok(()),
            Some((_, name, ty)) => Err(RuleError::new(format!(
                "the overlay was made for another generation, in which `{name}` was {ty}"
            ))
            .hint("make it again from the schema of this one")),
        }
    }

    /// This overlay with another column's or key's content: what [`Audience::why`] tries.
    pub(super) fn set_column(&mut self, schema: &Schema, column: u32, content: Content) {
        if let Some(at) = self.columns.iter_mut().find(|at| at.column == column) {
            at.content = content;
        } else if let Some(described) = schema.columns.get(column as usize) {
            // Not there yet, so it cannot be there twice.
            let _ = self.add_column(described, column, content);
        }
    }

    /// The same for a map's key.
    pub(super) fn set_key(&mut self, schema: &Schema, column: u32, key: &str, value: Held) {
        if let Some(at) = self.keys.iter_mut().find(|at| at.column == column && *at.key == *key) {
            at.value = value;
        } else if let Some(described) = schema.columns.get(column as usize) {
            let _ = self.add_key(described, column, key, value, key);
        }
    }

    /// Whether it has none of the columns in a mask; otherwise it may have one.
    fn misses(&self, mask: u64) -> bool {
        self.mask & mask == 0
    }

    /// Whether anything of a column is overlaid.
    pub(super) fn has_column(&self, column: u32) -> bool {
        self.column(column).is_some() || self.keys.iter().any(|at| at.column == column)
    }

    pub(super) fn column(&self, column: u32) -> Option<&Content> {
        self.columns.iter().find(|at| at.column == column).map(|at| &at.content)
    }

    fn scalar(&self, column: u32) -> Option<&Held> {
        match self.column(column)? {
            Content::Scalar(held) => Some(held),
            _ => None,
        }
    }

    /// The value under a map's key, if it is overlaid, by itself or with its map.
    pub(super) fn key(&self, column: u32, key: &str) -> Option<&Held> {
        let alone = self.keys.iter().find(|at| at.column == column && *at.key == *key);
        if let Some(alone) = alone {
            return Some(&alone.value);
        }
        match self.column(column)? {
            Content::Map(Some(entries)) => {
                Some(entries.iter().find(|(name, _)| **name == *key).map_or(&Held::Null, |(_, value)| value))
            }
            _ => Some(&Held::Null),
        }
    }

    /// The length of an array, if it is overlaid.
    fn length(&self, column: u32) -> Option<Held> {
        match self.column(column)? {
            Content::List(Some(elements)) => Some(Held::Key8(elements.len() as u64)),
            _ => Some(Held::Null),
        }
    }

    /// Whether an array or a map is there, if the overlay says so: a key with a value makes a map, one without leaves it as it is.
    fn presence(&self, column: u32) -> Option<bool> {
        if self.keys.iter().any(|at| at.column == column && at.value != Held::Null) {
            return Some(true);
        }
        match self.column(column)? {
            Content::List(list) => Some(list.is_some()),
            Content::Map(map) => Some(map.is_some()),
            Content::Scalar(held) => Some(*held != Held::Null),
        }
    }

    /// The keys of a map that are overlaid by themselves.
    pub(super) fn keys_of(&self, column: u32) -> impl Iterator<Item = (&str, &Held)> {
        self.keys.iter().filter(move |at| at.column == column).map(|at| (&*at.key, &at.value))
    }
}

fn mask_of(column: u32) -> u64 {
    1 << (column % 64)
}

fn twice(name: &str) -> RuleError {
    RuleError::new(format!("`{name}` is twice in the overlay")).hint("give each feature once")
}

/// The column that a name means, and the key in it.
fn named(schema: &Schema, name: &str) -> Result<(u32, Option<String>), RuleError> {
    let find = |name: &str| {
        schema.column(name).map(|(index, column)| (index as u32, column)).ok_or_else(|| {
            let error = RuleError::new(format!("unknown column `{name}` in the overlay"));
            match did_you_mean(name, schema.columns.iter().map(|column| column.name.as_str())) {
                Some(hint) => error.hint(hint),
                None => error.hint("`muster inspect` lists the columns"),
            }
        })
    };
    if name == schema.user_id {
        return Err(RuleError::new(format!("`{name}` says who the user is and cannot be overlaid"))
            .hint("ask about that user instead"));
    }
    if let Some((index, _)) = schema.column(name) {
        return Ok((index as u32, None));
    }
    match Operand::parse(name, &Limits::default()) {
        Ok(Operand::MapValue { column, key }) => match find(&column)? {
            (index, ColumnSchema { ty: ColumnType::Map(_), .. }) => Ok((index, Some(key))),
            (_, other) => Err(RuleError::new(format!("`{column}` is {}, which has no keys", other.ty))
                .hint(format!("give `{column}` itself"))),
        },
        Ok(Operand::Length(column)) => Err(RuleError::new(format!("`{name}` cannot be overlaid"))
            .hint(format!("give the whole list as `{column}`"))),
        Ok(Operand::Column(column)) => find(&column).map(|(index, _)| (index, None)),
        _ => find(name).map(|(index, _)| (index, None)),
    }
}

impl From<Value> for Feature {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// Whether a value as people write it is exactly what a column would hold: what [`Audience::why`] tells can be overlaid as it is.
pub(super) fn holdable(schema: &Schema, column: u32, feature: &Feature, content: &Content) -> bool {
    let (Some(described), Ok(clock)) =
        (schema.columns.get(column as usize), Clock::new(0, &schema.time_zone))
    else {
        return false;
    };
    let converted = match (&described.ty, content, feature) {
        (ColumnType::Map(ty), Content::Scalar(_), Feature::Value(value)) => {
            convert::held("", ty, described.held_as, value, &clock).map(Content::Scalar)
        }
        _ => convert::content(described, feature, &clock),
    };
    converted.is_ok_and(|converted| converted == *content)
}
