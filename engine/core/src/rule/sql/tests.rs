//! Tests of SQL: its text, and what a real server makes of it.
//!
//! The second kind needs one: `MUSTER_TEST_CLICKHOUSE` is its URL, as in `http://127.0.0.1:8123`.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::cases::{CASES, LIVE, NEW_YORK, ROWS, columns};
use super::*;
use crate::rule::ast::{Literal, Operand};
use crate::rule::labels::{Labels, NoLabels};
use crate::schema::{ColumnSchema, ColumnType};

/// 2026-11-20 10:00:00 UTC, 05:00 in New York.
const NOW: i64 = 1_795_168_800;

fn schema(time_zone: &str) -> Schema {
    let columns = columns()
        .into_iter()
        .map(|(name, warehouse, ty, held_as)| ColumnSchema {
            name: name.to_owned(),
            nullable: warehouse.contains("Nullable") && !matches!(ty, ColumnType::Array(_))
                || held_as.is_json(),
            ty,
            held_as,
        })
        .collect();
    Schema { user_id: "user_id".to_owned(), time_zone: time_zone.to_owned(), columns }
}

fn server() -> String {
    let url = std::env::var("MUSTER_TEST_CLICKHOUSE");
    let url = url.expect("this test needs a ClickHouse: set MUSTER_TEST_CLICKHOUSE to its URL");
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Runs a query; the answer's body, or the server's error.
fn query(server: &str, sql: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(server).map_err(|error| error.to_string())?;
    // The server's own rewriting of OR into IN compares floats by bits.
    let settings = "optimize_min_equality_disjunction_chain_length=1000000&max_query_size=100000000";
    let head = format!("POST /?{settings} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", sql.len());
    let mut answer = String::new();
    stream
        .write_all(format!("{head}{sql}").as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.contains(" 200 ") { Ok(body.trim().to_owned()) } else { Err(body.trim().to_owned()) }
}

/// A table of the test's users, gone when the name is used again.
fn fill(server: &str, table: &str) {
    let columns: Vec<String> = columns().iter().map(|(name, ty, ..)| format!("`{name}` {ty}")).collect();
    query(server, &format!("DROP TABLE IF EXISTS {table}")).unwrap();
    query(server, &format!("CREATE TABLE {table} (user_id UInt64, {}) ENGINE = Memory", columns.join(", ")))
        .unwrap();
    for row in ROWS {
        query(server, &format!("INSERT INTO {table} VALUES ({row})")).unwrap();
    }
}

/// The users for whom a condition is true.
fn users(server: &str, condition: &str) -> Result<String, String> {
    let select = "SELECT arrayStringConcat(arraySort(groupArray(user_id)), ' ')";
    query(server, &format!("{select} FROM muster_rule_sql WHERE {condition} FORMAT TSVRaw"))
}

/// What a real server makes of a rule and of its negation, beside what it should be.
fn check(server: &str, zone: &str, (text, inside, outside): &(&str, &str, &str)) -> String {
    let options = SqlOptions { now: Some(NOW), labels: &NoLabels, limits: &Limits::default() };
    let rule = Rule::parse(text, options.limits).unwrap();
    let sql = match render(&rule, &schema(zone), &options) {
        Ok(sql) => sql,
        Err(error) => return format!("{text}\n  {error}\n"),
    };
    let negated = render(&Rule::Not(Box::new(rule)), &schema(zone), &options).unwrap();
    let found = (users(server, &sql), users(server, &negated));
    if found == (Ok((*inside).to_owned()), Ok((*outside).to_owned())) {
        return String::new();
    }
    format!("{text}\n  {sql}\n  expected {inside:?} {outside:?}\n  found    {found:?}\n")
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_real_server_selects_the_same_users() {
    let server = server();
    fill(&server, "muster_rule_sql");
    let mut wrong: Vec<String> = CASES.iter().map(|case| check(&server, "UTC", case)).collect();
    wrong.extend(NEW_YORK.iter().map(|case| check(&server, "America/New_York", case)));
    // Left to the server, `now()` means the server's, in the store's zone.
    let now = jiff::Timestamp::now().as_second();
    for zone in ["UTC", "America/New_York", "Asia/Tokyo"] {
        for (text, ..) in
            CASES.iter().chain(LIVE).filter(|case| case.0.contains("now()") || case.0.contains("today()"))
        {
            let rule = Rule::parse(text, &Limits::default()).unwrap();
            let rendered = |now| {
                let options = SqlOptions { now, labels: &NoLabels, limits: &Limits::default() };
                render(&rule, &schema(zone), &options).unwrap()
            };
            let (fixed, live) = (rendered(Some(now)), rendered(None));
            let (by_fixed, by_live) = (users(&server, &fixed), users(&server, &live));
            if by_fixed.is_err() || by_fixed != by_live {
                wrong.push(format!("{text}\n  {fixed}\n  {live}\n  {by_fixed:?}\n  {by_live:?}\n"));
            }
        }
    }
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn sql_is_as_documented() {
    let options = SqlOptions { now: None, labels: &NoLabels, limits: &Limits::default() };
    let cases = [
        ("b AND (nb OR NOT b)", "b AND (nb OR NOT b)"),
        ("t >= now() - INTERVAL 7 DAY", "t >= now('UTC') - INTERVAL 7 DAY"),
        ("t >= today() - INTERVAL 3 HOUR", "t >= toDateTime(toDate(now('UTC')), 'UTC') - INTERVAL 3 HOUR"),
        ("day >= today() - 7", "day >= toDate(now('UTC')) - INTERVAL 7 DAY"),
        ("t < '2026-11-01 00:00:00'", "t < toDateTime('2026-11-01 00:00:00', 'UTC')"),
        ("s LIKE 'it''s\\n%'", "s LIKE 'it''s\\n%'"),
        ("at_least(2, b, nb, b)", "arraySum([ifNull(b, false), ifNull(nb, false), ifNull(b, false)]) >= 2"),
        ("m['k'] > 1", "if(mapContains(m, 'k'), m['k'], NULL) > 1"),
        ("jm['it''s'] > 1", "JSONExtract(ifNull(jm, ''), 'it''s', 'Nullable(Float64)') > 1"),
    ];
    for (text, expected) in cases {
        let rule = Rule::parse(text, options.limits).unwrap();
        assert_eq!(render(&rule, &schema("UTC"), &options).unwrap(), expected, "of {text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let options = SqlOptions { now: None, labels: &NoLabels, limits: &Limits::default() };
    let cases = [
        ("dayy = 1", "unknown column `dayy`; did you mean `day`?"),
        ("i8", "`i8` is Int8, not Bool, so it is not a condition by itself; compare it with a constant"),
        ("i8 = '5'", "`i8` is Int8 and cannot be compared with text; write a number without quotes"),
        ("s = 5", "`s` is String and cannot be compared with a number; write text in single quotes"),
        ("e < 'b'", "`e` is Enum, which has no order; use =, != or IN"),
        ("a = 'x'", "`a` is Array(String), which cannot be compared; use `has(a, ...)` or `length(a)`"),
        (
            "m['k'] = 'x'",
            "`m['k']` is Float64 and cannot be compared with text; write a number without quotes",
        ),
        ("t = 'soon'", "'soon' is not a date or time; write '2026-11-01' or '2026-11-01 18:30:00'"),
        (
            "i8 LIKE 'x'",
            "LIKE and startsWith need a String column, but `i8` is Int8; compare it with `i8 = ...`",
        ),
        (
            "s > t",
            "`s` is String and `t` is DateTime, which cannot be compared; compare each with a constant",
        ),
        ("label('none')", "unknown label `none`"),
    ];
    for (text, expected) in cases {
        let rule = Rule::parse(text, options.limits).unwrap();
        let found = render(&rule, &schema("UTC"), &options).map_err(|error| error.to_string());
        assert_eq!(found, Err(expected.to_owned()), "of {text}");
    }
}

/// Times worked out before the server sees them are what it would have made of them.
#[test]
#[ignore = "needs ClickHouse"]
fn a_real_server_shifts_times_the_same_way() {
    use crate::rule::bind::time::{Clock, Moment};
    // Zones whose rules governments have left alone for years: the server may have another edition of them than we.
    const ZONES: &[&str] = &[
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Asia/Kolkata",
        "Asia/Tehran",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "Africa/Windhoek",
    ];
    const UNITS: &[&str] = &["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
    let server = server();
    // A small generator of its own, for the same times in every run.
    let mut state = 7_u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    let mut wrong = Vec::new();
    for _ in 0..40 {
        let mut expressions = Vec::new();
        for _ in 0..100 {
            let zone = ZONES[below(ZONES.len() as u64) as usize];
            let (year, month, day) = (2010 + below(50), 1 + below(12), 1 + below(28));
            // Mostly the hours in which clocks change.
            let hour = if below(2) == 0 { below(4) } else { below(24) };
            let text = format!("{year}-{month:02}-{day:02} {hour:02}:{:02}:00", 15 * below(4));
            let (count, unit) = (below(40), UNITS[below(8) as usize]);
            let sign = if below(2) == 0 { '-' } else { '+' };
            expressions.push(match below(4) {
                0 => (zone, format!("toDateTime('{text}', '{zone}')")),
                1 => (
                    zone,
                    format!(
                        "toDate('{}') {sign} INTERVAL {count} {}",
                        &text[..10],
                        UNITS[3 + below(5) as usize]
                    ),
                ),
                _ => (zone, format!("toDateTime('{text}', '{zone}') {sign} INTERVAL {count} {unit}")),
            });
        }
        let select: Vec<String> =
            expressions.iter().map(|(_, sql)| format!("toString(toUInt32({sql}))")).collect();
        let answer =
            query(&server, &format!("SELECT arrayJoin([{}]) FORMAT TSVRaw", select.join(", "))).unwrap();
        for ((zone, sql), expected) in expressions.iter().zip(answer.lines()) {
            let operand = super::super::text::parse_operand(sql, &Limits::default()).unwrap();
            let Operand::Time(time) = operand else { panic!("{sql}") };
            let found = match Clock::new(NOW, zone).unwrap().eval(&time) {
                Ok(Moment::Second(second, _)) => second.to_string(),
                Ok(Moment::Day(day)) => day.to_string(),
                Err(error) => error.to_string(),
            };
            if found != expected {
                wrong.push(format!("{sql}: the server has {expected}, we have {found}\n"));
            }
        }
    }
    let count = wrong.len();
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "{count} of 4000\n{wrong}");
}

/// Escapes in texts mean what they mean to the server, and what is written reads back there.
#[test]
#[ignore = "needs ClickHouse"]
fn a_real_server_reads_texts_the_same_way() {
    let server = server();
    let literal = |text: &str| format!("s = '{text}'");
    let mut wrong = Vec::new();
    // \\x and the quote itself need more than one character after the backslash.
    let escapes =
        (1_u8..128).map(char::from).filter(|c| !matches!(c, 'x' | '\'' | '\\')).map(|c| format!("a\\{c}b"));
    for raw in escapes.chain(["\\x41\\x0a", "it''s", "it\\'s", "\\\\", "\\é", "'' \\N''"].map(str::to_owned))
    {
        let Ok(Rule::Compare { right: Operand::Literal(Literal::Text(text)), .. }) =
            Rule::parse(&literal(&raw), &Limits::default())
        else {
            wrong.push(format!("{raw:?} is not read\n"));
            continue;
        };
        let ours: Vec<String> = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        let ours = ours.concat();
        for sql in [format!("'{raw}'"), quote_text(&text)] {
            let theirs = query(&server, &format!("SELECT hex({sql}) FORMAT TSVRaw"));
            if theirs.as_ref() != Ok(&ours) {
                wrong.push(format!("{sql:?}: {theirs:?}, not {ours}\n"));
            }
        }
    }
    for name in ["odd name", "a`b", "a\\", "n.a", "é", "tab\t", "\\n", "a\"b", "'"] {
        let sql = super::super::text::quote_identifier(name);
        let answer =
            query(&server, &format!("SELECT count() FROM (SELECT 7 AS {sql}) WHERE {sql} = 7 FORMAT TSVRaw"));
        let named = query(&server, &format!("SELECT 7 AS {sql} FORMAT JSONCompactStringsEachRowWithNames"));
        let named = named.unwrap_or_default();
        let names: Vec<String> =
            serde_json::from_str(named.lines().next().unwrap_or("[]")).unwrap_or_default();
        if answer != Ok("1".to_owned()) || names != [name] {
            wrong.push(format!("{sql}: {answer:?} {names:?}\n"));
        }
    }
    let wrong = wrong.concat();
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// A list of so many users.
struct List(u64);

impl Labels for List {
    fn rule(&self, _name: &str) -> Option<Rule> {
        None
    }
    fn names(&self) -> Vec<String> {
        vec!["vips".to_owned()]
    }
    fn list(&self, name: &str) -> Option<u64> {
        (name == "vips").then_some(self.0)
    }
    fn users(&self, _name: &str) -> Option<Vec<u64>> {
        Some((1..=self.0).rev().collect())
    }
}

#[test]
fn a_list_is_named_user_by_user_up_to_the_limit() {
    let limits = Limits { list_values: 3, ..Limits::default() };
    let sql = |users| {
        let labels = List(users);
        let options = SqlOptions { now: None, labels: &labels, limits: &limits };
        let rule = Rule::parse("NOT label('vips')", &limits).unwrap();
        render(&rule, &schema("UTC"), &options).map_err(|error| error.to_string())
    };
    assert_eq!(sql(3).unwrap(), "NOT user_id IN (1, 2, 3)");
    assert_eq!(sql(0).unwrap(), "NOT false");
    assert_eq!(
        sql(4).unwrap_err(),
        "label `vips`, a list, has 4 users, more than the limit of 3 (`rules.list_values` in the configuration); \
         count it here, or put the list into a table of the warehouse and join that"
    );
}
