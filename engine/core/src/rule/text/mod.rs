//! Reading a rule from its text: a ClickHouse `WHERE` expression.
//!
//! The text is cut into tokens first and bounded by a flat scan over them ([`tokens`]), so that nothing
//! oversized or bottomless reaches the recursive parser. What `sqlparser` then makes of it is turned into a
//! [`Rule`], and anything outside the subset is an error that names it.
//!
//! Normal form: a conjunction inside a conjunction is merged into it (likewise disjunctions), parentheses
//! and the spelling of a construct leave no trace, and a constant on the left of a comparison moves to the
//! right. Negations stay as written: `NOT x IN (1)` is not `x NOT IN (1)`.

mod condition;
mod function;
mod hints;
mod operand;
mod strings;
mod time;
mod tokens;

use sqlparser::ast::{Expr, Spanned};
use sqlparser::dialect::ClickHouseDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token};

use super::ast::{Operand, Rule};
use super::error::{Place, Position, RuleError};
use super::limits::Limits;

pub(super) use condition::check_pattern;

pub(super) use function::hundredths;
pub(super) use strings::{quote_identifier, quote_text};

impl Rule {
    /// Reads a rule from its text form.
    pub fn parse(text: &str, limits: &Limits) -> Result<Rule, RuleError> {
        read(text, limits, |reader, expr| {
            let rule = reader.condition(expr)?;
            limits.check(&rule)?;
            Ok(rule)
        })
    }
}

impl Operand {
    /// Reads what has a value a user: a column, a map's key as `holdings['USDT']`, `length(chains)`; or a constant.
    pub fn parse(text: &str, limits: &Limits) -> Result<Operand, RuleError> {
        parse_operand(text, limits)
    }
}

impl RuleError {
    /// Adds the place of what the message names in backticks, if it has none and `text` says it: errors about
    /// columns, types and labels arise when a rule is bound, far from its text.
    pub fn located_in(self, text: &str) -> Self {
        let named = self.message.split('`').nth(1).and_then(|named| named.split(['[', '(']).next());
        let (None, Some(named), Ok(tokens)) = (&self.place, named, tokens::tokenize(text)) else {
            return self;
        };
        let span = tokens.iter().find(|token| tokens::says(&token.token, named)).map(|token| token.span);
        let reader = Reader { text, limits: &Limits::default() };
        match span {
            Some(span) => reader.place(self, span),
            None => self,
        }
    }
}

/// Reads a single value, such as `now() - INTERVAL 7 DAY` or `holdings['USDT']`.
pub(super) fn parse_operand(text: &str, limits: &Limits) -> Result<Operand, RuleError> {
    read(text, limits, |reader, expr| reader.operand_of(&expr))
}

/// Tokenises, bounds, parses, and hands the parsed tree to `convert`.
fn read<T>(
    text: &str,
    limits: &Limits,
    convert: impl FnOnce(&Reader<'_>, Expr) -> Result<T, RuleError>,
) -> Result<T, RuleError> {
    limits.check_rule_bytes(text.len())?;
    let reader = Reader { text, limits };
    let tokens = tokens::tokenize(text).map_err(|error| reader.place_tokenizer_error(&error))?;
    let joins = tokens::scan(&reader, &tokens)?;
    // The parser's tree of `a AND b AND ...` leans left as deep as it is long, and even dropping it recurses.
    let stack_bytes = (1 << 20) + joins * (2 << 10);
    stacker::maybe_grow(stack_bytes, stack_bytes + (1 << 20), || {
        let mut parser = Parser::new(&ClickHouseDialect {})
            .with_recursion_limit(limits.depth.saturating_mul(8).saturating_add(64))
            .with_tokens_with_locations(tokens);
        let expr = parser.parse_expr().map_err(|error| reader.place_parser_error(&error))?;
        let next = parser.peek_token();
        if next.token != Token::EOF {
            let error = RuleError::new(format!("unexpected `{}` after a complete condition", next.token));
            return Err(reader.place(error.hint(hints::after_condition(&next.token)), next.span));
        }
        convert(&reader, expr)
    })
}

/// Turns the parser's tree into ours; knows the text for positions.
struct Reader<'a> {
    text: &'a str,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// An error about `expr`.
    fn error(&self, expr: &Expr, message: impl Into<String>) -> RuleError {
        self.place(RuleError::new(message), expr.span())
    }

    /// An error about a construct outside the language.
    fn unsupported(&self, expr: &Expr) -> RuleError {
        let (construct, hint) = hints::describe(expr);
        self.error(expr, format!("{construct} is not part of the rule language")).hint(hint)
    }

    fn place(&self, error: RuleError, span: Span) -> RuleError {
        match self.position(span.start) {
            Some(position) => error.at(Place::Text(position)),
            None => error,
        }
    }

    /// The tokenizer counts lines and characters; offsets are found again from the text.
    fn position(&self, location: Location) -> Option<Position> {
        if location.line == 0 {
            return None;
        }
        let mut offset = 0;
        for _ in 1..location.line {
            offset += self.text[offset..].find('\n')? + 1;
        }
        let columns = (location.column as usize).saturating_sub(1);
        offset +=
            self.text[offset..].char_indices().nth(columns).map_or(self.text.len() - offset, |(at, _)| at);
        Some(Position { line: location.line as u32, column: location.column as u32, offset: offset as u32 })
    }

    fn end(&self) -> Position {
        let line = self.text.matches('\n').count() as u32 + 1;
        let last = self.text.rfind('\n').map_or(0, |at| at + 1);
        let column = self.text[last..].chars().count() as u32 + 1;
        Position { line, column, offset: self.text.len() as u32 }
    }

    fn place_tokenizer_error(&self, error: &sqlparser::tokenizer::TokenizerError) -> RuleError {
        let message = lower_first(&error.message);
        self.place(RuleError::new(message), Span::new(error.location, error.location))
    }

    fn place_parser_error(&self, error: &ParserError) -> RuleError {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
            ParserError::RecursionLimitExceeded => {
                return RuleError::new("the rule is nested too deeply")
                    .hint("the limit is `rules.depth` in the configuration");
            }
        };
        // "Expected: X, found: Y at Line: L, Column: C" is how the parser words almost everything.
        let (message, at) = text.rsplit_once(" at Line: ").unwrap_or((text, ""));
        let location = at
            .split_once(", Column: ")
            .and_then(|(line, column)| Some(Location::new(line.parse().ok()?, column.parse().ok()?)));
        let message = match message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
            Some((expected, "EOF")) => format!("expected {expected}, found the end of the rule"),
            Some((expected, found)) => format!("expected {expected}, found `{found}`"),
            None => lower_first(message),
        };
        let error = RuleError::new(message);
        let error = if text.starts_with("INTERVAL requires") {
            error.hint(format!("units are {}", time::unit_names()))
        } else {
            error
        };
        let position = location.and_then(|location| self.position(location)).unwrap_or_else(|| self.end());
        error.at(Place::Text(position))
    }
}

/// Starts a message in lower case, unless it starts with a keyword.
fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
