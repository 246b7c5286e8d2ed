//! Making, changing and removing deliveries. A live one is changed by asking for it.

use super::step::{self, request};
use super::{ApprovalKind, Body, Delivery, NewDelivery, State, Status, check, rows};
use crate::audit::{Event, Kind, to_tree};
use crate::caller::{Caller, check_text};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx};
use crate::error::{Current, Error, Result};

impl Catalog {
    /// Makes a draft.
    pub async fn create_delivery(&self, caller: &Caller, new: &NewDelivery, now_us: i64) -> Result<Delivery> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        let outcome = create(&mut tx, caller, new, now_us).await;
        tx.finish(outcome).await
    }

    /// Changes a delivery that is at version `based_on`. A draft or a rejected one is changed at once; of a live one, the change
    /// is asked for: it goes on as it is until somebody else approves.
    pub async fn update_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: u64,
        new: &NewDelivery,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        caller.check()?;
        check_text("comment", comment)?;
        let mut tx = self.db.write().await?;
        let outcome = update(&mut tx, caller, id, based_on, new, comment, now_us).await;
        tx.finish(outcome).await
    }

    /// Removes a draft or a rejected delivery, at this version or at any.
    pub async fn delete_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        now_us: i64,
    ) -> Result<()> {
        caller.check()?;
        let mut tx = self.db.write().await?;
        let outcome = delete(&mut tx, caller, id, based_on, now_us).await;
        tx.finish(outcome).await
    }
}

async fn create(tx: &mut Tx<'_>, caller: &Caller, new: &NewDelivery, now_us: i64) -> Result<Delivery> {
    let delivery = Delivery {
        body: check::body(tx, caller, &caller.user, new).await?,
        id: tx.count_up(Counter::Delivery, 1).await?,
        state: State::Draft,
        open: None,
        creator: caller.user.clone(),
        version: 1,
        created_us: now_us,
        updated_us: now_us,
        updated_by: caller.user.clone(),
    };
    rows::insert(tx, &delivery).await?;
    record(tx, caller, Kind::Delivery, "create", (None, Some(&delivery)), "", now_us).await?;
    Ok(delivery)
}

async fn update(
    tx: &mut Tx<'_>,
    caller: &Caller,
    id: u64,
    based_on: u64,
    new: &NewDelivery,
    comment: &str,
    now_us: i64,
) -> Result<Delivery> {
    let before = at_version(tx, id, Some(based_on)).await?;
    let status = before.status_at(now_us);
    match status {
        Status::Draft | Status::Unpass => {
            let body = check::body(tx, caller, &before.creator, new).await?;
            let mut after = step::next(&before, caller, now_us);
            after.body = body;
            rows::store(tx, &after).await?;
            record(tx, caller, Kind::Delivery, "update", (Some(&before), Some(&after)), comment, now_us)
                .await?;
            Ok(after)
        }
        Status::Upcoming | Status::Ongoing => {
            step::refuse_second(&before, status)?;
            let body = check::body(tx, caller, &before.creator, new).await?;
            check_edit(&before.body, &body, now_us)?;
            request(tx, caller, &before, ApprovalKind::Edit, Some(body), comment, now_us).await
        }
        Status::Pending => Err(step::not_allowed(
            id,
            status,
            "it cannot be edited while it waits; withdraw it, edit it and submit it again",
        )),
        Status::Ended | Status::Expired | Status::Canceled => {
            Err(step::not_allowed(id, status, "it cannot be edited any more; make another one"))
        }
    }
}

fn check_edit(before: &Body, after: &Body, now_us: i64) -> Result<()> {
    if before == after {
        return Err(Error::invalid("delivery", "nothing would change; change something"));
    }
    if after.end_us <= now_us {
        return Err(Error::invalid("end_time", "it has passed; set a later end, or cancel the delivery"));
    }
    Ok(())
}

async fn delete(tx: &mut Tx<'_>, caller: &Caller, id: u64, based_on: Option<u64>, now_us: i64) -> Result<()> {
    let before = at_version(tx, id, based_on).await?;
    let status = before.status_at(now_us);
    if !matches!(status, Status::Draft | Status::Unpass) {
        return Err(step::not_allowed(id, status, "only a draft or a rejected delivery can be removed"));
    }
    tx.execute(sqlx::query("DELETE FROM deliveries WHERE id = ?").bind(id as i64)).await?;
    record(tx, caller, Kind::Delivery, "delete", (Some(&before), None), "", now_us).await
}

/// A delivery at the version that a change is based on.
pub(super) async fn at_version(tx: &mut Tx<'_>, id: u64, based_on: Option<u64>) -> Result<Delivery> {
    let delivery = rows::get(tx, id).await?;
    match based_on {
        Some(based_on) if based_on != delivery.version => {
            Err(Error::Conflict { current: Box::new(Current::Delivery(delivery)), based_on })
        }
        _ => Ok(delivery),
    }
}

/// Writes a change of a delivery into the audit, and counts it.
pub(crate) async fn record(
    tx: &mut Tx<'_>,
    caller: &Caller,
    kind: Kind,
    action: &str,
    (before, after): (Option<&Delivery>, Option<&Delivery>),
    comment: &str,
    now_us: i64,
) -> Result<()> {
    let Some(delivery) = after.or(before) else { return Ok(()) };
    let event = Event {
        kind,
        action: action.to_owned(),
        id: Some(delivery.id),
        name: delivery.body.name.clone(),
        before: before.map(to_tree).transpose()?,
        after: after.map(to_tree).transpose()?,
        comment: comment.to_owned(),
    };
    tx.audit(caller, &event, now_us).await?;
    tx.count_up(Counter::DeliveryChanges, 1).await.map(drop)
}
