//! Labels inside rules: named rules that stand for their own tree, and named lists of users.
//!
//! A label that is a static list has no tree; its users are a set of rows of each snapshot. The users of a label that is a rule
//! may be known as such a set, too. Whoever keeps labels makes these sets once a generation and hands them out here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::ast::Rule;
use super::error::{RuleError, did_you_mean};
use super::limits::Limits;
use crate::snapshot::{RowSet, Snapshot};

/// Where labels come from. Many threads may ask at once.
pub trait Labels: Sync {
    /// The rule of the label of this name; `None` if there is no such label, or if it is a list.
    fn rule(&self, name: &str) -> Option<Rule>;
    /// All names, to suggest one when a name is unknown.
    fn names(&self) -> Vec<String>;
    /// Of a label that is there and cannot be used, what keeps it from that, as in "is disabled".
    fn obstacle(&self, _name: &str) -> Option<String> {
        None
    }
    /// Of a label that is a static list, how many users are on it; `None` of any other.
    fn list(&self, _name: &str) -> Option<u64> {
        None
    }
    /// The users of a static list, in any order; `None` if they cannot be had. Asked for SQL, if they are few enough for it, and
    /// by who wants the rows of a list that [`Labels::rows`] does not have.
    fn users(&self, _name: &str) -> Option<Vec<u64>> {
        None
    }
    /// The rows of a snapshot for which a label is true, or those for which it is false, if they are known: of a list those of
    /// its users, made by [`RowSet::of_users`] (what is false of it is all others, and not asked for); of a rule those that
    /// [`row_set`](crate::execute::Audience::row_set) told for this `now`. It is faster than the rule, and never another answer.
    fn rows(&self, _name: &str, _truth: bool, _snapshot: &Snapshot, _now: i64) -> Option<RowSet> {
        None
    }
}

/// No labels at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLabels;

impl Labels for NoLabels {
    fn rule(&self, _name: &str) -> Option<Rule> {
        None
    }
    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<S: std::hash::BuildHasher + Sync> Labels for HashMap<String, Rule, S> {
    fn rule(&self, name: &str) -> Option<Rule> {
        self.get(name).cloned()
    }
    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// What is known of labels that stay in a rule, by name.
pub(crate) type LabelSets = BTreeMap<String, LabelSet>;

/// What is known of a label that stays in a rule.
#[derive(Debug, Clone)]
pub(crate) enum LabelSet {
    /// A static list.
    List(RowSet),
    /// A rule, expanded, and the rows where it is false and where it is true, as far as they are known.
    Rule(Arc<Rule>, [Option<RowSet>; 2]),
}

/// The rule with every label replaced by what it stands for, but for static lists, which stay. Fails on an unknown label, on a
/// label that uses itself, and when the whole passes the limits (so a chain of doubling labels ends early).
pub fn expand(rule: &Rule, labels: &dyn Labels, limits: &Limits) -> Result<Rule, RuleError> {
    limits.check(rule)?;
    Expansion::new(labels, limits, None).rule(rule, 1)
}

/// A rule that was [expanded](expand) already, as written but for labels that use known ones, and what is known: where a label's
/// rows are, it stays. `None` if there is none such.
pub(crate) fn expand_to_known(
    rule: &Rule,
    labels: &dyn Labels,
    limits: &Limits,
    known: &dyn Fn(&str) -> Option<[Option<RowSet>; 2]>,
) -> Result<Option<(Rule, LabelSets)>, RuleError> {
    let mut expansion = Expansion::new(labels, limits, Some(known));
    let rule = expansion.rule(rule, 1)?;
    Ok((!expansion.found.is_empty()).then_some((rule, expansion.found)))
}

/// The names of the labels in a rule.
pub fn names_in(rule: &Rule) -> Vec<&str> {
    let (mut names, mut open) = (Vec::new(), vec![rule]);
    while let Some(rule) = open.pop() {
        match rule {
            Rule::Label(name) => names.push(name.as_str()),
            Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => open.extend(of),
            Rule::Not(inner) => open.push(inner),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The rows where a label is false and where it is true, as far as they are known.
type Known<'a> = &'a dyn Fn(&str) -> Option<[Option<RowSet>; 2]>;

struct Expansion<'a> {
    labels: &'a dyn Labels,
    limits: &'a Limits,
    /// Names being expanded, outermost first.
    open: Vec<String>,
    leaves: usize,
    /// Which labels stay because their rows are known.
    known: Option<Known<'a>>,
    found: LabelSets,
}

impl<'a> Expansion<'a> {
    fn new(labels: &'a dyn Labels, limits: &'a Limits, known: Option<Known<'a>>) -> Self {
        Self { labels, limits, open: Vec::new(), leaves: 0, known, found: LabelSets::new() }
    }

    fn rule(&mut self, rule: &Rule, depth: usize) -> Result<Rule, RuleError> {
        self.limits.check_depth(depth)?;
        Ok(match rule {
            Rule::And(of) => Rule::all(self.rules(of, depth)?),
            Rule::Or(of) => Rule::any(self.rules(of, depth)?),
            Rule::AtLeast { k, of } => Rule::AtLeast { k: *k, of: self.rules(of, depth)? },
            Rule::Not(rule) => Rule::Not(Box::new(self.rule(rule, depth + 1)?)),
            Rule::Label(name) if self.labels.list(name).is_some() => self.leaf(rule)?,
            Rule::Label(name) => self.label(name, depth)?,
            leaf => self.leaf(leaf)?,
        })
    }

    fn leaf(&mut self, leaf: &Rule) -> Result<Rule, RuleError> {
        self.leaves += 1;
        self.limits.check_leaves(self.leaves)?;
        Ok(leaf.clone())
    }

    fn rules(&mut self, of: &[Rule], depth: usize) -> Result<Vec<Rule>, RuleError> {
        of.iter().map(|rule| self.rule(rule, depth + 1)).collect()
    }

    fn label(&mut self, name: &str, depth: usize) -> Result<Rule, RuleError> {
        if self.open.iter().any(|open| open == name) {
            let path: Vec<String> =
                self.open.iter().map(String::as_str).chain([name]).map(|name| format!("`{name}`")).collect();
            let message = format!("label `{name}` uses itself: {}", path.join(" uses "));
            return Err(RuleError::new(message).hint("remove one of these uses"));
        }
        let Some(rule) = self.labels.rule(name) else { return Err(unknown(name, self.labels)) };
        if self.found.contains_key(name) {
            return self.leaf(&Rule::Label(name.to_owned()));
        }
        let sets = self.known.and_then(|known| known(name));
        self.open.push(name.to_owned());
        // What has rows is asked for its rule where these do not help.
        let known = if sets.is_some() { self.known.take() } else { self.known };
        let expanded = self.rule(&rule, depth + 1);
        self.known = known;
        self.open.pop();
        let expanded = expanded?;
        let Some(sets) = sets else { return Ok(expanded) };
        self.found.insert(name.to_owned(), LabelSet::Rule(Arc::new(expanded), sets));
        Ok(Rule::Label(name.to_owned()))
    }
}

/// There is no such label.
pub(crate) fn unknown(name: &str, labels: &dyn Labels) -> RuleError {
    if let Some(obstacle) = labels.obstacle(name) {
        return RuleError::new(format!("label `{name}` {obstacle}"));
    }
    let error = RuleError::new(format!("unknown label `{name}`"));
    let names = labels.names();
    match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> Rule {
        Rule::Column(name.into())
    }

    fn label(name: &str) -> Rule {
        Rule::Label(name.into())
    }

    #[test]
    fn labels_become_their_rules() {
        let labels = HashMap::from([
            ("a".to_owned(), Rule::And(vec![column("x"), label("b")])),
            ("b".to_owned(), Rule::Not(Box::new(column("y")))),
        ]);
        let rule = Rule::And(vec![label("a"), column("z")]);
        let expected = Rule::And(vec![column("x"), Rule::Not(Box::new(column("y"))), column("z")]);
        assert_eq!(expand(&rule, &labels, &Limits::default()).unwrap(), expected);
    }

    #[test]
    fn a_cycle_is_named() {
        let labels = HashMap::from([("a".to_owned(), label("b")), ("b".to_owned(), label("a"))]);
        let error = expand(&label("a"), &labels, &Limits::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label `a` uses itself: `a` uses `b` uses `a`; remove one of these uses"
        );
    }

    #[test]
    fn an_unknown_label_gets_a_suggestion() {
        let labels = HashMap::from([("kyc_users".to_owned(), column("x"))]);
        let error = expand(&label("kyc_user"), &labels, &Limits::default()).unwrap_err();
        assert_eq!(error.to_string(), "unknown label `kyc_user`; did you mean `kyc_users`?");
        assert!(expand(&label("x"), &NoLabels, &Limits::default()).is_err());
    }

    #[test]
    fn doubling_labels_end_at_the_limit() {
        let mut labels = HashMap::from([("l0".to_owned(), column("x"))]);
        for level in 1..60 {
            let below = label(&format!("l{}", level - 1));
            labels.insert(format!("l{level}"), Rule::Or(vec![below.clone(), below]));
        }
        let error = expand(&label("l59"), &labels, &Limits::default()).unwrap_err();
        assert!(error.limit.is_some());
    }

    /// One list beside other labels.
    struct WithList(HashMap<String, Rule>);

    impl Labels for WithList {
        fn rule(&self, name: &str) -> Option<Rule> {
            self.0.rule(name)
        }
        fn names(&self) -> Vec<String> {
            self.0.names()
        }
        fn list(&self, name: &str) -> Option<u64> {
            (name == "vips").then_some(2)
        }
    }

    #[test]
    fn a_list_stays_and_is_one_condition() {
        let labels = WithList(HashMap::from([("a".to_owned(), Rule::And(vec![column("x"), label("vips")]))]));
        let rule = Rule::Or(vec![label("a"), label("vips")]);
        let expected = Rule::Or(vec![Rule::And(vec![column("x"), label("vips")]), label("vips")]);
        let expanded = expand(&rule, &labels, &Limits::default()).unwrap();
        assert_eq!(expanded, expected);
        assert_eq!(names_in(&expanded), ["vips"]);
        let three = Limits { leaves: 3, ..Limits::default() };
        assert!(expand(&rule, &labels, &three).is_ok());
        assert!(expand(&rule, &labels, &Limits { leaves: 2, ..three }).is_err());
    }
}
