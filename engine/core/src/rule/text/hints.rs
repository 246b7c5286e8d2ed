//! What to say about constructs outside the language: their name, and the nearest thing that works.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

use super::super::error::did_you_mean;

pub(super) const CAST: &str = "write the constant in the column's type: 5, 1.5, 'text', toDateTime('...')";
pub(super) const ARITHMETIC: &str =
    "only times can be shifted, as in now() - INTERVAL 7 DAY; bring the rest to `column >= constant`";

/// Functions that are conditions.
pub(super) const CONDITIONS: &[&str] = &[
    "has",
    "hasAny",
    "hasAll",
    "empty",
    "notEmpty",
    "startsWith",
    "mapContains",
    "label",
    "at_least",
    "bucket",
];
/// Functions that are values.
pub(super) const VALUES: &[&str] = &["length", "now", "today", "toDateTime", "toDate", "array"];

/// Unquoted words that can occur in no rule, with what they begin and a hint.
pub(super) fn refused_word(keyword: Keyword) -> Option<(&'static str, &'static str)> {
    Some(match keyword {
        Keyword::SELECT | Keyword::EXISTS => {
            ("a subquery", "save the inner condition as a label and write label('name')")
        }
        Keyword::CASE => ("a CASE expression", "write its branches with AND and OR"),
        Keyword::CAST | Keyword::TRY_CAST | Keyword::CONVERT => ("a cast", CAST),
        Keyword::SIMILAR | Keyword::RLIKE => ("a regular expression", "write LIKE with % and _"),
        Keyword::EXTRACT | Keyword::SUBSTRING | Keyword::TRIM | Keyword::OVERLAY | Keyword::POSITION => {
            ("a text or date function", "compare the column itself, or use LIKE or startsWith")
        }
        _ => return None,
    })
}

/// What can follow a complete condition.
pub(super) fn after_condition(token: &Token) -> String {
    match token {
        Token::Word(word) if word.keyword == Keyword::AS => "a rule has no aliases".to_owned(),
        Token::Word(word) => did_you_mean(&word.value, ["AND", "OR", "IN", "LIKE", "BETWEEN", "IS NULL"])
            .unwrap_or_else(|| "join conditions with AND or OR".to_owned()),
        _ => "join conditions with AND or OR".to_owned(),
    }
}

/// A hint for a function that the language does not have.
pub(super) fn for_function(name: &str) -> String {
    let lower = name.to_lowercase();
    if let Some(exact) = CONDITIONS.iter().chain(VALUES).find(|known| known.eq_ignore_ascii_case(name)) {
        return format!("did you mean `{exact}`? Its case matters");
    }
    let nearest = match lower.as_str() {
        "lower" | "upper" | "lowerutf8" | "upperutf8" => "ILIKE ignores case",
        "endswith" => "write column LIKE '%suffix'",
        "contains"
        | "position"
        | "positioncaseinsensitive"
        | "locate"
        | "instr"
        | "like"
        | "ilike"
        | "match"
        | "multisearchany" => "write column LIKE '%text%', or ILIKE to ignore case",
        "adddays" | "subtractdays" | "addmonths" | "subtractmonths" | "addhours" | "subtracthours"
        | "addyears" | "subtractyears" | "addweeks" | "subtractweeks" | "date_sub" | "date_add"
        | "dateadd" | "datesub" | "datediff" | "age" => "write column >= now() - INTERVAL 7 DAY",
        "now64" | "current_timestamp" | "current_date" | "curdate" => "write now() or today()",
        "todatetime64" | "parsedatetimebesteffort" | "date" | "timestamp" | "todate32" => {
            "write toDateTime('2026-11-01 00:00:00') or toDate('2026-11-01')"
        }
        "coalesce" | "ifnull" | "nullif" | "assumenotnull" => "write column IS NULL OR column >= constant",
        "if" | "multiif" | "greatest" | "least" => "write the branches with AND and OR",
        "arrayexists" | "arraycount" | "countequal" | "indexof" => "write has, hasAny or hasAll",
        "mapkeys" | "mapvalues" | "mapcontainskey" => "write mapContains(map, 'key') or map['key']",
        "jsonextract" | "jsonextractfloat" | "jsonextractstring" | "jsonhas" | "jsonextractint" => {
            "a JSON column is a map or an array here: write column['key'] or has(column, 'element')"
        }
        "tostring" | "toint32" | "toint64" | "touint64" | "tofloat64" => CAST,
        "in" | "notin" => "write column IN (1, 2)",
        _ => "",
    };
    if nearest.is_empty() {
        did_you_mean(name, CONDITIONS.iter().chain(VALUES).copied())
            .unwrap_or_else(|| format!("functions are {}", CONDITIONS.join(", ")))
    } else {
        nearest.to_owned()
    }
}

/// The name of a construct outside the language, and what works instead.
pub(super) fn describe(expr: &Expr) -> (String, String) {
    let (construct, hint) = match expr {
        Expr::IsTrue(_) => ("IS TRUE", "write the condition on its own"),
        Expr::IsNotTrue(_) => ("IS NOT TRUE", "write NOT condition OR column IS NULL"),
        Expr::IsFalse(_) => ("IS FALSE", "write NOT condition"),
        Expr::IsNotFalse(_) => ("IS NOT FALSE", "write condition OR column IS NULL"),
        Expr::IsUnknown(_) | Expr::IsNotUnknown(_) => ("IS UNKNOWN", "write column IS NULL"),
        Expr::IsDistinctFrom(..) | Expr::IsNotDistinctFrom(..) => {
            ("IS DISTINCT FROM", "write = or != together with IS NULL")
        }
        Expr::InSubquery { .. } | Expr::Subquery(_) | Expr::Exists { .. } => {
            ("a subquery", "save the inner condition as a label and write label('name')")
        }
        Expr::InUnnest { .. } => ("IN UNNEST", "write hasAny(column, ['a', 'b'])"),
        Expr::BinaryOp { op, .. } => match op {
            BinaryOperator::Plus | BinaryOperator::Minus => ("arithmetic", ARITHMETIC),
            BinaryOperator::Xor => ("XOR", "write a AND NOT b OR b AND NOT a"),
            other => {
                return (format!("the operator `{other}`"), "use =, !=, <, <=, >, >=, AND, OR".to_owned());
            }
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
            ("a sign before something other than a number", ARITHMETIC)
        }
        Expr::UnaryOp { .. } => ("this prefix operator", "use NOT"),
        Expr::SimilarTo { .. } | Expr::RLike { .. } => ("a regular expression", "write LIKE with % and _"),
        Expr::Cast { .. } | Expr::Convert { .. } => ("a cast", CAST),
        Expr::Case { .. } => ("a CASE expression", "write its branches with AND and OR"),
        Expr::Tuple(_) => ("a tuple", "compare columns one by one"),
        Expr::Array(_) => ("an array here", "arrays only stand in hasAny and hasAll"),
        Expr::Interval(_) => ("an INTERVAL on its own", "add it to a time: now() - INTERVAL 7 DAY"),
        Expr::TypedString(_) => {
            ("a typed text", "write toDateTime('2026-11-01 00:00:00') or toDate('2026-11-01')")
        }
        Expr::Collate { .. } => ("COLLATE", "texts compare by their bytes"),
        Expr::AtTimeZone { .. } => ("AT TIME ZONE", "write toDateTime('2026-11-01 00:00:00', 'Asia/Tokyo')"),
        Expr::CompoundIdentifier(_) => {
            ("a qualified name", "write the column's name alone, in backticks if it has a dot")
        }
        Expr::CompoundFieldAccess { .. } => ("this access", "write map['key'], with the key as text"),
        Expr::Lambda(_) => ("a lambda", "write has, hasAny or hasAll"),
        Expr::Value(value) => match value.value {
            Value::Null => ("NULL here", "write column IS NULL"),
            _ => ("this constant", "use 5, 1.5, 'text', true or NULL"),
        },
        _ => ("this construct", "see the list of forms in the rule language's description"),
    };
    (construct.to_owned(), hint.to_owned())
}
