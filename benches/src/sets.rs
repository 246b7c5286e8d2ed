//! Rules as plain set algebra over stored bitmaps, for the peers that know nothing but bitmaps.
//!
//! NULL is resolved here as the engine does it: what is asked for is the users of whom a part is true, and below a
//! negation those of whom it is false. A NULL is neither.

use anyhow::{Result, bail};
use muster_engine::rule::ast::{CompareOp, HasTest, Literal, Operand, Rule};
use muster_engine::schema::Schema;

/// A set of users, from leaves that are numbered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Set {
    /// A stored bitmap.
    Leaf(usize),
    /// Everybody else.
    Not(Box<Set>),
    /// Those in all of these.
    All(Vec<Set>),
    /// Those in any of these.
    Any(Vec<Set>),
    /// Those in at least so many of these.
    AtLeast(u32, Vec<Set>),
}

/// A rule of stored bitmaps only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SetRule {
    /// What each leaf is: a rule that is true of its users and unknown of nobody.
    pub(crate) leaves: Vec<String>,
    /// How they are combined.
    pub(crate) root: Set,
}

impl SetRule {
    /// Takes a rule, with labels expanded, apart. Fails where a condition is no stored bitmap.
    pub(crate) fn new(rule: &Rule, schema: &Schema) -> Result<Self> {
        let mut reader = Reader { schema, leaves: Vec::new() };
        let root = reader.set(rule, true)?;
        Ok(Self { leaves: reader.leaves, root })
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    leaves: Vec<String>,
}

impl Reader<'_> {
    /// Where the rule is true, or where it is false.
    fn set(&mut self, rule: &Rule, truth: bool) -> Result<Set> {
        Ok(match rule {
            Rule::Not(inner) => self.set(inner, !truth)?,
            Rule::And(of) if truth => all(self.sets(of, truth)?),
            Rule::And(of) => Set::Any(self.sets(of, truth)?),
            Rule::Or(of) if truth => Set::Any(self.sets(of, truth)?),
            Rule::Or(of) => all(self.sets(of, truth)?),
            Rule::AtLeast { k, of } if truth => Set::AtLeast(*k, self.sets(of, truth)?),
            Rule::AtLeast { k, of } => Set::AtLeast(of.len() as u32 - k + 1, self.sets(of, truth)?),
            Rule::IsNull { value, negated } => {
                let present = Rule::IsNull { value: value.clone(), negated: true };
                self.leaf(&present, *negated == truth)
            }
            Rule::Column(name) => self.guarded(rule, name, truth)?,
            Rule::Compare { left: Operand::Column(name), op, right: Operand::Literal(Literal::Text(_)) } => {
                match op {
                    CompareOp::Eq => self.guarded(rule, name, truth)?,
                    CompareOp::NotEq => self.guarded(&equal(rule), name, !truth)?,
                    _ => bail!("{rule} is no stored bitmap"),
                }
            }
            Rule::In { value: value @ Operand::Column(name), list, negated } => {
                let any = list.iter().map(|item| Rule::Compare {
                    left: value.clone(),
                    op: CompareOp::Eq,
                    right: item.clone(),
                });
                self.any(&any.collect::<Vec<_>>(), name, *negated != truth)?
            }
            Rule::Has { test, column, values } => {
                let each = values.iter().map(|value| Rule::Has {
                    test: HasTest::One,
                    column: column.clone(),
                    values: vec![value.clone()],
                });
                let each: Vec<Rule> = each.collect();
                match test {
                    HasTest::All => self.set(&Rule::all(each), truth)?,
                    HasTest::Any => self.any(&each, column, truth)?,
                    HasTest::One => self.guarded(rule, column, truth)?,
                }
            }
            Rule::MapContains { column, .. } => self.guarded(rule, column, truth)?,
            other => bail!("{other} is no stored bitmap"),
        })
    }

    fn sets(&mut self, of: &[Rule], truth: bool) -> Result<Vec<Set>> {
        of.iter().map(|rule| self.set(rule, truth)).collect()
    }

    /// Any of some conditions on one column, or none of them where it has a value.
    fn any(&mut self, of: &[Rule], column: &str, truth: bool) -> Result<Set> {
        let mut sets: Vec<Set> = of.iter().map(|leaf| self.leaf(leaf, true)).collect();
        let any = if sets.len() == 1 { sets.remove(0) } else { Set::Any(sets) };
        Ok(if truth { any } else { self.otherwise(any, column)? })
    }

    /// A condition that is unknown where the column is NULL.
    fn guarded(&mut self, rule: &Rule, column: &str, truth: bool) -> Result<Set> {
        let leaf = self.leaf(rule, true);
        Ok(if truth { leaf } else { self.otherwise(leaf, column)? })
    }

    /// Everybody with a value who is not in the set.
    fn otherwise(&mut self, set: Set, column: &str) -> Result<Set> {
        let Some((_, found)) = self.schema.column(column) else { bail!("there is no column {column}") };
        let not = Set::Not(Box::new(set));
        if !found.nullable {
            return Ok(not);
        }
        let present = Rule::IsNull { value: Operand::Column(column.to_owned()), negated: true };
        Ok(all(vec![self.leaf(&present, true), not]))
    }

    fn leaf(&mut self, rule: &Rule, truth: bool) -> Set {
        let text = rule.to_string();
        let known = self.leaves.iter().position(|leaf| *leaf == text);
        let leaf = Set::Leaf(known.unwrap_or_else(|| {
            self.leaves.push(text);
            self.leaves.len() - 1
        }));
        if truth { leaf } else { Set::Not(Box::new(leaf)) }
    }
}

/// All of these, without a conjunction directly in another.
fn all(of: Vec<Set>) -> Set {
    let mut flat = Vec::with_capacity(of.len());
    for set in of {
        match set {
            Set::All(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    Set::All(flat)
}

/// `a = b` for `a != b`.
fn equal(rule: &Rule) -> Rule {
    match rule.clone() {
        Rule::Compare { left, right, .. } => Rule::Compare { left, op: CompareOp::Eq, right },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use muster_engine::rule::limits::Limits;
    use muster_engine::schema::{ColumnSchema, ColumnType, HeldAs, ScalarType};

    use super::*;

    fn column(name: &str, ty: ColumnType, nullable: bool) -> ColumnSchema {
        ColumnSchema { name: name.to_owned(), ty, nullable, held_as: HeldAs::Native }
    }

    fn taken_apart(text: &str) -> Result<SetRule> {
        let columns = vec![
            column("a", ColumnType::Scalar(ScalarType::Bool), false),
            column("b", ColumnType::Scalar(ScalarType::Bool), false),
            column("country", ColumnType::Scalar(ScalarType::String), false),
            column("chains", ColumnType::Array(ScalarType::String), true),
        ];
        let schema = Schema { user_id: "user_id".into(), time_zone: "UTC".into(), columns };
        SetRule::new(&Rule::parse(text, &Limits::default())?, &schema)
    }

    #[test]
    fn a_negated_test_of_a_nullable_column_asks_for_presence() {
        let rule = taken_apart("a AND NOT has(chains, 'x')").unwrap();
        assert_eq!(rule.leaves, ["a", "has(chains, 'x')", "chains IS NOT NULL"]);
        let not = Set::Not(Box::new(Set::Leaf(1)));
        assert_eq!(rule.root, Set::All(vec![Set::Leaf(0), Set::Leaf(2), not]));
    }

    #[test]
    fn negations_go_down_to_the_leaves() {
        let rule = taken_apart("NOT (a OR country IN ('x', 'y'))").unwrap();
        assert_eq!(rule.leaves, ["a", "country = 'x'", "country = 'y'"]);
        let not = |set| Set::Not(Box::new(set));
        let any = Set::Any(vec![Set::Leaf(1), Set::Leaf(2)]);
        assert_eq!(rule.root, Set::All(vec![not(Set::Leaf(0)), not(any)]));
        let most = taken_apart("NOT at_least(2, a, b, country != 'x')").unwrap();
        assert!(matches!(most.root, Set::AtLeast(2, of) if of[2] == Set::Leaf(2)));
    }

    #[test]
    fn what_is_no_stored_bitmap_is_refused() {
        assert!(taken_apart("length(chains) > 2").is_err());
        assert!(taken_apart("country < 'x'").is_err());
    }
}
