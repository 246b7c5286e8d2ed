//! Labels: made, changed, listed, filled, and what they counted. The catalog says what holds; here is who may, and that the next
//! question sees it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use muster_catalog::label::{
    CountRecord, Label, LabelChange, LabelCount, LabelFilter, LabelKey, LabelUsers, NewLabel,
};
use muster_catalog::list::{Upload, UploadMode};
use muster_catalog::{Caller as Editor, Catalog, Page as Found};
use muster_engine::rule::ast::Rule;

use super::{Ask, Segment, Service};
use crate::caller::Role;
use crate::catalog::Shelf;
use crate::fault::{Fault, Result};

/// A label's rule, as it is to become.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RuleOf<'a> {
    /// As text.
    Text(&'a str),
    /// As a JSON tree.
    Json(&'a str),
}

impl RuleOf<'_> {
    /// The field of a label that it is.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Text(_) => "rule",
            Self::Json(_) => "rules",
        }
    }
}

/// What a label is to be, as far as it is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelOf<'a> {
    /// Its name.
    pub(crate) name: Option<String>,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its rule.
    pub(crate) rule: Option<RuleOf<'a>>,
    /// Whether it can be used.
    pub(crate) enabled: Option<bool>,
    /// Whether only its creator sees it.
    pub(crate) private: Option<bool>,
}

/// A list after an upload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Uploaded {
    /// The label, with the number of its users.
    pub(crate) label: Label,
    /// Users that were not in the list before.
    pub(crate) added: u64,
    /// Users that are not in it any more.
    pub(crate) removed: u64,
    /// Ids that the generation in service does not have; they are kept for the next.
    pub(crate) unknown: u64,
}

impl Service {
    /// Labels and deliveries, or that there are none.
    pub(crate) fn shelf(&self) -> Result<&Arc<Shelf>> {
        self.shelf.as_ref().ok_or_else(Fault::no_catalog)
    }

    pub(super) fn catalog(&self) -> Result<Arc<Catalog>> {
        self.shelf()?.catalog()
    }

    /// The catalog, for who may change labels and deliveries.
    pub(super) fn catalog_for_editing(&self, ask: &Ask, what: &str) -> Result<Arc<Catalog>> {
        let catalog = self.catalog()?;
        ask.caller.needs(Role::Editor, what)?;
        Ok(catalog)
    }

    /// The tree of a rule that is to be stored. Columns are checked against the generation in service, if there is one: a rule that nobody can
    /// count is a mistake, and told where it is made.
    pub(super) async fn tree(self: &Arc<Self>, ask: &Ask, rule: RuleOf<'_>, field: &str) -> Result<Rule> {
        let segment = match rule {
            RuleOf::Text(text) => Segment::Rule(text),
            RuleOf::Json(text) => Segment::Json(text),
        };
        match self.generation(ask).await {
            Ok(generation) => {
                self.audience(&generation, ask, segment, || field.to_owned()).await?;
                let book = self.book_for(segment);
                let asked = Self::rule_of(book.as_deref(), segment, ask, || field.to_owned())?;
                let read = generation.read(asked, &self.config.rules);
                read.map_err(|error| Fault::Rule { field: field.to_owned(), error })
            }
            Err(fault) => match rule {
                RuleOf::Text(text) => Rule::parse(text, &self.config.rules)
                    .map_err(|error| Fault::Rule { field: field.to_owned(), error }),
                // Which type a value has is told by a column.
                RuleOf::Json(_) => Err(fault),
            },
        }
    }

    /// Makes a label: of a rule, or without one an empty list.
    pub(crate) async fn create_label(self: &Arc<Self>, ask: &Ask, of: LabelOf<'_>) -> Result<Label> {
        let catalog = self.catalog_for_editing(ask, "making a label")?;
        let name = of.name.ok_or_else(|| Fault::invalid("name", "it is missing; give the label a name"))?;
        let rule = match of.rule {
            Some(rule) => Some(self.tree(ask, rule, rule.field()).await?),
            None => None,
        };
        let new = NewLabel {
            name,
            description: of.description.unwrap_or_default(),
            rule,
            enabled: of.enabled.unwrap_or(true),
            private: of.private.unwrap_or_default(),
            predefined: false,
        };
        let label = catalog.create_label(&editor(ask), new, now_us()).await?;
        self.shelf()?.look_again().await;
        Ok(label)
    }

    /// A label.
    pub(crate) async fn label(&self, ask: &Ask, key: &LabelKey) -> Result<Label> {
        Ok(self.catalog()?.label(&editor(ask), key, now_us()).await?)
    }

    /// Labels, page by page.
    pub(crate) async fn labels(&self, ask: &Ask, filter: &LabelFilter) -> Result<Found<Label>> {
        Ok(self.catalog()?.labels(&editor(ask), filter, now_us()).await?)
    }

    /// The last counts of labels that the caller has seen, of each `most` at most, the oldest first.
    pub(crate) async fn recent_counts(
        &self,
        labels: &[Label],
        most: u32,
    ) -> Result<HashMap<u64, Vec<LabelCount>>> {
        let ids: Vec<u64> = labels.iter().map(|label| label.id).collect();
        Ok(self.catalog()?.recent_counts(&ids, most).await?)
    }

    /// Changes a label that is at a version.
    pub(crate) async fn update_label(
        self: &Arc<Self>,
        ask: &Ask,
        key: &LabelKey,
        version: u64,
        of: LabelOf<'_>,
    ) -> Result<Label> {
        let catalog = self.catalog_for_editing(ask, "changing a label")?;
        if version == 0 {
            let what =
                "it is missing; give the version that the change is based on, as reading the label tells it";
            return Err(Fault::invalid("version", what));
        }
        let rule = match of.rule {
            Some(rule) => Some(self.tree(ask, rule, rule.field()).await?),
            None => None,
        };
        let LabelOf { name, description, enabled, private, .. } = of;
        let change = LabelChange { name, description, rule, enabled, private };
        let label = catalog.update_label(&editor(ask), key, version, change, now_us()).await?;
        self.shelf()?.look_again().await;
        Ok(label)
    }

    /// Removes a label that nothing uses; version 0 is any.
    pub(crate) async fn delete_label(&self, ask: &Ask, key: &LabelKey, version: u64) -> Result<()> {
        let catalog = self.catalog_for_editing(ask, "removing a label")?;
        catalog.delete_label(&editor(ask), key, (version > 0).then_some(version), now_us()).await?;
        self.shelf()?.look_again().await;
        Ok(())
    }

    /// What uses a label.
    pub(crate) async fn label_uses(&self, ask: &Ask, key: &LabelKey) -> Result<LabelUsers> {
        Ok(self.catalog()?.label_users(&editor(ask), key, now_us()).await?)
    }

    /// What a label counted, the newest generation first.
    pub(crate) async fn label_counts(
        &self,
        ask: &Ask,
        key: &LabelKey,
        limit: u32,
    ) -> Result<Vec<CountRecord>> {
        Ok(self.catalog()?.label_counts(&editor(ask), key, limit, now_us()).await?)
    }

    /// Begins an upload of a list.
    pub(crate) fn begin_upload(&self, ask: &Ask, mode: UploadMode) -> Result<Upload> {
        Ok(self.catalog_for_editing(ask, "filling a list")?.upload(mode))
    }

    /// Stores what was uploaded as the list of a label.
    pub(crate) async fn finish_upload(
        self: &Arc<Self>,
        ask: &Ask,
        key: &LabelKey,
        upload: Upload,
        comment: &str,
    ) -> Result<Uploaded> {
        let catalog = self.catalog_for_editing(ask, "filling a list")?;
        let done = catalog.finish_upload(&editor(ask), key, upload, comment, now_us()).await?;
        self.shelf()?.look_again().await;
        let muster_catalog::list::Uploaded { label, added, removed } = done;
        let unknown = self.unknown_users(ask, &catalog, key).await?;
        Ok(Uploaded { label, added, removed, unknown })
    }

    /// How many users of a list the generation in service does not have; without a generation, nobody is known.
    async fn unknown_users(self: &Arc<Self>, ask: &Ask, catalog: &Catalog, key: &LabelKey) -> Result<u64> {
        let (_, users) = catalog.list_users(&editor(ask), key, now_us()).await?;
        let Ok(generation) = self.generation(ask).await else { return Ok(users.len() as u64) };
        let look = move || {
            let ids = generation.snapshot().ids();
            let mut unknown = 0;
            for user in users {
                unknown += u64::from(ids.row(user)?.is_none());
            }
            Ok(unknown)
        };
        self.heavily(ask, look).await
    }
}

/// Who asks, as the catalog notes it.
pub(super) fn editor(ask: &Ask) -> Editor {
    Editor {
        user: ask.caller.name.to_string(),
        admin: ask.caller.role == Role::Admin,
        request: ask.request.as_deref().unwrap_or_default().to_owned(),
    }
}

/// The clock, as the catalog counts it.
pub(crate) fn now_us() -> i64 {
    Timestamp::now().as_microsecond()
}
