//! Whether the rules of a document can be read with the columns of a store.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use muster_catalog::Catalog;
use muster_catalog::delivery::Target;
use muster_catalog::label::LabelKind;
use muster_catalog::transfer::Document;
use muster_engine::error::Error;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::labels::Labels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};

use crate::failure::Failure;

/// So many rules that do not fit are told; the rest is counted.
const TOLD_MAX: usize = 10;

/// Labels by name: those of the catalog, and before them those of the document.
#[derive(Default)]
struct Named {
    rules: HashMap<String, Rule>,
    lists: HashMap<String, u64>,
}

impl Labels for Named {
    fn rule(&self, name: &str) -> Option<Rule> {
        self.rules.get(name).cloned()
    }
    fn names(&self) -> Vec<String> {
        self.rules.keys().chain(self.lists.keys()).cloned().collect()
    }
    fn list(&self, name: &str) -> Option<u64> {
        self.lists.get(name).copied()
    }
    fn users(&self, _: &str) -> Option<Vec<u64>> {
        // Who is on it makes no difference to whether a rule can be read.
        Some(Vec::new())
    }
}

impl Named {
    fn insert(&mut self, name: &str, rule: Option<Rule>, users: u64) {
        self.rules.remove(name);
        self.lists.remove(name);
        match rule {
            Some(rule) => drop(self.rules.insert(name.to_owned(), rule)),
            None => drop(self.lists.insert(name.to_owned(), users)),
        }
    }
}

/// Fails if the generation in service cannot read a rule of the document. Where there is no store, that is said and nothing checked.
pub(super) async fn check(catalog: &Catalog, document: &Document, store: &Path) -> Result<(), Failure> {
    let Some(snapshot) = snapshot(store)? else {
        eprintln!(
            "muster: warning: there is no store with a generation at {}, so columns in rules are not looked at",
            store.display()
        );
        return Ok(());
    };
    let limits = Limits::default();
    let mut named = Named::default();
    for label in catalog.label_rules().await?.labels {
        named.insert(&label.name, label.rule, label.list_users);
    }
    // What is no rule at all is the import's to say.
    let parsed = |text: &str| Rule::parse(text, &limits).ok();
    let mut rules = Vec::new();
    for label in &document.labels {
        let users = label.users.as_ref().map_or(0, Vec::len) as u64;
        let rule = if label.kind == LabelKind::List { None } else { parsed(&label.rule) };
        if label.kind == LabelKind::Rule && rule.is_none() {
            continue;
        }
        if let Some(rule) = &rule {
            rules.push((format!("label `{}`", label.name), rule.clone()));
        }
        named.insert(&label.name, rule, users);
    }
    for delivery in document.deliveries.iter().map(|of| &of.delivery) {
        if let Target::Rule(text) = &delivery.body.target
            && let Some(rule) = parsed(text)
        {
            rules.push((format!("delivery {} `{}`", delivery.id, delivery.body.name), rule));
        }
    }
    let mut wrong = Vec::new();
    for (of, rule) in &rules {
        let scope = Scope { now: snapshot.as_of(), labels: &named, limits: &limits };
        match Audience::new(&snapshot, rule, &scope) {
            Ok(_) => {}
            Err(QueryError::Rule(error)) => wrong.push(format!("{of}: {error}")),
            Err(QueryError::Store(error)) => return Err(error.into()),
        }
    }
    refuse(&wrong, snapshot.generation())
}

fn refuse(wrong: &[String], generation: u64) -> Result<(), Failure> {
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(TOLD_MAX);
    let mut told: Vec<String> = wrong.iter().take(TOLD_MAX).cloned().collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    Err(Failure::Refused(format!(
        "generation {generation} cannot read these rules: {}; mend them, or import with --unchecked",
        told.join("; ")
    )))
}

/// The generation in service, if there is one.
fn snapshot(store: &Path) -> Result<Option<Arc<Snapshot>>, Failure> {
    match Store::open(store).and_then(|store| store.current()) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(Error::NoStore { .. } | Error::NoGeneration { .. } | Error::OnlyHeld { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
