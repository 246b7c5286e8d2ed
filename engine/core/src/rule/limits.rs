//! Bounds on what a rule may cost before it is even planned. Each has a name in the configuration
//! (`[rules]`), a default here and an error that states both.

use serde::{Deserialize, Serialize};

use super::ast::{Literal, Operand, Rule};
use super::error::RuleError;

/// Bounds on a single rule. All are inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a rule, as text or as JSON.
    pub rule_bytes: usize,
    /// Nesting: parentheses, negations, groups; labels count with what they stand for.
    pub depth: usize,
    /// Conditions joined in one rule; labels count with what they stand for.
    pub leaves: usize,
    /// Values in one `IN` list or one array.
    pub list_values: usize,
    /// Bytes of one text literal, column name, map key or label name.
    pub text_bytes: usize,
    /// Bytes of one `LIKE` or `ILIKE` pattern.
    pub pattern_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rule_bytes: 2 << 20,
            depth: 100,
            leaves: 10_000,
            list_values: 100_000,
            text_bytes: 64 << 10,
            pattern_bytes: 4 << 10,
        }
    }
}

impl Limits {
    /// Fails if `bytes` is more than a rule may have.
    pub fn check_rule_bytes(&self, bytes: usize) -> Result<(), RuleError> {
        check("the rule", bytes, self.rule_bytes, "bytes", "rule_bytes")
    }

    /// Fails if `depth` levels are more than a rule may nest.
    pub fn check_depth(&self, depth: usize) -> Result<(), RuleError> {
        check("the rule's nesting", depth, self.depth, "levels", "depth")
    }

    /// Fails if `leaves` conditions are more than a rule may have.
    pub fn check_leaves(&self, leaves: usize) -> Result<(), RuleError> {
        check("the rule", leaves, self.leaves, "conditions", "leaves")
    }

    /// Fails if `values` are more than one list may hold.
    pub fn check_list(&self, values: usize) -> Result<(), RuleError> {
        check("the list", values, self.list_values, "values", "list_values")
    }

    /// Fails if a text literal or name of `bytes` is too long.
    pub fn check_text(&self, bytes: usize) -> Result<(), RuleError> {
        check("the text", bytes, self.text_bytes, "bytes", "text_bytes")
    }

    /// Fails if a `LIKE` pattern of `bytes` is too long.
    pub fn check_pattern(&self, bytes: usize) -> Result<(), RuleError> {
        check("the pattern", bytes, self.pattern_bytes, "bytes", "pattern_bytes")
    }

    /// Checks a whole tree, however it was made. Every reader of rules ends with this.
    pub fn check(&self, rule: &Rule) -> Result<(), RuleError> {
        let mut leaves = 0;
        // A stack of our own: the tree may be deeper than this thread's stack can follow.
        let mut open = vec![(rule, 1)];
        while let Some((rule, depth)) = open.pop() {
            self.check_depth(depth)?;
            match rule {
                Rule::And(of) | Rule::Or(of) | Rule::AtLeast { of, .. } => {
                    open.extend(of.iter().map(|rule| (rule, depth + 1)));
                }
                Rule::Not(rule) => open.push((rule, depth + 1)),
                leaf => {
                    leaves += 1;
                    self.check_leaf(leaf)?;
                }
            }
            self.check_leaves(leaves)?;
        }
        Ok(())
    }

    fn check_leaf(&self, leaf: &Rule) -> Result<(), RuleError> {
        match leaf {
            Rule::And(_) | Rule::Or(_) | Rule::AtLeast { .. } | Rule::Not(_) | Rule::Const(_) => Ok(()),
            Rule::Column(name)
            | Rule::Empty { column: name, .. }
            | Rule::Label(name)
            | Rule::Bucket { salt: name, .. } => self.check_text(name.len()),
            Rule::Compare { left, right, .. } => {
                self.check_operand(left)?;
                self.check_operand(right)
            }
            Rule::Between { value, low, high, .. } => {
                self.check_operand(value)?;
                self.check_operand(low)?;
                self.check_operand(high)
            }
            Rule::In { value, list, .. } => {
                self.check_list(list.len())?;
                self.check_operand(value)?;
                list.iter().try_for_each(|value| self.check_operand(value))
            }
            Rule::IsNull { value, .. } => self.check_operand(value),
            Rule::Text { column, pattern, .. } => {
                self.check_text(column.len())?;
                self.check_pattern(pattern.len())
            }
            Rule::Has { column, values, .. } => {
                self.check_list(values.len())?;
                self.check_text(column.len())?;
                values.iter().try_for_each(|value| self.check_literal(value))
            }
            Rule::MapContains { column, key } => {
                self.check_text(column.len())?;
                self.check_text(key.len())
            }
        }
    }

    fn check_operand(&self, operand: &Operand) -> Result<(), RuleError> {
        match operand {
            Operand::Column(name) | Operand::Length(name) => self.check_text(name.len()),
            Operand::MapValue { column, key } => {
                self.check_text(column.len())?;
                self.check_text(key.len())
            }
            Operand::Literal(literal) => self.check_literal(literal),
            Operand::Time(time) => self.check_depth(time.depth()),
        }
    }

    fn check_literal(&self, literal: &Literal) -> Result<(), RuleError> {
        match literal {
            Literal::Text(text) => self.check_text(text.len()),
            Literal::Bool(_) | Literal::Number(_) | Literal::Null => Ok(()),
        }
    }
}

fn check(what: &str, found: usize, limit: usize, unit: &str, name: &'static str) -> Result<(), RuleError> {
    if found <= limit { Ok(()) } else { Err(RuleError::limit(what, found, limit, unit, name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fill_in_and_unknown_names_are_refused() {
        let limits: Limits = serde_json::from_str(r#"{"leaves": 7}"#).unwrap();
        assert_eq!(limits, Limits { leaves: 7, ..Limits::default() });
        assert!(serde_json::from_str::<Limits>(r#"{"leafs": 7}"#).is_err());
    }

    #[test]
    fn errors_state_the_limit_and_its_name() {
        let error = Limits::default().check_list(100_001).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the list has 100001 values, more than the limit of 100000 (`rules.list_values` in the configuration)"
        );
        assert_eq!(error.limit, Some("rules.list_values"));
        assert!(Limits::default().check_list(100_000).is_ok());
    }

    #[test]
    fn a_very_deep_tree_is_refused_without_recursion() {
        let mut rule = Rule::Const(true);
        for _ in 0..5_000 {
            rule = Rule::Not(Box::new(rule));
        }
        assert_eq!(Limits::default().check(&rule).unwrap_err().limit, Some("rules.depth"));
    }
}
