//! Labels inside rules: which ones a rule names, whether they may be used, and what they make of the whole.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use muster_engine::rule::ast::Rule;
use muster_engine::rule::error::{RuleError, did_you_mean};
use muster_engine::rule::labels::expand;
use sqlx::AssertSqlSafe;

use super::LabelKind;
use super::rows::parse_stored;
use crate::caller::Caller;
use crate::db::{Tx, by_chunks, marks, value};
use crate::error::{Error, Result};

/// On whose behalf labels are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User<'a> {
    /// Who changes the rule.
    pub caller: &'a Caller,
    /// Who made what holds the rule.
    pub creator: &'a str,
    /// Whether private labels of its creator may be in it.
    pub takes_private: bool,
    /// Whether disabled labels may be in it.
    pub takes_disabled: bool,
    /// Which field the rule is, for errors.
    pub field: &'static str,
}

/// A label that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Used {
    pub id: u64,
    pub name: String,
    private: bool,
    enabled: bool,
    creator: String,
}

/// The names of all labels in a rule.
pub(crate) fn names(rule: &Rule) -> BTreeSet<&str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![rule]);
    while let Some(rule) = open.pop() {
        match rule {
            Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => open.extend(of),
            Rule::Not(of) => open.push(of),
            Rule::Label(name) => {
                found.insert(name.as_str());
            }
            _ => {}
        }
    }
    found
}

/// The labels that a rule names, if all of them are there and may be used.
pub(crate) async fn used(tx: &mut Tx<'_>, rule: &Rule, user: User<'_>) -> Result<Vec<Used>> {
    let names: Vec<&str> = names(rule).into_iter().collect();
    let mut found = BTreeMap::new();
    for chunk in by_chunks(&names) {
        let sql = format!(
            "SELECT id, name, private, enabled, creator FROM labels WHERE name IN ({})",
            marks(chunk.len())
        );
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for name in chunk {
            asked = asked.bind(*name);
        }
        for row in tx.all(asked).await? {
            let one = used_row(&row, &tx.db.place)?;
            found.insert(one.name.clone(), one);
        }
    }
    for name in names {
        match found.get(name) {
            Some(one) if one.is_seen(user.caller) => one.check(user)?,
            _ => return Err(unknown(tx, name, user).await?),
        }
    }
    Ok(found.into_values().collect())
}

/// A label by its number or name, if it may be used.
pub(crate) async fn used_one(tx: &mut Tx<'_>, key: &super::LabelKey, user: User<'_>) -> Result<Used> {
    let sql = "SELECT id, name, private, enabled, creator FROM labels WHERE";
    let asked = match key {
        super::LabelKey::Id(id) => sqlx::query(AssertSqlSafe(format!("{sql} id = ?"))).bind(*id as i64),
        super::LabelKey::Name(name) => {
            sqlx::query(AssertSqlSafe(format!("{sql} name = ?"))).bind(name.as_str())
        }
    };
    let found = match tx.optional(asked).await? {
        Some(row) => Some(used_row(&row, &tx.db.place)?),
        None => None,
    };
    match (found.filter(|one| one.is_seen(user.caller)), key) {
        (Some(one), _) => {
            one.check(user)?;
            Ok(one)
        }
        (None, super::LabelKey::Name(name)) => Err(unknown(tx, name, user).await?),
        (None, super::LabelKey::Id(id)) => Err(Error::invalid(user.field, format!("there is no label {id}"))),
    }
}

fn used_row(row: &sqlx::any::AnyRow, place: &str) -> Result<Used> {
    Ok(Used {
        id: value::<i64>(row, 0, place)? as u64,
        name: value(row, 1, place)?,
        private: value::<i64>(row, 2, place)? != 0,
        enabled: value::<i64>(row, 3, place)? != 0,
        creator: value(row, 4, place)?,
    })
}

impl Used {
    fn is_seen(&self, caller: &Caller) -> bool {
        !self.private || caller.admin || self.creator == caller.user
    }

    fn check(&self, user: User<'_>) -> Result<()> {
        if self.private && !(user.takes_private && self.creator == user.creator) {
            return Err(Error::invalid(
                user.field,
                format!("label `{}` is private and cannot be used here; share it first", self.name),
            ));
        }
        if !self.enabled && !user.takes_disabled {
            return Err(Error::invalid(
                user.field,
                format!("label `{}` is disabled; enable it first", self.name),
            ));
        }
        Ok(())
    }
}

async fn unknown(tx: &mut Tx<'_>, name: &str, user: User<'_>) -> Result<Error> {
    let asked = sqlx::query("SELECT name FROM labels WHERE private = 0 OR creator = ? OR ? = 1")
        .bind(user.caller.user.as_str())
        .bind(i64::from(user.caller.admin));
    let mut known: Vec<String> = Vec::new();
    for row in tx.all(asked).await? {
        known.push(value(&row, 0, &tx.db.place)?);
    }
    let error = RuleError::new(format!("unknown label `{name}`"));
    let error = match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error,
    };
    Ok(Error::Rule { field: user.field, error })
}

/// A label in the graph of who uses whom.
#[derive(Debug, Clone)]
struct Node {
    name: String,
    kind: LabelKind,
    rule: String,
    uses: Vec<u64>,
}

/// Fails if a label with this rule would use itself, or if the rule or that of a label above it would pass the limits of rules.
/// `id` is the label's number, or `None` for one that does not exist yet and so is not used.
pub(crate) async fn check(
    tx: &mut Tx<'_>,
    id: Option<u64>,
    name: &str,
    rule: &Rule,
    uses: &[Used],
) -> Result<()> {
    let direct: Vec<u64> = uses.iter().map(|one| one.id).collect();
    let mut graph = HashMap::new();
    load_below(tx, &mut graph, &direct).await?;
    if let Some(id) = id
        && let Some(path) = path_to(&graph, &direct, id)
    {
        let mut names = vec![name.to_owned()];
        names.extend(
            path.iter().map(|at| graph.get(at).map_or_else(|| at.to_string(), |node| node.name.clone())),
        );
        return Err(Error::Cycle { path: names });
    }
    let limits = tx.db.settings.rules.clone();
    let mut rules = rules_of(&graph, &tx.db.place, &limits)?;
    expand(rule, &rules, &limits).map_err(Error::rule("rule"))?;
    let Some(id) = id else { return Ok(()) };

    let above = load_above(tx, &mut graph, id).await?;
    if above.is_empty() {
        return Ok(());
    }
    let loaded: Vec<u64> = graph.keys().copied().collect();
    load_below(tx, &mut graph, &loaded).await?;
    rules.extend(rules_of(&graph, &tx.db.place, &limits)?);
    rules.insert(name.to_owned(), rule.clone());
    // What holds for a label that nothing uses holds for all below it.
    let used: BTreeSet<u64> = graph.values().flat_map(|node| node.uses.iter().copied()).collect();
    for top in above.iter().filter(|top| !used.contains(top)).filter_map(|top| graph.get(top)) {
        let Some(top_rule) = rules.get(&top.name) else { continue };
        expand(top_rule, &rules, &limits).map_err(|mut error| {
            error.message = format!("label `{}` uses this label, and then {}", top.name, error.message);
            Error::Rule { field: "rule", error }
        })?;
    }
    Ok(())
}

fn rules_of(
    graph: &HashMap<u64, Node>,
    place: &str,
    limits: &muster_engine::rule::limits::Limits,
) -> Result<HashMap<String, Rule>> {
    graph
        .values()
        .map(|node| {
            let rule = match node.kind {
                LabelKind::Rule => {
                    parse_stored(&node.rule, &format!("label `{}`", node.name), limits, place)?
                }
                // A list is one condition, whatever is in it.
                LabelKind::List => Rule::Const(true),
            };
            Ok((node.name.clone(), rule))
        })
        .collect()
}

/// From one of `from` along uses to `target`, both included.
fn path_to(graph: &HashMap<u64, Node>, from: &[u64], target: u64) -> Option<Vec<u64>> {
    let mut came_from: HashMap<u64, Option<u64>> = from.iter().map(|&id| (id, None)).collect();
    let mut open: Vec<u64> = from.to_vec();
    while let Some(at) = open.pop() {
        if at == target {
            let (mut path, mut step) = (vec![at], at);
            while let Some(Some(before)) = came_from.get(&step) {
                path.push(*before);
                step = *before;
            }
            path.reverse();
            return Some(path);
        }
        for &next in graph.get(&at).map(|node| node.uses.as_slice()).unwrap_or_default() {
            came_from.entry(next).or_insert_with(|| {
                open.push(next);
                Some(at)
            });
        }
    }
    None
}

/// Loads these labels and all that they use, at any depth.
async fn load_below(tx: &mut Tx<'_>, graph: &mut HashMap<u64, Node>, from: &[u64]) -> Result<()> {
    let mut open: Vec<u64> = from.to_vec();
    let mut seen: BTreeSet<u64> = graph.keys().copied().filter(|id| !from.contains(id)).collect();
    while !open.is_empty() {
        open.sort_unstable();
        open.dedup();
        load(tx, graph, &open).await?;
        seen.extend(&open);
        let next: BTreeSet<u64> = open
            .iter()
            .filter_map(|id| graph.get(id))
            .flat_map(|node| node.uses.iter().copied())
            .filter(|id| !seen.contains(id))
            .collect();
        open = next.into_iter().collect();
    }
    Ok(())
}

/// Loads all labels that use this one, at any depth; their numbers.
async fn load_above(tx: &mut Tx<'_>, graph: &mut HashMap<u64, Node>, id: u64) -> Result<Vec<u64>> {
    let (mut above, mut open) = (BTreeSet::new(), vec![id]);
    while !open.is_empty() {
        let mut next = BTreeSet::new();
        for chunk in by_chunks(&open) {
            let sql = format!("SELECT label_id FROM label_uses WHERE uses_id IN ({})", marks(chunk.len()));
            let mut asked = sqlx::query(AssertSqlSafe(sql));
            for id in chunk {
                asked = asked.bind(*id as i64);
            }
            for row in tx.all(asked).await? {
                next.insert(value::<i64>(&row, 0, &tx.db.place)? as u64);
            }
        }
        open = next.into_iter().filter(|id| above.insert(*id)).collect();
    }
    let above: Vec<u64> = above.into_iter().collect();
    load(tx, graph, &above).await?;
    Ok(above)
}

async fn load(tx: &mut Tx<'_>, graph: &mut HashMap<u64, Node>, ids: &[u64]) -> Result<()> {
    let missing: Vec<u64> = ids.iter().copied().filter(|id| !graph.contains_key(id)).collect();
    for chunk in by_chunks(&missing) {
        let sql = format!("SELECT id, name, kind, rule FROM labels WHERE id IN ({})", marks(chunk.len()));
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            asked = asked.bind(*id as i64);
        }
        for row in tx.all(asked).await? {
            let place = &tx.db.place;
            let kind = if value::<i64>(&row, 2, place)? == 0 { LabelKind::Rule } else { LabelKind::List };
            let node =
                Node { name: value(&row, 1, place)?, kind, rule: value(&row, 3, place)?, uses: Vec::new() };
            graph.insert(value::<i64>(&row, 0, place)? as u64, node);
        }
        let sql =
            format!("SELECT label_id, uses_id FROM label_uses WHERE label_id IN ({})", marks(chunk.len()));
        let mut asked = sqlx::query(AssertSqlSafe(sql));
        for id in chunk {
            asked = asked.bind(*id as i64);
        }
        for row in tx.all(asked).await? {
            let user = value::<i64>(&row, 0, &tx.db.place)? as u64;
            let uses = value::<i64>(&row, 1, &tx.db.place)? as u64;
            if let Some(node) = graph.get_mut(&user) {
                node.uses.push(uses);
            }
        }
    }
    Ok(())
}
