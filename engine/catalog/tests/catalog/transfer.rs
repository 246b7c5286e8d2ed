//! Export and import: the same catalog again, or another one enriched.

use std::sync::atomic::{AtomicU32, Ordering};

use muster_catalog::delivery::{Segment, State};
use muster_catalog::label::{LabelChange, NewLabel};
use muster_catalog::list::UploadMode;
use muster_catalog::transfer::{Document, ImportMode};
use muster_catalog::{Catalog, Error, Settings};

use crate::fixture::{HOUR, NOW, ann, bob, create_database, make, named, on_both, open, root, rule, wanted};

on_both!(
    an_import_of_an_export_is_the_same,
    a_merge_goes_by_names,
    a_dry_run_stores_nothing,
    bad_documents_are_refused_whole,
);

/// Another, empty catalog beside this one.
async fn another(settings: &Settings) -> Catalog {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let at = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut settings = settings.clone();
    if settings.url.starts_with("sqlite:") {
        settings.url = format!("{}.{at}", settings.url);
    } else {
        let (server, name) = settings.url.rsplit_once('/').unwrap();
        let (server, name) = (server.to_owned(), format!("{name}_x{at}"));
        create_database(&server, &name).await;
        settings.url = format!("{server}/{name}");
    }
    open(&settings).await
}

/// A catalog with some of everything.
async fn filled(catalog: &Catalog) {
    make(catalog, "removed", "true").await;
    make(catalog, "b", "x > 1 AND country = 'é\u{1F600}'").await;
    make(catalog, "a", "label('b') OR y").await;
    catalog.delete_label(&ann(), &named("removed"), None, NOW).await.unwrap();
    let mut private = NewLabel::new("mine", rule("label('a')"));
    private.private = true;
    catalog.create_label(&bob(), private, NOW + 1).await.unwrap();
    let mut list = NewLabel::list("list");
    list.enabled = false;
    catalog.create_label(&ann(), list, NOW).await.unwrap();
    let mut upload = catalog.upload(UploadMode::Append);
    upload.push(&[u64::MAX, 7, 8, 9]).unwrap();
    catalog.finish_upload(&bob(), &named("list"), upload, "", NOW + 2).await.unwrap();
    // Used by a label with a lesser number.
    make(catalog, "late", "z").await;
    let rule_of_b = rule("x > 1 AND country = 'é\u{1F600}' AND label('late')");
    let change = LabelChange { rule: Some(rule_of_b), ..LabelChange::default() };
    catalog.update_label(&ann(), &named("b"), 1, change, NOW).await.unwrap();
    for (at, name) in ["draft", "pending", "live", "canceled", "edited", "over"].into_iter().enumerate() {
        let id = at as u64 + 1;
        let mut new = wanted(name);
        new.target =
            if at % 2 == 0 { Segment::Label(named("a")) } else { Segment::Rule(rule("NOT label('b')")) };
        new.exclude = vec![named("b")];
        if name == "over" {
            new.end_us = NOW + HOUR + 1;
        }
        catalog.create_delivery(&ann(), &new, NOW).await.unwrap();
        if at > 0 {
            catalog.submit_delivery(&ann(), id, None, "please", NOW).await.unwrap();
        }
        if at > 1 {
            catalog.approve_delivery(&bob(), id, None, "yes", NOW).await.unwrap();
        }
        match name {
            "canceled" => {
                catalog.cancel_delivery(&bob(), id, None, "", NOW).await.unwrap();
                catalog.approve_delivery(&ann(), id, None, "yes", NOW).await.unwrap();
            }
            "edited" => {
                new.priority = 5;
                catalog.update_delivery(&ann(), id, 3, &new, "more", NOW).await.unwrap();
            }
            _ => {}
        }
    }
}

async fn an_import_of_an_export_is_the_same(settings: Settings) {
    let catalog = open(&settings).await;
    filled(&catalog).await;
    let document = catalog.export().await.unwrap();
    let text = document.to_json().unwrap();
    assert_eq!(text, catalog.export().await.unwrap().to_json().unwrap());
    let read = Document::from_json(&text).unwrap();
    assert_eq!(read, document);

    let other = another(&settings).await;
    let report = other.import(&root(), &read, ImportMode::Empty, false, NOW).await.unwrap();
    assert_eq!((report.labels_created.len(), report.deliveries_created.len()), (5, 6));
    assert_eq!(other.export().await.unwrap(), document);
    other.verify().await.unwrap();
    assert_eq!(other.live(NOW).await.unwrap().deliveries, catalog.live(NOW).await.unwrap().deliveries);
    assert_eq!(other.list_users(&ann(), &named("list"), NOW).await.unwrap().1, [7, 8, 9, u64::MAX]);
    // It goes on where the first one would: numbers, uses, approvals.
    assert_eq!(make(&other, "next", "true").await.id, document.last.label + 1);
    assert!(matches!(other.delete_label(&ann(), &named("b"), None, NOW).await, Err(Error::InUse { .. })));
    let approved = other.approve_delivery(&bob(), 5, None, "yes", NOW).await.unwrap();
    assert_eq!(approved.body.priority, 5);
    // Only once.
    let error = other.import(&root(), &read, ImportMode::Empty, false, NOW).await.unwrap_err();
    assert!(error.to_string().contains("it is not empty; merge the document instead"), "{error}");
    other.close().await;
}

async fn a_merge_goes_by_names(settings: Settings) {
    let catalog = open(&settings).await;
    filled(&catalog).await;
    let document = catalog.export().await.unwrap();

    let other = another(&settings).await;
    make(&other, "unrelated", "true").await;
    make(&other, "a", "z = 3").await;
    other.create_delivery(&ann(), &wanted("live"), NOW).await.unwrap();
    let keep = ImportMode::Merge { replace: false };
    let report = other.import(&root(), &document, keep, false, NOW).await.unwrap();
    assert_eq!(report.labels_created, ["b", "mine", "list", "late"]);
    assert_eq!(report.labels_kept, ["a"]);
    assert_eq!(report.deliveries_kept, ["live"]);
    assert_eq!(report.deliveries_created.len(), 5);
    assert_eq!(other.label(&ann(), &named("a"), NOW).await.unwrap().rule, "z = 3");
    // Nothing is live that nobody here approved.
    assert!(other.live(NOW).await.unwrap().deliveries.is_empty());
    let made = other.delivery(2).await.unwrap();
    assert_eq!((made.state, made.creator.as_str()), (State::Draft, "ann"));

    let replace = ImportMode::Merge { replace: true };
    let report = other.import(&root(), &document, replace, false, NOW).await.unwrap();
    assert_eq!((report.labels_updated.as_slice(), report.labels_unchanged), (["a".to_owned()].as_slice(), 4));
    assert_eq!(other.label(&ann(), &named("a"), NOW).await.unwrap().rule, "label('b') OR y");
    let report = other.import(&root(), &document, replace, false, NOW).await.unwrap();
    assert_eq!((report.labels_unchanged, report.deliveries_kept.len()), (5, 6));
    other.verify().await.unwrap();
    other.close().await;
}

async fn a_dry_run_stores_nothing(settings: Settings) {
    let catalog = open(&settings).await;
    filled(&catalog).await;
    let document = catalog.export().await.unwrap();
    let other = another(&settings).await;
    make(&other, "a", "z = 3").await;
    let (before, changes) = (other.export().await.unwrap(), other.changes().await.unwrap());
    let mode = ImportMode::Merge { replace: true };
    let tried = other.import(&root(), &document, mode, true, NOW).await.unwrap();
    assert!(tried.dry_run);
    assert_eq!((other.export().await.unwrap(), other.changes().await.unwrap()), (before, changes));
    let mut done = other.import(&root(), &document, mode, false, NOW).await.unwrap();
    done.dry_run = true;
    assert_eq!(done, tried);
    other.close().await;
}

async fn bad_documents_are_refused_whole(settings: Settings) {
    let catalog = open(&settings).await;
    filled(&catalog).await;
    let document = catalog.export().await.unwrap();
    let other = another(&settings).await;
    let mut bad: Vec<(&str, Document)> = Vec::new();
    let mut add = |expected: &'static str, change: &dyn Fn(&mut Document)| {
        let mut document = document.clone();
        change(&mut document);
        bad.push((expected, document));
    };
    add("label `b`: rule: ", &|document| document.labels[0].rule = "x >".to_owned());
    add("would use itself", &|document| document.labels[0].rule = "label('a')".to_owned());
    add("unknown label `nobody`", &|document| document.labels[0].rule = "label('nobody')".to_owned());
    add("is private and cannot be used", &|document| document.labels[1].rule = "label('mine')".to_owned());
    add("label `a`: its name is there twice", &|document| document.labels[0].name = "a".to_owned());
    add("its number 2 is not its own", &|document| document.labels[1].id = 2);
    add("delivery 1: end_time: ", &|document| document.deliveries[0].delivery.body.end_us = 0);
    add("two of them wait", &|document| {
        let waiting = document.deliveries[1].approvals[0].clone();
        document.deliveries[1].approvals.push(waiting);
    });
    for (expected, document) in bad {
        let error = other.import(&root(), &document, ImportMode::Empty, false, NOW).await.unwrap_err();
        assert!(matches!(error, Error::Import { .. }), "{expected}: {error}");
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        let left = other.export().await.unwrap();
        assert!(left.labels.is_empty() && left.deliveries.is_empty());
    }
    for (text, expected) in [
        ("{}", "is it an export of a catalog?"),
        (r#"{"muster_catalog": 2, "new": 1}"#, "version 2 is not known"),
        (r#"{"muster_catalog": 1}"#, "missing field"),
    ] {
        let error = Document::from_json(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    other.close().await;
}
