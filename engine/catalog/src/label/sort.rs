//! In which order labels are listed, and where a page of that order ended.
//!
//! What labels are ordered by is a number for each, or its name; of equal ones the label that was made first goes first. A page's
//! token holds both, so the next page begins right after whatever is there by then.

use super::Label;
use crate::error::{Error, Result};
use crate::page::read_token;

/// What labels are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LabelSort {
    /// Their names.
    #[default]
    Name,
    /// Their users as of the last count; those that were never counted go last.
    Count,
    /// How many users more they have than in the generation counted before; those without such a count go last.
    Change,
    /// When they were changed last.
    Updated,
    /// When they were made.
    Created,
}

/// An order of labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelOrder {
    /// By what.
    pub by: LabelSort,
    /// The greatest first.
    pub descending: bool,
}

/// After all others, whichever way they are ordered. Neither database reads the least number as a literal.
const LAST: [i64; 2] = [i64::MAX, -i64::MAX];

/// Where a page ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// After this name.
    Name(String),
    /// After this number, and among equal ones after this label.
    Number(i64, i64),
}

impl LabelOrder {
    /// As `ORDER BY` has it.
    pub(super) fn sql(self) -> String {
        let way = if self.descending { "DESC" } else { "ASC" };
        match self.number() {
            None => format!("l.name {way}"),
            Some(number) => format!("{number} {way}, l.id ASC"),
        }
    }

    /// What is after the end of a page. Its values are [`After`]'s: the name, or the number, the number again, and the label's own.
    pub(super) fn after_sql(self) -> String {
        let beyond = if self.descending { "<" } else { ">" };
        match self.number() {
            None => format!("l.name {beyond} ?"),
            Some(number) => format!("({number} {beyond} ? OR ({number} = ? AND l.id > ?))"),
        }
    }

    /// The number that labels are ordered by.
    fn number(self) -> Option<String> {
        let last = self.last();
        match self.by {
            LabelSort::Name => None,
            LabelSort::Count => Some(format!("COALESCE(c.users, {last})")),
            LabelSort::Change => Some(format!("COALESCE(c.users - c.previous_users, {last})")),
            LabelSort::Updated => Some("l.updated_us".to_owned()),
            LabelSort::Created => Some("l.created_us".to_owned()),
        }
    }

    /// The number of a label that has none.
    fn last(self) -> i64 {
        LAST[usize::from(self.descending)]
    }

    /// Tells this order's tokens from those of others, which all begin with the list's own letter.
    fn mark(self) -> &'static str {
        match (self.by, self.descending) {
            (LabelSort::Name, false) => "l",
            (LabelSort::Name, true) => "snd",
            (LabelSort::Count, false) => "sca",
            (LabelSort::Count, true) => "scd",
            (LabelSort::Change, false) => "sda",
            (LabelSort::Change, true) => "sdd",
            (LabelSort::Updated, false) => "sua",
            (LabelSort::Updated, true) => "sud",
            (LabelSort::Created, false) => "sba",
            (LabelSort::Created, true) => "sbd",
        }
    }

    /// The token of a page that ended with a label.
    pub(super) fn token(self, label: &Label) -> String {
        let mark = self.mark();
        let (latest, previous) = (label.counts.latest, label.counts.previous);
        let number = match self.by {
            LabelSort::Name => return format!("{mark}{}", label.name),
            LabelSort::Count => latest.map(|latest| latest.users as i64),
            LabelSort::Change => {
                latest.zip(previous).map(|(now, before)| now.users as i64 - before.users as i64)
            }
            LabelSort::Updated => Some(label.updated_us),
            LabelSort::Created => Some(label.created_us),
        };
        format!("{mark}{}.{}", number.unwrap_or(self.last()), label.id)
    }

    /// Where the page of a token ended; nothing for no token. A token of another order is refused.
    pub(super) fn read(self, token: &str) -> Result<Option<After>> {
        let Some(rest) = read_token(token, self.mark())? else { return Ok(None) };
        if self.by == LabelSort::Name {
            return Ok(Some(After::Name(rest.to_owned())));
        }
        let parts =
            rest.split_once('.').and_then(|(number, id)| Some((number.parse().ok()?, id.parse().ok()?)));
        match parts {
            Some((number, id)) => Ok(Some(After::Number(number, id))),
            None => {
                Err(Error::invalid("page_token", "it was changed on its way; start again without a token"))
            }
        }
    }
}
