//! All labels at one moment, as rules and segments use them.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use muster_catalog::label::{LabelRule, LabelRules};
use muster_engine::rule::ast::Rule;
use muster_engine::rule::labels::{Labels, names_in};
use muster_engine::snapshot::{RowSet, Snapshot};

use super::rows::KnownRows;
use crate::caller::{Caller, Role};
use crate::fault::{Fault, Result};

/// Labels.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Which change of the catalog it has, at least; none before the first reading.
    change: Option<u64>,
    /// How often labels were read: what was compiled with an earlier book is of other labels.
    edition: u64,
    by_name: HashMap<Arc<str>, Arc<Entry>>,
    by_id: HashMap<u64, Arc<Entry>>,
    /// Whether somebody has labels that others do not see.
    some_are_private: bool,
    /// Rows of labels that were made beforehand.
    known: Arc<KnownRows>,
}

/// What keeps a label that is turned off from being used.
const DISABLED: &str = "is disabled; enable it, or use another";

/// Generations for which the rows of a list are kept: the one in service, the one before, and the one to come.
const GENERATIONS_KEPT: usize = 3;

/// A label.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) label: LabelRule,
    /// The rule that is this label: `label('name')`.
    pub(crate) rule: String,
    /// Tells what it means: another number as soon as its rule, its list or a label that it uses is another.
    pub(crate) meaning: u64,
    /// Of a list, its users and their rows.
    list: Option<Arc<List>>,
    /// How often it was asked about by name or number, since the server began.
    asked: Arc<AtomicU64>,
}

impl Entry {
    /// How often it was asked about.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The users of a list, and their rows in each generation that asked for them.
#[derive(Debug)]
pub(super) struct List {
    version: u64,
    users: Vec<u64>,
    rows: Mutex<VecDeque<RowSet>>,
}

impl List {
    /// The list of a label at a version.
    pub(super) fn new(version: u64, users: Vec<u64>) -> Self {
        Self { version, users, rows: Mutex::default() }
    }

    /// The rows of its users in a snapshot, looked up once.
    fn rows(&self, snapshot: &Snapshot) -> Option<RowSet> {
        let mut kept = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = kept.iter().find(|rows| rows.is_of(snapshot)) {
            return Some(rows.clone());
        }
        let rows = RowSet::of_users(snapshot, &self.users)
            .inspect_err(|error| tracing::error!("the rows of a list cannot be read: {error}"))
            .ok()?;
        kept.push_back(rows.clone());
        while kept.len() > GENERATIONS_KEPT {
            kept.pop_front();
        }
        Some(rows)
    }
}

/// Lists alone, whether they can be used or not: what is left of rules in which all other labels were replaced.
pub(crate) struct Lists<'a>(&'a Book);

impl Lists<'_> {
    fn get(&self, name: &str) -> Option<&List> {
        self.0.by_name.get(name)?.list.as_deref()
    }
}

impl Labels for Lists<'_> {
    fn rule(&self, _: &str) -> Option<Rule> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn list(&self, name: &str) -> Option<u64> {
        Some(self.get(name)?.users.len() as u64)
    }

    fn users(&self, name: &str) -> Option<Vec<u64>> {
        Some(self.get(name)?.users.clone())
    }

    fn rows(&self, name: &str, truth: bool, snapshot: &Snapshot, _now: i64) -> Option<RowSet> {
        if truth { self.get(name)?.rows(snapshot) } else { None }
    }
}

impl Book {
    /// Its lists.
    pub(crate) fn lists(&self) -> Lists<'_> {
        Lists(self)
    }

    /// All labels, those of anybody and those that are disabled.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LabelRule> {
        self.by_id.values().map(|entry| &entry.label)
    }

    /// Whether it has everything up to a change of the catalog.
    pub(super) fn is_of(&self, change: u64) -> bool {
        self.change.is_some_and(|known| known >= change)
    }

    /// Whether it was read after these were.
    pub(super) fn is_newer_than(&self, rules: &LabelRules) -> bool {
        self.change.is_some_and(|known| known > rules.change)
    }

    /// The list of a label, if it is known at this version.
    pub(super) fn list(&self, label: &LabelRule) -> Option<Arc<List>> {
        let list = self.by_id.get(&label.id)?.list.as_ref()?;
        (list.version == label.list_version).then(|| Arc::clone(list))
    }

    /// The book after this one; `lists` has those of lists.
    pub(super) fn next(&self, rules: &LabelRules, lists: &HashMap<u64, Arc<List>>) -> Self {
        let mut book = Self {
            change: Some(rules.change),
            edition: self.edition + 1,
            by_name: HashMap::with_capacity(rules.labels.len()),
            by_id: HashMap::with_capacity(rules.labels.len()),
            some_are_private: false,
            known: Arc::clone(&self.known),
        };
        let mut meanings = Meanings::of(&rules.labels);
        for label in &rules.labels {
            let rule = Rule::Label(label.name.clone()).to_string();
            let list = lists.get(&label.id).cloned();
            let meaning = meanings.of_label(&label.name);
            let asked = self.by_id.get(&label.id).map_or_else(Arc::default, |entry| Arc::clone(&entry.asked));
            let entry = Arc::new(Entry { label: label.clone(), rule, meaning, list, asked });
            book.some_are_private |= label.private;
            book.by_name.insert(label.name.as_str().into(), Arc::clone(&entry));
            book.by_id.insert(label.id, entry);
        }
        book
    }

    /// How often labels were read.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// The labels that can be used.
    pub(crate) fn enabled(&self) -> impl Iterator<Item = &Entry> {
        self.by_id.values().map(Arc::as_ref).filter(|entry| entry.label.enabled)
    }

    /// Rows of labels that were made beforehand.
    pub(crate) fn known(&self) -> &KnownRows {
        &self.known
    }

    /// The labels that somebody may use.
    pub(crate) fn seen_by<'a>(&'a self, caller: &'a Caller) -> Seen<'a> {
        Seen { book: self, caller }
    }

    /// The label of this number, for who may use it.
    pub(crate) fn by_id(&self, id: u64, caller: &Caller) -> Option<&Entry> {
        self.by_id.get(&id).map(Arc::as_ref).filter(|entry| sees(caller, &entry.label))
    }

    /// The label of this name, for who may use it.
    pub(crate) fn by_name(&self, name: &str, caller: &Caller) -> Option<&Entry> {
        self.by_name.get(name).map(Arc::as_ref).filter(|entry| sees(caller, &entry.label))
    }

    /// A label that is not there, or that somebody may not see.
    pub(crate) fn unknown(field: &str, named: &str) -> Fault {
        Fault::not_found(format!("{field}: there is no label {named}"))
    }

    /// A label that a segment names: fails where it is turned off.
    pub(crate) fn usable<'a>(entry: Option<&'a Entry>, field: &str, named: &str) -> Result<&'a Entry> {
        let entry = entry.ok_or_else(|| Self::unknown(field, named))?;
        if entry.label.enabled {
            entry.asked.fetch_add(1, Ordering::Relaxed);
            return Ok(entry);
        }
        let what = format!("{field}: label `{}` {DISABLED}", entry.label.name);
        Err(Fault::Precondition { what })
    }

    /// What a rule that uses labels means depends on these, and on who asks: a number that is another one where that may matter.
    pub(crate) fn key(&self, caller: &Caller) -> u64 {
        if !self.some_are_private {
            return self.edition << 1;
        }
        let sees_all = caller.role == Role::Admin;
        let whose = if sees_all { "" } else { &*caller.name };
        let hash = self.hash(whose);
        hash << 1 | 1
    }

    fn hash(&self, whose: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.edition, whose).hash(&mut hasher);
        hasher.finish()
    }
}

/// What labels mean, found out label by label.
struct Meanings<'a> {
    labels: HashMap<&'a str, &'a LabelRule>,
    found: HashMap<&'a str, u64>,
}

impl<'a> Meanings<'a> {
    fn of(labels: &'a [LabelRule]) -> Self {
        let labels = labels.iter().map(|label| (label.name.as_str(), label)).collect();
        Self { labels, found: HashMap::new() }
    }

    /// The catalog lets no label use itself, and bounds how deep they nest; should one do so all the same, it ends here.
    fn of_label(&mut self, name: &str) -> u64 {
        let Some((&name, &label)) = self.labels.get_key_value(name) else { return 0 };
        if let Some(&found) = self.found.get(name) {
            return found;
        }
        self.found.insert(name, 0);
        let mut hasher = DefaultHasher::new();
        match &label.rule {
            None => (label.id, label.list_version).hash(&mut hasher),
            Some(rule) => {
                rule.to_string().hash(&mut hasher);
                for used in names_in(rule) {
                    self.of_label(used).hash(&mut hasher);
                }
            }
        }
        let found = hasher.finish();
        self.found.insert(name, found);
        found
    }
}

/// Whether somebody may see and use a label.
pub(crate) fn sees(caller: &Caller, label: &LabelRule) -> bool {
    !label.private || caller.role == Role::Admin || *label.creator == *caller.name
}

/// The labels that somebody sees.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    book: &'a Book,
    caller: &'a Caller,
}

impl Seen<'_> {
    /// A label that can be used.
    fn usable(&self, name: &str) -> Option<&Entry> {
        self.book.by_name(name, self.caller).filter(|entry| entry.label.enabled)
    }
}

impl Labels for Seen<'_> {
    fn rule(&self, name: &str) -> Option<Rule> {
        self.usable(name)?.label.rule.clone()
    }

    fn names(&self) -> Vec<String> {
        let seen = self.book.enabled().filter(|entry| sees(self.caller, &entry.label));
        seen.map(|entry| entry.label.name.clone()).collect()
    }

    fn obstacle(&self, name: &str) -> Option<String> {
        let entry = self.book.by_name(name, self.caller)?;
        (!entry.label.enabled).then(|| DISABLED.to_owned())
    }

    fn list(&self, name: &str) -> Option<u64> {
        let list = self.usable(name)?.list.as_ref()?;
        Some(list.users.len() as u64)
    }

    fn users(&self, name: &str) -> Option<Vec<u64>> {
        let list = self.usable(name)?.list.as_ref()?;
        Some(list.users.clone())
    }

    fn rows(&self, name: &str, truth: bool, snapshot: &Snapshot, now: i64) -> Option<RowSet> {
        let entry = self.usable(name)?;
        match &entry.list {
            _ if !truth => None,
            Some(list) => list.rows(snapshot),
            None => self.book.known.get(entry.meaning, snapshot, now),
        }
    }
}
