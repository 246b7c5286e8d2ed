//! `muster count`.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{USERS, ask, command, folder, store};

#[test]
fn a_count_is_told_with_its_share_time_and_generation() {
    let run = ask("count", &["user_id IS NOT NULL"]).ends_with(0);
    assert!(run.text().starts_with("20,000 of 20,000 users, 100.00 %, in "), "{}", run.text());
    assert!(run.text().contains("generation 1 as of 20"), "{}", run.text());
}

#[test]
fn a_count_as_json_has_the_promised_fields() {
    let answer = &ask("count", &["--json", "has_poh"]).ends_with(0).json();
    assert_eq!((answer["rule"].as_str(), answer["universe"].as_u64()), (Some("has_poh"), Some(USERS)));
    assert_eq!(answer["generation"].as_u64(), Some(1));
    assert!(answer["count"].as_u64().is_some() && answer["micros"].as_f64().unwrap() > 0.0, "{answer}");
    assert!(answer["p50_micros"].is_null());
    assert!(
        answer["as_of"].as_str().unwrap().ends_with('Z') && answer["now"].as_str().unwrap().ends_with('Z')
    );

    let answer = &ask("count", &["--json", "--repeat", "20", "has_poh"]).ends_with(0).json();
    assert!(answer["p50_micros"].as_f64().unwrap() <= answer["p99_micros"].as_f64().unwrap(), "{answer}");
}

#[test]
fn a_rule_and_its_opposite_and_the_unknown_make_the_whole() {
    let count = |rule: &str| ask("count", &["--json", rule]).ends_with(0).json()["count"].as_u64().unwrap();
    let parts =
        [count("balance_usd >= 100"), count("NOT (balance_usd >= 100)"), count("balance_usd IS NULL")];
    assert_eq!(parts.iter().sum::<u64>(), USERS, "{parts:?}");
    assert!(parts.iter().all(|&part| part > 0), "{parts:?}");
}

#[test]
fn text_and_json_rules_count_the_same() {
    let text = ask("count", &["--json", "has_poh AND country = 'US'"]).ends_with(0).json();
    let tree = r#"{"combinator":"and","rules":[{"field":"has_poh","operator":"=","value":true},
                   {"field":"country","operator":"=","value":"US"}]}"#;
    assert_eq!(ask("count", &["--json", tree]).ends_with(0).json()["count"], text["count"]);
}

#[test]
fn a_bad_rule_in_a_file_is_reported_and_the_rest_is_counted() {
    let file = folder("count-file").join("rules.txt");
    fs::write(&file, "has_poh\n\n-- a comment\nhas_po\nNOT has_poh\n").unwrap();
    let file = file.to_str().unwrap();

    let answers = ask("count", &["--json", "--file", file]).ends_with(1).json_lines();
    assert_eq!(answers.len(), 3);
    assert!(answers[1]["error"].as_str().unwrap().contains("has_poh") && answers[1]["count"].is_null());
    assert_eq!(answers[1]["rule"], "has_po");
    let total = answers[0]["count"].as_u64().unwrap() + answers[2]["count"].as_u64().unwrap();
    assert_eq!(total, USERS);

    let run = ask("count", &["--file", file]).ends_with(1);
    assert!(run.text().contains("NOT has_poh") && run.text().contains("error"), "{}", run.text());
}

#[test]
fn rules_are_read_from_standard_input() {
    let mut child = command(&["count", "--store", store().to_str().unwrap(), "--json", "--file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"has_poh\nbot_warning\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}

#[test]
fn now_is_what_the_caller_says() {
    let count = |now: &str| {
        let answer = ask("count", &["--json", "--now", now, "register_time < now()"]).ends_with(0).json();
        assert_eq!(answer["now"], now);
        answer["count"].as_u64().unwrap()
    };
    assert_eq!((count("1990-01-01T00:00:00Z"), count("2100-01-01T00:00:00Z")), (0, USERS));
}

#[test]
fn labels_are_named_on_the_command_line() {
    let count = |arguments: &[&str]| ask("count", arguments).ends_with(0).json()["count"].clone();
    let direct = count(&["--json", "(has_zkme OR has_babt) AND NOT bot_warning"]);
    let labels = ["--label", "kyc=has_zkme OR has_babt", "--label", "clean=NOT bot_warning"];
    let named = [&["--json"][..], &labels, &["label('kyc') AND label('clean')"]].concat();
    assert_eq!(count(&named), direct);
    ask("count", &["label('kyc')"]).refuses(1, &["kyc"]);
}
