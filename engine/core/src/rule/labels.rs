//! Labels inside rules: named rules that stand for their own tree.

use std::collections::HashMap;

use super::ast::Rule;
use super::error::{RuleError, did_you_mean};
use super::limits::Limits;

/// Where the rules of labels come from. Many threads may ask at once.
pub trait Labels: Sync {
    /// The rule of the label of this name, or `None` if there is no such label.
    fn rule(&self, name: &str) -> Option<Rule>;
    /// All names, to suggest one when a name is unknown.
    fn names(&self) -> Vec<String>;
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

/// The rule with every label replaced by what it stands for. Fails on an unknown label, on a label that
/// uses itself, and when the whole passes the limits (so a chain of doubling labels ends early).
pub fn expand(rule: &Rule, labels: &dyn Labels, limits: &Limits) -> Result<Rule, RuleError> {
    limits.check(rule)?;
    let mut expansion = Expansion { labels, limits, open: Vec::new(), leaves: 0 };
    expansion.rule(rule, 1)
}

struct Expansion<'a> {
    labels: &'a dyn Labels,
    limits: &'a Limits,
    /// Names being expanded, outermost first.
    open: Vec<String>,
    leaves: usize,
}

impl Expansion<'_> {
    fn rule(&mut self, rule: &Rule, depth: usize) -> Result<Rule, RuleError> {
        self.limits.check_depth(depth)?;
        Ok(match rule {
            Rule::And(of) => Rule::all(self.rules(of, depth)?),
            Rule::Or(of) => Rule::any(self.rules(of, depth)?),
            Rule::AtLeast { k, of } => Rule::AtLeast { k: *k, of: self.rules(of, depth)? },
            Rule::Not(rule) => Rule::Not(Box::new(self.rule(rule, depth + 1)?)),
            Rule::Label(name) => self.label(name, depth)?,
            leaf => {
                self.leaves += 1;
                self.limits.check_leaves(self.leaves)?;
                leaf.clone()
            }
        })
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
        let Some(rule) = self.labels.rule(name) else {
            let error = RuleError::new(format!("unknown label `{name}`"));
            let names = self.labels.names();
            return Err(match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(hint) => error.hint(hint),
                None => error,
            });
        };
        self.open.push(name.to_owned());
        let expanded = self.rule(&rule, depth + 1);
        self.open.pop();
        expanded
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
}
