//! The steps that take a delivery from one state to the next: submit, approve, reject, cancel, withdraw.

use super::edit::{at_version, record};
use super::{Approval, ApprovalKind, Body, Decision, Delivery, State, Status, Verdict, check, rows};
use crate::audit::Kind;
use crate::caller::{Caller, check_text};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx};
use crate::error::{Error, Result};

/// Something that is done to a delivery as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Submit,
    Approve,
    Reject,
    Cancel,
    Withdraw,
}

impl Catalog {
    /// Asks for approval of a draft or of a rejected delivery, at this version or at any.
    pub async fn submit_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        self.step(Step::Submit, caller, id, based_on, comment, now_us).await
    }

    /// Approves what somebody else asked for: that a delivery goes live, is changed or is canceled. Needs a comment.
    pub async fn approve_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        self.step(Step::Approve, caller, id, based_on, comment, now_us).await
    }

    /// Rejects what somebody else asked for. Needs a comment. A live delivery goes on as it is.
    pub async fn reject_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        self.step(Step::Reject, caller, id, based_on, comment, now_us).await
    }

    /// Asks to end a live delivery before its time. It goes on until somebody else approves.
    pub async fn cancel_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        self.step(Step::Cancel, caller, id, based_on, comment, now_us).await
    }

    /// Takes back what one asked for oneself: a pending delivery is a draft again, a live one goes on as it is.
    pub async fn withdraw_delivery(
        &self,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        self.step(Step::Withdraw, caller, id, based_on, comment, now_us).await
    }

    async fn step(
        &self,
        step: Step,
        caller: &Caller,
        id: u64,
        based_on: Option<u64>,
        comment: &str,
        now_us: i64,
    ) -> Result<Delivery> {
        caller.check()?;
        check_text("comment", comment)?;
        let mut tx = self.db.write().await?;
        let outcome = async {
            let before = at_version(&mut tx, id, based_on).await?;
            match step {
                Step::Submit => submit(&mut tx, caller, &before, comment, now_us).await,
                Step::Cancel => cancel(&mut tx, caller, &before, comment, now_us).await,
                Step::Approve => decide(&mut tx, caller, &before, Verdict::Approved, comment, now_us).await,
                Step::Reject => decide(&mut tx, caller, &before, Verdict::Rejected, comment, now_us).await,
                Step::Withdraw => decide(&mut tx, caller, &before, Verdict::Withdrawn, comment, now_us).await,
            }
        }
        .await;
        tx.finish(outcome).await
    }
}

async fn submit(
    tx: &mut Tx<'_>,
    caller: &Caller,
    before: &Delivery,
    comment: &str,
    now_us: i64,
) -> Result<Delivery> {
    let status = before.status_at(now_us);
    if !matches!(status, Status::Draft | Status::Unpass) {
        return Err(not_allowed(before.id, status, "only a draft or a rejected delivery can be submitted"));
    }
    if before.body.end_us <= now_us {
        return Err(Error::invalid("end_time", "it has passed; set a later end"));
    }
    check::usable(tx, &before.body).await?;
    request(tx, caller, before, ApprovalKind::Create, Some(before.body.clone()), comment, now_us).await
}

async fn cancel(
    tx: &mut Tx<'_>,
    caller: &Caller,
    before: &Delivery,
    comment: &str,
    now_us: i64,
) -> Result<Delivery> {
    let status = before.status_at(now_us);
    if !status.is_live() {
        return Err(not_allowed(before.id, status, "only an upcoming or ongoing delivery can be canceled"));
    }
    refuse_second(before, status)?;
    request(tx, caller, before, ApprovalKind::Cancel, None, comment, now_us).await
}

/// Stores that somebody asks for something.
pub(super) async fn request(
    tx: &mut Tx<'_>,
    caller: &Caller,
    before: &Delivery,
    kind: ApprovalKind,
    body: Option<Body>,
    comment: &str,
    now_us: i64,
) -> Result<Delivery> {
    let mut after = next(before, caller, now_us);
    let approval = Approval {
        id: tx.count_up(Counter::Approval, 1).await?,
        kind,
        body,
        requester: caller.user.clone(),
        requested_us: now_us,
        comment: comment.to_owned(),
        decision: None,
    };
    rows::store_approval(tx, after.id, &approval).await?;
    after.open = Some(approval);
    let action = match kind {
        ApprovalKind::Create => {
            after.state = State::Pending;
            "submit"
        }
        ApprovalKind::Edit => "ask_to_edit",
        ApprovalKind::Cancel => "ask_to_cancel",
    };
    rows::store(tx, &after).await?;
    record(tx, caller, Kind::Approval, action, (Some(before), Some(&after)), comment, now_us).await?;
    Ok(after)
}

async fn decide(
    tx: &mut Tx<'_>,
    caller: &Caller,
    before: &Delivery,
    verdict: Verdict,
    comment: &str,
    now_us: i64,
) -> Result<Delivery> {
    let status = before.status_at(now_us);
    let Some(open) = &before.open else {
        return Err(not_allowed(before.id, status, "nothing waits for approval"));
    };
    check_decider(open, caller, verdict, comment)?;
    let mut after = next(before, caller, now_us);
    after.open = None;
    match (open.kind, verdict) {
        (ApprovalKind::Create, _) if status != Status::Pending => {
            return Err(not_allowed(before.id, status, "its end has passed; make another one"));
        }
        (ApprovalKind::Create, Verdict::Approved) => {
            check::usable(tx, &before.body).await?;
            after.state = State::Approved;
        }
        (ApprovalKind::Create, Verdict::Rejected) => after.state = State::Unpass,
        (ApprovalKind::Create, Verdict::Withdrawn) => after.state = State::Draft,
        // The live one stays as it is.
        (ApprovalKind::Edit | ApprovalKind::Cancel, Verdict::Rejected | Verdict::Withdrawn) => {}
        (ApprovalKind::Edit | ApprovalKind::Cancel, Verdict::Approved) if !status.is_live() => {
            return Err(not_allowed(
                before.id,
                status,
                "it is over, and there is nothing left to change; reject it",
            ));
        }
        (ApprovalKind::Cancel, Verdict::Approved) => after.state = State::Canceled,
        (ApprovalKind::Edit, Verdict::Approved) => {
            after.body = edited(tx, before, open, status, now_us).await?;
        }
    }
    let decision = Decision { verdict, by: caller.user.clone(), at_us: now_us, comment: comment.to_owned() };
    let decided = Approval { decision: Some(decision), ..open.clone() };
    rows::store_approval(tx, before.id, &decided).await?;
    rows::store(tx, &after).await?;
    let action = match verdict {
        Verdict::Approved => "approve",
        Verdict::Rejected => "reject",
        Verdict::Withdrawn => "withdraw",
    };
    record(tx, caller, Kind::Approval, action, (Some(before), Some(&after)), comment, now_us).await?;
    Ok(after)
}

/// Fails unless this caller may decide on what somebody asked for.
fn check_decider(open: &Approval, caller: &Caller, verdict: Verdict, comment: &str) -> Result<()> {
    let is_requester = open.requester == caller.user;
    if verdict == Verdict::Withdrawn {
        if is_requester || caller.admin {
            return Ok(());
        }
        return Err(Error::invalid(
            "user",
            format!("{} asked for this, and only they can withdraw it; reject it instead", open.requester),
        ));
    }
    if is_requester {
        return Err(Error::SelfApproval { user: caller.user.clone() });
    }
    if comment.trim().is_empty() {
        return Err(Error::invalid("comment", "it is empty; say why"));
    }
    Ok(())
}

/// What a live delivery becomes.
async fn edited(
    tx: &mut Tx<'_>,
    before: &Delivery,
    open: &Approval,
    status: Status,
    now_us: i64,
) -> Result<Body> {
    let Some(body) = &open.body else {
        return Err(Error::Corrupt {
            place: tx.db.place.clone(),
            what: format!("approval {} does not say what delivery {} is to become", open.id, before.id),
        });
    };
    if body.end_us <= now_us {
        return Err(not_allowed(
            before.id,
            status,
            "the end that it was to have has passed; reject the change",
        ));
    }
    check::usable(tx, body).await?;
    Ok(body.clone())
}

/// The delivery at its next version.
pub(super) fn next(before: &Delivery, caller: &Caller, now_us: i64) -> Delivery {
    Delivery {
        version: before.version + 1,
        updated_us: now_us,
        updated_by: caller.user.clone(),
        ..before.clone()
    }
}

/// Fails while a change of a live delivery waits.
pub(super) fn refuse_second(delivery: &Delivery, status: Status) -> Result<()> {
    match delivery.open {
        None => Ok(()),
        Some(_) => Err(not_allowed(
            delivery.id,
            status,
            "a change of it waits already; decide on that or withdraw it first",
        )),
    }
}

pub(super) fn not_allowed(id: u64, status: Status, what: &str) -> Error {
    Error::NotAllowed { id, status, what: what.to_owned() }
}
