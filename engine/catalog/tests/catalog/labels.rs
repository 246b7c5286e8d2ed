//! Labels: made, read, changed, found, removed.

use muster_catalog::audit::{AuditFilter, Kind};
use muster_catalog::label::{
    CountOfLabel, CountOutcome, LabelChange, LabelFilter, LabelKey, LabelKind, LabelOrder, LabelSort,
    NewLabel,
};
use muster_catalog::{Current, Error, Settings};

use crate::fixture::{NOW, ann, bob, make, named, on_both, open, root, rule};

on_both!(
    a_label_is_what_was_made,
    a_rule_that_json_can_say_is_stored_as_both,
    names_are_unique_and_case_matters,
    names_that_mean_different_things_in_databases_are_refused,
    a_stale_change_gets_both_versions,
    a_change_that_is_only_tried_is_not_stored,
    of_eight_edits_at_once_exactly_one_wins,
    a_change_that_changes_nothing_is_none,
    pages_are_complete_and_in_order,
    every_order_pages_through_all_labels,
    a_token_of_another_order_is_refused,
    search_looks_in_names_and_descriptions,
    private_labels_are_seen_by_their_creator_and_admins,
    changes_are_counted,
    unicode_and_long_rules_come_back_as_they_were,
);

async fn a_label_is_what_was_made(settings: Settings) {
    let catalog = open(&settings).await;
    let mut new = NewLabel::new("whales", rule("balance_usd>=1000 and not bot_warning"));
    new.description = "those who have much".to_owned();
    let made = catalog.create_label(&ann(), new, NOW).await.unwrap();
    assert_eq!((made.id, made.version, made.kind), (1, 1, LabelKind::Rule));
    assert_eq!(made.rule, "balance_usd >= 1000 AND NOT bot_warning");
    assert_eq!(made.creator, "ann");
    for key in [LabelKey::Id(1), named("whales")] {
        assert_eq!(catalog.label(&bob(), &key, NOW).await.unwrap(), made);
    }
    let error = catalog.label(&bob(), &named("whale"), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no label `whale`");

    let change = LabelChange {
        description: Some("rich".to_owned()),
        enabled: Some(false),
        rule: Some(rule("balance_usd > 5000")),
        ..LabelChange::default()
    };
    let changed = catalog.update_label(&bob(), &named("whales"), 1, change, NOW + 1).await.unwrap();
    assert_eq!((changed.version, changed.enabled, changed.updated_by.as_str()), (2, false, "bob"));
    assert_eq!(catalog.label(&ann(), &LabelKey::Id(1), NOW).await.unwrap(), changed);
    catalog.delete_label(&ann(), &LabelKey::Id(1), Some(2), NOW + 2).await.unwrap();
    assert!(matches!(
        catalog.label(&ann(), &LabelKey::Id(1), NOW).await.unwrap_err(),
        Error::NotFound { .. }
    ));
    // Its number is not given again.
    assert_eq!(make(&catalog, "whales", "true").await.id, 2);

    let filter = AuditFilter { kind: Some(Kind::Label), object_id: Some(1), ..AuditFilter::default() };
    let history = catalog.audit(&filter).await.unwrap().items;
    let actions: Vec<_> =
        history.iter().map(|record| (record.action.as_str(), record.actor.as_str())).collect();
    assert_eq!(actions, [("delete", "ann"), ("disable", "bob"), ("create", "ann")]);
    assert_eq!(history[1].before.as_ref().unwrap()["rule"], "balance_usd >= 1000 AND NOT bot_warning");
    assert_eq!(history[1].after.as_ref().unwrap()["rule"], "balance_usd > 5000");
}

async fn a_rule_that_json_can_say_is_stored_as_both(settings: Settings) {
    let catalog = open(&settings).await;
    let label = make(&catalog, "a", "has_poh AND balance_usd > 1").await;
    let json: serde_json::Value = serde_json::from_str(&label.rules_json.unwrap()).unwrap();
    assert_eq!(json, rule("has_poh AND balance_usd > 1").to_json().unwrap());
}

async fn names_are_unique_and_case_matters(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "Käse", "true").await;
    for other in ["käse", "Kase", "KÄSE", "Käse2"] {
        make(&catalog, other, "true").await;
    }
    let again = catalog.create_label(&bob(), NewLabel::new("Käse", rule("false")), NOW).await.unwrap_err();
    assert!(matches!(again, Error::NameTaken { .. }), "{again}");
    let change = LabelChange { name: Some("Käse".to_owned()), ..LabelChange::default() };
    let error = catalog.update_label(&ann(), &named("käse"), 1, change, NOW).await.unwrap_err();
    assert!(matches!(error, Error::NameTaken { .. }), "{error}");
    assert_eq!(catalog.label(&ann(), &named("KÄSE"), NOW).await.unwrap().name, "KÄSE");
}

async fn names_that_mean_different_things_in_databases_are_refused(settings: Settings) {
    let catalog = open(&settings).await;
    for bad in ["", " a", "a ", "a\u{0}b", "a\nb", &"x".repeat(201)] {
        let error = catalog.create_label(&ann(), NewLabel::new(bad, rule("true")), NOW).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { field: "name", .. }), "{bad:?}: {error}");
    }
    make(&catalog, &"é".repeat(200), "true").await;
    let nobody = muster_catalog::Caller::new("");
    assert!(catalog.create_label(&nobody, NewLabel::list("x"), NOW).await.is_err());
}

async fn a_stale_change_gets_both_versions(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "x > 1").await;
    let change = |text: &str| LabelChange { rule: Some(rule(text)), ..LabelChange::default() };
    let theirs = catalog.update_label(&bob(), &named("a"), 1, change("x > 2"), NOW).await.unwrap();
    let error = catalog.update_label(&ann(), &named("a"), 1, change("x > 3"), NOW).await.unwrap_err();
    match error {
        Error::Conflict { current, based_on: 1 } => assert_eq!(*current, Current::Label(theirs)),
        other => panic!("{other}"),
    }
    let error = catalog.delete_label(&ann(), &named("a"), Some(1), NOW).await.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
}

async fn a_change_that_is_only_tried_is_not_stored(settings: Settings) {
    let catalog = open(&settings).await;
    let label = make(&catalog, "a", "true").await;
    make(&catalog, "b", "label('a')").await;
    let before = (catalog.export().await.unwrap(), catalog.changes().await.unwrap());
    let of = |text: &str| LabelChange { rule: Some(rule(text)), ..LabelChange::default() };
    let key = LabelKey::Id(label.id);
    let tried = catalog.try_update_label(&bob(), &key, 1, &of("has_poh"), NOW).await.unwrap();
    assert_eq!((tried.rule.as_str(), tried.version), ("has_poh", 2));
    let tried = catalog.try_update_label(&bob(), &key, 1, &of("label('b')"), NOW).await;
    assert!(matches!(tried, Err(Error::Cycle { .. })), "{tried:?}");
    let tried = catalog.try_update_label(&bob(), &key, 7, &of("has_poh"), NOW).await;
    assert!(matches!(tried, Err(Error::Conflict { .. })), "{tried:?}");
    assert_eq!((catalog.export().await.unwrap(), catalog.changes().await.unwrap()), before);
    assert_eq!(catalog.audit(&AuditFilter::default()).await.unwrap().items.len(), 2);
}

async fn of_eight_edits_at_once_exactly_one_wins(settings: Settings) {
    // Two catalogs, as two servers on one database.
    let catalogs = [open(&settings).await, open(&settings).await];
    make(&catalogs[0], "a", "x > 0").await;
    for round in 1..=5 {
        let tasks: Vec<_> = (0..8)
            .map(|task: usize| {
                let catalog = catalogs[task % 2].clone();
                tokio::spawn(async move {
                    let text = format!("x > {round} AND y = {task}");
                    let change = LabelChange { rule: Some(rule(&text)), ..LabelChange::default() };
                    (text, catalog.update_label(&ann(), &named("a"), round, change, NOW).await)
                })
            })
            .collect();
        let (mut won, mut lost) = (Vec::new(), 0);
        for task in tasks {
            match task.await.unwrap() {
                (text, Ok(_)) => won.push(text),
                (_, Err(Error::Conflict { current, .. })) => {
                    assert_eq!(current.version(), round + 1);
                    lost += 1;
                }
                (_, Err(other)) => panic!("{other}"),
            }
        }
        assert_eq!((won.len(), lost), (1, 7));
        let stored = catalogs[0].label(&ann(), &named("a"), NOW).await.unwrap();
        assert_eq!((stored.rule, stored.version), (won.remove(0), round + 1));
    }
}

async fn a_change_that_changes_nothing_is_none(settings: Settings) {
    let catalog = open(&settings).await;
    let label = make(&catalog, "a", "true").await;
    let before = catalog.changes().await.unwrap();
    let change = LabelChange { enabled: Some(true), name: Some("a".to_owned()), ..LabelChange::default() };
    let same = catalog.update_label(&ann(), &named("a"), 1, change, NOW + 9).await.unwrap();
    assert_eq!((same, catalog.changes().await.unwrap()), (label, before));
}

async fn pages_are_complete_and_in_order(settings: Settings) {
    let catalog = open(&settings).await;
    let mut names: Vec<String> =
        (0..25).map(|at| format!("{}{at}", ["B", "a", "ä", "z", "😀"][at % 5])).collect();
    for name in &names {
        make(&catalog, name, "true").await;
    }
    names.sort();
    let (mut found, mut filter) = (Vec::new(), LabelFilter { page_size: 7, ..LabelFilter::default() });
    loop {
        let page = catalog.labels(&bob(), &filter, NOW).await.unwrap();
        found.extend(page.items.into_iter().map(|label| label.name));
        match page.next_page_token {
            Some(token) => filter.page_token = token,
            None => break,
        }
    }
    assert_eq!(found, names);
    filter.page_token = "d12".to_owned();
    assert!(catalog.labels(&bob(), &filter, NOW).await.is_err());
}

/// Names of all labels in an order, page by page.
async fn in_order(catalog: &muster_catalog::Catalog, order: LabelOrder, page_size: u32) -> Vec<String> {
    let (mut found, mut filter) = (Vec::new(), LabelFilter { page_size, order, ..LabelFilter::default() });
    loop {
        let page = catalog.labels(&bob(), &filter, NOW).await.unwrap();
        found.extend(page.items.into_iter().map(|label| label.name));
        match page.next_page_token {
            Some(token) => filter.page_token = token,
            None => return found,
        }
    }
}

async fn every_order_pages_through_all_labels(settings: Settings) {
    let catalog = open(&settings).await;
    // In the order in which they are made: e, b, d, a, c.
    for (at, name) in (0..).zip(["e", "b", "d", "a", "c"]) {
        catalog.create_label(&ann(), NewLabel::new(name, rule("true")), NOW + at).await.unwrap();
    }
    let change = LabelChange { description: Some("late".to_owned()), ..LabelChange::default() };
    catalog.update_label(&ann(), &named("b"), 1, change, NOW + 100).await.unwrap();
    let count =
        |label_id, users| CountOfLabel { label_id, outcome: CountOutcome::Counted { users, universe: 9 } };
    // c is never counted, and a once only.
    let first = [count(1, 5), count(2, 7), count(3, 7)];
    catalog.record_counts(1, NOW, &first, NOW).await.unwrap();
    let second = [count(1, 2), count(2, 9), count(3, 7), count(4, 7)];
    catalog.record_counts(2, NOW, &second, NOW).await.unwrap();
    for (by, ascending, descending) in [
        (LabelSort::Name, "abcde", "edcba"),
        (LabelSort::Created, "ebdac", "cadbe"),
        (LabelSort::Updated, "edacb", "bcade"),
        // Of equal ones the older first, both ways; those without a number last, both ways.
        (LabelSort::Count, "edabc", "bdaec"),
        (LabelSort::Change, "edbac", "bdeac"),
    ] {
        for (order, wanted) in [(false, ascending), (true, descending)] {
            let order = LabelOrder { by, descending: order };
            for page_size in [1, 2, 3, 100] {
                assert_eq!(
                    in_order(&catalog, order, page_size).await.concat(),
                    wanted,
                    "{order:?} by {page_size}"
                );
            }
        }
    }
}

async fn a_token_of_another_order_is_refused(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    make(&catalog, "scd1.1", "true").await;
    let sorts =
        [LabelSort::Name, LabelSort::Count, LabelSort::Change, LabelSort::Updated, LabelSort::Created];
    let orders = sorts.map(|by| [false, true].map(|descending| LabelOrder { by, descending })).concat();
    for &order in &orders {
        let filter = LabelFilter { page_size: 1, order, ..LabelFilter::default() };
        let token = catalog.labels(&ann(), &filter, NOW).await.unwrap().next_page_token.unwrap();
        for &other in &orders {
            let filter = LabelFilter { page_token: token.clone(), order: other, ..filter.clone() };
            let page = catalog.labels(&ann(), &filter, NOW).await;
            assert_eq!(page.is_ok(), order == other, "{order:?} {other:?}: {page:?}");
        }
        if order.by != LabelSort::Name {
            for cut in [&token[..4], &token[..token.len() - 1]] {
                let filter = LabelFilter { page_token: cut.to_owned(), ..filter.clone() };
                assert!(catalog.labels(&ann(), &filter, NOW).await.is_err(), "{cut}");
            }
        }
    }
}

async fn search_looks_in_names_and_descriptions(settings: Settings) {
    let catalog = open(&settings).await;
    for (name, description, creator, enabled) in [
        ("Whales", "100% rich", ann(), true),
        ("minnows", "not like WHALES", bob(), false),
        ("others", "ÄRGER", bob(), true),
    ] {
        let mut new = NewLabel::new(name, rule("true"));
        new.description = description.to_owned();
        new.enabled = enabled;
        catalog.create_label(&creator, new, NOW).await.unwrap();
    }
    catalog.create_label(&ann(), NewLabel::list("listed"), NOW).await.unwrap();
    let found = async |filter: LabelFilter| -> Vec<String> {
        catalog
            .labels(&bob(), &filter, NOW)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|label| label.name)
            .collect()
    };
    let search = |text: &str| LabelFilter { search: text.to_owned(), ..LabelFilter::default() };
    assert_eq!(found(search("whales")).await, ["Whales", "minnows"]);
    assert_eq!(found(search("0%")).await, ["Whales"]);
    assert_eq!(found(search("_")).await, [""; 0]);
    assert_eq!(found(search("ärger")).await, ["others"]);
    let filter =
        LabelFilter { enabled: Some(true), creator: Some("bob".to_owned()), ..LabelFilter::default() };
    assert_eq!(found(filter).await, ["others"]);
    let filter = LabelFilter { kind: Some(LabelKind::List), ..LabelFilter::default() };
    assert_eq!(found(filter).await, ["listed"]);
}

async fn private_labels_are_seen_by_their_creator_and_admins(settings: Settings) {
    let catalog = open(&settings).await;
    let mut new = NewLabel::new("secret", rule("x = 1"));
    new.private = true;
    catalog.create_label(&ann(), new, NOW).await.unwrap();
    let key = named("secret");
    assert!(matches!(catalog.label(&bob(), &key, NOW).await, Err(Error::NotFound { .. })));
    assert!(catalog.label(&ann(), &key, NOW).await.is_ok());
    assert!(catalog.label(&root(), &key, NOW).await.is_ok());
    let filter = LabelFilter::default();
    for (caller, count) in [(ann(), 1), (bob(), 0), (root(), 1)] {
        assert_eq!(catalog.labels(&caller, &filter, NOW).await.unwrap().items.len(), count);
    }
    // Others cannot use it, change it or remove it.
    let error =
        catalog.create_label(&bob(), NewLabel::new("b", rule("label('secret')")), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "rule: unknown label `secret`");
    let change = LabelChange { private: Some(false), ..LabelChange::default() };
    assert!(matches!(catalog.update_label(&bob(), &key, 1, change, NOW).await, Err(Error::NotFound { .. })));
    assert!(catalog.delete_label(&bob(), &key, None, NOW).await.is_err());
    // Its creator can, where others do not see it either.
    let error =
        catalog.create_label(&ann(), NewLabel::new("b", rule("label('secret')")), NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "rule: label `secret` is private and cannot be used here; share it first");
    let mut new = NewLabel::new("b", rule("label('secret')"));
    new.private = true;
    catalog.create_label(&ann(), new, NOW).await.unwrap();
    let change = LabelChange { private: Some(false), ..LabelChange::default() };
    assert!(catalog.update_label(&ann(), &named("b"), 1, change, NOW).await.is_err());
    // One that others use cannot become private.
    make(&catalog, "open", "true").await;
    make(&catalog, "user", "label('open')").await;
    let change = LabelChange { private: Some(true), ..LabelChange::default() };
    let error = catalog.update_label(&ann(), &named("open"), 1, change, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "label `open` is used by label `user`; change that first");
}

async fn changes_are_counted(settings: Settings) {
    let catalog = open(&settings).await;
    let before = catalog.changes().await.unwrap();
    make(&catalog, "a", "true").await;
    let after = catalog.changes().await.unwrap();
    assert!(after.labels > before.labels && after.deliveries == before.deliveries);
    let rules = catalog.label_rules().await.unwrap();
    assert_eq!(rules.change, after.labels);
    assert_eq!(rules.by_name().get("a"), Some(&rule("true")));
}

async fn unicode_and_long_rules_come_back_as_they_were(settings: Settings) {
    let catalog = open(&settings).await;
    let values: Vec<String> = (0..90_000).map(|at| format!("'{at}é😀'")).collect();
    let text = format!("country IN ({})", values.join(", "));
    assert!(text.len() > 900_000);
    let label = make(&catalog, "long", &text).await;
    let read = catalog.label(&ann(), &named("long"), NOW).await.unwrap();
    assert_eq!(read, label);
    assert_eq!(rule(&read.rule), rule(&text));
}
