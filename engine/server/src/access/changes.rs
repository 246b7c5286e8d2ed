//! What changed in a file of tokens, for the audit. Of a token only its name, its role and its end are told.

use std::collections::{BTreeMap, HashMap};

use muster_catalog::audit::{Event, Kind};
use serde_json::{Value as Json, json};

use super::Known;
use super::token::Hash;

/// More changes than these are told by their number.
const TOLD_MAX: usize = 100;

/// What a server takes up when the file changes: `added`, `removed`, `changed`.
pub(super) fn events(before: &HashMap<Hash, Known>, after: &HashMap<Hash, Known>) -> Vec<Event> {
    let (before, after) = (by_name(before), by_name(after));
    let mut events = Vec::new();
    for (name, (hash, known)) in &after {
        match before.get(name) {
            None => events.push(Event::token("added", name, None, Some(told(known)))),
            Some((_, was)) if told(was) != told(known) => {
                events.push(Event::token("changed", name, Some(told(was)), Some(told(known))));
            }
            // Another token under the same name.
            Some((was, _)) if was != hash => {
                events.push(Event::token("replaced", name, Some(told(known)), Some(told(known))));
            }
            Some(_) => {}
        }
    }
    for (name, (_, was)) in &before {
        if !after.contains_key(name) {
            events.push(Event::token("removed", name, Some(told(was)), None));
        }
    }
    if events.len() <= TOLD_MAX {
        return events;
    }
    let count = |count: usize| Some(json!({ "tokens": count }));
    vec![Event {
        before: count(before.len()),
        after: count(after.len()),
        comment: format!("{} tokens were added, changed or removed at once", events.len()),
        ..Event::new(Kind::Token, "changed")
    }]
}

type ByName<'a> = BTreeMap<&'a str, (&'a Hash, &'a Known)>;

fn by_name(known: &HashMap<Hash, Known>) -> ByName<'_> {
    known.iter().map(|(hash, known)| (&*known.caller.name, (hash, known))).collect()
}

fn told(known: &Known) -> Json {
    json!({ "role": known.caller.role, "expires": known.expires.map(|end| end.to_string()) })
}
