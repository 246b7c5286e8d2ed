//! What can go wrong with the catalog: what was asked cannot be done, or the database cannot do it. Each says what to do.

use std::fmt::Write as _;

use muster_engine::rule::error::RuleError;

use crate::delivery::{Delivery, Status};
use crate::label::Label;

/// Result of everything that reads or changes the catalog.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is not as it must be.
    #[error("{field}: {what}")]
    Invalid {
        /// Which field, as it is called in a label, a delivery or a filter.
        field: &'static str,
        /// What is wrong with it and what would be right.
        what: String,
    },
    /// A rule cannot be used.
    #[error("{field}: {error}")]
    Rule {
        /// Which field holds the rule.
        field: &'static str,
        /// What is wrong with it.
        error: RuleError,
    },
    /// A label would use itself.
    #[error("label `{}` would use itself: {}; remove one of these uses", path.first().map_or("", String::as_str), chain(path))]
    Cycle {
        /// The labels, each using the next; the last is the first again.
        path: Vec<String>,
    },
    /// There is no such thing, or it is private to somebody else.
    #[error("there is no {thing} {which}")]
    NotFound {
        /// What was looked for.
        thing: Thing,
        /// Its number, or its name in backticks.
        which: String,
    },
    /// Another label has this name.
    #[error("there is a label `{name}` already; take another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// What is to be changed was changed by somebody else in the meantime.
    #[error("{} was changed in the meantime: it is at version {}, this change is based on version {based_on}; look at it again and repeat the change",
        current.title(), current.version())]
    Conflict {
        /// It, as it is now.
        current: Box<Current>,
        /// The version that the change was based on.
        based_on: u64,
    },
    /// A label cannot go away, be turned off or be made private while it is used.
    #[error("label `{name}` is used by {}; change {} first", users(by, *hidden), if by.len() + hidden > 1 { "them" } else { "that" })]
    InUse {
        /// The label.
        name: String,
        /// What uses it, as far as the caller may see it.
        by: Vec<UsedBy>,
        /// How many more use it that the caller may not see.
        hidden: usize,
    },
    /// The delivery does not stand so that this can be done.
    #[error("delivery {id} is {status}: {what}")]
    NotAllowed {
        /// The delivery.
        id: u64,
        /// How it stands.
        status: Status,
        /// What cannot be done, and what can.
        what: String,
    },
    /// Who asked for something cannot approve it.
    #[error("{user} asked for this and cannot approve it; somebody else must")]
    SelfApproval {
        /// Who asked for it.
        user: String,
    },
    /// A list label was expected, or a rule label.
    #[error("label `{name}` is {}", if *is_list { "a list and has no rule" } else { "a rule and not a list; its users cannot be uploaded" })]
    WrongKind {
        /// The label.
        name: String,
        /// What it is.
        is_list: bool,
    },
    /// A document cannot be imported.
    #[error("the document cannot be imported: {at}: {what}")]
    Import {
        /// Where in the document.
        at: String,
        /// What is wrong there.
        what: String,
    },
    /// The database can be read and not written.
    #[error("the catalog {place} can only be read; give muster write access to it to change anything")]
    ReadOnly {
        /// Which database, without a password.
        place: String,
    },
    /// The database does not answer now; asking again later helps.
    #[error("the catalog {place} is not available: {why}; try again{}", if *maybe_done { ", and look first whether the change was stored" } else { "" })]
    Unavailable {
        /// Which database, without a password.
        place: String,
        /// What happened.
        why: String,
        /// Whether the change may have been stored although nobody could say so.
        maybe_done: bool,
    },
    /// There is no room for the change.
    #[error("the catalog {place} has no room: {why}; make room on that disk and try again")]
    Full {
        /// Which database, without a password.
        place: String,
        /// What the database said.
        why: String,
    },
    /// The database holds what nobody of ours wrote.
    #[error("the catalog {place} is damaged: {what}; restore it from a backup")]
    Corrupt {
        /// Which database, without a password.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// A catalog of a newer Muster.
    #[error(
        "the catalog {place} has schema {found}, and this muster knows schemas up to {known}; use a newer muster"
    )]
    TooNew {
        /// Which database, without a password.
        place: String,
        /// Its schema.
        found: u64,
        /// The newest schema this program knows.
        known: u64,
    },
    /// The database is not a catalog, or cannot be opened at all.
    #[error("the catalog {place} cannot be opened: {why}")]
    CannotOpen {
        /// Which database, without a password.
        place: String,
        /// Why not, and what to do.
        why: String,
    },
    /// The database said something that nobody expected.
    #[error("the catalog {place} failed: {what}")]
    Database {
        /// Which database, without a password.
        place: String,
        /// What it said.
        what: String,
    },
    /// A backup or restoration failed at a file.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb: "write", "rename".
        action: &'static str,
        /// On which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What the catalog holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A label.
    Label,
    /// A delivery.
    Delivery,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Label => "label",
            Self::Delivery => "delivery",
        })
    }
}

/// A record as it is now, for whoever wanted to change an earlier version of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Current {
    /// A label.
    Label(Label),
    /// A delivery.
    Delivery(Delivery),
}

impl Current {
    /// Its version.
    pub fn version(&self) -> u64 {
        match self {
            Self::Label(label) => label.version,
            Self::Delivery(delivery) => delivery.version,
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Label(label) => format!("label `{}`", label.name),
            Self::Delivery(delivery) => format!("delivery {}", delivery.id),
        }
    }
}

/// What uses a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedBy {
    /// The rule of a label.
    Label {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
    },
    /// A delivery.
    Delivery {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
    },
}

impl Error {
    /// A field that is not as it must be.
    pub(crate) fn invalid(field: &'static str, what: impl Into<String>) -> Self {
        Self::Invalid { field, what: what.into() }
    }

    /// A rule that cannot be used.
    pub(crate) fn rule(field: &'static str) -> impl FnOnce(RuleError) -> Self {
        move |error| Self::Rule { field, error }
    }

    /// Nothing has this number.
    pub(crate) fn no_number(thing: Thing, id: u64) -> Self {
        Self::NotFound { thing, which: id.to_string() }
    }

    /// A file that could not be worked on.
    pub(crate) fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}

fn chain(path: &[String]) -> String {
    path.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" uses ")
}

fn users(by: &[UsedBy], hidden: usize) -> String {
    /// So many are named; the rest is counted.
    const NAMED_MAX: usize = 5;
    let mut text = by
        .iter()
        .take(NAMED_MAX)
        .map(|user| match user {
            UsedBy::Label { name, .. } => format!("label `{name}`"),
            UsedBy::Delivery { id, name } => format!("delivery {id} `{name}`"),
        })
        .collect::<Vec<_>>()
        .join(", ");
    let more = by.len().saturating_sub(NAMED_MAX) + hidden;
    match (text.is_empty(), more) {
        (_, 0) => {}
        (true, _) => {
            let _ = write!(text, "{more} that you may not see");
        }
        (false, _) => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}
