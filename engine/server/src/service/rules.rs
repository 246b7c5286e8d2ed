//! What a rule says: its text, its tree, its SQL, and what it names. Bound to a generation's schema, and counted nowhere.

use std::sync::Arc;

use muster_engine::rule::labels::names_in;
use muster_engine::rule::sql::{SqlOptions, render};

use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};
use crate::generations::{Form, RuleRef};

/// A rule as it was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReadRule {
    /// Its canonical text.
    pub(crate) text: String,
    /// Its tree as JSON; none where a tree cannot say it.
    pub(crate) tree: Option<String>,
    /// The `WHERE` condition over the source's table, or why there is none.
    pub(crate) sql: std::result::Result<String, String>,
    /// The columns that it looks at itself.
    pub(crate) columns: Vec<String>,
    /// The labels that it names.
    pub(crate) labels: Vec<String>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// What a segment's rule says. It is compiled, so that what would be refused in a count is refused here.
    pub(crate) async fn read_rule(self: &Arc<Self>, ask: &Ask, segment: Segment<'_>) -> Result<ReadRule> {
        let generation = self.generation(ask).await?;
        let origin = Origin::of(&generation, ask);
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let book = self.book_for(segment);
        let RuleRef { form, text, now, labels } =
            Self::rule_of(book.as_deref(), segment, ask, || "segment".to_owned())?;
        let (service, caller, text) = (Arc::clone(self), ask.caller.clone(), text.to_owned());
        let read = move || {
            let limits = &service.config.rules;
            let wrong = |error| Fault::Rule { field: "segment".to_owned(), error };
            let located = |error: muster_engine::rule::error::RuleError| {
                wrong(if form == Form::Text { error.located_in(&text) } else { error })
            };
            let rule =
                generation.read(RuleRef { form, text: &text, now, labels }, limits).map_err(located)?;
            let book = book.unwrap_or_default();
            let options = SqlOptions { now: Some(origin.now), labels: &book.seen_by(&caller), limits };
            let sql = render(audience.rule(), generation.snapshot().schema(), &options);
            Ok(ReadRule {
                tree: rule.to_json().ok().map(|tree| tree.to_string()),
                sql: sql.map_err(|error| error.to_string()),
                columns: rule.columns().into_iter().map(ToOwned::to_owned).collect(),
                labels: names_in(&rule).into_iter().map(ToOwned::to_owned).collect(),
                text: rule.to_string(),
                origin,
            })
        };
        // Small work, but a rule may name lists that are spelled out: not for a thread that answers membership.
        self.compiling.run(&ask.caller.name, ask.deadline, read).await
    }
}
