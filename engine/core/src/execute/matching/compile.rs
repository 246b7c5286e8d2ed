//! From rules to parts: labels replaced, negations taken down to the conditions, each distinct condition bound once.

use std::collections::HashSet;

use rayon::prelude::*;

use super::terms::{Group, LeafTerm, Term, TermId, Terms};
use super::{IndexedRule, Refused};
use crate::rule::ast::{CompareOp, Operand, Rule};
use crate::rule::bind::{Binder, Expanded, QueryError, Scope};
use crate::rule::error::RuleError;
use crate::rule::labels::{LabelSet, LabelSets};
use crate::snapshot::Snapshot;

/// Ways to meet a rule that are indexed each by itself; a rule of more is one whose parts are asked for.
const WAYS_MAX: usize = 8;
/// Conditions that one thread binds at a time.
const BOUND_TOGETHER: usize = 32;

/// A rule as parts.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) key: u64,
    pub(super) priority: i32,
    /// A user meets the rule who meets all parts of one of these.
    pub(super) ways: Vec<Vec<TermId>>,
}

/// A rule on its way.
struct Opened {
    key: u64,
    priority: i32,
    /// The rule, then those that it excepts.
    of: Vec<(Expanded, Shape)>,
}

/// The tree of a rule above its conditions.
enum Shape {
    Const(bool),
    /// The name of a condition.
    Leaf(String),
    All(Vec<Shape>),
    Any(Vec<Shape>),
    AtLeast(u32, Vec<Shape>),
}

/// A rule's tree, made of parts that are known.
enum Joined {
    Const(bool),
    Term(TermId),
}

/// Takes rules apart and adds their parts to those that are known.
pub(super) fn compile(
    snapshot: &Snapshot,
    scope: &Scope<'_>,
    terms: &mut Terms,
    rules: Vec<IndexedRule>,
) -> Result<(Vec<Compiled>, Refused), QueryError> {
    let mut refused = Refused::new();
    let mut opened = Vec::with_capacity(rules.len());
    let open = |rule: IndexedRule| {
        let open = |of: &Rule| {
            let expanded = Expanded::new(of, snapshot, scope).map_err(|error| (rule.key, error))?;
            let shape = shape_of(&expanded.rule, true, &expanded.lists);
            Ok((expanded, shape))
        };
        let of = std::iter::once(&rule.rule).chain(&rule.except).map(open).collect::<Result<_, _>>()?;
        Ok(Opened { key: rule.key, priority: rule.priority, of })
    };
    for rule in rules.into_par_iter().map(open).collect::<Vec<Result<_, _>>>() {
        match rule {
            Ok(rule) => opened.push(rule),
            Err(error) => refused.push(error),
        }
    }
    bind_new(snapshot, scope.now, terms, &opened)?;
    let mut compiled = Vec::with_capacity(opened.len());
    for Opened { key, priority, of } in opened {
        let joined: Option<Vec<Joined>> = of.iter().map(|(_, shape)| join(terms, shape)).collect();
        let Some(joined) = joined else {
            refused.push((key, refusal(snapshot, scope.now, &of)?));
            continue;
        };
        compiled.push(Compiled { key, priority, ways: ways_around(terms, &joined) });
    }
    Ok((compiled, refused))
}

/// Why one of these has a condition that was refused: binding the whole says which and why.
fn refusal(snapshot: &Snapshot, now: i64, of: &[(Expanded, Shape)]) -> Result<QueryError, QueryError> {
    for (rule, _) in of {
        if let Err(error) = rule.bind(&Binder::new(snapshot, now)?, true) {
            return Ok(error);
        }
    }
    Ok(RuleError::new("one of its conditions cannot be asked of one user").into())
}

/// The ways to meet a rule, the first of these, and none of the others.
fn ways_around(terms: &mut Terms, joined: &[Joined]) -> Vec<Vec<TermId>> {
    let Some((rule, except)) = joined.split_first() else { return Vec::new() };
    let mut ways = ways(terms, rule);
    for part in except {
        match part {
            Joined::Const(true) => ways.clear(),
            Joined::Const(false) => {}
            Joined::Term(id) => {
                let not = terms.add_not(*id);
                for way in &mut ways {
                    way.push(not);
                }
            }
        }
    }
    ways
}

/// Binds the conditions that are not known yet, on all cores. Those that cannot be bound stay unknown.
fn bind_new(snapshot: &Snapshot, now: i64, terms: &mut Terms, opened: &[Opened]) -> Result<(), QueryError> {
    let (mut seen, mut fresh) = (HashSet::new(), Vec::new());
    for (rule, _) in opened.iter().flat_map(|opened| &opened.of) {
        each_leaf(&rule.rule, true, &mut |leaf, truth| {
            let name = name_of(&leaf, truth, &rule.lists);
            if terms.known(&name).is_none() && seen.insert(name.clone()) {
                fresh.push((name, leaf, truth, &rule.lists));
            }
        });
    }
    let bind = |part: &[(String, Rule, bool, &LabelSets)]| -> Result<Vec<Option<LeafTerm>>, QueryError> {
        let binder = Binder::new(snapshot, now)?;
        let bind = |(_, leaf, truth, lists): &(String, Rule, bool, &LabelSets)| {
            binder.forget_labels();
            binder.know(lists);
            match LeafTerm::new(snapshot, &binder, leaf, *truth) {
                Ok(term) => Ok(Some(term)),
                Err(QueryError::Rule(_)) => Ok(None),
                Err(damage) => Err(damage),
            }
        };
        part.iter().map(bind).collect()
    };
    let bound: Vec<Vec<Option<LeafTerm>>> =
        fresh.par_chunks(BOUND_TOGETHER).map(bind).collect::<Result<_, _>>()?;
    for ((name, ..), term) in fresh.iter().zip(bound.into_iter().flatten()) {
        if let Some(term) = term {
            terms.add_leaf(snapshot, name, term);
        }
    }
    Ok(())
}

/// What tells conditions apart: their text, the truth they are asked for, and of a list who is on it.
fn name_of(leaf: &Rule, truth: bool, lists: &LabelSets) -> String {
    match leaf {
        Rule::Label(name) => match lists.get(name) {
            Some(LabelSet::List(set)) => format!("{truth} {leaf} {:x}", set.digest()),
            _ => format!("{truth} {leaf}"),
        },
        _ => format!("{truth} {leaf}"),
    }
}

/// The ends of a BETWEEN as conditions, and whether both are needed.
fn ends(value: &Operand, low: &Operand, high: &Operand, negated: bool) -> [Rule; 2] {
    use CompareOp::{Greater, GreaterEq, Less, LessEq};
    let (low_op, high_op) = if negated { (Less, Greater) } else { (GreaterEq, LessEq) };
    let end = |op, end: &Operand| Rule::Compare { left: value.clone(), op, right: end.clone() };
    [end(low_op, low), end(high_op, high)]
}

fn each_leaf(rule: &Rule, truth: bool, f: &mut impl FnMut(Rule, bool)) {
    match rule {
        Rule::Const(_) => {}
        Rule::Not(inner) => each_leaf(inner, !truth, f),
        Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => {
            for rule in of {
                each_leaf(rule, truth, f);
            }
        }
        Rule::Between { value, low, high, negated } => {
            for end in ends(value, low, high, *negated) {
                f(end, truth);
            }
        }
        leaf => f(leaf.clone(), truth),
    }
}

/// The rows for which a rule is true, or those for which it is false: what [`Binder::bind`] does, down to the conditions.
fn shape_of(rule: &Rule, truth: bool, lists: &LabelSets) -> Shape {
    let all = |of: &[Rule]| of.iter().map(|rule| shape_of(rule, truth, lists)).collect::<Vec<_>>();
    match rule {
        Rule::Const(value) => Shape::Const(*value == truth),
        Rule::Not(rule) => shape_of(rule, !truth, lists),
        Rule::And(of) if truth => Shape::All(all(of)),
        Rule::And(of) => Shape::Any(all(of)),
        Rule::Or(of) if truth => Shape::Any(all(of)),
        Rule::Or(of) => Shape::All(all(of)),
        Rule::AtLeast { k, of } => {
            let needed = if truth { *k } else { (of.len() as u32 + 1).saturating_sub(*k) };
            Shape::AtLeast(needed, all(of))
        }
        Rule::Between { value, low, high, negated } => {
            let ends = all(&ends(value, low, high, *negated));
            if *negated == truth { Shape::Any(ends) } else { Shape::All(ends) }
        }
        leaf => Shape::Leaf(name_of(leaf, truth, lists)),
    }
}

/// The part that a tree is; `None` if one of its conditions is not known.
fn join(terms: &mut Terms, shape: &Shape) -> Option<Joined> {
    match shape {
        Shape::Const(value) => Some(Joined::Const(*value)),
        Shape::Leaf(name) => terms.known(name).map(Joined::Term),
        Shape::All(of) => join_group(terms, of, true),
        Shape::Any(of) => join_group(terms, of, false),
        Shape::AtLeast(k, of) => {
            let (mut needed, mut open) = (*k, Vec::with_capacity(of.len()));
            for shape in of {
                match join(terms, shape)? {
                    Joined::Const(true) => needed = needed.saturating_sub(1),
                    Joined::Const(false) => {}
                    Joined::Term(id) => open.push(id),
                }
            }
            Some(match needed as usize {
                0 => Joined::Const(true),
                needed if needed > open.len() => Joined::Const(false),
                1 => grouped(terms, Group::Any, open),
                needed if needed == open.len() => grouped(terms, Group::All, open),
                needed => {
                    open.sort_unstable();
                    Joined::Term(terms.add_group(Group::AtLeast(needed as u32), &open))
                }
            })
        }
    }
}

fn join_group(terms: &mut Terms, of: &[Shape], conjunction: bool) -> Option<Joined> {
    let mut open = Vec::with_capacity(of.len());
    let mut decided = false;
    for shape in of {
        match join(terms, shape)? {
            // True ends an OR, false an AND; the other one goes.
            Joined::Const(value) => decided |= value != conjunction,
            Joined::Term(id) => match (terms.get(id), conjunction) {
                (Term::All(inner), true) | (Term::Any(inner), false) => open.extend_from_slice(inner),
                _ => open.push(id),
            },
        }
    }
    if decided {
        return Some(Joined::Const(!conjunction));
    }
    Some(grouped(terms, if conjunction { Group::All } else { Group::Any }, open))
}

fn grouped(terms: &mut Terms, group: Group, mut of: Vec<TermId>) -> Joined {
    of.sort_unstable();
    of.dedup();
    match of[..] {
        [] => Joined::Const(matches!(group, Group::All)),
        [one] => Joined::Term(one),
        _ => Joined::Term(terms.add_group(group, &of)),
    }
}

/// The ways to meet what is one part.
fn ways(terms: &Terms, joined: &Joined) -> Vec<Vec<TermId>> {
    let parts = |id: TermId| match terms.get(id) {
        Term::All(of) => of.to_vec(),
        _ => vec![id],
    };
    match joined {
        Joined::Const(true) => vec![Vec::new()],
        Joined::Const(false) => Vec::new(),
        Joined::Term(id) => match terms.get(*id) {
            Term::Any(of) if of.len() <= WAYS_MAX => of.iter().map(|&id| parts(id)).collect(),
            _ => vec![parts(*id)],
        },
    }
}
