//! ClickHouse's own bitmap practice: a `groupBitmap` state per tag, combined by its bitmap functions.
//!
//! The table has a granule a tag, so that a query reads what it names, in one pass.

use std::collections::HashSet;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::server::{DATABASE, Server};
use super::{Peer, Question, Reply};
use crate::muster::Muster;
use crate::sets::{Set, SetRule};

/// What everybody has, to complement with.
const EVERYBODY: &str = "true";

/// The table of tags of one population.
pub(crate) struct GroupBitmap {
    server: Rc<Server>,
    muster: Rc<Muster>,
    users: u64,
    held: HashSet<String>,
}

impl GroupBitmap {
    /// Beside the table of users, which must be loaded. Tags are made when a rule needs them.
    pub(crate) fn new(server: &Rc<Server>, muster: &Rc<Muster>) -> Result<Self> {
        let this = Self {
            server: Rc::clone(server),
            muster: Rc::clone(muster),
            users: muster.users(),
            held: HashSet::new(),
        };
        let table = this.table();
        this.server.ask(&format!("DROP TABLE IF EXISTS {table} SYNC"))?;
        this.server.ask(&format!(
            "CREATE TABLE {table} (tag String, state AggregateFunction(groupBitmap, UInt32)) \
             ENGINE = MergeTree ORDER BY tag SETTINGS index_granularity = 1"
        ))?;
        Ok(this)
    }

    fn table(&self) -> String {
        format!("{DATABASE}.tags_{}", self.users)
    }

    fn hold(&mut self, leaf: &str) -> Result<bool> {
        if !self.held.insert(leaf.to_owned()) {
            return Ok(false);
        }
        let (table, users) = (self.table(), self.users);
        let (tag, id) = (quoted(leaf), &self.muster.snapshot().schema().user_id);
        let condition = if leaf == EVERYBODY { leaf.to_owned() } else { self.muster.sql(leaf)? };
        self.server.ask(&format!(
            "INSERT INTO {table} SELECT {tag}, groupBitmapState(toUInt32({id})) \
             FROM {DATABASE}.users_{users} WHERE {condition}"
        ))?;
        Ok(true)
    }

    fn query(&self, sets: &SetRule) -> String {
        let mut writer = Writer { leaves: &sets.leaves, used: Vec::new(), steps: Vec::new() };
        let cardinality = writer.count(&sets.root);
        let Writer { used, steps, .. } = writer;
        let merged = used
            .iter()
            .enumerate()
            .map(|(at, leaf)| format!("groupBitmapMergeStateIf(state, tag = {}) AS t{at}", quoted(leaf)));
        let with = merged.chain(steps).collect::<Vec<_>>().join(", ");
        let tags = used.iter().map(|leaf| quoted(leaf)).collect::<Vec<_>>().join(", ");
        format!("WITH {with} SELECT {cardinality} FROM {} WHERE tag IN ({tags})", self.table())
    }
}

impl Peer for GroupBitmap {
    fn name(&self) -> &'static str {
        "groupBitmap"
    }

    fn threads(&self) -> usize {
        self.server.threads()
    }

    fn prepare(&mut self, question: &Question) -> Result<()> {
        let Some(sets) = &question.sets else { return Ok(()) };
        let mut new = self.hold(EVERYBODY)?;
        for leaf in &sets.leaves {
            new |= self.hold(leaf)?;
        }
        if new {
            self.server.ask(&format!("OPTIMIZE TABLE {} FINAL", self.table()))?;
        }
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Reply> {
        let Some(sets) = &question.sets else {
            return Ok(Reply::NotAsked("not every condition is a tag".to_owned()));
        };
        let query = self.query(sets);
        let (count, nanos) = self.server.number(&query).with_context(|| query.clone())?;
        Ok(Reply::Counted { count, nanos })
    }
}

/// Writes set algebra as calls of bitmap functions.
struct Writer<'a> {
    leaves: &'a [String],
    /// The tags, in the order of their aliases.
    used: Vec<Rc<str>>,
    /// Expressions under a name, for what is used more than once.
    steps: Vec<String>,
}

impl Writer<'_> {
    /// The number of users, with the last step as a cardinality.
    fn count(&mut self, set: &Set) -> String {
        match set {
            Set::Not(inner) => {
                let (all, not) = (self.everybody(), self.bitmap(inner));
                format!("bitmapAndnotCardinality({all}, {not})")
            }
            Set::All(of) if of.len() > 1 => {
                let (mut steps, last) = self.conjunction(of);
                let (other, keep) = steps.pop().unwrap_or_else(|| (last.clone(), true));
                let result = steps.iter().fold(last, |result, step| joined(&result, step));
                let function = if keep { "bitmapAndCardinality" } else { "bitmapAndnotCardinality" };
                format!("{function}({result}, {other})")
            }
            Set::Any(of) if of.len() > 1 => {
                let mut of: Vec<String> = of.iter().map(|set| self.bitmap(set)).collect();
                let last = of.pop().unwrap_or_default();
                format!("bitmapOrCardinality({}, {last})", folded("bitmapOr", &of))
            }
            other => format!("bitmapCardinality({})", self.bitmap(other)),
        }
    }

    fn bitmap(&mut self, set: &Set) -> String {
        match set {
            Set::Leaf(leaf) => self.tag(&self.leaves[*leaf]),
            Set::Not(inner) => {
                let (all, not) = (self.everybody(), self.bitmap(inner));
                format!("bitmapAndnot({all}, {not})")
            }
            Set::All(of) => {
                let (steps, first) = self.conjunction(of);
                steps.iter().fold(first, |result, step| joined(&result, step))
            }
            Set::Any(of) => {
                let of: Vec<String> = of.iter().map(|set| self.bitmap(set)).collect();
                folded("bitmapOr", &of)
            }
            Set::AtLeast(k, of) => self.at_least(*k as usize, of),
        }
    }

    /// Where a conjunction starts, and what is intersected or subtracted then.
    fn conjunction(&mut self, of: &[Set]) -> (Vec<(String, bool)>, String) {
        let mut steps: Vec<(String, bool)> = of
            .iter()
            .map(|set| match set {
                Set::Not(inner) => (self.bitmap(inner), false),
                other => (self.bitmap(other), true),
            })
            .collect();
        match steps.iter().position(|(_, keep)| *keep) {
            Some(at) => {
                let (first, _) = steps.remove(at);
                (steps, first)
            }
            None => (steps, self.everybody()),
        }
    }

    /// Level `i` is who was seen more than `i` times; each is a step, for the next two use it.
    fn at_least(&mut self, k: usize, of: &[Set]) -> String {
        let mut levels: Vec<Option<String>> = vec![None; k.max(1)];
        for set in of {
            let next = self.bitmap(set);
            for level in (0..levels.len()).rev() {
                let again = match level {
                    0 => Some(next.clone()),
                    _ => levels[level - 1].as_ref().map(|below| format!("bitmapAnd({below}, {next})")),
                };
                levels[level] = match (levels[level].take(), again) {
                    (Some(before), Some(again)) => Some(self.step(&format!("bitmapOr({before}, {again})"))),
                    (before, again) => again.map(|again| self.step(&again)).or(before),
                };
            }
        }
        levels.pop().flatten().unwrap_or_default()
    }

    fn step(&mut self, expression: &str) -> String {
        let name = format!("s{}", self.steps.len());
        self.steps.push(format!("{expression} AS {name}"));
        name
    }

    fn everybody(&mut self) -> String {
        self.tag(EVERYBODY)
    }

    fn tag(&mut self, tag: &str) -> String {
        let known = self.used.iter().position(|used| **used == *tag);
        let at = known.unwrap_or_else(|| {
            self.used.push(Rc::from(tag));
            self.used.len() - 1
        });
        format!("t{at}")
    }
}

fn joined(result: &str, (other, keep): &(String, bool)) -> String {
    format!("{}({result}, {other})", if *keep { "bitmapAnd" } else { "bitmapAndnot" })
}

fn folded(function: &str, of: &[String]) -> String {
    let mut of = of.iter().cloned();
    let first = of.next().unwrap_or_default();
    of.fold(first, |result, next| format!("{function}({result}, {next})"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
