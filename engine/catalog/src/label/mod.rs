//! Labels: rules and lists of users under a name.

pub(crate) mod change;
mod counts;
mod find;
pub(crate) mod nest;
pub(crate) mod rename;
pub(crate) mod rows;
mod sort;

use muster_engine::rule::ast::Rule;
use serde::Serialize;

pub use self::counts::{CountOfLabel, CountOutcome, CountRecord, Recorded};
pub use self::find::{LabelFilter, LabelRule, LabelRules, LabelUsers};
pub use self::sort::{LabelOrder, LabelSort};

/// What a label stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelKind {
    /// A rule.
    Rule,
    /// A list of users.
    List,
}

/// Which label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelKey {
    /// By its number.
    Id(u64),
    /// By its name.
    Name(String),
}

/// A label as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Label {
    /// Its number; never given to another label.
    pub id: u64,
    /// Its name, unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it stands for.
    pub kind: LabelKind,
    /// Its rule as canonical text; empty for a list.
    pub rule: String,
    /// Its rule as a JSON tree, where JSON can say it.
    #[serde(skip)]
    pub rules_json: Option<String>,
    /// Whether it is refreshed and can be used.
    pub enabled: bool,
    /// Whether only its creator and admins see and use it.
    pub private: bool,
    /// Whether the system made it.
    pub predefined: bool,
    /// Who made it.
    pub creator: String,
    /// Goes up with every change.
    pub version: u64,
    /// When it was made.
    pub created_us: i64,
    /// When it was changed last.
    pub updated_us: i64,
    /// Who changed it last.
    pub updated_by: String,
    /// Goes up with every upload of a list; 0 before the first.
    pub list_version: u64,
    /// Users in the list.
    pub list_users: u64,
    /// What it counted last, and before.
    #[serde(skip)]
    pub counts: LabelCounts,
    /// How many labels name it in their rule.
    #[serde(skip)]
    pub used_by_labels: u64,
    /// How many deliveries name it that are not over.
    #[serde(skip)]
    pub used_by_deliveries: u64,
}

/// What a label counted last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// The last count that succeeded.
    pub latest: Option<LabelCount>,
    /// The count of the generation before.
    pub previous: Option<PreviousCount>,
    /// Why it could not be refreshed the last time; none after a success.
    pub failed: Option<FailedCount>,
}

/// A count of a label's users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelCount {
    /// In which generation.
    pub generation: u64,
    /// When its source was read, in microseconds since 1970.
    pub as_of_us: i64,
    /// Users that the label has.
    pub users: u64,
    /// Users that there are.
    pub universe: u64,
}

/// A count of the generation before the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousCount {
    /// In which generation.
    pub generation: u64,
    /// Users that the label had.
    pub users: u64,
    /// Users that there were.
    pub universe: u64,
}

/// A count that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCount {
    /// In which generation.
    pub generation: u64,
    /// Why.
    pub reason: String,
}

/// A label to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLabel {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its rule; none makes an empty list.
    pub rule: Option<Rule>,
    /// Whether it is refreshed and can be used.
    pub enabled: bool,
    /// Whether only its creator and admins see and use it.
    pub private: bool,
    /// Whether the system makes it.
    pub predefined: bool,
}

impl NewLabel {
    /// An enabled label that everybody sees.
    pub fn new(name: impl Into<String>, rule: Rule) -> Self {
        Self { rule: Some(rule), ..Self::list(name) }
    }

    /// An enabled empty list that everybody sees.
    pub fn list(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            rule: None,
            enabled: true,
            private: false,
            predefined: false,
        }
    }
}

/// What is to become of a label; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelChange {
    /// Its name; rules that name it are rewritten.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its rule.
    pub rule: Option<Rule>,
    /// Whether it is refreshed and can be used.
    pub enabled: Option<bool>,
    /// Whether only its creator and admins see and use it.
    pub private: Option<bool>,
}
