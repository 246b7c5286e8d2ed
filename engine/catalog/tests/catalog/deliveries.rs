//! Deliveries step by step: what is checked, who approves, what goes on meanwhile.

use muster_catalog::audit::{AuditFilter, Kind};
use muster_catalog::delivery::{
    ApprovalKind, Content, Delivery, DeliveryFilter, Holdout, Segment, State, Status, Target, Verdict,
};
use muster_catalog::label::NewLabel;
use muster_catalog::{Catalog, Current, Error, Settings};

use crate::fixture::{HOUR, NOW, ann, bob, make, named, on_both, open, root, rule, wanted};

on_both!(
    from_draft_to_ended,
    nobody_approves_what_they_asked_for,
    a_rejected_one_is_edited_and_submitted_again,
    a_live_one_goes_on_while_a_change_waits,
    a_change_that_is_approved_is_in_force,
    canceling_needs_approval,
    a_pending_one_expires,
    a_stale_change_of_a_delivery_gets_both_versions,
    what_a_delivery_must_be,
    private_labels_in_deliveries,
    pages_of_deliveries_by_status,
    live_ones_are_found_with_their_change,
    drafts_can_be_removed,
);

async fn approved(catalog: &Catalog) -> Delivery {
    let made = catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    catalog.submit_delivery(&ann(), made.id, None, "please", NOW).await.unwrap();
    catalog.approve_delivery(&bob(), made.id, None, "fine", NOW).await.unwrap()
}

async fn from_draft_to_ended(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let mut new = wanted("banner");
    new.target = Segment::Label(named("a"));
    new.holdout = Some(Holdout { salt: "exp".to_owned(), low: 0, high: 1_000 });
    new.daily_cap = Some(3);
    let made = catalog.create_delivery(&ann(), &new, NOW).await.unwrap();
    assert_eq!((made.id, made.version, made.state), (1, 1, State::Draft));
    assert!(matches!(&made.body.target, Target::Label(label) if label.id == 1 && label.name == "a"));
    let pending = catalog.submit_delivery(&ann(), 1, Some(1), "please", NOW + 1).await.unwrap();
    assert_eq!((pending.status_at(NOW + 1), pending.version), (Status::Pending, 2));
    let live = catalog.approve_delivery(&bob(), 1, Some(2), "fine", NOW + 2).await.unwrap();
    assert_eq!(catalog.delivery(1).await.unwrap(), live);
    let at = |at: i64| live.status_at(at);
    assert_eq!(at(NOW + 2), Status::Upcoming);
    assert_eq!(at(NOW + HOUR - 1), Status::Upcoming);
    assert_eq!(at(NOW + HOUR), Status::Ongoing);
    assert_eq!(at(NOW + 3 * HOUR - 1), Status::Ongoing);
    assert_eq!(at(NOW + 3 * HOUR), Status::Ended);
    let approvals = catalog.approvals(1).await.unwrap();
    assert_eq!(approvals.len(), 1);
    let decision = approvals[0].decision.as_ref().unwrap();
    assert_eq!((approvals[0].kind, approvals[0].comment.as_str()), (ApprovalKind::Create, "please"));
    assert_eq!((decision.verdict, decision.by.as_str(), decision.at_us), (Verdict::Approved, "bob", NOW + 2));
    // Every step is in the audit.
    let filter = AuditFilter { object_id: Some(1), ..AuditFilter::default() };
    let records = catalog.audit(&filter).await.unwrap().items;
    let steps: Vec<_> = records
        .iter()
        .filter(|record| record.kind != Kind::Label)
        .map(|record| (record.action.as_str(), record.actor.as_str(), record.comment.as_str()))
        .collect();
    assert_eq!(steps, [("approve", "bob", "fine"), ("submit", "ann", "please"), ("create", "ann", "")]);
    assert_eq!(records[0].before.as_ref().unwrap()["state"], "pending");
    assert_eq!(records[0].after.as_ref().unwrap()["state"], "approved");
}

async fn nobody_approves_what_they_asked_for(settings: Settings) {
    let catalog = open(&settings).await;
    let made = catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    catalog.submit_delivery(&ann(), made.id, None, "", NOW).await.unwrap();
    for outcome in [
        catalog.approve_delivery(&ann(), 1, None, "fine", NOW).await,
        catalog.reject_delivery(&ann(), 1, None, "no", NOW).await,
    ] {
        assert!(matches!(outcome, Err(Error::SelfApproval { .. })));
    }
    let error = catalog.approve_delivery(&bob(), 1, None, " ", NOW).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { field: "comment", .. }), "{error}");
    // An administrator is somebody else, too, but not for what they asked for themselves.
    catalog.approve_delivery(&root(), 1, None, "fine", NOW).await.unwrap();
    catalog.cancel_delivery(&root(), 1, None, "", NOW).await.unwrap();
    assert!(matches!(
        catalog.approve_delivery(&root(), 1, None, "fine", NOW).await,
        Err(Error::SelfApproval { .. })
    ));
}

async fn a_rejected_one_is_edited_and_submitted_again(settings: Settings) {
    let catalog = open(&settings).await;
    catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    catalog.submit_delivery(&ann(), 1, None, "", NOW).await.unwrap();
    let error = catalog.update_delivery(&ann(), 1, 2, &wanted("other"), "", NOW).await.unwrap_err();
    assert!(
        error.to_string().starts_with("delivery 1 is pending: it cannot be edited while it waits"),
        "{error}"
    );
    let rejected = catalog.reject_delivery(&bob(), 1, None, "wrong picture", NOW).await.unwrap();
    assert_eq!(rejected.status_at(NOW), Status::Unpass);
    let edited = catalog.update_delivery(&ann(), 1, 3, &wanted("other"), "", NOW).await.unwrap();
    assert_eq!((edited.status_at(NOW), edited.body.name.as_str()), (Status::Unpass, "other"));
    catalog.submit_delivery(&ann(), 1, None, "", NOW).await.unwrap();
    catalog.approve_delivery(&bob(), 1, None, "fine now", NOW).await.unwrap();
    let verdicts: Vec<_> = catalog
        .approvals(1)
        .await
        .unwrap()
        .into_iter()
        .map(|approval| approval.decision.unwrap().verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Rejected, Verdict::Approved]);
    // A pending one can be taken back by whoever submitted it.
    catalog.create_delivery(&ann(), &wanted("second"), NOW).await.unwrap();
    catalog.submit_delivery(&ann(), 2, None, "", NOW).await.unwrap();
    assert!(catalog.withdraw_delivery(&bob(), 2, None, "", NOW).await.is_err());
    let draft = catalog.withdraw_delivery(&ann(), 2, None, "", NOW).await.unwrap();
    assert_eq!((draft.status_at(NOW), draft.open), (Status::Draft, None));
}

async fn a_live_one_goes_on_while_a_change_waits(settings: Settings) {
    let catalog = open(&settings).await;
    let live = approved(&catalog).await;
    let ongoing = NOW + 2 * HOUR;
    let mut other = wanted("banner");
    other.priority = 7;
    let asked = catalog.update_delivery(&ann(), 1, live.version, &other, "more", ongoing).await.unwrap();
    assert_eq!((asked.status_at(ongoing), asked.body.priority), (Status::Ongoing, 1));
    assert_eq!(asked.open.as_ref().unwrap().body.as_ref().unwrap().priority, 7);
    assert_eq!(catalog.live(ongoing).await.unwrap().deliveries[0].body.priority, 1);
    for outcome in [
        catalog.update_delivery(&ann(), 1, asked.version, &other, "", ongoing).await,
        catalog.cancel_delivery(&ann(), 1, None, "", ongoing).await,
    ] {
        let error = outcome.unwrap_err();
        assert!(error.to_string().contains("a change of it waits already"), "{error}");
    }
    let after = catalog.reject_delivery(&bob(), 1, None, "no", ongoing).await.unwrap();
    assert_eq!((after.body, after.open, after.state), (live.body, None, State::Approved));
}

async fn a_change_that_is_approved_is_in_force(settings: Settings) {
    let catalog = open(&settings).await;
    let live = approved(&catalog).await;
    let mut other = wanted("banner");
    other.content = Content::Custom { image: "https://i/1.png".to_owned(), url: "https://x".to_owned() };
    other.end_us = NOW + 10 * HOUR;
    catalog.update_delivery(&ann(), 1, live.version, &other, "", NOW).await.unwrap();
    assert!(matches!(
        catalog.approve_delivery(&ann(), 1, None, "me", NOW).await,
        Err(Error::SelfApproval { .. })
    ));
    // When its end has passed there is nothing left to extend.
    let error = catalog.approve_delivery(&bob(), 1, None, "late", NOW + 3 * HOUR).await.unwrap_err();
    assert!(matches!(error, Error::NotAllowed { status: Status::Ended, .. }), "{error}");
    let after = catalog.approve_delivery(&bob(), 1, None, "fine", NOW + HOUR).await.unwrap();
    assert_eq!((after.body.end_us, &after.body.content), (other.end_us, &other.content));
    assert_eq!(after.status_at(NOW + 4 * HOUR), Status::Ongoing);
    let error = catalog.update_delivery(&ann(), 1, after.version, &other, "", NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "delivery: nothing would change; change something");
}

async fn canceling_needs_approval(settings: Settings) {
    let catalog = open(&settings).await;
    approved(&catalog).await;
    let asked = catalog.cancel_delivery(&ann(), 1, None, "wrong", NOW + HOUR).await.unwrap();
    assert_eq!(asked.status_at(NOW + HOUR), Status::Ongoing);
    assert_eq!(catalog.live(NOW + HOUR).await.unwrap().deliveries.len(), 1);
    let gone = catalog.approve_delivery(&bob(), 1, None, "yes", NOW + HOUR).await.unwrap();
    assert_eq!(gone.status_at(NOW + HOUR), Status::Canceled);
    assert!(catalog.live(NOW + HOUR).await.unwrap().deliveries.is_empty());
    let error = catalog.cancel_delivery(&ann(), 1, None, "", NOW + HOUR).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "delivery 1 is canceled: only an upcoming or ongoing delivery can be canceled"
    );
    let error = catalog.approve_delivery(&bob(), 1, None, "yes", NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "delivery 1 is canceled: nothing waits for approval");
}

async fn a_pending_one_expires(settings: Settings) {
    let catalog = open(&settings).await;
    catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    let late = NOW + 3 * HOUR;
    let error = catalog.submit_delivery(&ann(), 1, None, "", late).await.unwrap_err();
    assert_eq!(error.to_string(), "end_time: it has passed; set a later end");
    let pending = catalog.submit_delivery(&ann(), 1, None, "", late - 1).await.unwrap();
    assert_eq!(pending.status_at(late - 1), Status::Pending);
    assert_eq!(pending.status_at(late), Status::Expired);
    for outcome in [
        catalog.approve_delivery(&bob(), 1, None, "x", late).await,
        catalog.reject_delivery(&bob(), 1, None, "x", late).await,
        catalog.withdraw_delivery(&ann(), 1, None, "x", late).await,
        catalog.update_delivery(&ann(), 1, 2, &wanted("x"), "", late).await,
    ] {
        assert!(matches!(outcome, Err(Error::NotAllowed { status: Status::Expired, .. })));
    }
}

async fn a_stale_change_of_a_delivery_gets_both_versions(settings: Settings) {
    let catalog = open(&settings).await;
    catalog.create_delivery(&ann(), &wanted("banner"), NOW).await.unwrap();
    let theirs = catalog.update_delivery(&bob(), 1, 1, &wanted("theirs"), "", NOW).await.unwrap();
    let error = catalog.update_delivery(&ann(), 1, 1, &wanted("mine"), "", NOW).await.unwrap_err();
    assert!(error.to_string().starts_with("delivery 1 was changed in the meantime"), "{error}");
    match error {
        Error::Conflict { current, based_on: 1 } => assert_eq!(*current, Current::Delivery(theirs)),
        other => panic!("{other}"),
    }
    // Who approves says what they have seen.
    catalog.submit_delivery(&ann(), 1, None, "", NOW).await.unwrap();
    assert!(matches!(
        catalog.approve_delivery(&bob(), 1, Some(2), "fine", NOW).await,
        Err(Error::Conflict { .. })
    ));
}

async fn what_a_delivery_must_be(settings: Settings) {
    let catalog = open(&settings).await;
    let mut bad = Vec::new();
    let mut add = |field: &'static str, change: &dyn Fn(&mut muster_catalog::delivery::NewDelivery)| {
        let mut new = wanted("banner");
        change(&mut new);
        bad.push((field, new));
    };
    add("name", &|new| new.name = String::new());
    add("end_time", &|new| new.end_us = new.start_us);
    add("content_id", &|new| new.content = Content::OnchainTask { content_id: String::new() });
    add("custom_image", &|new| {
        new.content = Content::Custom { image: String::new(), url: "https://x".to_owned() };
    });
    add("custom_url", &|new| {
        new.content = Content::Custom { image: "https://x".to_owned(), url: " ".to_owned() };
    });
    add("holdout", &|new| new.holdout = Some(Holdout { salt: "s".to_owned(), low: 5, high: 5 }));
    add("holdout", &|new| new.holdout = Some(Holdout { salt: "s".to_owned(), low: 0, high: 10_001 }));
    add("cap", &|new| new.daily_cap = Some(0));
    for (field, new) in bad {
        match catalog.create_delivery(&ann(), &new, NOW).await {
            Err(Error::Invalid { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert_eq!(catalog.changes().await.unwrap().deliveries, 0);
    let error = catalog.delivery(1).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no delivery 1");
}

async fn private_labels_in_deliveries(settings: Settings) {
    let catalog = open(&settings).await;
    let mut new = NewLabel::new("mine", rule("true"));
    new.private = true;
    catalog.create_label(&ann(), new, NOW).await.unwrap();
    let mut new = wanted("banner");
    new.target = Segment::Rule(rule("NOT label('mine')"));
    let error = catalog.create_delivery(&bob(), &new, NOW).await.unwrap_err();
    assert_eq!(error.to_string(), "target: unknown label `mine`");
    catalog.create_delivery(&ann(), &new, NOW).await.unwrap();
}

async fn pages_of_deliveries_by_status(settings: Settings) {
    let catalog = open(&settings).await;
    approved(&catalog).await;
    for name in ["Second", "third", "fourth"] {
        catalog.create_delivery(&bob(), &wanted(name), NOW).await.unwrap();
    }
    catalog.submit_delivery(&bob(), 3, None, "", NOW).await.unwrap();
    let ids = async |filter: &DeliveryFilter, now: i64| -> Vec<u64> {
        catalog.deliveries(filter, now).await.unwrap().items.iter().map(|delivery| delivery.id).collect()
    };
    for (status, now, expected) in [
        (Status::Draft, NOW, vec![4, 2]),
        (Status::Pending, NOW, vec![3]),
        (Status::Upcoming, NOW, vec![1]),
        (Status::Ongoing, NOW + HOUR, vec![1]),
        (Status::Upcoming, NOW + HOUR, vec![]),
        (Status::Ended, NOW + 3 * HOUR, vec![1]),
        (Status::Expired, NOW + 3 * HOUR, vec![3]),
        (Status::Pending, NOW + 3 * HOUR, vec![]),
    ] {
        let filter = DeliveryFilter { status: Some(status), ..DeliveryFilter::default() };
        assert_eq!(ids(&filter, now).await, expected, "{status}");
    }
    let filter = DeliveryFilter { waiting: true, ..DeliveryFilter::default() };
    assert_eq!(ids(&filter, NOW).await, [3]);
    let filter = DeliveryFilter { search: "SECOND".to_owned(), ..DeliveryFilter::default() };
    assert_eq!(ids(&filter, NOW).await, [2]);
    let filter = DeliveryFilter { creator: Some("ann".to_owned()), ..DeliveryFilter::default() };
    assert_eq!(ids(&filter, NOW).await, [1]);
    let mut filter = DeliveryFilter { page_size: 3, ..DeliveryFilter::default() };
    let page = catalog.deliveries(&filter, NOW).await.unwrap();
    assert_eq!(page.items.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [4, 3, 2]);
    filter.page_token = page.next_page_token.unwrap();
    let page = catalog.deliveries(&filter, NOW).await.unwrap();
    assert_eq!((page.items.len(), page.next_page_token), (1, None));
}

async fn live_ones_are_found_with_their_change(settings: Settings) {
    let catalog = open(&settings).await;
    let live = approved(&catalog).await;
    catalog.create_delivery(&ann(), &wanted("draft"), NOW).await.unwrap();
    let found = catalog.live(NOW).await.unwrap();
    assert_eq!(found.deliveries, [live]);
    assert_eq!(found.change, catalog.changes().await.unwrap().deliveries);
    assert!(catalog.live(NOW + 3 * HOUR).await.unwrap().deliveries.is_empty());
}

async fn drafts_can_be_removed(settings: Settings) {
    let catalog = open(&settings).await;
    make(&catalog, "a", "true").await;
    let mut new = wanted("banner");
    new.exclude = vec![named("a")];
    catalog.create_delivery(&ann(), &new, NOW).await.unwrap();
    catalog.delete_delivery(&ann(), 1, Some(1), NOW).await.unwrap();
    assert!(catalog.delivery(1).await.is_err());
    catalog.delete_label(&ann(), &named("a"), None, NOW).await.unwrap();
    let live = approved(&catalog).await;
    assert!(matches!(
        catalog.delete_delivery(&ann(), live.id, None, NOW).await,
        Err(Error::NotAllowed { status: Status::Upcoming, .. })
    ));
}
