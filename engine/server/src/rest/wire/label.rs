//! Labels as JSON: what is asked for, and what is told.

use muster_catalog::UsedBy;
use muster_catalog::label::{
    CountOutcome, CountRecord, Label, LabelCount, LabelFilter, LabelKind, LabelOrder, LabelSort, LabelUsers,
};
use muster_catalog::list::BadLine;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::read::Parameters;
use super::{Time, share};
use crate::fault::{Fault, Result};
use crate::service::{LabelOf, RuleOf};

/// Whether a label can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum LabelStatus {
    /// It is refreshed and can be used.
    Enabled,
    /// It is not.
    Disabled,
}

impl LabelStatus {
    /// Whether it can be.
    pub(super) fn is_enabled(self) -> bool {
        self == Self::Enabled
    }
}

/// The rule that a body gives, in one of two forms.
pub(super) fn rule_of<'a>(text: Option<&'a str>, tree: Option<&'a RawValue>) -> Result<Option<RuleOf<'a>>> {
    match (text, tree) {
        (Some(_), Some(_)) => Err(Fault::invalid("rules", "rule and rules were given; give one of them")),
        (Some(text), None) => Ok(Some(RuleOf::Text(text))),
        (None, Some(tree)) => Ok(Some(RuleOf::Json(tree.get()))),
        (None, None) => Ok(None),
    }
}

/// A label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Label)]
pub(in super::super) struct LabelBody {
    /// Its number.
    id: u64,
    /// Its name, unique.
    name: String,
    /// What it is for.
    description: String,
    /// Its rule as text; null for a list.
    rule: Option<String>,
    /// Its rule as the tree of a query builder; null for a list, and where a tree cannot say it.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    rules: Option<Box<RawValue>>,
    /// Whether it can be used.
    status: LabelStatus,
    /// Whether it is a list of users instead of a rule.
    is_list: bool,
    /// Users in the list; null for a rule.
    list_users: Option<u64>,
    /// Whether only its creator and administrators see and use it.
    private: bool,
    /// Whether the system made it.
    predefined: bool,
    /// Who made it.
    creator: String,
    /// Users, as of `generation`; null if it was not counted yet.
    count: Option<u64>,
    /// `count` as a share of all users.
    share: Option<f64>,
    /// The generation in which it was counted.
    generation: Option<u64>,
    /// When that generation's source was read.
    as_of: Option<Time>,
    /// How many users more than in the generation counted before.
    change: Option<i64>,
    /// Why it could not be counted the last time.
    failure: Option<String>,
    /// How many labels name it in their rule.
    used_by_labels: u64,
    /// How many deliveries name it that are not over.
    used_by_deliveries: u64,
    /// Goes up with every change; a change names the one it is based on.
    version: u64,
    /// When it was made.
    created: Time,
    /// When it was changed last.
    updated: Time,
    /// Who changed it last.
    updated_by: String,
    /// Its last counts, the oldest first; of a list of labels that asked for `history`.
    #[serde(skip_serializing_if = "Option::is_none")]
    recent: Option<Vec<RecentCount>>,
}

/// A count of a label in one generation.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct RecentCount {
    /// In which generation.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// Users that the label had.
    count: u64,
    /// Users that there were.
    universe: u64,
}

impl LabelBody {
    /// The same with its last counts.
    pub(in super::super) fn with_recent(mut self, recent: Option<Vec<LabelCount>>) -> Self {
        let count = |count: LabelCount| RecentCount {
            generation: count.generation,
            as_of: Time::of_micros(count.as_of_us),
            count: count.users,
            universe: count.universe,
        };
        self.recent = recent.map(|recent| recent.into_iter().map(count).collect());
        self
    }
}

impl From<Label> for LabelBody {
    fn from(label: Label) -> Self {
        let is_list = label.kind == LabelKind::List;
        let (latest, previous) = (label.counts.latest, label.counts.previous);
        let change = latest.zip(previous).map(|(now, before)| now.users as i64 - before.users as i64);
        Self {
            id: label.id,
            name: label.name,
            description: label.description,
            rule: (!is_list).then_some(label.rule),
            rules: label.rules_json.and_then(|tree| RawValue::from_string(tree).ok()),
            status: if label.enabled { LabelStatus::Enabled } else { LabelStatus::Disabled },
            is_list,
            list_users: is_list.then_some(label.list_users),
            private: label.private,
            predefined: label.predefined,
            creator: label.creator,
            count: latest.map(|latest| latest.users),
            share: latest.map(|latest| share(latest.users, latest.universe)),
            generation: latest.map(|latest| latest.generation),
            as_of: latest.map(|latest| Time::of_micros(latest.as_of_us)),
            change,
            failure: label.counts.failed.map(|failed| failed.reason),
            used_by_labels: label.used_by_labels,
            used_by_deliveries: label.used_by_deliveries,
            version: label.version,
            created: Time::of_micros(label.created_us),
            updated: Time::of_micros(label.updated_us),
            updated_by: label.updated_by,
            recent: None,
        }
    }
}

/// What a label is to be. A change leaves what is not given as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LabelRequest {
    /// Its name, unique. Rules that name it follow a new name.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Its rule as text. A label that is made without a rule is an empty list.
    #[schema(example = "has_poh AND NOT bot_warning")]
    rule: Option<String>,
    /// Its rule as the tree of a query builder, instead of `rule`.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    rules: Option<Box<RawValue>>,
    /// Whether it can be used; a new one can unless this says otherwise.
    status: Option<LabelStatus>,
    /// Whether only its creator and administrators see and use it.
    private: Option<bool>,
    /// The version that a change is based on; a new label has none.
    version: Option<u64>,
}

impl LabelRequest {
    /// The version that a change is based on.
    pub(in super::super) fn version(&self) -> u64 {
        self.version.unwrap_or_default()
    }

    /// What is given.
    pub(in super::super) fn of(&self) -> Result<LabelOf<'_>> {
        Ok(LabelOf {
            name: self.name.clone(),
            description: self.description.clone(),
            rule: rule_of(self.rule.as_deref(), self.rules.as_deref())?,
            enabled: self.status.map(LabelStatus::is_enabled),
            private: self.private,
        })
    }
}

/// What labels are listed by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = LabelSort)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum LabelSortBy {
    /// Their names.
    #[default]
    Name,
    /// Their users; those that were never counted go last.
    Count,
    /// How many users more they have than in the generation before; those that were not counted twice go last.
    Change,
    /// When they were changed last.
    Updated,
    /// When they were made.
    Created,
}

impl LabelSortBy {
    fn sort(self) -> LabelSort {
        match self {
            Self::Name => LabelSort::Name,
            Self::Count => LabelSort::Count,
            Self::Change => LabelSort::Change,
            Self::Updated => LabelSort::Updated,
            Self::Created => LabelSort::Created,
        }
    }
}

/// Most of the last counts of a label that a list tells.
const HISTORY_MAX: u32 = 100;

/// Which labels.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct LabelsRequest {
    /// With this in the name or the description, whatever its case.
    search: Option<String>,
    /// Those that can be used, or those that cannot.
    status: Option<LabelStatus>,
    /// Lists, or rules.
    is_list: Option<bool>,
    /// Private ones, or shared ones.
    private: Option<bool>,
    /// Those that the system made, or those that people made.
    predefined: Option<bool>,
    /// Made by this person.
    creator: Option<String>,
    /// Those that could not be counted the last time, or the others.
    failed: Option<bool>,
    /// By what they are listed; by name unless given. Of equal ones the older goes first.
    sort: Option<LabelSortBy>,
    /// The greatest first.
    descending: Option<bool>,
    /// With so many of the last counts of each; none unless given.
    #[schema(minimum = 0, maximum = 100)]
    history: Option<u32>,
    /// At most so many, 1,000 at most; 100 unless given.
    #[schema(minimum = 0, maximum = 1000)]
    page_size: Option<u32>,
    /// Where an earlier answer ended.
    page_token: Option<String>,
}

impl LabelsRequest {
    /// By what a query says.
    pub(in super::super) fn of_query(query: &mut Parameters) -> Result<Self> {
        let status = match query.text("status")?.as_deref() {
            None => None,
            Some("enabled") => Some(LabelStatus::Enabled),
            Some("disabled") => Some(LabelStatus::Disabled),
            Some(other) => {
                return Err(Fault::invalid("status", format!("{other:?} is neither enabled nor disabled")));
            }
        };
        let sort = match query.text("sort")?.as_deref() {
            None => None,
            Some("name") => Some(LabelSortBy::Name),
            Some("count") => Some(LabelSortBy::Count),
            Some("change") => Some(LabelSortBy::Change),
            Some("updated") => Some(LabelSortBy::Updated),
            Some("created") => Some(LabelSortBy::Created),
            Some(other) => {
                let what = format!("{other:?} is none of name, count, change, updated and created");
                return Err(Fault::invalid("sort", what));
            }
        };
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self {
            search: query.text("search")?,
            status,
            is_list: query.flag("is_list")?,
            private: query.flag("private")?,
            predefined: query.flag("predefined")?,
            creator: query.text("creator")?,
            failed: query.flag("failed")?,
            sort,
            descending: query.flag("descending")?,
            history: query.number("history")?.map(small),
            page_size: query.number("page_size")?.map(small),
            page_token: query.text("page_token")?,
        })
    }

    /// How many of the last counts of each label are told.
    pub(in super::super) fn history(&self) -> Result<u32> {
        match self.history.unwrap_or_default() {
            history if history <= HISTORY_MAX => Ok(history),
            history => {
                let what = format!("{history} is more than the limit of {HISTORY_MAX} counts of a label");
                Err(Fault::invalid("history", what))
            }
        }
    }

    /// As the catalog takes it.
    pub(in super::super) fn filter(self) -> Result<LabelFilter> {
        /// Labels of a page at most.
        const PAGE_MAX: u32 = 1_000;
        let page_size = self.page_size.unwrap_or_default();
        if page_size > PAGE_MAX {
            let what = format!("{page_size} is more than the limit of {PAGE_MAX} a page");
            return Err(Fault::invalid("page_size", what));
        }
        let kind = |is_list| if is_list { LabelKind::List } else { LabelKind::Rule };
        Ok(LabelFilter {
            search: self.search.unwrap_or_default(),
            enabled: self.status.map(|status| status == LabelStatus::Enabled),
            kind: self.is_list.map(kind),
            private: self.private,
            predefined: self.predefined,
            creator: self.creator,
            failed: self.failed,
            order: LabelOrder {
                by: self.sort.unwrap_or_default().sort(),
                descending: self.descending.unwrap_or_default(),
            },
            page_size,
            page_token: self.page_token.unwrap_or_default(),
        })
    }
}

/// A page of labels.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct LabelsAnswer {
    /// In the order asked for.
    pub(in super::super) labels: Vec<LabelBody>,
    /// Where to go on; null at the end.
    pub(in super::super) next_page_token: Option<String>,
}

/// What uses a label.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct LabelUsesAnswer {
    /// Labels that name it in their rule.
    labels: Vec<Named>,
    /// Deliveries that name it and are not over.
    deliveries: Vec<Named>,
    /// How many more use it that the caller may not see.
    hidden: u64,
}

/// Something with a number and a name.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct Named {
    /// Its number.
    id: u64,
    /// Its name.
    name: String,
}

impl From<LabelUsers> for LabelUsesAnswer {
    fn from(users: LabelUsers) -> Self {
        let mut answer = Self { labels: Vec::new(), deliveries: Vec::new(), hidden: users.hidden };
        for user in users.by {
            match user {
                UsedBy::Label { id, name } => answer.labels.push(Named { id, name }),
                UsedBy::Delivery { id, name } => answer.deliveries.push(Named { id, name }),
            }
        }
        answer
    }
}

/// What a label counted.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct LabelCountsAnswer {
    /// The newest generation first.
    pub(in super::super) counts: Vec<LabelCountBody>,
}

/// A count of a label in one generation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelCount)]
pub(in super::super) struct LabelCountBody {
    /// In which generation.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// Users that the label had; null if it could not be counted.
    count: Option<u64>,
    /// `count` as a share of all users.
    share: Option<f64>,
    /// Why it could not be counted.
    failure: Option<String>,
}

impl From<CountRecord> for LabelCountBody {
    fn from(record: CountRecord) -> Self {
        let (generation, as_of) = (record.generation, Time::of_micros(record.as_of_us));
        match record.outcome {
            CountOutcome::Counted { users, universe } => Self {
                generation,
                as_of,
                count: Some(users),
                share: Some(share(users, universe)),
                failure: None,
            },
            CountOutcome::Failed { reason } => {
                Self { generation, as_of, count: None, share: None, failure: Some(reason) }
            }
        }
    }
}

/// A list after an upload.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct UploadAnswer {
    /// The label.
    pub(in super::super) label: LabelBody,
    /// Users that were not in the list before.
    pub(in super::super) added: u64,
    /// Users that are not in it any more.
    pub(in super::super) removed: u64,
    /// Users of the list that the generation in service does not have; they are kept for the next.
    pub(in super::super) unknown: u64,
    /// Lines that were read.
    pub(in super::super) lines: u64,
    /// Ids that were read, repeated ones as often as they are there.
    pub(in super::super) ids: u64,
    /// Lines that have no id, and were left out.
    pub(in super::super) bad: u64,
    /// The first of them.
    pub(in super::super) first_bad: Vec<BadLineBody>,
}

/// A line that has no id where one should be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BadLine)]
pub(in super::super) struct BadLineBody {
    /// Its number, from 1.
    line: u64,
    /// Its first column, shortened.
    text: String,
    /// What is wrong with it.
    why: &'static str,
}

impl From<BadLine> for BadLineBody {
    fn from(bad: BadLine) -> Self {
        Self { line: bad.line, text: bad.text, why: bad.why }
    }
}
