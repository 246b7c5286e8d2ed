//! The flat look at a rule's tokens, before anything recursive sees them: what may occur at all, how deep
//! it nests, how many conditions and list values there are.

use sqlparser::dialect::ClickHouseDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

use super::super::error::{Place, RuleError};
use super::strings::unescape;
use super::{Reader, hints};

/// Words in one condition, not counting what is inside its brackets. The parser's tree of a chain of
/// operators is as deep as the chain is long.
const TERM_TOKENS_MAX: usize = 256;

/// The tokens of a rule, string literals and quoted names still escaped.
pub(super) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&ClickHouseDialect {}, text).with_unescape(false).tokenize_with_location()
}

/// What a bracket opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The rule itself, or parentheses around a condition.
    Group,
    /// The values of `IN` or of an array.
    List,
    /// The arguments of a function that joins conditions.
    Conditions,
    /// The arguments of any other function.
    Call,
}

struct Open {
    kind: Kind,
    closer: Token,
    span: Span,
    commas: usize,
    /// Prefix operators of the current term: each nests by one.
    prefixes: usize,
    /// `BETWEEN`s whose `AND` is still to come.
    betweens: usize,
    /// Tokens of the current term.
    tokens: usize,
}

impl Open {
    fn new(kind: Kind, closer: Token, span: Span) -> Self {
        Self { kind, closer, span, commas: 0, prefixes: 0, betweens: 0, tokens: 0 }
    }

    fn end_term(&mut self, prefixes: &mut usize) {
        *prefixes -= self.prefixes;
        self.prefixes = 0;
        self.tokens = 0;
    }
}

/// Checks the tokens; gives how many joins of conditions there are.
pub(super) fn scan(reader: &Reader<'_>, tokens: &[TokenWithSpan]) -> Result<usize, RuleError> {
    let limits = reader.limits;
    let mut open = vec![Open::new(Kind::Group, Token::EOF, Span::empty())];
    // All prefixes of the open terms together.
    let mut prefixes = 0;
    let mut deepest = 0;
    let mut joins = 0;
    let mut previous: Option<&Token> = None;
    for TokenWithSpan { token, span } in tokens {
        if matches!(token, Token::Whitespace(Whitespace::Space | Whitespace::Tab | Whitespace::Newline)) {
            continue;
        }
        check_token(reader, token, *span)?;
        let closed = match token {
            Token::RParen | Token::RBracket => {
                let closed = open.pop().filter(|closed| closed.closer == *token);
                let Some(mut closed) = closed.filter(|_| !open.is_empty()) else {
                    let error = RuleError::new(format!("`{token}` closes nothing"));
                    return Err(reader.place(error, *span));
                };
                closed.end_term(&mut prefixes);
                Some(closed)
            }
            _ => None,
        };
        if let Some(closed) = closed {
            match closed.kind {
                Kind::List => {
                    limits.check_list(closed.commas + 1).map_err(|e| reader.place(e, closed.span))?;
                }
                // The first argument is the count.
                Kind::Conditions => joins += closed.commas.saturating_sub(1),
                Kind::Group | Kind::Call => {}
            }
        }
        let opened = match token {
            Token::LParen => Some((kind_of_paren(previous), Token::RParen)),
            Token::LBracket => Some((Kind::List, Token::RBracket)),
            _ => None,
        };
        let levels = open.len();
        // The vector never empties: closing the outermost is refused above.
        let Some(term) = open.last_mut() else { break };
        match token {
            Token::Comma => {
                term.commas += 1;
                term.end_term(&mut prefixes);
            }
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::BETWEEN => {
                term.betweens += 1;
            }
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::AND => {
                if term.betweens > 0 {
                    term.betweens -= 1;
                } else {
                    joins += 1;
                    term.end_term(&mut prefixes);
                }
            }
            Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::OR => {
                joins += 1;
                term.end_term(&mut prefixes);
            }
            _ if is_prefix(token, previous) => {
                // Counted as nesting, which is bounded as a whole.
                term.prefixes += 1;
                prefixes += 1;
            }
            _ => term.tokens += 1,
        }
        if term.tokens > TERM_TOKENS_MAX {
            let message = format!("a single condition of more than {TERM_TOKENS_MAX} words");
            return Err(reader.place(RuleError::new(message).hint("join shorter ones with AND or OR"), *span));
        }
        if let Some((kind, closer)) = opened {
            open.push(Open::new(kind, closer, *span));
        }
        deepest = deepest.max(levels + prefixes);
        previous = Some(token);
    }
    if previous.is_none() {
        return Err(RuleError::new("the rule is empty").hint("`true` selects every user"));
    }
    // Sizes before shape: `((((` without end is first of all too deep.
    limits.check_depth(deepest)?;
    limits.check_leaves(joins + 1)?;
    if let Some(unclosed) = open.get(1..).and_then(<[Open]>::last) {
        let error = RuleError::new(format!("expected `{}`, found the end of the rule", unclosed.closer));
        let at = reader.position(unclosed.span.start).unwrap_or_else(|| reader.end());
        let hint = format!("nothing closes the bracket of line {}, column {}", at.line, at.column);
        return Err(error.hint(hint).at(Place::Text(reader.end())));
    }
    Ok(joins)
}

/// What parentheses after `previous` hold.
fn kind_of_paren(previous: Option<&Token>) -> Kind {
    match previous {
        Some(Token::Word(word)) if word.quote_style.is_none() => match word.keyword {
            Keyword::IN => Kind::List,
            Keyword::NOT | Keyword::BETWEEN | Keyword::AND | Keyword::OR => Kind::Group,
            _ if word.value == "at_least" => Kind::Conditions,
            _ if word.value == "array" => Kind::List,
            _ => Kind::Call,
        },
        Some(Token::Word(_)) => Kind::Call,
        _ => Kind::Group,
    }
}

/// Whether this token nests what follows it: NOT, and a sign that is not between two operands.
fn is_prefix(token: &Token, previous: Option<&Token>) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_none() && word.keyword == Keyword::NOT,
        Token::Minus | Token::Plus => !matches!(
            previous,
            Some(
                Token::Word(_)
                    | Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::RParen
                    | Token::RBracket
            )
        ),
        _ => false,
    }
}

/// Refuses what can occur in no rule, so that it gets a plain error of its own.
fn check_token(reader: &Reader<'_>, token: &Token, span: Span) -> Result<(), RuleError> {
    let refused = |what: String, hint: Option<&str>| {
        let error = RuleError::new(format!("{what} is not part of the rule language"));
        let error = if let Some(hint) = hint { error.hint(hint) } else { error };
        Err(reader.place(error, span))
    };
    match token {
        Token::Word(word) if word.quote_style.is_some() => Ok(()),
        Token::Word(word) => match hints::refused_word(word.keyword) {
            Some((what, hint)) => refused(format!("{what} (`{}`)", word.value), Some(hint)),
            None => Ok(()),
        },
        Token::Number(text, true) => refused(format!("the number suffix of `{text}L`"), Some("leave it out")),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::Eq
        | Token::DoubleEq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::Plus
        | Token::Minus
        | Token::LParen
        | Token::RParen
        | Token::LBracket
        | Token::RBracket
        | Token::Period => Ok(()),
        Token::HexStringLiteral(digits) if is_number(digits, span) => Ok(()),
        Token::Whitespace(_) => refused("a comment".to_owned(), Some("leave it out")),
        Token::SemiColon => refused("`;`".to_owned(), Some("a rule is one condition, without an end mark")),
        Token::DoubleColon => refused("a cast (`::`)".to_owned(), Some(hints::CAST)),
        Token::Mul | Token::Div | Token::Mod => {
            refused(format!("arithmetic (`{token}`)"), Some(hints::ARITHMETIC))
        }
        Token::ExclamationMark => refused("`!`".to_owned(), Some("write NOT")),
        Token::Spaceship => refused("`<=>`".to_owned(), Some("write = together with IS NULL")),
        Token::Ampersand | Token::Overlap => refused(format!("`{token}`"), Some("write AND")),
        Token::Pipe | Token::StringConcat => refused(format!("`{token}`"), Some("write OR")),
        Token::DoubleQuotedString(_) => refused("a double-quoted text".to_owned(), Some("use single quotes")),
        other => refused(format!("`{other}`"), None),
    }
}

/// Tells `0x1F`, a number, from `x'1F'`, a byte string, by its length: the tokenizer does not.
fn is_number(digits: &str, span: Span) -> bool {
    let length = span.end.column.saturating_sub(span.start.column) as usize;
    span.start.line == span.end.line && length == digits.chars().count() + "0x".len()
}

/// Whether a token is this name or text.
pub(super) fn says(token: &Token, named: &str) -> bool {
    match token {
        Token::Word(word) => match word.quote_style {
            Some(quote) => unescape(&word.value, quote).is_ok_and(|name| name == named),
            None => word.value == named,
        },
        Token::SingleQuotedString(raw) => unescape(raw, '\'').is_ok_and(|text| text == named),
        _ => false,
    }
}
