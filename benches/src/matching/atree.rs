//! The `a-tree` crate as a peer: the same rules in its language, and users as its events, made before anything is measured.

use std::collections::BTreeMap;

use a_tree::{ATree, AttributeDefinition, Event};
use anyhow::{Context, Result, anyhow, bail};
use muster_engine::execute::Feature;
use muster_engine::key::bucket_of;
use muster_engine::rule::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule};
use muster_engine::rule::bind::condition::bucket_seed;
use muster_engine::rule::bind::time::Clock;
use muster_engine::snapshot::Snapshot;
use muster_engine::value::Value;

/// What tables call it.
pub(crate) const NAME: &str = "a-tree";

/// What an attribute holds.
#[derive(Debug, Clone)]
enum Attribute {
    /// A flag.
    Flag(Operand),
    /// The whole part of a number: thresholds are whole, so it is on the same side of them.
    Number(Operand),
    /// Seconds.
    Time(Operand),
    /// A text.
    Text(Operand),
    /// Texts.
    List(Operand),
    /// The bucket for the hash of a salt.
    Bucket(u64),
}

/// Rules in its language.
#[derive(Debug)]
struct Translation {
    attributes: BTreeMap<String, Attribute>,
    clock: Clock,
}

/// All rules in one tree.
pub(crate) struct Tree {
    tree: ATree<u64>,
    attributes: BTreeMap<String, Attribute>,
}

impl Tree {
    /// A tree of rules by their keys.
    pub(crate) fn new(snapshot: &Snapshot, rules: &[(u64, Rule)]) -> Result<Self> {
        let clock = Clock::new(snapshot.as_of(), &snapshot.schema().time_zone)?;
        let mut translation = Translation { attributes: BTreeMap::new(), clock };
        let texts: Vec<(u64, String)> =
            rules.iter().map(|(key, rule)| Ok((*key, translation.rule(rule)?))).collect::<Result<_>>()?;
        let attributes = translation.attributes;
        let define = |(name, attribute): (&String, &Attribute)| match attribute {
            Attribute::Flag(_) => AttributeDefinition::boolean(name),
            Attribute::Number(_) | Attribute::Time(_) | Attribute::Bucket(_) => {
                AttributeDefinition::integer(name)
            }
            Attribute::Text(_) => AttributeDefinition::string(name),
            Attribute::List(_) => AttributeDefinition::string_list(name),
        };
        let definitions: Vec<AttributeDefinition> = attributes.iter().map(define).collect();
        let mut tree = ATree::new(&definitions).map_err(|error| anyhow!("{error:?}"))?;
        for (key, text) in &texts {
            tree.insert(key, text).map_err(|error| anyhow!("{text}: {error:?}"))?;
        }
        Ok(Self { tree, attributes })
    }

    /// A user as an event.
    pub(crate) fn event(&self, snapshot: &Snapshot, user: u64) -> Result<Event> {
        let row = snapshot.ids().row(user)?.context("an unknown user")?;
        let mut event = self.tree.make_event();
        for (name, attribute) in &self.attributes {
            let feature = |operand: &Operand| snapshot.feature(operand, row);
            let set = match attribute {
                Attribute::Bucket(seed) => event.with_integer(name, bucket_of(*seed, user).into()),
                Attribute::Flag(operand) => match feature(operand)? {
                    Some(Feature::Value(Value::Bool(value))) => event.with_boolean(name, value),
                    _ => event.with_undefined(name),
                },
                Attribute::Number(operand) => match feature(operand)? {
                    Some(Feature::Value(value)) if value != Value::Null => {
                        let number = value.as_f64().context("a number that is none")?;
                        event.with_integer(name, number.floor() as i64)
                    }
                    _ => event.with_undefined(name),
                },
                Attribute::Time(operand) => match feature(operand)? {
                    Some(Feature::Value(Value::Text(text))) => {
                        let instant: jiff::Timestamp = text.parse()?;
                        event.with_integer(name, instant.as_second())
                    }
                    _ => event.with_undefined(name),
                },
                Attribute::Text(operand) => match feature(operand)? {
                    Some(Feature::Value(Value::Text(text))) => event.with_string(name, &text),
                    _ => event.with_undefined(name),
                },
                Attribute::List(operand) => match feature(operand)? {
                    Some(Feature::List(elements)) => {
                        let texts: Vec<String> = elements.iter().map(Value::to_string).collect();
                        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                        event.with_string_list(name, &texts)
                    }
                    _ => event.with_undefined(name),
                },
            };
            set.map_err(|error| anyhow!("{name}: {error:?}"))?;
        }
        event.build().map_err(|error| anyhow!("{error:?}"))
    }

    /// How many rules an event meets.
    pub(crate) fn count(&self, event: &Event) -> usize {
        self.tree.search(event).map_or(0, |report| report.matches().len())
    }

    /// The keys of the rules that an event meets, ascending.
    pub(crate) fn matches(&self, event: &Event) -> Result<Vec<u64>> {
        let report = self.tree.search(event).map_err(|error| anyhow!("{error:?}"))?;
        let mut keys: Vec<u64> = report.matches().iter().map(|key| **key).collect();
        keys.sort_unstable();
        Ok(keys)
    }
}

impl Translation {
    fn rule(&mut self, rule: &Rule) -> Result<String> {
        Ok(match rule {
            Rule::And(of) => self.joined(of, " and ")?,
            Rule::Or(of) => self.joined(of, " or ")?,
            Rule::Not(inner) => format!("not ({})", self.rule(inner)?),
            Rule::Column(name) => {
                let operand = Operand::Column(name.clone());
                self.attribute(&operand, Attribute::Flag(operand.clone()))
            }
            Rule::Compare { left, op, right: Operand::Literal(Literal::Number(Number::Int(number))) } => {
                format!("{} {} {number}", self.attribute(left, Attribute::Number(left.clone())), symbol(*op))
            }
            Rule::Compare { left, op, right: Operand::Literal(Literal::Text(text)) } => {
                format!("{} {} \"{text}\"", self.attribute(left, Attribute::Text(left.clone())), symbol(*op))
            }
            Rule::Compare { left, op, right: Operand::Time(time) } => {
                let seconds = self.clock.nanos(&self.clock.eval(time)?).div_euclid(1_000_000_000);
                format!("{} {} {seconds}", self.attribute(left, Attribute::Time(left.clone())), symbol(*op))
            }
            Rule::In { value, list, negated } => {
                let texts: Vec<String> = list
                    .iter()
                    .map(|item| match item {
                        Operand::Literal(Literal::Text(text)) => Ok(format!("\"{text}\"")),
                        other => bail!("{other} in a list"),
                    })
                    .collect::<Result<_>>()?;
                let not = if *negated { "not " } else { "" };
                let name = self.attribute(value, Attribute::Text(value.clone()));
                format!("{name} {not}in [{}]", texts.join(", "))
            }
            Rule::IsNull { value, negated } => {
                let not = if *negated { "not " } else { "" };
                // Undefined is unknown to it, whichever way it is asked; the rules ask for what is there.
                format!("{} is {not}null", self.attribute(value, Attribute::Number(value.clone())))
            }
            Rule::Has { test: HasTest::One, column, values } => {
                let [Literal::Text(text)] = &values[..] else { bail!("{rule}") };
                let operand = Operand::Column(column.clone());
                let name = self.attribute(&operand, Attribute::List(operand.clone()));
                format!("{name} one of [\"{text}\"]")
            }
            Rule::Bucket { salt, low, high } => {
                let name = format!("bucket_{}", salt.replace(' ', "_"));
                self.attributes.insert(name.clone(), Attribute::Bucket(bucket_seed(salt)));
                format!("{name} >= {low} and {name} < {high}")
            }
            other => bail!("there is no way to say {other}"),
        })
    }

    fn joined(&mut self, of: &[Rule], join: &str) -> Result<String> {
        let parts: Vec<String> =
            of.iter().map(|rule| Ok(format!("({})", self.rule(rule)?))).collect::<Result<_>>()?;
        Ok(parts.join(join))
    }

    /// The name of an attribute that is what an operand is.
    fn attribute(&mut self, operand: &Operand, attribute: Attribute) -> String {
        let name: String =
            operand.to_string().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        self.attributes.entry(name.clone()).or_insert(attribute);
        name
    }
}

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Less => "<",
        CompareOp::LessEq => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterEq => ">=",
    }
}
