//! Labels inside rules: cycles, uses, names that change, limits.

use muster_catalog::label::{LabelChange, LabelKey, NewLabel};
use muster_catalog::{Error, Settings, UsedBy};
use muster_engine::rule::ast::Rule;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::fixture::{NOW, ann, bob, make, named, on_both, open, root, rule, run, wanted};

on_both!(
    an_unknown_label_is_refused_with_a_suggestion,
    a_cycle_is_refused_and_its_path_told,
    a_label_in_use_is_not_removed,
    a_new_name_reaches_all_who_use_it,
    a_disabled_label_is_not_used,
    a_label_cannot_push_others_over_the_limits,
);

fn set_rule(text: &str) -> LabelChange {
    LabelChange { rule: Some(rule(text)), ..LabelChange::default() }
}

fn set_name(name: &str) -> LabelChange {
    LabelChange { name: Some(name.to_owned()), ..LabelChange::default() }
}

async fn an_unknown_label_is_refused_with_a_suggestion(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "kyc_users", "true").await;
    let error =
        catalog.create_label(&bob(), NewLabel::new("b", rule("label('kyc_user')")), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "rule: unknown label `kyc_user`; did you mean `kyc_users`?");
    let mut new = wanted("d");
    new.target = muster_catalog::delivery::Segment::Label(named("kyc"));
    assert!(catalog.create_delivery(&bob(), &new, NOW).await.is_err());
}

async fn a_cycle_is_refused_and_its_path_told(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "x > 1").await;
    make(&catalog, "b", "label('a') AND y").await;
    make(&catalog, "c", "NOT label('b') OR at_least(1, label('b'), z)").await;
    let error = catalog.update_label(&ann(), &named("a"), 1, set_rule("label('c')"), NOW).await.unwrap_err();
    match &error {
        Error::Cycle { path } => assert_eq!(path, &["a", "c", "b", "a"]),
        other => panic!("{other}"),
    }
    assert_eq!(
        error.to_string(),
        "label `a` would use itself: `a` uses `c` uses `b` uses `a`; remove one of these uses"
    );
    let error = catalog.update_label(&ann(), &named("a"), 1, set_rule("label('a')"), NOW).await.unwrap_err();
    assert!(matches!(&error, Error::Cycle { path } if path == &["a", "a"]), "{error}");
    let error = catalog.create_label(&ann(), NewLabel::new("s", rule("label('s')")), NOW).await.unwrap_err();
    assert!(matches!(error, Error::Cycle { .. }), "{error}");
    assert_eq!(catalog.label(&ann(), &named("a"), NOW).await.unwrap().version, 1);
}

async fn a_label_in_use_is_not_removed(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    make(&catalog, "b", "label('a')").await;
    let mut new = wanted("banner");
    new.exclude = vec![named("a")];
    let delivery = catalog.create_delivery(&bob(), &new, NOW).await.unwrap();
    let mut private = NewLabel::new("mine", rule("label('a')"));
    private.private = true;
    catalog.create_label(&bob(), private, NOW).await.unwrap();

    let error = catalog.delete_label(&ann(), &named("a"), None, NOW).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "label `a` is used by label `b`, delivery 1 `banner` and 1 more; change them first"
    );
    let users = catalog.label_users(&root(), &named("a"), NOW).await.unwrap();
    assert_eq!(users.hidden, 0);
    assert_eq!(users.by[2], UsedBy::Delivery { id: delivery.id, name: "banner".to_owned() });
    let label = catalog.label(&ann(), &named("a"), NOW).await.unwrap();
    assert_eq!((label.used_by_labels, label.used_by_deliveries), (2, 1));

    catalog.delete_label(&ann(), &named("b"), None, NOW).await.unwrap();
    catalog.delete_label(&bob(), &named("mine"), None, NOW).await.unwrap();
    assert!(catalog.delete_label(&ann(), &named("a"), None, NOW).await.is_err());
    // A delivery that is over holds nothing, and keeps the name.
    catalog.submit_delivery(&bob(), 1, None, "", NOW).await.unwrap();
    catalog.approve_delivery(&ann(), 1, None, "fine", NOW).await.unwrap();
    catalog.delete_label(&ann(), &named("a"), None, new.end_us).await.unwrap();
    assert_eq!(catalog.delivery(1).await.unwrap().body.exclude[0].name, "a");
}

async fn a_new_name_reaches_all_who_use_it(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "old", "x = 'label(old)'").await;
    make(&catalog, "b", "NOT (label('old') AND y) OR at_least(1, label('old'), z)").await;
    let mut by_rule = wanted("by rule");
    by_rule.target = muster_catalog::delivery::Segment::Rule(rule("label('old') AND label('b')"));
    let mut by_label = wanted("by label");
    by_label.target = muster_catalog::delivery::Segment::Label(named("old"));
    by_label.exclude = vec![named("b"), named("old")];
    for new in [&by_rule, &by_label] {
        let made = catalog.create_delivery(&ann(), new, NOW).await.unwrap();
        catalog.submit_delivery(&ann(), made.id, None, "", NOW).await.unwrap();
        catalog.approve_delivery(&bob(), made.id, None, "ok", NOW).await.unwrap();
    }
    // A change that waits is rewritten, too.
    let waiting = catalog.delivery(1).await.unwrap();
    by_rule.priority = 9;
    catalog.update_delivery(&ann(), 1, waiting.version, &by_rule, "", NOW).await.unwrap();

    let changes = catalog.changes().await.unwrap();
    let renamed = catalog.update_label(&bob(), &named("old"), 1, set_name("new 'name'"), NOW).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("new 'name'", 2));
    let b = catalog.label(&ann(), &named("b"), NOW).await.unwrap();
    assert_eq!(b.version, 2);
    let expected = rule(r"NOT (label('new \'name\'') AND y) OR at_least(1, label('new \'name\''), z)");
    assert_eq!(rule(&b.rule), expected);
    let first = catalog.delivery(1).await.unwrap();
    let target = r#"{"rule":"label('new ''name''') AND label('b')"}"#;
    assert_eq!(serde_json::to_string(&first.body.target).unwrap(), target);
    let asked = first.open.unwrap().body.unwrap();
    assert_eq!((asked.target, asked.priority), (first.body.target, 9));
    let second = catalog.delivery(2).await.unwrap().body;
    assert_eq!(serde_json::to_string(&second.target).unwrap(), r#"{"label":{"id":1,"name":"new 'name'"}}"#);
    assert_eq!(
        second.exclude.iter().map(|label| label.name.as_str()).collect::<Vec<_>>(),
        ["new 'name'", "b"]
    );
    let after = catalog.changes().await.unwrap();
    assert!(after.labels > changes.labels && after.deliveries > changes.deliveries);
    // All of it still holds together.
    catalog.approve_delivery(&bob(), 1, None, "ok", NOW).await.unwrap();
    assert!(catalog.delete_label(&ann(), &named("new 'name'"), None, NOW).await.is_err());
    catalog.verify().await.unwrap();
}

async fn a_disabled_label_is_not_used(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let set = |enabled| LabelChange { enabled: Some(enabled), ..LabelChange::default() };
    catalog.update_label(&ann(), &named("a"), 1, set(false), NOW).await.unwrap();
    let error = catalog.create_label(&ann(), NewLabel::new("b", rule("label('a')")), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "rule: label `a` is disabled; enable it first");
    let mut disabled = NewLabel::new("b", rule("label('a')"));
    disabled.enabled = false;
    catalog.create_label(&ann(), disabled, NOW).await.unwrap();
    assert!(catalog.update_label(&ann(), &named("b"), 1, set(true), NOW).await.is_err());
    catalog.update_label(&ann(), &named("a"), 2, set(true), NOW).await.unwrap();
    catalog.update_label(&ann(), &named("b"), 1, set(true), NOW).await.unwrap();
    // In use, it cannot be disabled.
    assert!(matches!(
        catalog.update_label(&ann(), &named("a"), 3, set(false), NOW).await,
        Err(Error::InUse { .. })
    ));
}

async fn a_label_cannot_push_others_over_the_limits(mut settings: Settings) {
    settings.rules.leaves = 10;
    let catalog = open(&settings).await;
    make(&catalog, "a", "x").await;
    make(&catalog, "b", "label('a') AND label('a') AND y").await;
    make(&catalog, "c", "label('b') OR label('b')").await;
    let five = "p AND q AND r";
    let error = catalog.update_label(&ann(), &named("a"), 1, set_rule(five), NOW).await.unwrap_err();
    assert!(error.to_string().contains("label `c` uses this label, and then"), "{error}");
    catalog.update_label(&ann(), &named("a"), 1, set_rule("p AND NOT q"), NOW).await.unwrap();
    let error =
        catalog.create_label(&ann(), NewLabel::new("d", rule("label('c') AND x")), NOW).await.unwrap_err();
    assert!(matches!(error, Error::Rule { field: "rule", .. }), "{error}");
}

/// Random changes of who uses whom: what is stored never has a cycle, and a change is refused only if it would make one.
#[test]
fn no_sequence_of_changes_makes_a_cycle() {
    const LABELS: usize = 6;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalog.db").display());
    run(async {
        let catalog = open(&Settings::at(url)).await;
        for at in 0..LABELS {
            make(&catalog, &format!("l{at}"), "x").await;
        }
        let uses = prop::collection::vec((0..LABELS, prop::collection::btree_set(0..LABELS, 0..3)), 1..40);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
        let mut graph = vec![std::collections::BTreeSet::new(); LABELS];
        let steps: Vec<_> = (0..12).flat_map(|_| uses.new_tree(&mut runner).unwrap().current()).collect();
        for (label, uses) in steps {
            let of =
                uses.iter().map(|used| Rule::Label(format!("l{used}"))).chain([Rule::Const(true)]).collect();
            let key = LabelKey::Name(format!("l{label}"));
            let version = catalog.label(&ann(), &key, NOW).await.unwrap().version;
            let change = LabelChange { rule: Some(Rule::all(of)), ..LabelChange::default() };
            let mut wanted = graph.clone();
            wanted[label].clone_from(&uses);
            match catalog.update_label(&ann(), &key, version, change, NOW).await {
                Ok(_) => graph = wanted,
                Err(Error::Cycle { path }) => {
                    assert!(reaches(&wanted, label), "refused although there is none: {path:?}");
                    assert_eq!(
                        (path.first(), path.last()),
                        (Some(&format!("l{label}")), Some(&format!("l{label}")))
                    );
                    for pair in path.windows(2) {
                        let at = |name: &String| name[1..].parse::<usize>().unwrap();
                        assert!(wanted[at(&pair[0])].contains(&at(&pair[1])), "{path:?} is no path");
                    }
                    continue;
                }
                Err(other) => panic!("{other}"),
            }
            assert!((0..LABELS).all(|at| !reaches(&graph, at)));
        }
    });
}

/// Whether one can go from a label along uses back to it.
fn reaches(graph: &[std::collections::BTreeSet<usize>], label: usize) -> bool {
    let (mut seen, mut open) = (std::collections::BTreeSet::new(), vec![label]);
    while let Some(at) = open.pop() {
        for &next in &graph[at] {
            if next == label {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}
