//! A rule part by part, as it was written or drawn: for counts beside every condition and group of a console's tree.
//!
//! A [`Rule`] is in normal form: an `and` inside an `and` is merged into it, a group of one is what is in it. An outline keeps every
//! group of a JSON tree in its place, so that its parts line up with what the console shows.

use super::ast::Rule;
use super::error::RuleError;
use super::limits::Limits;
use crate::schema::Schema;

/// A part of a rule: a condition, or a group of parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Outline {
    pub(crate) kind: Kind,
    pub(crate) parts: Vec<Outline>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A condition, or a group without parts; it has no parts.
    Leaf(Rule),
    /// A group, or the negation of one.
    Group {
        /// How its parts are joined.
        join: Join,
        /// Whether the group is negated as a whole.
        not: bool,
    },
}

/// How a group joins its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// All of them.
    And,
    /// Any of them.
    Or,
    /// At least so many of them.
    AtLeast(u32),
}

impl Outline {
    /// The outline of a rule's text, or of a JSON tree, which starts with `{`.
    pub fn read(text: &str, schema: &Schema, limits: &Limits) -> Result<Self, RuleError> {
        if Rule::is_tree(text) {
            Self::from_json(text, schema, limits)
        } else {
            Rule::parse(text, limits).map(|rule| Self::of(&rule))
        }
    }

    /// The parts of a rule: its groups, its negations, each with the one part that it negates, and its conditions.
    pub fn of(rule: &Rule) -> Self {
        let group = |join, not, of: &[Rule]| Self {
            kind: Kind::Group { join, not },
            parts: of.iter().map(Self::of).collect(),
        };
        match rule {
            Rule::And(of) => group(Join::And, false, of),
            Rule::Or(of) => group(Join::Or, false, of),
            Rule::AtLeast { k, of } => group(Join::AtLeast(*k), false, of),
            Rule::Not(inner) => group(Join::And, true, std::slice::from_ref(inner)),
            leaf => Self::leaf(leaf.clone()),
        }
    }

    pub(crate) fn leaf(rule: Rule) -> Self {
        Self { kind: Kind::Leaf(rule), parts: Vec::new() }
    }

    pub(crate) fn group(join: Join, not: bool, parts: Vec<Outline>) -> Self {
        if !parts.is_empty() {
            return Self { kind: Kind::Group { join, not }, parts };
        }
        // All of nothing is true, any of nothing is false; the negation stays as it is written.
        let nothing = Rule::Const(join == Join::And);
        Self::leaf(if not { Rule::Not(Box::new(nothing)) } else { nothing })
    }

    /// The rule of this part.
    pub fn rule(&self) -> Rule {
        self.clone().into_rule()
    }

    pub(crate) fn into_rule(self) -> Rule {
        let (join, not) = match self.kind {
            Kind::Leaf(rule) => return rule,
            Kind::Group { join, not } => (join, not),
        };
        let of = self.parts.into_iter().map(Self::into_rule).collect();
        let rule = match join {
            Join::And => Rule::all(of),
            Join::Or => Rule::any(of),
            Join::AtLeast(k) => Rule::AtLeast { k, of },
        };
        if not { Rule::Not(Box::new(rule)) } else { rule }
    }

    /// The parts of a group, in the order in which they were given; of a condition none.
    pub fn parts(&self) -> &[Outline] {
        &self.parts
    }

    /// How many parts there are, this one and those at any depth.
    pub fn size(&self) -> usize {
        1 + self.parts.iter().map(Self::size).sum::<usize>()
    }

    /// The rule without one of its parts, which `path` leads to from part to part; `None` if nothing would be left. A group that loses
    /// its only part goes with it, and all of *n* asked for as *n* of them become all of those that are left; any other *k* stays.
    pub fn without(&self, path: &[usize]) -> Option<Self> {
        let (&at, rest) = path.split_first()?;
        let mut outline = self.clone();
        match self.parts.get(at)?.without(rest) {
            Some(part) => outline.parts[at] = part,
            None => drop(outline.parts.remove(at)),
        }
        if let Kind::Group { join: Join::AtLeast(k), .. } = &mut outline.kind
            && *k as usize == self.parts.len()
        {
            *k = outline.parts.len() as u32;
        }
        (!outline.parts.is_empty()).then_some(outline)
    }
}

impl Rule {
    /// Reads a rule from its text, or from a JSON tree, which starts with `{`.
    pub fn read(text: &str, schema: &Schema, limits: &Limits) -> Result<Self, RuleError> {
        if Self::is_tree(text) { Self::from_json(text, schema, limits) } else { Self::parse(text, limits) }
    }

    /// Whether [`Rule::read`] would take a text for a JSON tree, which it cannot read without the columns.
    pub fn is_tree(text: &str) -> bool {
        text.trim_start().starts_with('{')
    }
}
