//! `check`, `preview`, `explain`, `breakdown`, `stats`, `overlap`, `sql`.

use crate::support::ask;

fn count(rule: &str) -> u64 {
    ask("count", &["--json", rule]).ends_with(0).json()["count"].as_u64().unwrap()
}

fn some_member(rule: &str) -> String {
    ask("members", &["--limit", "1", rule]).ends_with(0).text().trim().to_owned()
}

#[test]
fn check_says_in_or_out_and_why() {
    const RULE: &str = "has_poh AND NOT bot_warning";
    let user = some_member(RULE);
    let run = ask("check", &[&user, RULE]).ends_with(0);
    assert!(run.text().contains("has_poh") && run.text().contains("bot_warning"), "{}", run.text());

    let user = some_member("NOT has_poh");
    let verdict = ask("check", &["--json", &user, RULE]).ends_with(1).json();
    assert_eq!(verdict["in_audience"], false, "{verdict}");
    assert_eq!(verdict["known_user"], true, "{verdict}");
}

#[test]
fn check_tells_the_smallest_change_that_turns_the_answer() {
    const RULE: &str = "has_poh AND balance_usd >= 100";
    let user = some_member("has_poh AND balance_usd < 100");
    let run = ask("check", &[&user, RULE]).ends_with(1);
    assert!(run.text().contains("the user would be in with\n  balance_usd = 100    (is "), "{}", run.text());

    let user = some_member(RULE);
    let report = ask("check", &["--json", &user, RULE]).ends_with(0).json();
    assert_eq!(
        (report["smallest"].clone(), report["change"][0]["feature"].clone()),
        (true.into(), "has_poh".into())
    );
    assert_eq!(
        (report["change"][0]["from"].clone(), report["change"][0]["to"].clone()),
        (true.into(), false.into())
    );

    let run = ask("check", &[&user, &format!("user_id = {user}")]).ends_with(0);
    assert!(run.text().contains("no change of features would put the user out"), "{}", run.text());
}

#[test]
fn preview_counts_every_part_and_the_rule_without_it() {
    const RULE: &str = "has_poh AND (country = 'US' OR balance_usd >= 100) AND NOT bot_warning";
    let report = ask("preview", &["--json", RULE]).ends_with(0).json();
    assert_eq!(report["count"].as_u64().unwrap(), count(RULE));
    let parts = report["root"]["parts"].as_array().unwrap();
    assert_eq!(
        parts[1]["count"].as_u64().unwrap(),
        count("country = 'US' OR balance_usd >= 100"),
        "{report}"
    );
    let without = count("has_poh AND NOT bot_warning") as i64 - count(RULE) as i64;
    assert_eq!(parts[1]["without"].as_i64().unwrap(), without, "{report}");
    let without = count("has_poh AND country = 'US' AND NOT bot_warning") as i64 - count(RULE) as i64;
    assert_eq!(parts[1]["parts"][1]["without"].as_i64().unwrap(), without, "{report}");
    let run = ask("preview", &[RULE]).ends_with(0);
    assert!(
        run.text().contains("without this") && run.text().contains("    country = 'US'"),
        "{}",
        run.text()
    );
    ask("preview", &["has_po"]).refuses(1, &["has_poh"]);
}

#[test]
fn check_of_an_unknown_user_says_so() {
    let verdict = ask("check", &["--json", "18446744073709551615", "true"]).ends_with(1).json();
    assert_eq!((&verdict["in_audience"], &verdict["known_user"]), (&false.into(), &false.into()));
    let run = ask("check", &["18446744073709551615", "true"]).ends_with(1);
    assert!(run.text().contains("18446744073709551615"), "{}", run.text());
}

#[test]
fn check_agrees_with_members() {
    const RULE: &str = "balance_usd >= 100 OR has(active_chains, 'ethereum')";
    for user in ask("members", &["--limit", "5", RULE]).ends_with(0).text().lines() {
        ask("check", &[user, RULE]).ends_with(0);
    }
    for user in ask("members", &["--limit", "5", &format!("NOT ({RULE})")]).ends_with(0).text().lines() {
        ask("check", &[user, RULE]).ends_with(1);
    }
}

#[test]
fn explain_shows_the_plan() {
    let run = ask("explain", &["has_poh AND balance_usd >= 100 AND NOT bot_warning"]).ends_with(0);
    for name in ["has_poh", "balance_usd", "bot_warning"] {
        assert!(run.text().contains(name), "{}", run.text());
    }
    ask("explain", &["--json", "has_poh"]).ends_with(0).json();
}

#[test]
fn a_breakdown_adds_up_to_the_audience() {
    let report =
        ask("breakdown", &["--json", "has_poh", "--by", "country", "--top", "5"]).ends_with(0).json();
    let rows = report["values"].as_array().unwrap();
    assert_eq!(rows.len(), 5, "{report}");
    let listed: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(
        listed + report["others"].as_u64().unwrap() + report["null"].as_u64().unwrap(),
        count("has_poh")
    );
    let top = rows[0]["value"].as_str().unwrap();
    assert_eq!(rows[0]["count"].as_u64().unwrap(), count(&format!("has_poh AND country = '{top}'")));
    assert!(ask("breakdown", &["has_poh", "--by", "country"]).ends_with(0).text().contains(top));
    ask("breakdown", &["has_poh", "--by", "contry"]).refuses(1, &["country"]);
}

#[test]
fn stats_of_a_column_over_an_audience() {
    let report = ask("stats", &["--json", "has_poh", "--column", "total_tx_count"]).ends_with(0).json();
    assert_eq!(
        report["count"].as_u64().unwrap(),
        count("has_poh AND total_tx_count IS NOT NULL"),
        "{report}"
    );
    let [min, mean, max] = ["min", "mean", "max"].map(|name| report[name].as_f64().unwrap());
    assert!(min <= mean && mean <= max, "{report}");
    let text = ask("stats", &["has_poh", "--column", "total_tx_count"]).ends_with(0);
    assert!(text.text().contains("median"), "{}", text.text());
    ask("stats", &["has_poh", "--column", "country"]).refuses(1, &["country"]);
}

#[test]
fn overlap_counts_every_pair() {
    let rules = ["has_poh", "has_zkme", "balance_usd >= 100"];
    let report = ask("overlap", &[&["--json"][..], &rules].concat()).ends_with(0).json();
    for (row, a) in rules.iter().enumerate() {
        for (column, b) in rules.iter().enumerate() {
            assert_eq!(
                report["counts"][row][column].as_u64().unwrap(),
                count(&format!("({a}) AND ({b})")),
                "{report}"
            );
        }
    }
    ask("overlap", &rules).ends_with(0);
    ask("overlap", &["has_poh"]).ends_with(2);
}

#[test]
fn sql_is_a_rule_that_counts_the_same_here() {
    let run = ask("sql", &["has_poh AND NOT bot_warning"]).ends_with(0);
    assert_eq!(count(run.text().trim()), count("has_poh AND NOT bot_warning"));
    let guarded = ask("sql", &["has(active_chains, 'ethereum')"]).ends_with(0);
    assert!(guarded.text().contains("JSONExtract"), "{}", guarded.text());
}
