//! Tests of reading text: every form and its canonical text, golden errors, hostile input.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sqlparser::keywords::ALL_KEYWORDS;

use super::super::arbitrary;
use super::super::ast::{CompareOp, Literal, Number, Operand, Rule};
use super::super::error::RuleError;
use super::super::limits::Limits;

fn parse(text: &str) -> Result<Rule, RuleError> {
    Rule::parse(text, &Limits::default())
}

/// Text, and its canonical form where that differs.
const FORMS: &[(&str, &str)] = &[
    ("has_poh AND NOT bot_warning", ""),
    ("has_poh = true", ""),
    ("has_poh == TRUE", "has_poh = true"),
    ("true", ""),
    ("FALSE or x", "false OR x"),
    ("balance_usd >= 100", ""),
    ("balance_usd>=1e2", "balance_usd >= 100.0"),
    ("country != 'CN'", ""),
    ("country <> 'CN'", "country != 'CN'"),
    ("total_tx_value_usd > balance_usd", ""),
    ("100 <= balance_usd", "balance_usd >= 100"),
    ("'CN' != country", "country != 'CN'"),
    ("(a AND (b AND c)) AND d", "a AND b AND c AND d"),
    ("a OR (b OR c AND d)", "a OR b OR c AND d"),
    ("(a OR b) AND c", ""),
    ("NOT (a OR b)", ""),
    ("NOT NOT a", ""),
    ("NOT (a)", "NOT a"),
    ("NOT x IN (1)", ""),
    ("x NOT IN (1, 2)", ""),
    ("NOT x BETWEEN 1 AND 2 AND y", ""),
    ("(NOT x) AND y", "NOT x AND y"),
    ("x BETWEEN 1 AND 2", ""),
    ("x NOT BETWEEN -1.5 AND +2", "x NOT BETWEEN -1.5 AND 2"),
    ("x between a and b", "x BETWEEN a AND b"),
    ("x IS NULL", ""),
    ("x is not null", "x IS NOT NULL"),
    ("isNull(x)", "x IS NULL"),
    ("m['k'] IS NOT NULL", ""),
    ("x = NULL", ""),
    ("x IN (1, NULL)", ""),
    ("x IN ('a')", ""),
    ("country LIKE 'U%'", ""),
    ("country NOT LIKE 'U\\_%'", "country NOT LIKE 'U\\\\_%'"),
    ("country ILIKE 'u%'", ""),
    ("country NOT ILIKE 'u%'", ""),
    ("startsWith(country, 'U')", ""),
    ("NOT startsWith(country, 'U')", ""),
    ("last_active_time >= now() - INTERVAL 7 DAY", ""),
    ("t >= now() - interval 7 days", "t >= now() - INTERVAL 7 DAY"),
    ("t >= now() - INTERVAL '7' DAY", "t >= now() - INTERVAL 7 DAY"),
    ("t >= NOW() - toIntervalDay(7)", "t >= now() - INTERVAL 7 DAY"),
    ("t >= now() - INTERVAL -7 DAY", "t >= now() + INTERVAL 7 DAY"),
    ("t >= INTERVAL 7 DAY + now()", "t >= now() + INTERVAL 7 DAY"),
    ("t >= now() - INTERVAL 1 MONTH + INTERVAL 2 HOUR", ""),
    (
        "t >= (now() - INTERVAL 1 YEAR) - INTERVAL 1 QUARTER",
        "t >= now() - INTERVAL 1 YEAR - INTERVAL 1 QUARTER",
    ),
    ("d >= today() - 7", "d >= today() - INTERVAL 7 DAY"),
    ("t >= now() - 7", "t >= now() - INTERVAL 7 SECOND"),
    ("d >= today() + INTERVAL 2 WEEK + 3", "d >= today() + INTERVAL 2 WEEK + INTERVAL 3 DAY"),
    ("t >= today() + INTERVAL 2 HOUR + 3", "t >= today() + INTERVAL 2 HOUR + INTERVAL 3 SECOND"),
    ("d = yesterday()", "d = today() - INTERVAL 1 DAY"),
    ("t < toDateTime('2026-11-01 00:00:00')", ""),
    ("t < toDateTime('2026-11-01 00:00:00', 'Asia/Tokyo')", ""),
    ("t BETWEEN toDate('2026-11-01') AND now() - INTERVAL 1 DAY", ""),
    (
        "t > DATE '2026-11-01' OR t < TIMESTAMP '2026-11-01 00:00:00'",
        "t > toDate('2026-11-01') OR t < toDateTime('2026-11-01 00:00:00')",
    ),
    ("t IN (toDate('2026-11-01'), today())", ""),
    ("has(active_chains, 'ethereum')", ""),
    ("hasAny(active_chains, ['solana','base'])", "hasAny(active_chains, ['solana', 'base'])"),
    ("hasAll(active_chains, array('solana', 'base'))", "hasAll(active_chains, ['solana', 'base'])"),
    ("hasAll(active_chains, [])", ""),
    ("has(scores, -1) AND has(flags, true)", ""),
    ("length(active_chains) >= 3", ""),
    ("3 > LENGTH(active_chains)", "length(active_chains) < 3"),
    ("empty(active_chains) OR notEmpty(preferred_task_types)", ""),
    ("erc20_token_holdings['USDT'] >= 100", ""),
    ("erc20_token_holdings['PEPE'] IS NOT NULL", ""),
    ("mapContains(erc20_token_holdings, 'PEPE')", ""),
    ("m['a'] > m['b']", ""),
    ("label('kyc_users')", ""),
    ("at_least(2, has_zkme, NOT has_babt, a OR b)", ""),
    ("at_least(0, a)", ""),
    ("at_least(5, a, b)", ""),
    ("bucket('exp-42', 0, 10)", ""),
    ("bucket('exp-42', 0.5, 12.25)", ""),
    ("bucket('e', 10.0, 1e1)", "bucket('e', 10, 10)"),
    ("user_id = 1000011", ""),
    ("user_id IN (1, 2, 3)", ""),
    ("x = 18446744073709551615", ""),
    ("x = 170141183460469231731687303715884105727", ""),
    ("x = -170141183460469231731687303715884105728", ""),
    ("x = 170141183460469231731687303715884105728", "x = 1.7014118346046923e38"),
    ("x = 0x1F", "x = 31"),
    ("x = 1_000", "x = 1000"),
    ("x = .5 OR x = 5.", "x = 0.5 OR x = 5.0"),
    ("x = inf OR x = -INF OR x = NaN", "x = inf OR x = -inf OR x = nan"),
    ("x = -0.0 OR x = -0", "x = -0.0 OR x = 0"),
    ("x = - -1", "x = 1"),
    ("x = 1e-400", "x = 0.0"),
    ("x = 'it''s' OR x = 'it\\'s'", "x = 'it''s' OR x = 'it''s'"),
    ("x = 'a\\n\\t\\\\\\x41\\q\\%'", "x = 'a\\n\\t\\\\A\\\\q\\\\%'"),
    ("`odd name` = 1 AND `a``b` AND \"n.a\" IS NULL", "`odd name` = 1 AND `a``b` AND `n.a` IS NULL"),
    ("`plain` = 1", "plain = 1"),
    ("`nan` = 1 AND `true`", ""),
    ("equals(a, 1) AND less(2, b)", "a = 1 AND b > 2"),
    ("a\n\tAND\r\nb", "a AND b"),
    ("((((a))))", "a"),
];

#[test]
fn every_form_reads_and_prints() {
    for (text, canonical) in FORMS {
        let canonical = if canonical.is_empty() { text } else { canonical };
        let rule = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(rule.to_string(), *canonical, "of {text}");
        assert_eq!(parse(canonical).unwrap(), rule, "of {canonical}");
    }
}

#[test]
fn trees_are_as_documented() {
    let column = |name: &str| Rule::Column(name.into());
    assert_eq!(
        parse("a AND (b OR NOT c)").unwrap(),
        Rule::And(vec![column("a"), Rule::Or(vec![column("b"), Rule::Not(column("c").into())])])
    );
    assert_eq!(
        parse("5 < x").unwrap(),
        Rule::Compare {
            left: Operand::Column("x".into()),
            op: CompareOp::Greater,
            right: Operand::Literal(Literal::Number(Number::Int(5))),
        }
    );
}

/// Text and the whole error.
const ERRORS: &[(&str, &str)] = &[
    ("", "the rule is empty; `true` selects every user"),
    (" \n", "the rule is empty; `true` selects every user"),
    ("a AND", "expected an expression, found the end of the rule at line 1, column 6"),
    ("a b", "unexpected `b` after a complete condition at line 1, column 3; join conditions with AND or OR"),
    ("a ANDD b", "unexpected `ANDD` after a complete condition at line 1, column 3; did you mean `AND`?"),
    ("a AND\n  hass(x, 'y')", "unknown function `hass` at line 2, column 3; did you mean `has`?"),
    ("HAS(x, 'y')", "unknown function `HAS` at line 1, column 1; did you mean `has`? Its case matters"),
    ("lower(x) = 'y'", "unknown function `lower` at line 1, column 1; ILIKE ignores case"),
    (
        "x IN (SELECT id FROM t)",
        "a subquery (`SELECT`) is not part of the rule language at line 1, column 7; save the inner condition as a label and write label('name')",
    ),
    (
        "x = 1;",
        "`;` is not part of the rule language at line 1, column 6; a rule is one condition, without an end mark",
    ),
    ("x = 1 -- note", "a comment is not part of the rule language at line 1, column 7; leave it out"),
    ("x /* y */ = 1", "a comment is not part of the rule language at line 1, column 3; leave it out"),
    (
        "x IS TRUE",
        "IS TRUE is not part of the rule language at line 1, column 1; write the condition on its own",
    ),
    (
        "x IS NOT TRUE",
        "IS NOT TRUE is not part of the rule language at line 1, column 1; write NOT condition OR column IS NULL",
    ),
    (
        "x::Int32 = 1",
        "a cast (`::`) is not part of the rule language at line 1, column 2; write the constant in the column's type: 5, 1.5, 'text', toDateTime('...')",
    ),
    (
        "x * 2 > 1",
        "arithmetic (`*`) is not part of the rule language at line 1, column 3; only times can be shifted, as in now() - INTERVAL 7 DAY; bring the rest to `column >= constant`",
    ),
    (
        "x + 2 > 1",
        "arithmetic with a column is not part of the rule language at line 1, column 1; only times can be shifted, as in now() - INTERVAL 7 DAY; bring the rest to `column >= constant`",
    ),
    (
        "1 = 1",
        "a comparison of two constants at line 1, column 1; name a column on one side, or write true or false",
    ),
    (
        "5",
        "a number stands where a condition is expected at line 1, column 1; a condition is a boolean column, a comparison or a test such as IN",
    ),
    (
        "(a = 1) = true",
        "a condition stands where a value is expected at line 1, column 2; join conditions with AND, OR and NOT instead of comparing them",
    ),
    (
        "has(x, 'y') = 1",
        "a condition stands where a value is expected at line 1, column 1; join conditions with AND, OR and NOT instead of comparing them",
    ),
    (
        "x IN (y)",
        "IN compares with constants, not with columns at line 1, column 7; write column = other_column, joined by OR",
    ),
    (
        "5 IN (5)",
        "IN tests a column, not a constant at line 1, column 1; write column IN, with the column first",
    ),
    (
        "isNull(0)",
        "IS NULL tests a column, not a constant at line 1, column 8; write column IS NULL, with the column first",
    ),
    ("x IN ()", "expected an expression, found `)` at line 1, column 7"),
    ("x LIKE y", "the pattern of LIKE must be a text at line 1, column 8; put it in single quotes"),
    (
        "x LIKE \"y\"",
        "the pattern of LIKE must be a text, but \"y\" is a column's name at line 1, column 8; write 'y'",
    ),
    (
        "x LIKE 'a\\\\'",
        "a pattern that ends in a single backslash at line 1, column 8; write two (four in a quoted text) for the character itself",
    ),
    (
        "x LIKE 'a' ESCAPE '!'",
        "ESCAPE is not part of the rule language at line 1, column 1; the escape is always `\\`",
    ),
    (
        "has(x, NULL)",
        "NULL can't be looked for in an array at line 1, column 8; write has, hasAny or hasAll with constants",
    ),
    (
        "hasAny(x, 'a')",
        "the second argument of hasAny must be an array of constants at line 1, column 11; write hasAny(column, ['a', 'b'])",
    ),
    ("has(x)", "has takes 2 arguments, not 1 at line 1, column 1; write has(column, 'element')"),
    ("at_least(2)", "at_least needs a number and conditions at line 1, column 1; write at_least(2, a, b, c)"),
    (
        "at_least(a, b)",
        "the first argument of at_least must be a whole number at line 1, column 10; write at_least(2, a, b, c)",
    ),
    (
        "bucket('s', 20, 10)",
        "bucket's lower bound is above its upper one at line 1, column 13; write the smaller percentage first",
    ),
    (
        "bucket('s', 0, 101)",
        "bucket's bounds are percentages from 0 to 100 with at most two decimals at line 1, column 16; write bucket('salt', 0, 12.5)",
    ),
    (
        "bucket('s', 0, 1.005)",
        "bucket's bounds are percentages from 0 to 100 with at most two decimals at line 1, column 16; write bucket('salt', 0, 12.5)",
    ),
    (
        "t > now() - INTERVAL 7 FORTNIGHT",
        "INTERVAL requires a unit after the literal value at line 1, column 24; units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR",
    ),
    (
        "t > now() - INTERVAL 1.5 DAY",
        "an interval counts whole units at line 1, column 22; write INTERVAL 36 HOUR, not 1.5 DAY",
    ),
    (
        "t > now() - INTERVAL 1 MILLISECOND",
        "the interval unit `MILLISECOND` is not part of the rule language at line 1, column 22; units are SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR",
    ),
    (
        "t > now('UTC')",
        "now() takes no zone here: an instant is the same in every zone at line 1, column 5; write now()",
    ),
    (
        "t > addDays(now(), 7)",
        "unknown function `addDays` at line 1, column 5; write column >= now() - INTERVAL 7 DAY",
    ),
    ("t > toDateTime(5)", "the time must be a text at line 1, column 16; put it in single quotes"),
    ("x = 1e400", "the number 1e400 is too large at line 1, column 5"),
    ("x = 'abc", "unterminated string literal at line 1, column 5"),
    ("x = '\\xZZ'", "`\\x` in a text without two hexadecimal digits after it at line 1, column 5"),
    ("x = '\\xFF'", "a text that is not valid UTF-8 at line 1, column 5; check its `\\x` escapes"),
    (
        "(a AND (b)",
        "expected `)`, found the end of the rule at line 1, column 11; nothing closes the bracket of line 1, column 1",
    ),
    ("a)", "`)` closes nothing at line 1, column 2"),
    ("a]", "`]` closes nothing at line 1, column 2"),
    (
        "t.x = 1",
        "a qualified name is not part of the rule language at line 1, column 1; write the column's name alone, in backticks if it has a dot",
    ),
    ("m[1] = 1", "the key of a map must be a text at line 1, column 3; put it in single quotes"),
    (
        "m['a']['b'] = 1",
        "this access is not part of the rule language at line 1, column 1; write map['key'], with the key as text",
    ),
    (
        "m['a']",
        "a map's value stands where a condition is expected at line 1, column 1; compare it, as in map['key'] > 0",
    ),
    ("a XOR b", "XOR is not part of the rule language at line 1, column 1; write a AND NOT b OR b AND NOT a"),
    (
        "CASE WHEN a THEN b END",
        "a CASE expression (`CASE`) is not part of the rule language at line 1, column 1; write its branches with AND and OR",
    ),
    ("a && b", "`&&` is not part of the rule language at line 1, column 3; write AND"),
    ("a || b", "`||` is not part of the rule language at line 1, column 3; write OR"),
    ("x = ?", "`?` is not part of the rule language at line 1, column 5"),
    (
        "x = 5L",
        "the number suffix of `5L` is not part of the rule language at line 1, column 5; leave it out",
    ),
    ("`` = 5", "a column name is empty at line 1, column 1"),
    ("é = 5", "`é` is not part of the rule language at line 1, column 1"),
];

#[test]
fn errors_name_the_construct_the_place_and_the_way_out() {
    let mut wrong = Vec::new();
    for (text, expected) in ERRORS {
        let found = parse(text).map_or_else(|error| error.to_string(), |rule| format!("read as {rule}"));
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected}\n  found    {found}\n"));
        }
    }
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn positions_count_characters_and_offsets_count_bytes() {
    let position = parse("`é` = 'ü'\n AND foo(x)").unwrap_err().position().unwrap();
    assert_eq!((position.line, position.column, position.offset), (2, 6, 17));
}

#[test]
fn later_errors_find_their_place_in_the_text() {
    let text = "a = 1 AND\n`odd name` = 2 AND label('vip') AND m['k'] > 1";
    let at =
        |message: &str| RuleError::new(message).located_in(text).position().map(|at| (at.line, at.column));
    assert_eq!(at("unknown column `odd name`"), Some((2, 1)));
    assert_eq!(at("unknown label `vip`"), Some((2, 26)));
    assert_eq!(at("`m['k']` is Float64"), Some((2, 37)));
    assert_eq!(at("unknown column `b`"), None);
    assert_eq!(at("nothing named"), None);
}

/// Runs on a thread with the stack that test and worker threads have, and in time.
fn on_a_small_stack(name: &str, check: impl FnOnce() + Send) {
    let started = Instant::now();
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(2 << 20);
        builder.spawn_scoped(scope, check).unwrap().join().unwrap_or_else(|_| panic!("{name} failed"));
    });
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
}

#[test]
fn hostile_text_gets_an_answer_on_a_small_stack() {
    let repeat = |part: &str, times: usize| part.repeat(times);
    let joined = |part: &str, join: &str, times: usize| vec![part; times].join(join);
    let long_list = |values: usize| {
        let values: Vec<String> = (0..values).map(|value| value.to_string()).collect();
        format!("user_id IN ({})", values.join(", "))
    };
    let limit = |text: &str, name: &str| {
        let error = parse(text).map(|_| ()).unwrap_err();
        assert_eq!(error.limit, Some(name), "{error}");
    };
    on_a_small_stack("parentheses", || {
        limit(&format!("{}a{}", repeat("(", 10_000), repeat(")", 10_000)), "rules.depth");
        limit(&repeat("(", 1_000_000), "rules.depth");
        limit(&repeat("[", 1_000_000), "rules.depth");
        assert!(parse(&format!("{}a{}", repeat("(", 99), repeat(")", 99))).is_ok());
        limit(&format!("{}a{}", repeat("(", 100), repeat(")", 100)), "rules.depth");
    });
    on_a_small_stack("prefixes", || {
        limit(&format!("{}a", repeat("NOT ", 100_000)), "rules.depth");
        limit(&format!("x = {}1", repeat("- ", 100_000)), "rules.depth");
        limit(&format!("{}a{}", repeat("NOT (", 60), repeat(")", 60)), "rules.depth");
        assert!(parse(&format!("{}a", repeat("NOT ", 99))).is_ok());
        assert!(parse(&format!("{}a{}", repeat("NOT (", 49), repeat(")", 49))).is_ok());
    });
    on_a_small_stack("chains", || {
        limit(&joined("a", " AND ", 200_000), "rules.leaves");
        limit(&joined("a", " OR ", 10_001), "rules.leaves");
        let Ok(Rule::And(of)) = parse(&joined("a", " AND ", 10_000)) else { panic!() };
        assert_eq!(of.len(), 10_000);
        let mixed = format!("({}) AND b", joined("a", " OR ", 9_999));
        let rule = parse(&mixed).unwrap();
        assert_eq!(parse(&rule.to_string()).unwrap(), rule);
        drop(format!("{rule:?}"));
        // An error at the far end drops the parser's own deep tree.
        assert!(parse(&format!("{} AND", joined("a", " AND ", 9_999))).is_err());
        assert!(parse(&format!("{} AND x.y", joined("a", " AND ", 9_999))).is_err());
        limit(&format!("at_least(1, {})", joined("a", ", ", 10_001)), "rules.leaves");
        assert!(parse(&format!("at_least(1, {})", joined("a", ", ", 10_000))).is_ok());
    });
    on_a_small_stack("operators", || {
        for part in ["a = ", "a IS NULL ", "1 + ", "a[1]", "x BETWEEN 1 AND 2 ", "a.", "now() - "] {
            assert!(parse(&repeat(part, 20_000)).is_err());
        }
        assert!(parse(&format!("x {}", repeat("IS NULL ", 50_000))).is_err());
        assert!(parse(&format!("x {}", repeat("BETWEEN 1 AND 2 ", 50_000))).is_err());
        assert!(parse(&format!("t > now() {}", repeat("- INTERVAL 1 DAY ", 50_000))).is_err());
        assert!(parse(&repeat("INTERVAL ", 10_000)).is_err());
        assert!(parse(&repeat("f(", 10_000)).is_err());
        assert!(parse(&repeat("x IN (", 10_000)).is_err());
        assert!(parse(&repeat("date ", 10_000)).is_err());
        assert!(parse(&repeat("a -> ", 10_000)).is_err());
    });
    on_a_small_stack("lists", || {
        let Ok(Rule::In { list, .. }) = parse(&long_list(100_000)) else { panic!() };
        assert_eq!(list.len(), 100_000);
        limit(&long_list(100_001), "rules.list_values");
        let array = joined("'a'", ", ", 100_001);
        limit(&format!("hasAny(x, [{array}])"), "rules.list_values");
    });
    on_a_small_stack("bytes", || {
        limit(&repeat(" ", (2 << 20) + 1), "rules.rule_bytes");
        limit(&format!("x = '{}'", repeat("a", 1_000_000)), "rules.text_bytes");
        limit(&format!("x LIKE '{}'", repeat("a", 5_000)), "rules.pattern_bytes");
        limit(&format!("{} = 1", repeat("a", 1_000_000)), "rules.text_bytes");
    });
}

#[test]
fn every_keyword_prints_as_a_name_that_reads_back() {
    let mut wrong = std::collections::BTreeSet::new();
    for keyword in ALL_KEYWORDS {
        for name in [(*keyword).to_owned(), keyword.to_lowercase()] {
            let value = Operand::Column(name.clone());
            let one = Operand::Literal(Literal::Number(Number::Int(1)));
            let compare = |left: &Operand, right: &Operand| Rule::Compare {
                left: left.clone(),
                op: CompareOp::Less,
                right: right.clone(),
            };
            let rules = [
                Rule::Column(name.clone()),
                Rule::Not(Rule::Column(name.clone()).into()),
                Rule::And(vec![Rule::Column(name.clone()), Rule::Column(name.clone())]),
                compare(&value, &one),
                compare(&Operand::Column("x".into()), &value),
                compare(&Operand::MapValue { column: name.clone(), key: "k".into() }, &one),
                compare(&Operand::Length(name.clone()), &one),
                Rule::In { value: value.clone(), list: vec![one.clone()], negated: true },
                Rule::IsNull { value: value.clone(), negated: false },
                Rule::Between {
                    value: value.clone(),
                    low: value.clone(),
                    high: value.clone(),
                    negated: false,
                },
                Rule::MapContains { column: name.clone(), key: "k".into() },
            ];
            for rule in rules {
                let text = rule.to_string();
                if parse(&text).as_ref() != Ok(&rule) {
                    wrong.insert(*keyword);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "these need quotes: {wrong:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_reading_is_the_identity(rule in arbitrary::rule()) {
        let text = rule.to_string();
        let read = parse(&text);
        prop_assert_eq!(read.as_ref(), Ok(&rule), "{}", text);
        prop_assert_eq!(read.unwrap().to_string(), text);
    }

    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        let _ = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn random_words_never_panic(words in proptest::collection::vec(prop::sample::select(WORDS), 0..30)) {
        let _ = parse(&words.join(" ")).map_err(|error| error.to_string());
    }

    #[test]
    fn mutated_rules_never_panic(
        form in prop::sample::select(FORMS),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<char>(), 0..3u8), 1..4),
    ) {
        let mut chars: Vec<char> = form.0.chars().collect();
        for (at, c, edit) in edits {
            let at = at.index(chars.len() + 1);
            match edit {
                0 => chars.insert(at, c),
                1 if at < chars.len() => chars[at] = c,
                _ if at < chars.len() => drop(chars.remove(at)),
                _ => {}
            }
        }
        let text: String = chars.into_iter().collect();
        if let Ok(rule) = parse(&text) {
            prop_assert_eq!(parse(&rule.to_string()), Ok(rule));
        }
    }
}

/// What random sentences are made of.
const WORDS: &[&str] = &[
    "a",
    "x",
    "AND",
    "OR",
    "NOT",
    "IN",
    "(",
    ")",
    "[",
    "]",
    ",",
    "1",
    "'a'",
    "=",
    "<",
    "BETWEEN",
    "IS",
    "NULL",
    "LIKE",
    "has",
    "hasAny",
    "at_least",
    "bucket",
    "now",
    "()",
    "-",
    "+",
    "INTERVAL",
    "DAY",
    "toDate",
    "length",
    ".",
    "DATE",
    "true",
    "CASE",
    "INTERVAL 1 DAY",
    "now()",
    "m['k']",
    "`q`",
    "EXISTS",
    "ANY",
    "ALL",
    "ARRAY",
    "x'1'",
    "0x1",
    "::",
    "TIMESTAMP",
    "AT TIME ZONE",
    "COLLATE",
    "EXTRACT",
    "INTERVAL '1'",
    "ESCAPE",
    "GLOBAL",
    "UNNEST",
    "ROW",
    "STRUCT",
];
