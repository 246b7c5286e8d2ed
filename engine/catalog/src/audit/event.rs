//! What was done elsewhere, as the audit keeps it: the same words whether a server or a command did it.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::Kind;

/// Something that was done elsewhere and belongs into the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What it is about.
    pub kind: Kind,
    /// What was done, in a word: `rollback`, `create`.
    pub action: String,
    /// The number of what it was done to, if it has one.
    pub id: Option<u64>,
    /// The name of what it was done to; may be empty.
    pub name: String,
    /// How it was before.
    pub before: Option<Json>,
    /// How it was after.
    pub after: Option<Json>,
    /// What was said about it.
    pub comment: String,
}

/// How many users a store masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MaskTotals {
    /// Erased users.
    pub erased: u64,
    /// Users who opted out of targeting.
    pub opted_out: u64,
}

impl Event {
    /// Something that was done, and nothing else said of it.
    pub fn new(kind: Kind, action: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.into(),
            id: None,
            name: String::new(),
            before: None,
            after: None,
            comment: String::new(),
        }
    }

    /// Something that was done to a generation, and which one was in service before and after that.
    pub fn generation(
        action: &str,
        generation: u64,
        before: Option<u64>,
        after: Option<u64>,
        reason: &str,
    ) -> Self {
        let in_service = |generation: Option<u64>| generation.map(|number| json!({ "in_service": number }));
        Self {
            id: Some(generation),
            before: in_service(before),
            after: in_service(after),
            comment: reason.to_owned(),
            ..Self::new(Kind::Generation, action)
        }
    }

    /// Users who were erased, opted out, or opted in: how many, and never who. A record is kept for good, and an erased id must not be.
    pub fn masks(action: &str, given: u64, changed: u64, before: MaskTotals, after: MaskTotals) -> Self {
        let MaskTotals { erased, opted_out } = after;
        Self {
            before: Some(json!(before)),
            after: Some(
                json!({ "given": given, "changed": changed, "erased": erased, "opted_out": opted_out }),
            ),
            ..Self::new(Kind::Erasure, action)
        }
    }

    /// A token that was made, changed or taken out: what is said of it, and nothing of the token itself.
    pub fn token(action: &str, name: &str, before: Option<Json>, after: Option<Json>) -> Self {
        Self { name: name.to_owned(), before, after, ..Self::new(Kind::Token, action) }
    }
}
