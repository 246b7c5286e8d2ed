//! Static lists: uploads small, large and dirty.

use std::fmt::Write as _;
use std::time::Instant;

use muster_catalog::label::{LabelChange, LabelKey, NewLabel};
use muster_catalog::list::{IdReader, UploadMode};
use muster_catalog::{Catalog, Error, Settings};

use crate::fixture::{NOW, ann, bob, make, named, on_both, open, rule};

on_both!(
    append_and_replace,
    a_million_ids_with_ten_percent_garbage,
    appends_at_once_lose_nothing,
    only_lists_take_users,
    a_list_has_a_limit,
);

async fn upload(catalog: &Catalog, mode: UploadMode, ids: &[u64]) -> muster_catalog::list::Uploaded {
    let mut upload = catalog.upload(mode);
    upload.push(ids).unwrap();
    catalog.finish_upload(&ann(), &named("list"), upload, "", NOW).await.unwrap()
}

async fn users(catalog: &Catalog) -> Vec<u64> {
    catalog.list_users(&ann(), &named("list"), NOW).await.unwrap().1
}

async fn append_and_replace(settings: Settings) {
    let catalog = open(&settings).await;
    catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
    assert_eq!(users(&catalog).await, [0; 0]);
    let done = upload(&catalog, UploadMode::Append, &[5, 1, 5, u64::MAX]).await;
    assert_eq!((done.label.list_users, done.added, done.removed, done.label.version), (3, 3, 0, 2));
    let done = upload(&catalog, UploadMode::Append, &[2, 1]).await;
    assert_eq!((done.label.list_users, done.added, done.removed), (4, 1, 0));
    assert_eq!(users(&catalog).await, [1, 2, 5, u64::MAX]);
    let done = upload(&catalog, UploadMode::Replace, &[2, 3]).await;
    assert_eq!((done.label.list_users, done.added, done.removed), (2, 1, 3));
    assert_eq!(users(&catalog).await, [2, 3]);
    let read = catalog.label(&bob(), &named("list"), NOW).await.unwrap();
    assert_eq!((read.list_users, read.list_version, read.version), (2, done.label.list_version, 4));
    upload(&catalog, UploadMode::Replace, &[]).await;
    assert_eq!(users(&catalog).await, [0; 0]);
    // A list can be used and renamed as any label can.
    make(&catalog, "b", "label('list')").await;
    let change = LabelChange { name: Some("list2".to_owned()), ..LabelChange::default() };
    catalog.update_label(&ann(), &LabelKey::Id(1), 5, change, NOW).await.unwrap();
    assert_eq!(catalog.label(&ann(), &named("b"), NOW).await.unwrap().rule, "label('list2')");
}

async fn a_million_ids_with_ten_percent_garbage(settings: Settings) {
    const LINES: u64 = 1_000_000;
    let catalog = open(&settings).await;
    catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
    let mut text = "user_id,country\n".to_owned();
    for at in 0..LINES {
        if at % 10 == 3 {
            text.push_str("n/a,US\n");
        } else {
            writeln!(text, "{},US", 1_000_011 + at * 7_919 % 100_000_007).unwrap();
        }
    }
    let begun = Instant::now();
    let (mut reader, mut upload, mut ids) =
        (IdReader::new(), catalog.upload(UploadMode::Replace), Vec::new());
    for piece in text.as_bytes().chunks(64 << 10) {
        reader.feed(piece, &mut ids);
        upload.push(&ids).unwrap();
        ids.clear();
    }
    let parsed = reader.finish(&mut ids);
    upload.push(&ids).unwrap();
    let read = begun.elapsed();
    let done = catalog.finish_upload(&ann(), &named("list"), upload, "from crm", NOW).await.unwrap();
    println!("{LINES} lines read in {read:?}, read and stored in {:?}", begun.elapsed());
    assert_eq!((parsed.ids, parsed.bad, parsed.lines), (LINES / 10 * 9, LINES / 10, LINES + 1));
    assert_eq!((parsed.first_bad.len(), parsed.first_bad[0].line), (20, 5));
    assert_eq!(done.label.list_users, LINES / 10 * 9);
    let stored = users(&catalog).await;
    assert_eq!(stored.len() as u64, LINES / 10 * 9);
    assert!(stored.is_sorted());
    assert!(begun.elapsed().as_secs() < 30);
}

async fn appends_at_once_lose_nothing(settings: Settings) {
    let catalog = open(&settings).await;
    catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
    let tasks: Vec<_> = (0..8u64)
        .map(|task| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                let ids: Vec<u64> = (0..1_000).map(|at| at * 8 + task).collect();
                upload(&catalog, UploadMode::Append, &ids).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(users(&catalog).await, (0..8_000).collect::<Vec<u64>>());
}

async fn only_lists_take_users(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let error = catalog
        .finish_upload(&ann(), &named("a"), catalog.upload(UploadMode::Append), "", NOW)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "label `a` is a rule and not a list; its users cannot be uploaded");
    catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
    let change = LabelChange { rule: Some(rule("true")), ..LabelChange::default() };
    let error = catalog.update_label(&ann(), &named("list"), 1, change, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "label `list` is a list and has no rule");
}

async fn a_list_has_a_limit(mut settings: Settings) {
    settings.list_users_max = 3;
    let catalog = open(&settings).await;
    catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
    upload(&catalog, UploadMode::Append, &[1, 2, 3]).await;
    let mut more = catalog.upload(UploadMode::Append);
    more.push(&[4]).unwrap();
    let error = catalog.finish_upload(&ann(), &named("list"), more, "", NOW).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { field: "users", .. }), "{error}");
    assert_eq!(users(&catalog).await, [1, 2, 3]);
}
