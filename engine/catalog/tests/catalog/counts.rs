//! Counts of labels: history, latest, previous, failures, many at once.

use std::time::Instant;

use muster_catalog::delivery::{Delivery, State, Status, Target};
use muster_catalog::label::{CountOfLabel, CountOutcome, LabelFilter, LabelKey, Recorded};
use muster_catalog::transfer::{
    DOCUMENT_VERSION, DeliveryDocument, Document, ImportMode, LabelDocument, LastNumbers,
};
use muster_catalog::{Catalog, Settings};

use crate::fixture::{HOUR, NOW, ann, make, named, on_both, open, root, wanted};

on_both!(
    latest_and_previous_follow_the_generations,
    a_failure_marks_and_the_next_success_clears,
    old_counts_go,
    recent_counts_of_many_labels_are_read_together,
    fifteen_thousand_labels,
    fifteen_thousand_live_deliveries,
);

const DAY: i64 = 86_400_000_000;

fn counted(label_id: u64, users: u64) -> CountOfLabel {
    CountOfLabel { label_id, outcome: CountOutcome::Counted { users, universe: 1_000 } }
}

fn failed(label_id: u64, reason: &str) -> CountOfLabel {
    CountOfLabel { label_id, outcome: CountOutcome::Failed { reason: reason.to_owned() } }
}

/// Generation and users of the latest and of the previous count.
async fn kept(catalog: &Catalog) -> (Option<(u64, u64)>, Option<(u64, u64)>) {
    let counts = catalog.label(&ann(), &LabelKey::Id(1), NOW).await.unwrap().counts;
    (
        counts.latest.map(|count| (count.generation, count.users)),
        counts.previous.map(|count| (count.generation, count.users)),
    )
}

async fn latest_and_previous_follow_the_generations(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    assert_eq!(kept(&catalog).await, (None, None));
    let done = catalog.record_counts(3, NOW - 5, &[counted(1, 30), counted(77, 1)], NOW).await.unwrap();
    assert_eq!(done, Recorded { stored: 1, gone: 1 });
    assert_eq!(kept(&catalog).await, (Some((3, 30)), None));
    catalog.record_counts(4, NOW, &[counted(1, 40)], NOW).await.unwrap();
    assert_eq!(kept(&catalog).await, (Some((4, 40)), Some((3, 30))));
    // The same generation again: it is no change since the one before.
    catalog.record_counts(4, NOW, &[counted(1, 41)], NOW).await.unwrap();
    assert_eq!(kept(&catalog).await, (Some((4, 41)), Some((3, 30))));
    catalog.record_counts(5, NOW, &[counted(1, 50)], NOW).await.unwrap();
    // Generation 4 is in service again.
    catalog.record_counts(4, NOW, &[counted(1, 42)], NOW).await.unwrap();
    assert_eq!(kept(&catalog).await, (Some((4, 42)), Some((3, 30))));
    let history = catalog.label_counts(&ann(), &LabelKey::Id(1), 0, NOW).await.unwrap();
    let history: Vec<_> = history.into_iter().map(|count| (count.generation, count.as_of_us)).collect();
    assert_eq!(history, [(5, NOW), (4, NOW), (3, NOW - 5)]);
    // A count is no change of the label.
    let label = catalog.label(&ann(), &LabelKey::Id(1), NOW).await.unwrap();
    assert_eq!((label.version, label.counts.latest.unwrap().universe), (1, 1_000));
}

async fn a_failure_marks_and_the_next_success_clears(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    make(&catalog, "b", "true").await;
    catalog.record_counts(1, NOW, &[counted(1, 10)], NOW).await.unwrap();
    catalog.record_counts(2, NOW, &[failed(1, "unknown column `x`"), counted(2, 5)], NOW).await.unwrap();
    let label = catalog.label(&ann(), &named("a"), NOW).await.unwrap();
    let failure = label.counts.failed.unwrap();
    assert_eq!((failure.generation, failure.reason.as_str()), (2, "unknown column `x`"));
    assert_eq!(label.counts.latest.unwrap().users, 10);
    let filter = LabelFilter { failed: Some(true), ..LabelFilter::default() };
    assert_eq!(catalog.labels(&ann(), &filter, NOW).await.unwrap().items.len(), 1);
    catalog.record_counts(3, NOW, &[counted(1, 11)], NOW).await.unwrap();
    let label = catalog.label(&ann(), &named("a"), NOW).await.unwrap();
    assert_eq!(label.counts.failed, None);
    assert_eq!(label.counts.previous.unwrap().generation, 1);
    assert!(catalog.labels(&ann(), &filter, NOW).await.unwrap().items.is_empty());
    let history = catalog.label_counts(&ann(), &named("a"), 2, NOW).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(matches!(&history[1].outcome, CountOutcome::Failed { reason } if reason == "unknown column `x`"));
}

async fn old_counts_go(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    for day in [0, 100, 364, 366, 400] {
        catalog.record_counts(day as u64 + 1, NOW, &[counted(1, 1)], NOW + day * DAY).await.unwrap();
    }
    let history = catalog.label_counts(&ann(), &named("a"), 0, NOW).await.unwrap();
    let kept: Vec<u64> = history.iter().map(|count| count.generation).collect();
    assert_eq!(kept, [401, 367, 365, 101]);
}

async fn recent_counts_of_many_labels_are_read_together(settings: Settings) {
    let catalog = open(&settings).await;
    for name in ["a", "b", "c"] {
        make(&catalog, name, "true").await;
    }
    for generation in 1..=5 {
        let mut counts = vec![counted(1, 10 * generation)];
        counts.push(if generation == 4 { failed(2, "no") } else { counted(2, generation) });
        catalog.record_counts(generation, NOW + generation as i64, &counts, NOW).await.unwrap();
    }
    let found = catalog.recent_counts(&[1, 2, 3], 3).await.unwrap();
    let told = |id: u64| -> Vec<(u64, u64)> {
        found[&id].iter().map(|count| (count.generation, count.users)).collect()
    };
    assert_eq!(told(1), [(3, 30), (4, 40), (5, 50)]);
    // What could not be counted is passed over.
    assert_eq!(told(2), [(2, 2), (3, 3), (5, 5)]);
    assert_eq!((found[&1][0].as_of_us, found[&1][0].universe), (NOW + 3, 1_000));
    assert!(!found.contains_key(&3));
    assert_eq!(catalog.recent_counts(&[2], 100).await.unwrap()[&2].len(), 4);
    assert!(catalog.recent_counts(&[], 3).await.unwrap().is_empty());
    assert!(catalog.recent_counts(&[1], 0).await.unwrap().is_empty());
}

async fn fifteen_thousand_labels(settings: Settings) {
    const LABELS: u64 = 15_000;
    let catalog = open(&settings).await;
    let labels = (1..=LABELS)
        .map(|id| LabelDocument {
            id,
            name: format!("label {id:05}"),
            description: "one of many".to_owned(),
            kind: muster_catalog::label::LabelKind::Rule,
            rule: format!("balance_usd >= {id}"),
            users: None,
            enabled: true,
            private: false,
            predefined: id % 3 == 0,
            creator: "ann".to_owned(),
            version: 1,
            created_us: NOW,
            updated_us: NOW,
            updated_by: "ann".to_owned(),
            list_version: 0,
        })
        .collect();
    let last = LastNumbers { label: LABELS, ..LastNumbers::default() };
    let document = Document { muster_catalog: DOCUMENT_VERSION, last, labels, deliveries: Vec::new() };
    let begun = Instant::now();
    catalog.import(&root(), &document, ImportMode::Empty, false, NOW).await.unwrap();
    println!("import of {LABELS} labels: {:?}", begun.elapsed());
    for generation in 1..=3 {
        let counts: Vec<_> = (1..=LABELS).map(|id| counted(id, id % 1_000 + generation)).collect();
        let begun = Instant::now();
        let done = catalog.record_counts(generation, NOW, &counts, NOW).await.unwrap();
        println!("counts of {LABELS} labels, generation {generation}: {:?}", begun.elapsed());
        assert_eq!(done.stored, LABELS);
        assert!(begun.elapsed().as_secs() < 20);
    }
    let filter =
        LabelFilter { page_size: 100, page_token: "llabel 07500".to_owned(), ..LabelFilter::default() };
    let begun = Instant::now();
    let page = catalog.labels(&ann(), &filter, NOW).await.unwrap();
    println!("a page of 100 in the middle: {:?}", begun.elapsed());
    assert_eq!(page.items.len(), 100);
    let first = &page.items[0];
    assert_eq!((first.id, first.counts.latest.unwrap().users), (7_501, 504));
    assert_eq!(first.counts.previous.unwrap().generation, 2);
    let (begun, mut filter) = (Instant::now(), LabelFilter { page_size: 1_000, ..LabelFilter::default() });
    let mut all = 0;
    loop {
        let page = catalog.labels(&ann(), &filter, NOW).await.unwrap();
        all += page.items.len() as u64;
        let Some(token) = page.next_page_token else { break };
        filter.page_token = token;
    }
    println!("all {all} labels in pages of 1,000: {:?}", begun.elapsed());
    assert_eq!(all, LABELS);
    let begun = Instant::now();
    assert_eq!(catalog.label_rules().await.unwrap().labels.len() as u64, LABELS);
    println!("all rules, parsed: {:?}", begun.elapsed());
    let begun = Instant::now();
    catalog.changes().await.unwrap();
    println!("change counters: {:?}", begun.elapsed());
}

async fn fifteen_thousand_live_deliveries(settings: Settings) {
    const DELIVERIES: u64 = 15_000;
    let catalog = open(&settings).await;
    let first = catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    catalog.delete_delivery(&ann(), first.id, None, NOW).await.unwrap();
    let deliveries = (1..=DELIVERIES)
        .map(|id| {
            let mut delivery = Delivery { id, state: State::Approved, ..first.clone() };
            delivery.body.target = Target::Rule(format!("balance_usd >= {id}"));
            // A third of them is over.
            delivery.body.start_us = NOW - HOUR;
            delivery.body.end_us = if id % 3 == 0 { NOW } else { NOW + HOUR };
            DeliveryDocument { delivery, approvals: Vec::new() }
        })
        .collect();
    let last = LastNumbers { delivery: DELIVERIES, ..LastNumbers::default() };
    let document = Document { muster_catalog: DOCUMENT_VERSION, last, labels: Vec::new(), deliveries };
    let begun = Instant::now();
    catalog.import(&root(), &document, ImportMode::Empty, false, NOW).await.unwrap();
    println!("import of {DELIVERIES} deliveries: {:?}", begun.elapsed());
    let begun = Instant::now();
    let live = catalog.live(NOW).await.unwrap().deliveries;
    println!("{} live deliveries read: {:?}", live.len(), begun.elapsed());
    assert_eq!(live.len() as u64, DELIVERIES / 3 * 2);
    assert!(live.iter().all(|delivery| delivery.status_at(NOW) == Status::Ongoing));
}
