//! From a tree to a rule.

use serde_json::{Map, Value as Json};

use super::super::ast::{CompareOp, HasTest, Literal, Number, Operand, Rule, TextTest};
use super::super::error::{Place, RuleError, did_you_mean};
use super::super::limits::Limits;
use super::super::outline::{Join, Outline};
use super::super::text::{check_pattern, hundredths, parse_operand};
use super::document::at;
use super::operators::{OPERATORS, Operator, escape_like};
use super::step;
use super::values::{Source, Values, kind};
use crate::schema::{ColumnType, ScalarType, Schema};

/// Keys that the builder adds for itself.
const BOOKKEEPING: &[&str] = &["id", "path", "disabled"];
const GROUP_KEYS: &[&str] = &["combinator", "not", "rules", "k"];
const CONDITION_KEYS: &[&str] = &["field", "operator", "value", "valueSource"];

/// Reads trees against a schema.
pub(super) struct Tree<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a Limits,
}

type Object = Map<String, Json>;
type Result<T> = std::result::Result<T, RuleError>;

impl Tree<'_> {
    pub(super) fn rule(&self, document: &Json) -> Result<Rule> {
        let rule = self.node(document, "", 1)?.into_rule();
        self.limits.check(&rule)?;
        Ok(rule)
    }

    pub(super) fn outline(&self, document: &Json) -> Result<Outline> {
        let outline = self.node(document, "", 1)?;
        self.limits.check(&outline.rule())?;
        Ok(outline)
    }

    fn node(&self, json: &Json, pointer: &str, depth: usize) -> Result<Outline> {
        let located = |error: RuleError| error.at(Place::Json(pointer.to_owned()));
        self.limits.check_depth(depth).map_err(located)?;
        match json {
            Json::Object(object) if object.contains_key("rules") || object.contains_key("combinator") => {
                self.group(object, pointer, depth).map_err(located)
            }
            Json::Object(object) => self.condition(object, pointer).map(Outline::leaf).map_err(located),
            Json::String(word) => Err(located(
                RuleError::new(format!(
                    "the text \"{word}\" stands where a group or a condition is expected"
                ))
                .hint("give the group one combinator instead of combinators between its rules"),
            )),
            other => Err(located(
                RuleError::new(format!("{} stands where a group or a condition is expected", kind(other)))
                    .hint("write {\"combinator\": \"and\", \"rules\": [...]}"),
            )),
        }
    }

    fn group(&self, group: &Object, pointer: &str, depth: usize) -> Result<Outline> {
        check_keys(group, GROUP_KEYS, "a group")?;
        let not = match group.get("not") {
            None | Some(Json::Null) => false,
            Some(Json::Bool(not)) => *not,
            Some(other) => return Err(wrong("not", "true or false", other, pointer)),
        };
        let rules = match group.get("rules") {
            Some(Json::Array(rules)) => rules,
            Some(other) => return Err(wrong("rules", "an array", other, pointer)),
            None => return Err(RuleError::new("a group without \"rules\"")),
        };
        let combinator = match group.get("combinator") {
            Some(Json::String(combinator)) => combinator.as_str(),
            Some(other) => return Err(wrong("combinator", "a text", other, pointer)),
            None => {
                return Err(RuleError::new("a group without \"combinator\"").hint(
                    "give the group \"and\" or \"or\"; combinators between its rules are not supported",
                ));
            }
        };
        let below = step(pointer, "rules");
        let of: Result<Vec<Outline>> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| self.node(rule, &step(&below, index), depth + 1))
            .collect();
        let of = of?;
        if combinator != "at_least" && group.contains_key("k") {
            return Err(RuleError::new("\"k\" belongs to the combinator \"at_least\""));
        }
        let join = match combinator {
            "and" | "AND" => Join::And,
            "or" | "OR" => Join::Or,
            "at_least" if of.is_empty() => return Err(RuleError::new("\"at_least\" of no conditions")),
            "at_least" => Join::AtLeast(count(group, pointer)?),
            other => {
                let error = RuleError::new(format!("unknown combinator \"{other}\""));
                return Err(error.hint("combinators are \"and\", \"or\" and \"at_least\""));
            }
        };
        Ok(Outline::group(join, not, of))
    }

    fn condition(&self, condition: &Object, pointer: &str) -> Result<Rule> {
        check_keys(condition, CONDITION_KEYS, "a condition")?;
        let field = text_key(condition, "field", pointer)?;
        let name = text_key(condition, "operator", pointer)?;
        if field == "~" || name == "~" {
            return Err(
                RuleError::new("a condition whose field is not chosen yet").hint("choose it or remove it")
            );
        }
        let Some((_, operator)) = OPERATORS.iter().find(|(known, _)| *known == name) else {
            let error = RuleError::new(format!("unknown operator \"{name}\""));
            let names = OPERATORS.iter().map(|(name, _)| *name);
            let all: Vec<&str> = names.clone().collect();
            let hint = suggest(name, names).unwrap_or_else(|| format!("operators are {}", all.join(", ")));
            return Err(error.hint(hint).at(Place::Json(step(pointer, "operator"))));
        };
        let source = match condition.get("valueSource") {
            None | Some(Json::Null) => Source::Value,
            Some(Json::String(source)) if source == "value" => Source::Value,
            Some(Json::String(source)) if source == "field" => Source::Field,
            Some(Json::String(source)) if source == "expression" => Source::Expression,
            Some(other) => {
                return Err(wrong("valueSource", "\"value\", \"field\" or \"expression\"", other, pointer));
            }
        };
        let value = condition.get("value").unwrap_or(&Json::Null);
        let value_at = step(pointer, "value");
        let located = |error: RuleError| error.at(Place::Json(value_at.clone()));
        match (field, operator) {
            ("bucket", Operator::Bucket) => bucket(value).map_err(located),
            (_, Operator::Bucket) => {
                Err(RuleError::new("the operator \"bucket\" goes with the field \"bucket\""))
            }
            ("label", operator) => label(*operator, value).map_err(located),
            _ => {
                let left = self.field(field).map_err(|error| at(&step(pointer, "field"), error))?;
                let values =
                    Values { tree: self, source, ty: self.type_of(&left), value, pointer: &value_at };
                self.test(left, *operator, name, &values).map_err(located)
            }
        }
    }

    fn test(&self, left: Operand, operator: Operator, name: &str, values: &Values<'_>) -> Result<Rule> {
        let column = |left: &Operand| match left {
            Operand::Column(column) => Ok(column.clone()),
            _ => Err(RuleError::new(format!("the operator \"{name}\" works on a column itself"))),
        };
        let negate = |rule: Rule, negated| if negated { Rule::Not(Box::new(rule)) } else { rule };
        Ok(match operator {
            Operator::Compare(op) => {
                let right = values.one()?;
                match (&left, op, &right) {
                    (Operand::Column(column), CompareOp::Eq, Operand::Literal(Literal::Bool(wanted)))
                        if values.source == Source::Value =>
                    {
                        negate(Rule::Column(column.clone()), !wanted)
                    }
                    _ => Rule::Compare { left, op, right },
                }
            }
            Operator::In(negated) => {
                let list = values.many()?;
                if list.is_empty() {
                    return Err(RuleError::new(format!("the list of \"{name}\" is empty")));
                }
                if !list.iter().all(Operand::is_constant) {
                    return Err(RuleError::new(format!(
                        "\"{name}\" compares with constants, not with columns"
                    )));
                }
                Rule::In { value: left, list, negated }
            }
            Operator::Between(negated) => {
                let bounds = values.many()?;
                let [low, high] = <[Operand; 2]>::try_from(bounds).map_err(|found| {
                    RuleError::new(format!("\"{name}\" takes two values, not {}", found.len()))
                })?;
                Rule::Between { value: left, low, high, negated }
            }
            Operator::Null(negated) => Rule::IsNull { value: left, negated },
            Operator::Contains(negated) => {
                let column = column(&left)?;
                self.contains(column, name, values, negated)?
            }
            Operator::BeginsWith(negated) => {
                let (column, pattern) = (column(&left)?, values.text()?);
                negate(Rule::Text { test: TextTest::StartsWith, column, pattern, negated: false }, negated)
            }
            Operator::EndsWith(negated) => {
                let (column, text) = (column(&left)?, values.text()?);
                Rule::Text {
                    test: TextTest::Like,
                    column,
                    pattern: format!("%{}", escape_like(&text)),
                    negated,
                }
            }
            Operator::Like(negated) | Operator::ILike(negated) => {
                let test =
                    if matches!(operator, Operator::Like(_)) { TextTest::Like } else { TextTest::ILike };
                let (column, pattern) = (column(&left)?, values.text()?);
                check_pattern(&pattern)?;
                Rule::Text { test, column, pattern, negated }
            }
            Operator::HasAny | Operator::HasAll => {
                let test = if operator == Operator::HasAny { HasTest::Any } else { HasTest::All };
                let sought: Result<Vec<Literal>> = values.many()?.into_iter().map(searchable).collect();
                Rule::Has { test, column: column(&left)?, values: sought? }
            }
            Operator::Empty(negated) => Rule::Empty { column: column(&left)?, negated },
            Operator::MapContains => Rule::MapContains { column: column(&left)?, key: values.text()? },
            Operator::Bucket => {
                return Err(RuleError::new("the operator \"bucket\" goes with the field \"bucket\""));
            }
        })
    }

    /// An element of an array, a key of a map, or a part of a text.
    fn contains(&self, column: String, name: &str, values: &Values<'_>, negated: bool) -> Result<Rule> {
        let ty = self.schema.column(&column).map(|(_, found)| &found.ty);
        let rule = match ty {
            Some(ColumnType::Array(_)) => {
                Rule::Has { test: HasTest::One, column, values: vec![searchable(values.one()?)?] }
            }
            Some(ColumnType::Map(_)) => Rule::MapContains { column, key: values.text()? },
            Some(ColumnType::Scalar(ScalarType::String)) => {
                let pattern = format!("%{}%", escape_like(&values.text()?));
                return Ok(Rule::Text { test: TextTest::Like, column, pattern, negated });
            }
            Some(other) => {
                return Err(RuleError::new(format!(
                    "\"{name}\" needs an array or a text, but `{column}` is {other}"
                ))
                .hint("use \"=\" or \"in\""));
            }
            None => return Err(self.unknown_column(&column)),
        };
        Ok(if negated { Rule::Not(Box::new(rule)) } else { rule })
    }

    /// What a field names: a column by its bare name, or a value as in text.
    pub(super) fn field(&self, field: &str) -> Result<Operand> {
        if field == self.schema.user_id || self.schema.column(field).is_some() {
            return Ok(Operand::Column(field.to_owned()));
        }
        let operand = match parse_operand(field, self.limits) {
            Ok(operand) if !operand.is_constant() => operand,
            _ => return Err(self.unknown_column(field)),
        };
        match &operand {
            Operand::Column(name) | Operand::Length(name) | Operand::MapValue { column: name, .. }
                if *name != self.schema.user_id && self.schema.column(name).is_none() =>
            {
                Err(self.unknown_column(name))
            }
            _ => Ok(operand),
        }
    }

    fn unknown_column(&self, name: &str) -> RuleError {
        let error = RuleError::new(format!("unknown column `{name}`"));
        let names = self.schema.columns.iter().map(|column| column.name.as_str());
        match did_you_mean(name, names.chain([self.schema.user_id.as_str()])) {
            Some(hint) => error.hint(hint),
            None => error.hint("a field is a column's name, map['key'] or length(column)"),
        }
    }

    /// The type of the values that a field has, if it is known.
    fn type_of(&self, left: &Operand) -> Option<ScalarType> {
        let name = match left {
            Operand::Column(name) | Operand::MapValue { column: name, .. } => name,
            Operand::Length(_) => return Some(ScalarType::UInt { bits: 64 }),
            Operand::Literal(_) | Operand::Time(_) => return None,
        };
        if *name == self.schema.user_id {
            return Some(ScalarType::UInt { bits: 64 });
        }
        self.schema.column(name).map(|(_, column)| match &column.ty {
            ColumnType::Scalar(ty) | ColumnType::Array(ty) | ColumnType::Map(ty) => ty.clone(),
        })
    }
}

fn label(operator: Operator, value: &Json) -> Result<Rule> {
    let name = |value: &Json| match value {
        Json::String(name) => Ok(Rule::Label(name.clone())),
        other => Err(RuleError::new(format!("{} stands where the name of a label is expected", kind(other)))),
    };
    let any = |value: &Json| match value {
        Json::Array(names) if !names.is_empty() => {
            Ok(Rule::any(names.iter().map(name).collect::<Result<_>>()?))
        }
        other => Err(RuleError::new(format!("{} stands where a list of labels is expected", kind(other)))),
    };
    match operator {
        Operator::Compare(CompareOp::Eq) => name(value),
        Operator::Compare(CompareOp::NotEq) => Ok(Rule::Not(Box::new(name(value)?))),
        Operator::In(false) => any(value),
        Operator::In(true) => Ok(Rule::Not(Box::new(any(value)?))),
        _ => Err(RuleError::new("labels are compared with \"=\", \"!=\", \"in\" or \"notIn\"")
            .hint("a column of the name label is the field `label` in backticks")),
    }
}

fn bucket(value: &Json) -> Result<Rule> {
    let usage = || {
        RuleError::new("the value of \"bucket\" is a salt and two percentages with at most two decimals")
            .hint("write [\"exp-42\", 0, 10]")
    };
    let Json::Array(parts) = value else { return Err(usage()) };
    let [Json::String(salt), Json::Number(low), Json::Number(high)] = parts.as_slice() else {
        return Err(usage());
    };
    let percent = |number: &serde_json::Number| {
        let number = number.as_u64().map_or_else(
            || Number::float(number.as_f64().unwrap_or(f64::NAN)),
            |whole| Number::Int(whole.into()),
        );
        hundredths(number).ok_or_else(usage)
    };
    let (low, high) = (percent(low)?, percent(high)?);
    if low > high {
        return Err(RuleError::new("bucket's lower bound is above its upper one"));
    }
    Ok(Rule::Bucket { salt: salt.clone(), low, high })
}

fn searchable(operand: Operand) -> Result<Literal> {
    match operand {
        Operand::Literal(Literal::Null) => Err(RuleError::new("null can't be looked for in an array")),
        Operand::Literal(literal) => Ok(literal),
        _ => Err(RuleError::new("arrays are searched for numbers, texts and flags")),
    }
}

fn count(group: &Object, pointer: &str) -> Result<u32> {
    match group.get("k") {
        Some(k) => k
            .as_u64()
            .and_then(|k| u32::try_from(k).ok())
            .ok_or_else(|| wrong("k", "a whole number", k, pointer)),
        None => Err(RuleError::new("\"at_least\" without \"k\"").hint("say how many must hold: \"k\": 2")),
    }
}

fn text_key<'j>(object: &'j Object, key: &str, pointer: &str) -> Result<&'j str> {
    match object.get(key) {
        Some(Json::String(text)) => Ok(text),
        Some(other) => Err(wrong(key, "a text", other, pointer)),
        None => Err(RuleError::new(format!("a condition without \"{key}\""))
            .hint("write {\"field\": ..., \"operator\": ..., \"value\": ...}")),
    }
}

fn check_keys(object: &Object, known: &[&str], what: &str) -> Result<()> {
    for (key, value) in object {
        if known.contains(&key.as_str()) || BOOKKEEPING.contains(&key.as_str()) {
            continue;
        }
        // Off is the same as absent.
        if key == "muted" && matches!(value, Json::Bool(false) | Json::Null) {
            continue;
        }
        let error = RuleError::new(format!("unknown key \"{key}\" in {what}"));
        let hint = if key == "muted" {
            Some("remove what is muted".to_owned())
        } else {
            suggest(key, known.iter().copied())
        };
        return Err(error.hint(hint.unwrap_or_else(|| format!("keys are {}", known.join(", ")))));
    }
    Ok(())
}

fn wrong(key: &str, expected: &str, found: &Json, pointer: &str) -> RuleError {
    RuleError::new(format!("\"{key}\" must be {expected}, not {}", kind(found)))
        .at(Place::Json(step(pointer, key)))
}

/// A hint with the closest of the known words, quoted as JSON has them.
fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    did_you_mean(word, known).map(|hint| hint.replace('`', "\""))
}
