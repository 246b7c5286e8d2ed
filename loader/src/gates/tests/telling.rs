//! What the configuration can say, and what it can't.

use super::super::*;
use crate::config::Config;

const FULL: &str = r#"
    [gates]
    change_max = 0.4
    rows = 0.1
    distinct = false
    schema = false
    rules_file = "rules.txt"
    rules = ["has_poh", { name = "whales", rule = "balance_usd >= 1e5", change_max = 1, floor = 7 }]
    [gates.floors]
    rule_counts = 50
    [gates.columns.a]
    change_max = 0.2
    malformed_json = 0.9
    [gates.columns.b]
    distinct = 0.5
    [keep]
    generations = 30
"#;

#[test]
fn the_most_particular_threshold_counts() {
    let gates = Config::parse(FULL).unwrap().gates;
    let share = Threshold::Share;
    let cases = [
        (Gate::Rows, None, share(0.1)),
        (Gate::RuleCounts, None, share(0.4)),
        (Gate::NullRate, Some("a"), share(0.2)),
        (Gate::NullRate, Some("z"), share(0.4)),
        (Gate::MalformedJson, Some("a"), share(0.9)),
        // Off for all stays off for a column that only says how much may change, but not for one that names the gate.
        (Gate::Distinct, Some("a"), Threshold::Off),
        (Gate::Distinct, Some("b"), share(0.5)),
        (Gate::Distinct, Some("z"), Threshold::Off),
    ];
    for (gate, column, want) in cases {
        assert_eq!(gates.threshold(gate, column), want, "{gate:?} {column:?}");
    }
    assert!(!gates.schema && gates.enabled);
    assert_eq!((gates.floors.rule_counts, gates.floors.rows), (50, 10));
    assert_eq!(gates.rules[0], WatchedRule::of("has_poh"));
    let whales = &gates.rules[1];
    assert_eq!(
        (whales.name.as_str(), whales.change_max, whales.floor),
        ("whales", Some(share(1.0)), Some(7))
    );
    let keep = Config::parse(FULL).unwrap().keep;
    assert_eq!((keep.generations, keep.held), (30, 3));
    assert_eq!(GateConfig::default().change_max, share(0.3));
}

#[test]
fn what_is_not_known_is_refused_with_the_nearest() {
    let cases = [
        ("[gates]\nrow = 1", "`gates.row` is not known; did you mean `rows`"),
        ("[gates.floors]\nnull_rat = 1", "`gates.floors.null_rat` is not known; did you mean `null_rate`"),
        (
            "[gates.columns.x]\ndistinkt = 1",
            "`gates.columns.x.distinkt` is not known; did you mean `distinct`",
        ),
        ("[gates]\nrules = [{ rul = 'a' }]", "`gates.rules.rul` is not known; did you mean `rule`"),
        ("[gates]\nrules = [{ name = 'a' }]", "missing field `rule`"),
        ("[gates]\nrows = true", "give a share such as 0.3, which is 30 %, or false"),
        ("[gates]\nrows = -0.1", "give a share such as 0.3"),
        ("[gates]\nrows = nan", "give a share such as 0.3"),
        ("[gates]\nrows = 'much'", "a share such as 0.3"),
        ("[keep]\ngeneration = 3", "`keep.generation` is not known; did you mean `generations`"),
        ("[keep]\ngenerations = -1", "generations"),
    ];
    for (text, want) in cases {
        let error = Config::parse(text).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn variables_say_the_same() {
    let load = |pairs: &[(&str, &str)]| {
        Config::load(None, pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    };
    let config = load(&[
        ("MUSTER_GATES_ENABLED", "false"),
        ("MUSTER_GATES_CHANGE_MAX", "0.5"),
        ("MUSTER_GATES_NULL_RATE", "false"),
        ("MUSTER_GATES_RULES_FILE", "/etc/rules.txt"),
        ("MUSTER_KEEP_GENERATIONS", "14"),
    ]);
    let config = config.unwrap();
    assert!(!config.gates.enabled && config.keep.generations == 14);
    assert_eq!(
        (config.gates.change_max, config.gates.null_rate),
        (Threshold::Share(0.5), Some(Threshold::Off))
    );
    for (name, value, want) in [
        ("MUSTER_GATES_ROW", "1", "did you mean `rows`"),
        ("MUSTER_GATES_ROWS", "much", "MUSTER_GATES_ROWS is \"much\": give a share such as 0.3"),
        ("MUSTER_KEEP_HOLD", "1", "did you mean `held`"),
        // A list can't be said in a variable.
        ("MUSTER_GATES_RULES", "has_poh", "`MUSTER_GATES_RULES` is not known; did you mean `rules_file`"),
    ] {
        let error = load(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn the_rules_of_a_file_follow_those_listed_and_bad_ones_are_found_before_a_build() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.txt");
    std::fs::write(&file, "-- labels\nhas_zkme\n\n  has_babt AND x > 1 \n").unwrap();
    let config = GateConfig {
        rules: vec![WatchedRule::of("has_poh")],
        rules_file: Some(file.clone()),
        ..GateConfig::default()
    };
    let names: Vec<String> = Gates::new(&config).unwrap().rules.into_iter().map(|rule| rule.name).collect();
    assert_eq!(names, ["has_poh", "has_zkme", "has_babt AND x > 1"]);
    std::fs::write(&file, "has_zkme AND\n").unwrap();
    let error = Gates::new(&config).unwrap_err().to_string();
    assert!(error.contains("gates.rules: 'has_zkme AND'"), "{error}");
    std::fs::remove_file(&file).unwrap();
    assert!(Gates::new(&config).unwrap_err().to_string().contains("rules.txt"));
}
