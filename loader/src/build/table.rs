//! What of each input becomes what: decided from schemas and the configuration before a row is read.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::{Field, SchemaRef};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::rule::sql::{SqlOptions, render};
use muster_engine::schema::{ColumnSchema, Schema};
use muster_engine::snapshot::Shape;

use super::{BuildOptions, DEFAULT_VERSION, Input};
use crate::columns::{ColumnOptions, plan};
use crate::config::nearest;
use crate::error::{LoadError, Result};

/// What is read and what is written.
#[derive(Debug)]
pub(super) struct Table {
    /// Everything that is written, also what is only looked at.
    pub(super) schema: Schema,
    pub(super) shape: Shape,
    pub(super) inputs: Vec<InputTable>,
    pub(super) derived: Vec<Derived>,
    pub(super) skipped: Vec<String>,
}

/// What is read of one input.
#[derive(Debug)]
pub(super) struct InputTable {
    pub(super) id_field: Field,
    /// Positions in the source's schema: the id, the columns, and the version if that is none of the columns.
    pub(super) indexes: Vec<usize>,
    /// As the source has them.
    pub(super) columns: Vec<ColumnSchema>,
    pub(super) version: Option<Version>,
}

/// Where the column is that tells the newest row of a user.
#[derive(Debug)]
pub(super) enum Version {
    /// One of the columns.
    Column(usize),
    /// Read behind them, for nothing else.
    Extra(ColumnSchema),
}

/// A Bool column that a rule over the others makes.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) name: String,
    pub(super) rule: Rule,
}

impl Table {
    pub(super) fn plan(inputs: &[Input<'_>], options: &BuildOptions) -> Result<Self> {
        if jiff::tz::TimeZone::get(&options.time_zone).is_err() {
            let zone = &options.time_zone;
            return Err(LoadError::Config(format!(
                "the time zone {zone:?} is not known; use a name such as UTC."
            )));
        }
        let rules = Rules::read(options)?;
        let user_id = inputs[0].user_id.to_owned();
        if options.columns.contains_key(&user_id) {
            return Err(LoadError::Config(format!(
                "`{user_id}` is the key column; remove [columns.{user_id}]."
            )));
        }
        let mut table = Self {
            schema: Schema { user_id, time_zone: options.time_zone.clone(), columns: Vec::new() },
            shape: Shape::default(),
            inputs: Vec::new(),
            derived: Vec::new(),
            skipped: Vec::new(),
        };
        let mut came_from = BTreeMap::new();
        for (at, input) in inputs.iter().enumerate() {
            table.add(at, input, options, &rules, &mut came_from)?;
        }
        check_mentioned(inputs, options)?;
        table.derived = rules.checked(&table.schema)?;
        Ok(table)
    }

    fn add<'a>(
        &mut self,
        at: usize,
        input: &Input<'a>,
        options: &BuildOptions,
        rules: &Rules,
        came_from: &mut BTreeMap<String, &'a str>,
    ) -> Result<()> {
        let schema = input.source.schema();
        let id_index = find(&schema, input.user_id, "should hold the user ids")?;
        for name in input.columns.unwrap_or_default() {
            find(&schema, name, &format!("`columns` of the input `{}` names", input.name))?;
        }
        let version = version_of(&schema, input, options)?;
        let (mut columns, mut indexes, mut taken) = (Vec::new(), vec![id_index], None);
        for (index, field) in schema.fields().iter().enumerate().filter(|(index, _)| *index != id_index) {
            let name = format!("{}{}", input.prefix, field.name());
            let is_version = version.as_ref().is_some_and(|(column, _)| *column == index);
            let wanted = match input.columns {
                Some(wanted) => wanted.contains(field.name()),
                // The bookkeeping of each further input is its own affair.
                None => at == 0 || !is_version,
            };
            let mut said = options.columns.get(&name).cloned().unwrap_or_default();
            if !wanted {
                continue;
            }
            let looked_at = rules.looks_at(&name);
            let aside = said.skip || rules.replaces(&name);
            if aside && !looked_at {
                self.skipped.push(name);
                continue;
            }
            said.skip = false;
            let field = field.as_ref().clone().with_name(&name);
            let Some(column) = plan(&field, &said)? else { continue };
            if let Some(other) = came_from.insert(name.clone(), input.name) {
                return Err(LoadError::Config(format!(
                    "the column `{name}` comes from `{other}` and from `{}`: name the columns to take with \
                     `columns` of one of them, or give it a `prefix`.",
                    input.name
                )));
            }
            if name == self.schema.user_id {
                return Err(LoadError::Config(format!(
                    "the column `{name}` of `{}` is named as the key column; give that input a `prefix`.",
                    input.name
                )));
            }
            if is_version {
                taken = Some(Version::Column(columns.len()));
            }
            // Users that a further input lacks have no value there.
            let nullable = column.nullable || at > 0;
            self.schema.columns.push(ColumnSchema { nullable, ..column.clone() });
            self.shape.input_of.push(at);
            self.shape.aside.push(aside);
            indexes.push(index);
            columns.push(column);
        }
        let version = match (taken, version) {
            (Some(taken), _) => Some(taken),
            (None, Some((index, column))) => {
                indexes.push(index);
                Some(Version::Extra(column))
            }
            (None, None) => None,
        };
        let id_field = schema.field(id_index).clone();
        self.inputs.push(InputTable { id_field, indexes, columns, version });
        Ok(())
    }
}

/// What the configuration says of columns must be said of columns that there are.
fn check_mentioned(inputs: &[Input<'_>], options: &BuildOptions) -> Result<()> {
    let mut names = BTreeSet::new();
    for input in inputs {
        let schema = input.source.schema();
        names.extend(schema.fields().iter().map(|field| format!("{}{}", input.prefix, field.name())));
    }
    match options.columns.keys().find(|name| !names.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(missing(name, names.iter().map(String::as_str), "the configuration mentions")),
    }
}

/// The column that tells the newest row of a user, if there is one that can.
fn version_of(
    schema: &SchemaRef,
    input: &Input<'_>,
    options: &BuildOptions,
) -> Result<Option<(usize, ColumnSchema)>> {
    // Left out of the snapshot or not, a column can still tell the newest row.
    let planned = |index: usize| -> Result<Option<(usize, ColumnSchema)>> {
        let field = schema.field(index);
        let name = format!("{}{}", input.prefix, field.name());
        let said = options.columns.get(&name).cloned().unwrap_or_default();
        let column = plan(field, &ColumnOptions { skip: false, ..said })?;
        Ok(column.map(|column| (index, column)))
    };
    let Some(name) = input.version else {
        // Nobody asked for this one: where it can't serve, several rows of one user are refused, if there are any.
        let index = schema.index_of(DEFAULT_VERSION).ok();
        let found = index.and_then(|index| planned(index).ok().flatten());
        return Ok(found.filter(|(_, column)| super::read::orders(column)));
    };
    let found = planned(find(schema, name, "should tell the newest row of a user")?)?;
    if let Some((_, column)) = found.as_ref().filter(|(_, column)| !super::read::orders(column)) {
        let message =
            format!("a {} can't tell the newest row; name a number or a time as `version`", column.ty);
        return Err(LoadError::column(&column.name, message));
    }
    Ok(found)
}

fn find(schema: &SchemaRef, name: &str, role: &str) -> Result<usize> {
    let names = schema.fields().iter().map(|field| field.name().as_str());
    schema.index_of(name).map_err(|_| missing(name, names, &format!("which {role}")))
}

fn missing<'a>(name: &str, names: impl Iterator<Item = &'a str>, role: &str) -> LoadError {
    let hint = nearest(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    LoadError::Config(format!("the source has no column `{name}`, {role}{hint}"))
}

/// The rules of derived columns, as written.
struct Rules {
    rules: Vec<Derived>,
}

impl Rules {
    fn read(options: &BuildOptions) -> Result<Self> {
        let read = |(name, said): (&String, &super::DerivedColumn)| {
            let rule = Rule::parse(&said.rule, &Limits::default())
                .map_err(|error| LoadError::Config(format!("[derived.{name}]: {error}")))?;
            Ok(Derived { name: name.clone(), rule })
        };
        Ok(Self { rules: options.derived.iter().map(read).collect::<Result<_>>()? })
    }

    fn looks_at(&self, column: &str) -> bool {
        self.rules.iter().any(|derived| derived.rule.columns().contains(column))
    }

    fn replaces(&self, column: &str) -> bool {
        self.rules.iter().any(|derived| derived.name == column)
    }

    /// The rules, if each can be asked of a table of this schema.
    fn checked(self, schema: &Schema) -> Result<Vec<Derived>> {
        let limits = Limits::default();
        for Derived { name, rule } in &self.rules {
            if *name == schema.user_id {
                return Err(LoadError::Config(format!("[derived.{name}]: `{name}` is the key column.")));
            }
            let options = SqlOptions { now: Some(0), labels: &NoLabels, limits: &limits };
            render(rule, schema, &options)
                .map_err(|error| LoadError::Config(format!("[derived.{name}]: {error}")))?;
        }
        Ok(self.rules)
    }
}
