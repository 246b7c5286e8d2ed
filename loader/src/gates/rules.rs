//! The gate of rules: how many users each has, in both generations, each at its own time.

use std::sync::Arc;

use muster_engine::execute::Batch;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::Snapshot;

use super::config::{Threshold, WatchedRule};
use super::verdict::{Check, Figure, Gate};
use super::{Gates, store_error};
use crate::error::{LoadError, Result};

/// A rule's users, or why they can't be counted.
type Count = Result<u64, String>;

/// Refuses what is no rule whatever the columns are.
pub(super) fn check(watched: &WatchedRule) -> Result<()> {
    // A tree is read against columns, which are not known yet.
    if Rule::is_tree(&watched.rule) {
        return Ok(());
    }
    let refused = |error| LoadError::Config(format!("gates.rules: '{}': {error}", watched.rule));
    Rule::parse(&watched.rule, &Limits::default()).map(|_| ()).map_err(refused)
}

/// Counts all rules in one pass, with `now()` when the generation's source was read.
pub(super) fn counts(rules: &[WatchedRule], snapshot: &Arc<Snapshot>) -> Result<Vec<Count>> {
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let read = |rule: &WatchedRule| Rule::read(&rule.rule, snapshot.schema(), &limits);
    let parsed: Vec<Result<Rule, String>> =
        rules.iter().map(|rule| read(rule).map_err(|error| error.to_string())).collect();
    let readable: Vec<Rule> = parsed.iter().flatten().cloned().collect();
    let batch = Batch::new(snapshot, &readable, &scope).map_err(store_error)?;
    let mut counted = batch.counts().into_iter();
    let mut counts = Vec::with_capacity(rules.len());
    for parsed in parsed {
        counts.push(match parsed {
            Err(error) => Err(error),
            // Only what was read took part in the batch.
            Ok(_) => match counted.next() {
                Some(Ok(count)) => Ok(count),
                Some(Err(QueryError::Rule(error))) => Err(error.to_string()),
                Some(Err(QueryError::Store(error))) => return Err(LoadError::Source(error.to_string())),
                None => Err("it was not counted".to_owned()),
            },
        });
    }
    Ok(counts)
}

/// Compares the counts of all rules; `before` is in their order.
pub(super) fn compare(gates: &Gates, before: Option<Vec<Count>>, new: &Arc<Snapshot>) -> Result<Vec<Check>> {
    let after = counts(&gates.rules, new)?;
    let before =
        before.map_or_else(|| vec![None; after.len()], |before| before.into_iter().map(Some).collect());
    let all = gates.rules.iter().zip(before).zip(after);
    Ok(all.filter_map(|((rule, before), after)| compared(gates, rule, before.as_ref(), &after)).collect())
}

fn compared(gates: &Gates, rule: &WatchedRule, before: Option<&Count>, after: &Count) -> Option<Check> {
    let (config, name) = (&gates.config, Some(rule.name.as_str()));
    let threshold = rule.change_max.unwrap_or_else(|| config.threshold(Gate::RuleCounts, None));
    let Threshold::Share(allowed) = threshold else { return None };
    let floor = rule.floor.unwrap_or(config.floors.rule_counts) as f64;
    let words = |trips, note| Check::of_words(Gate::RuleCounts, name, trips, note);
    let figure =
        |count: Option<&Count>| count.and_then(|count| count.as_ref().ok()).copied().map(Figure::Count);
    Some(match (before, after) {
        (Some(Ok(before)), Ok(after)) => {
            return Check::of_counts(Gate::RuleCounts, name, (*before, *after), threshold, floor);
        }
        (_, Err(error)) => {
            let note = Some(format!("can't be counted: {error}"));
            Check { before: figure(before), allowed: Some(allowed), ..words(true, note) }
        }
        (_, Ok(_)) => {
            let note = Some("counted for the first time".to_owned());
            Check { after: figure(Some(after)), allowed: Some(allowed), ..words(false, note) }
        }
    })
}
