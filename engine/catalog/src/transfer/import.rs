//! A document into an empty catalog: numbers, versions, states and approvals as they were.

use std::collections::HashSet;

use muster_engine::rule::ast::Rule;
use serde::Serialize;

use super::{DeliveryDocument, Document, LabelDocument, count, merge};
use crate::audit::{Event, Kind, to_tree};
use crate::caller::{Caller, check_name, check_text};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx};
use crate::delivery::{check, rows as delivery_rows};
use crate::error::{Error, Result};
use crate::label::{Label, LabelCounts, LabelKind, change, nest, rows as label_rows};
use crate::list;

/// How a document is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Into a catalog that holds nothing: as it was, with its numbers.
    Empty,
    /// Into a catalog that holds something: by names. Labels that are there and differ become as in the document, if `replace`,
    /// or stay. Deliveries that are not there become drafts: approvals are not brought along.
    Merge {
        /// Whether labels that differ become as in the document.
        replace: bool,
    },
}

/// What an import did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Whether nothing was stored.
    pub dry_run: bool,
    /// Labels that were made.
    pub labels_created: Vec<String>,
    /// Labels that were changed.
    pub labels_updated: Vec<String>,
    /// Labels that differ and stayed as they were.
    pub labels_kept: Vec<String>,
    /// Labels that are the same.
    pub labels_unchanged: u64,
    /// Deliveries that were made.
    pub deliveries_created: Vec<String>,
    /// Deliveries of whose name there is one, or several; they stayed as they were.
    pub deliveries_kept: Vec<String>,
    /// Deliveries that could not be made, and why.
    pub deliveries_skipped: Vec<String>,
}

impl Catalog {
    /// Imports a document: all of it or, on an error, nothing. A dry run goes the whole way and stores nothing.
    pub async fn import(
        &self,
        caller: &Caller,
        document: &Document,
        mode: ImportMode,
        dry_run: bool,
        now_us: i64,
    ) -> Result<ImportReport> {
        caller.check()?;
        let mut tx = self.db.write().await?.for_maintenance();
        let outcome = import(&mut tx, caller, document, mode, now_us).await;
        match outcome {
            Ok(report) if dry_run => {
                tx.undo().await?;
                Ok(ImportReport { dry_run: true, ..report })
            }
            outcome => tx.finish(outcome).await,
        }
    }
}

async fn import(
    tx: &mut Tx<'_>,
    caller: &Caller,
    document: &Document,
    mode: ImportMode,
    now_us: i64,
) -> Result<ImportReport> {
    let mut names = HashSet::new();
    if let Some(twice) = document.labels.iter().find(|label| !names.insert(label.name.as_str())) {
        let at = format!("label `{}`", twice.name);
        return Err(Error::Import { at, what: "its name is there twice; rename one of them".to_owned() });
    }
    let report = match mode {
        ImportMode::Empty => into_empty(tx, document).await?,
        ImportMode::Merge { replace } => merge::merge(tx, caller, document, replace, now_us).await?,
    };
    let event = Event {
        kind: Kind::Import,
        action: if mode == ImportMode::Empty { "import".to_owned() } else { "merge".to_owned() },
        id: None,
        name: String::new(),
        before: None,
        after: Some(to_tree(&report)?),
        comment: String::new(),
    };
    tx.audit(caller, &event, now_us).await?;
    tx.count_up(Counter::LabelChanges, 1).await?;
    tx.count_up(Counter::DeliveryChanges, 1).await?;
    Ok(report)
}

async fn into_empty(tx: &mut Tx<'_>, document: &Document) -> Result<ImportReport> {
    if count(tx, "labels").await? + count(tx, "deliveries").await? > 0 {
        return Err(Error::Import {
            at: "the catalog".to_owned(),
            what: "it is not empty; merge the document instead".to_owned(),
        });
    }
    let mut report = ImportReport::default();
    let mut ids = HashSet::new();
    let mut nested = Vec::new();
    for from in &document.labels {
        let at = format!("label `{}`", from.name);
        if from.id == 0 || from.id > document.last.label || !ids.insert(from.id) {
            return Err(Error::Import { at, what: format!("its number {} is not its own", from.id) });
        }
        let (label, rule) = label(tx, from).map_err(within(&at))?;
        insert(tx, from, label.clone()).await.map_err(within(&at))?;
        if let Some(rule) = rule.filter(|rule| !nest::names(rule).is_empty()) {
            nested.push((at, label, rule));
        }
        report.labels_created.push(from.name.clone());
    }
    check_rules(tx, &nested).await?;
    for from in &document.deliveries {
        insert_delivery(tx, document, from)
            .await
            .map_err(within(&format!("delivery {}", from.delivery.id)))?;
        report.deliveries_created.push(from.delivery.body.name.clone());
    }
    let last = &document.last;
    for (counter, to) in [
        (Counter::Label, last.label),
        (Counter::Delivery, last.delivery),
        (Counter::Approval, last.approval),
        (Counter::List, last.list),
    ] {
        let now = tx.counter(counter).await?;
        tx.count_up(counter, to.saturating_sub(now)).await?;
    }
    Ok(report)
}

/// Says where in the document something is wrong; what is wrong with the database stays what it is.
pub(super) fn within(at: &str) -> impl FnOnce(Error) -> Error {
    let at = at.to_owned();
    move |error| match error {
        error @ (Error::Invalid { .. }
        | Error::Rule { .. }
        | Error::Cycle { .. }
        | Error::NotFound { .. }
        | Error::NameTaken { .. }
        | Error::WrongKind { .. }) => Error::Import { at, what: error.to_string() },
        other => other,
    }
}

/// A label of a document, and its rule.
pub(super) fn label(tx: &Tx<'_>, from: &LabelDocument) -> Result<(Label, Option<Rule>)> {
    check_name("name", &from.name)?;
    check_name("creator", &from.creator)?;
    check_name("updated_by", &from.updated_by)?;
    check_text("description", &from.description)?;
    let mut label = Label {
        id: from.id,
        name: from.name.clone(),
        description: from.description.clone(),
        kind: from.kind,
        rule: String::new(),
        rules_json: None,
        enabled: from.enabled,
        private: from.private,
        predefined: from.predefined,
        creator: from.creator.clone(),
        version: from.version,
        created_us: from.created_us,
        updated_us: from.updated_us,
        updated_by: from.updated_by.clone(),
        list_version: from.list_version,
        list_users: 0,
        counts: LabelCounts::default(),
        used_by_labels: 0,
        used_by_deliveries: 0,
    };
    let limits = &tx.db.settings.rules;
    let rule = match from.kind {
        LabelKind::List => None,
        LabelKind::Rule => Some(Rule::parse(&from.rule, limits).map_err(Error::rule("rule"))?),
    };
    if let Some(rule) = &rule {
        label_rows::set_rule(&mut label, rule, limits)?;
    }
    Ok((label, rule))
}

/// Stores a label of a document under the number it has in `label`, with the users of a list.
async fn insert(tx: &mut Tx<'_>, from: &LabelDocument, mut label: Label) -> Result<()> {
    let version = label.list_version;
    label_rows::insert(tx, &label).await?;
    if let Some(users) = &from.users {
        list::fill(tx, &mut label, users.clone(), Some(version)).await?;
    }
    Ok(())
}

/// Links labels by what their rules name, when all of them are stored, and then checks each.
pub(super) async fn check_rules(tx: &mut Tx<'_>, rules: &[(String, Label, Rule)]) -> Result<()> {
    let everybody = Caller::admin("muster");
    let mut linked = Vec::with_capacity(rules.len());
    for (at, label, rule) in rules {
        linked.push(change::link(tx, &everybody, label, rule).await.map_err(within(at))?);
    }
    for ((at, label, rule), uses) in rules.iter().zip(linked) {
        nest::check(tx, Some(label.id), &label.name, rule, &uses).await.map_err(within(at))?;
    }
    Ok(())
}

async fn insert_delivery(tx: &mut Tx<'_>, document: &Document, from: &DeliveryDocument) -> Result<()> {
    let delivery = &from.delivery;
    check_name("creator", &delivery.creator)?;
    check_name("updated_by", &delivery.updated_by)?;
    let mut open = None;
    for body in from.approvals.iter().filter_map(|approval| approval.body.as_ref()).chain([&delivery.body]) {
        check::fields(body)?;
        check::rule(tx, body)?;
    }
    for approval in &from.approvals {
        check_name("requester", &approval.requester)?;
        if approval.id == 0 || approval.id > document.last.approval {
            return Err(Error::invalid("approvals", format!("number {} was never given", approval.id)));
        }
        if approval.decision.is_none() && open.replace(approval).is_some() {
            return Err(Error::invalid("approvals", "two of them wait"));
        }
    }
    if delivery.id == 0 || delivery.id > document.last.delivery || open != delivery.open.as_ref() {
        return Err(Error::invalid(
            "delivery",
            "its number was never given, or what waits is not among its approvals",
        ));
    }
    delivery_rows::insert(tx, delivery).await?;
    for approval in &from.approvals {
        delivery_rows::store_approval(tx, delivery.id, approval).await?;
    }
    Ok(())
}
