//! A rule as a ClickHouse `WHERE` expression that is true for exactly the users in its audience, and unknown
//! and false where the rule is.
//!
//! Constants are written out so that the server has nothing left to interpret: times as UTC, numbers in a
//! form that compares exactly, elements of lists only if they can be equal at all.

mod array;
#[cfg(test)]
mod cases;
mod compare;
mod list;
mod number;
mod time;
mod value;

use std::fmt::Write as _;

use crate::schema::{ScalarType, Schema};

use super::ast::{Literal, Number, Operand, Rule, TextTest};
use super::bind::time::Clock;
use super::error::RuleError;
use super::labels::{Labels, expand, unknown};
use super::limits::Limits;
use super::text::{check_pattern, quote_text};

use value::Value;

/// What a rule is rendered with.
#[derive(Clone, Copy)]
pub struct SqlOptions<'a> {
    /// `now()`, in Unix seconds. Without it the SQL calls the server's own `now()`.
    pub now: Option<i64>,
    /// Where labels come from.
    pub labels: &'a dyn Labels,
    /// Bounds on the rule once its labels are replaced.
    pub limits: &'a Limits,
}

impl std::fmt::Debug for SqlOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlOptions")
            .field("now", &self.now)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The `WHERE` expression of a rule over the table that `schema` describes.
pub fn render(rule: &Rule, schema: &Schema, options: &SqlOptions<'_>) -> Result<String, RuleError> {
    let rule = expand(rule, options.labels, options.limits)?;
    let renderer = Renderer {
        schema,
        clock: Clock::new(options.now.unwrap_or_default(), &schema.time_zone)?,
        live: options.now.is_none(),
        labels: options.labels,
        limits: options.limits,
    };
    let sql = renderer.condition(&rule, false)?;
    // These are in brackets of their own, to be joined.
    let bracketed = matches!(rule, Rule::And(_) | Rule::Or(_) | Rule::Between { .. });
    Ok(match sql.strip_prefix('(').and_then(|sql| sql.strip_suffix(')')) {
        Some(inner) if bracketed => inner.to_owned(),
        _ => sql,
    })
}

struct Renderer<'a> {
    schema: &'a Schema,
    clock: Clock,
    /// Whether `now()` is left to the server.
    live: bool,
    labels: &'a dyn Labels,
    limits: &'a Limits,
}

impl Renderer<'_> {
    /// The expression of a condition, fit to be joined or negated. `exact` asks for unknown and false to be
    /// told apart; where only the true ones matter, some are shorter.
    fn condition(&self, rule: &Rule, exact: bool) -> Result<String, RuleError> {
        match rule {
            Rule::Const(value) => Ok(value.to_string()),
            Rule::And(of) => self.joined(of, " AND ", exact),
            Rule::Or(of) => self.joined(of, " OR ", exact),
            Rule::Not(rule) => Ok(format!("NOT {}", self.condition(rule, true)?)),
            Rule::AtLeast { k, of } => self.at_least(*k, of, exact),
            Rule::Column(name) => {
                let value = self.column(name)?;
                if value.ty != ScalarType::Bool {
                    let message =
                        format!("`{name}` is {}, not Bool, so it is not a condition by itself", value.ty);
                    return Err(RuleError::new(message).hint("compare it with a constant"));
                }
                Ok(value.sql)
            }
            Rule::Compare { left, op, right } => self.compare(left, *op, right),
            Rule::Between { value, low, high, negated } => self.between(value, low, high, *negated),
            Rule::In { value, list, negated } => self.in_list(value, list, *negated),
            Rule::IsNull { value, negated } => self.is_null(value, *negated),
            Rule::Text { test, column, pattern, negated } => self.text(*test, column, pattern, *negated),
            Rule::Has { test, column, values } => self.has(*test, column, values),
            Rule::Empty { column, negated } => self.empty(column, *negated),
            Rule::MapContains { column, key } => self.map_contains(column, key),
            Rule::Label(name) => self.label(name),
            Rule::Bucket { salt, low, high } => Ok(self.bucket(salt, *low, *high)),
        }
    }

    fn joined(&self, of: &[Rule], join: &str, exact: bool) -> Result<String, RuleError> {
        let mut sql = String::from("(");
        for (index, rule) in of.iter().enumerate() {
            if index > 0 {
                sql.push_str(join);
            }
            sql.push_str(&self.condition(rule, exact)?);
        }
        sql.push(')');
        Ok(sql)
    }

    fn at_least(&self, k: u32, of: &[Rule], exact: bool) -> Result<String, RuleError> {
        let of: Result<Vec<String>, RuleError> = of.iter().map(|rule| self.condition(rule, exact)).collect();
        let of = of?;
        let true_ones = sum(&of, |sql| format!("ifNull({sql}, false)"));
        if !exact {
            return Ok(format!("{true_ones} >= {k}"));
        }
        // Not false: true or unknown. Too few of these and k can't be reached any more.
        let possible = sum(&of, |sql| format!("ifNull({sql}, true)"));
        Ok(format!("if({true_ones} >= {k}, true, if({possible} < {k}, false, NULL))"))
    }

    fn text(&self, test: TextTest, name: &str, pattern: &str, negated: bool) -> Result<String, RuleError> {
        let value = self.column(name)?;
        if value.ty != ScalarType::String {
            return Err(RuleError::new(format!(
                "LIKE and startsWith need a String column, but `{name}` is {}",
                value.ty
            ))
            .hint(format!("compare it with `{name} = ...`")));
        }
        let (sql, not) = (value.sql, if negated { "NOT " } else { "" });
        if test == TextTest::StartsWith {
            return Ok(format!("{not}startsWith({sql}, {})", quote_text(pattern)));
        }
        check_pattern(pattern)?;
        if test == TextTest::Like {
            return Ok(format!("{sql} {not}LIKE {}", quote_text(pattern)));
        }
        // The server has a faster and looser way of ignoring case for '%needle%'; a regular expression folds
        // case the same for every pattern.
        Ok(match needle(pattern) {
            Some(needle) => {
                let regex = format!("(?is){}", escape_regex(&needle));
                format!("{not}match({sql}, {})", quote_text(&regex))
            }
            None => format!("{sql} {not}ILIKE {}", quote_text(pattern)),
        })
    }

    /// A label that is a list: the users on it, if they are few enough to be named.
    fn label(&self, name: &str) -> Result<String, RuleError> {
        let Some(size) = self.labels.list(name) else { return Err(unknown(name, self.labels)) };
        let (size, limit) = (usize::try_from(size).unwrap_or(usize::MAX), self.limits.list_values);
        if size > limit {
            let what = format!("label `{name}`, a list,");
            return Err(RuleError::limit(&what, size, limit, "users", "list_values")
                .hint("count it here, or put the list into a table of the warehouse and join that"));
        }
        let Some(mut users) = self.labels.users(name) else {
            return Err(RuleError::new(format!("the users of label `{name}`, a list, cannot be read now"))
                .hint("ask again, or look at whether the catalog is there"));
        };
        users.sort_unstable();
        users.dedup();
        let id = |user: u64| Operand::Literal(Literal::Number(Number::Int(user.into())));
        let users: Vec<Operand> = users.into_iter().map(id).collect();
        self.in_list(&Operand::Column(self.schema.user_id.clone()), &users, false)
    }

    fn bucket(&self, salt: &str, low: u32, high: u32) -> String {
        let id = super::text::quote_identifier(&self.schema.user_id);
        if low >= high {
            return "false".to_owned();
        }
        let bucket = format!("intHash64(bitXor({id}, xxHash64({}))) % 10000", quote_text(salt));
        format!("({bucket} BETWEEN {low} AND {})", high - 1)
    }
}

/// A sum over conditions, as one flat call: a chain of `+` would nest as deep as it is long.
fn sum(of: &[String], each: impl Fn(&str) -> String) -> String {
    let mut sql = String::from("arraySum([");
    for (index, condition) in of.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(sql, "{comma}{}", each(condition));
    }
    sql.push_str("])");
    sql
}

/// What is true for all users that have a value and unknown for the others; or false for them.
fn known(value: &Value, truth: bool) -> String {
    if value.nullable { format!("if({} IS NULL, NULL, {truth})", value.sql) } else { truth.to_string() }
}

/// The text in `'%text%'`, unescaped, if there are no other wildcards in it.
fn needle(pattern: &str) -> Option<String> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.peek() {
                Some(&escaped @ ('%' | '_' | '\\')) => {
                    chars.next();
                    pieces.push(Some(escaped));
                }
                _ => pieces.push(Some('\\')),
            },
            '_' => return None,
            '%' => pieces.push(None),
            c => pieces.push(Some(c)),
        }
    }
    let first = pieces.iter().position(Option::is_some)?;
    let last = pieces.iter().rposition(Option::is_some)?;
    if first == 0 || last + 1 == pieces.len() {
        return None;
    }
    pieces[first..=last].iter().copied().collect()
}

fn escape_regex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && c != ' ' {
            // By code: an escape of a control character or zero byte must survive two readings.
            let _ = write!(out, "\\x{:02X}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
