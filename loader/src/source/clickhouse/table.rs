//! What the server knows of what is read, apart from its rows: its columns, its order, its size, its identity.
//!
//! Only the columns must be known. A user who may not look into `system` tables, or a server that has no such column
//! there, costs speed or a check, never the build.

use std::sync::Arc;

use super::columns::Column;
use super::link::Link;
use super::options::{Rows, literal};
use crate::error::{LoadError, Result};

/// What is known beforehand.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// The first column of the order in which rows are stored.
    pub(super) sorted_by: Option<String>,
    /// Whether `count()` without `FINAL` reads nothing.
    pub(super) counts_for_free: bool,
    /// When its data changed last, Unix seconds.
    pub(super) changed: Option<i64>,
}

impl Table {
    pub(super) fn look(link: &Arc<Link>) -> Result<Self> {
        let columns = describe(link)?;
        let key = known(link, "sorting_key", "tables", "name");
        let engine = known(link, "engine", "tables", "name").unwrap_or_default();
        let changed = known(link, "toUnixTimestamp(max(modification_time))", "parts", "active AND table");
        Ok(Self {
            columns,
            sorted_by: key.and_then(|key| first_column(&key)),
            counts_for_free: engine.ends_with("MergeTree"),
            changed: changed.and_then(|text| text.parse().ok()).filter(|&seconds| seconds > 0),
        })
    }
}

/// What tells a table from another of the same name.
pub(super) fn identity(link: &Arc<Link>) -> Option<String> {
    known(link, "toString(uuid)", "tables", "name")
        .filter(|uuid| uuid.contains(|letter| !"0-".contains(letter)))
}

/// What a table in `system` says of the table that is read.
fn known(link: &Arc<Link>, what: &str, place: &str, name_is: &str) -> Option<String> {
    let query = known_query(link, what, place, name_is)?;
    match link.text(&query) {
        Ok(text) => Some(text.trim_end_matches('\n').to_owned()).filter(|text| !text.is_empty()),
        Err(error) => {
            tracing::debug!(%error, "ClickHouse does not tell {what}");
            None
        }
    }
}

/// The query for it; nothing for what is no table.
pub(super) fn known_query(link: &Link, what: &str, place: &str, name_is: &str) -> Option<String> {
    let options = link.options();
    let Rows::Table { name, .. } = &options.rows else { return None };
    let (database, table) = match name.split_once('.') {
        Some((database, table)) => (literal(database), table),
        None => (
            options.database.as_ref().map_or("currentDatabase()".to_owned(), |name| literal(name)),
            name.as_str(),
        ),
    };
    Some(format!(
        "SELECT {what} FROM system.{place} WHERE database = {database} AND {name_is} = {}",
        literal(table)
    ))
}

/// The first of the columns in a sorting key, if it is a column and not an expression.
fn first_column(key: &str) -> Option<String> {
    let first = key.trim().trim_start_matches('(').trim_start();
    if let Some(rest) = first.strip_prefix('`') {
        return rest.split_once('`').map(|(name, _)| name.to_owned());
    }
    let name = first.split([',', ')']).next()?.trim();
    (!name.is_empty() && !name.contains(['(', ' '])).then(|| name.to_owned())
}

fn describe(link: &Arc<Link>) -> Result<Vec<Column>> {
    let from = link.options().rows.after_from();
    let answer = link.text(&format!("DESCRIBE TABLE (SELECT * FROM {from}) FORMAT JSONCompact"))?;
    let columns = columns_in(&answer).ok_or_else(|| {
        LoadError::Source(format!(
            "{} does not describe a table as ClickHouse does; is this the address of its HTTP port?",
            link.options().address.url
        ))
    })?;
    let mut names = std::collections::HashSet::new();
    if let Some(twice) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
        return Err(LoadError::column(&twice.name, "the query yields two columns of this name; rename one"));
    }
    Ok(columns)
}

/// Names and types: the first two of each row.
fn columns_in(answer: &str) -> Option<Vec<Column>> {
    #[derive(serde::Deserialize)]
    struct Described {
        data: Vec<Vec<serde_json::Value>>,
    }
    let described: Described = serde_json::from_str(answer).ok()?;
    let column = |row: Vec<serde_json::Value>| {
        Some(Column::new(row.first()?.as_str()?.to_owned(), row.get(1)?.as_str()?.to_owned()))
    };
    described.data.into_iter().map(column).collect::<Option<Vec<_>>>().filter(|columns| !columns.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_of_a_key() {
        let cases = [
            ("user_id", Some("user_id")),
            ("user_id, day", Some("user_id")),
            ("(user_id, day)", Some("user_id")),
            ("`user id`, day", Some("user id")),
            ("intHash32(user_id), user_id", None),
            ("user_id DESC", None),
            ("", None),
            ("tuple()", None),
        ];
        for (key, want) in cases {
            assert_eq!(first_column(key).as_deref(), want, "{key}");
        }
    }

    #[test]
    fn what_is_no_description_is_none() {
        for text in ["", "<html>", "{}", r#"{"data":[]}"#, r#"{"data":[["a"]]}"#, r#"{"data":[[1,2]]}"#] {
            assert!(columns_in(text).is_none(), "{text}");
        }
        let columns = columns_in(r#"{"data":[["a","UInt8","",""],["b","Tuple(UInt8)"]]}"#).unwrap();
        assert!(columns[0].readable().is_ok() && columns[1].readable().is_err());
    }
}
