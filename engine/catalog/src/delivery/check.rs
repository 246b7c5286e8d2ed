//! Whether a delivery can be what somebody wants it to be.

use muster_engine::rule::ast::Rule;

use super::{Body, Content, Holdout, LabelRef, NewDelivery, Segment, Target};
use crate::caller::{Caller, check_name, check_short};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::label::LabelKey;
use crate::label::nest::{self, User};
use crate::label::rows::{parse_stored, rule_texts};

/// Labels that a delivery may exclude at most.
const EXCLUDED_MAX: usize = 100;
/// Bytes of an address of an image or a page at most.
const ADDRESS_BYTES_MAX: usize = 4 << 10;
/// All users, in hundredths of a percent.
const EVERYBODY: u32 = 10_000;

/// The delivery with its labels looked up and its rule in canonical form. `creator` is who made it.
pub(crate) async fn body(tx: &mut Tx<'_>, caller: &Caller, creator: &str, new: &NewDelivery) -> Result<Body> {
    if new.exclude.len() > EXCLUDED_MAX {
        return Err(Error::invalid(
            "exclude",
            format!("it has {} labels, more than {EXCLUDED_MAX}; make one label of them", new.exclude.len()),
        ));
    }
    let user = |field| User { caller, creator, takes_private: true, takes_disabled: false, field };
    let target = match &new.target {
        Segment::Label(key) => Target::Label(label(tx, key, user("target")).await?),
        Segment::Rule(rule) => {
            let (text, _) = rule_texts(rule, &tx.db.settings.rules)?;
            let uses = nest::used(tx, rule, user("target")).await?;
            nest::check(tx, None, "", rule, &uses).await?;
            Target::Rule(text)
        }
    };
    let mut exclude = Vec::with_capacity(new.exclude.len());
    for key in &new.exclude {
        exclude.push(label(tx, key, user("exclude")).await?);
    }
    exclude.sort_unstable();
    exclude.dedup();
    let body = Body {
        name: new.name.clone(),
        target,
        exclude,
        holdout: new.holdout.clone(),
        content: new.content.clone(),
        start_us: new.start_us,
        end_us: new.end_us,
        priority: new.priority,
        placement: new.placement.clone(),
        daily_cap: new.daily_cap,
        total_cap: new.total_cap,
    };
    fields(&body)?;
    Ok(body)
}

/// Fails unless all labels of a stored delivery can be used now.
pub(super) async fn usable(tx: &mut Tx<'_>, body: &Body) -> Result<()> {
    // On behalf of nobody: who may name a label was asked when it was named.
    let nobody = Caller::admin("muster");
    let mut named: Vec<&LabelRef> = body.exclude.iter().collect();
    match &body.target {
        Target::Label(label) => named.push(label),
        Target::Rule(text) => {
            let rule = parse_stored(text, "the delivery", &tx.db.settings.rules, &tx.db.place)?;
            for name in nest::names(&rule) {
                enabled(tx, &LabelKey::Name(name.to_owned()), &nobody).await?;
            }
        }
    }
    for label in named {
        enabled(tx, &LabelKey::Id(label.id), &nobody).await?;
    }
    Ok(())
}

/// Fails unless a delivery's rule can be read.
pub(crate) fn rule(tx: &Tx<'_>, body: &Body) -> Result<()> {
    match &body.target {
        Target::Label(_) => Ok(()),
        Target::Rule(text) => {
            Rule::parse(text, &tx.db.settings.rules).map(drop).map_err(Error::rule("target"))
        }
    }
}

async fn enabled(tx: &mut Tx<'_>, key: &LabelKey, caller: &Caller) -> Result<()> {
    let label = crate::label::rows::get(tx, caller, key, i64::MAX).await?;
    if label.enabled {
        return Ok(());
    }
    Err(Error::invalid("target", format!("label `{}` is disabled; enable it first", label.name)))
}

async fn label(tx: &mut Tx<'_>, key: &LabelKey, user: User<'_>) -> Result<LabelRef> {
    let used = nest::used_one(tx, key, user).await?;
    Ok(LabelRef { id: used.id, name: used.name })
}

/// Fails unless what says nothing of labels is as it must be.
pub(crate) fn fields(body: &Body) -> Result<()> {
    check_name("name", &body.name)?;
    check_short("placement", &body.placement)?;
    content(&body.content)?;
    if body.start_us >= body.end_us {
        return Err(Error::invalid("end_time", "it is not after start_time; set a later end"));
    }
    if body.daily_cap == Some(0) || body.total_cap == Some(0) {
        return Err(Error::invalid("cap", "it is 0, and nobody would see it; leave it out for no cap"));
    }
    body.holdout.as_ref().map_or(Ok(()), holdout)
}

fn content(content: &Content) -> Result<()> {
    match content {
        Content::OnchainTask { content_id } => check_name("content_id", content_id),
        Content::Custom { image, url } => {
            address("custom_image", image)?;
            address("custom_url", url)
        }
    }
}

fn address(field: &'static str, address: &str) -> Result<()> {
    if address.trim().is_empty() {
        return Err(Error::invalid(field, "it is empty; custom content needs both an image and a link"));
    }
    if address.len() > ADDRESS_BYTES_MAX || address.chars().any(char::is_control) {
        return Err(Error::invalid(
            field,
            format!("it is longer than {ADDRESS_BYTES_MAX} bytes or has a control character in it"),
        ));
    }
    Ok(())
}

fn holdout(holdout: &Holdout) -> Result<()> {
    check_name("holdout.salt", &holdout.salt)?;
    if holdout.low >= holdout.high || holdout.high > EVERYBODY {
        return Err(Error::invalid(
            "holdout",
            "it is not a range within 0 to 100 percent; write from less than to",
        ));
    }
    Ok(())
}
