//! Pages of records: where one ended, the next begins.

use crate::error::{Error, Result};

/// Some records, and where to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The records, in the order of the list.
    pub items: Vec<T>,
    /// For the next page; `None` at the end.
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// A page from one record more than fits, if there is one more.
    pub(crate) fn of(mut items: Vec<T>, size: usize, token: impl Fn(&T) -> String) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let next_page_token = if more { items.last().map(token) } else { None };
        Self { items, next_page_token }
    }
}

/// What a token says after its mark, which tells one list's tokens from those of another.
pub(crate) fn read_token<'a>(token: &'a str, mark: &str) -> Result<Option<&'a str>> {
    if token.is_empty() {
        return Ok(None);
    }
    match token.strip_prefix(mark) {
        Some(rest) => Ok(Some(rest)),
        None => Err(Error::invalid("page_token", "it is not of this list; start again without a token")),
    }
}

/// The number in a token.
pub(crate) fn read_number(token: &str, mark: &str) -> Result<Option<i64>> {
    read_token(token, mark)?
        .map(|text| {
            text.parse().map_err(|_| {
                Error::invalid("page_token", "it was changed on its way; start again without a token")
            })
        })
        .transpose()
}
