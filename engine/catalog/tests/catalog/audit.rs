//! The audit: found, exported, and changed by nobody.

use muster_catalog::audit::{AuditFilter, Event, Kind, Record};
use muster_catalog::{Caller, Settings};
use sqlx::{Connection, Executor, MySqlConnection, SqliteConnection};

use crate::fixture::{NOW, ann, bob, make, on_both, open};

on_both!(records_are_found, records_cannot_be_changed, an_export_has_them_all);

fn rollback(id: u64) -> Event {
    Event {
        kind: Kind::Generation,
        action: "rollback".to_owned(),
        id: Some(id),
        name: String::new(),
        before: Some(serde_json::json!({"generation": id + 1})),
        after: Some(serde_json::json!({"generation": id})),
        comment: "counts were off".to_owned(),
    }
}

async fn records_are_found(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let caller = bob().in_request("req-7");
    let id = catalog.record(&caller, rollback(41), NOW + 5).await.unwrap();
    let find = async |filter: AuditFilter| catalog.audit(&filter).await.unwrap().items;
    let all = find(AuditFilter::default()).await;
    assert_eq!(all.iter().map(|record| record.id).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((all[0].id, all[0].request.as_str()), (id, "req-7"));
    assert_eq!(all[0].after, Some(serde_json::json!({"generation": 41})));
    for (filter, expected) in [
        (AuditFilter { kind: Some(Kind::Generation), ..AuditFilter::default() }, vec![2]),
        (AuditFilter { kind: Some(Kind::Label), object_id: Some(1), ..AuditFilter::default() }, vec![1]),
        (AuditFilter { object_id: Some(2), ..AuditFilter::default() }, vec![]),
        (AuditFilter { actor: Some("ann".to_owned()), ..AuditFilter::default() }, vec![1]),
        (AuditFilter { from_us: Some(NOW + 5), ..AuditFilter::default() }, vec![2]),
        (AuditFilter { until_us: Some(NOW + 5), ..AuditFilter::default() }, vec![1]),
    ] {
        let found: Vec<u64> = find(filter.clone()).await.iter().map(|record| record.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    for at in 0..5 {
        catalog.record(&ann(), rollback(at), NOW).await.unwrap();
    }
    let mut filter = AuditFilter { page_size: 3, ..AuditFilter::default() };
    let mut found = Vec::new();
    loop {
        let page = catalog.audit(&filter).await.unwrap();
        found.extend(page.items.iter().map(|record| record.id));
        let Some(token) = page.next_page_token else { break };
        filter.page_token = token;
    }
    assert_eq!(found, [7, 6, 5, 4, 3, 2, 1]);
    // What others chose is cut off and not refused.
    let long = Caller::new("ann").in_request("x\n".repeat(1_000));
    catalog.record(&long, rollback(1), NOW).await.unwrap();
}

async fn records_cannot_be_changed(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let before = catalog.audit(&AuditFilter::default()).await.unwrap();
    let statements = [
        "UPDATE audit SET actor = 'eve' WHERE id = 1",
        "DELETE FROM audit WHERE id = 1",
        "DELETE FROM audit",
        "REPLACE INTO audit (id, at_us, actor, kind, action, object, comment, request)
         VALUES (1, 0, 'eve', 'label', 'x', '', '', '')",
    ];
    for statement in statements {
        let outcome = if let Some(path) = settings.url.strip_prefix("sqlite:") {
            // Without what our own connections set.
            let mut conn = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
            conn.execute(statement).await.map(drop)
        } else {
            let mut conn = MySqlConnection::connect(&settings.url).await.unwrap();
            conn.execute(statement).await.map(drop)
        };
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("records of audit are neither changed nor removed"), "{statement}: {error}");
    }
    assert_eq!(catalog.audit(&AuditFilter::default()).await.unwrap(), before);
}

async fn an_export_has_them_all(settings: Settings) {
    const RECORDS: u64 = 1_100;
    let catalog = open(&settings).await;
    for at in 0..RECORDS {
        catalog.record(&ann(), rollback(at), NOW + at as i64).await.unwrap();
    }
    let filter = AuditFilter { from_us: Some(NOW + 50), ..AuditFilter::default() };
    let (mut records, mut pieces) = (Vec::<Record>::new(), 0);
    loop {
        let piece = catalog.audit_after(&filter, records.last().map(|record| record.id)).await.unwrap();
        if piece.is_empty() {
            break;
        }
        pieces += 1;
        records.extend(piece);
    }
    assert_eq!((records.len() as u64, pieces), (RECORDS - 50, 3));
    assert!(records.is_sorted_by_key(|record| record.id));
    assert_eq!(records[0].object_id, Some(50));
}
