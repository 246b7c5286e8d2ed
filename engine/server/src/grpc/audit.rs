//! The audit in messages, which `muster.v1.Admin` gives out.

use muster_catalog::audit::{AuditFilter, Kind, Record};
use muster_proto::v1;
use prost_types::Timestamp;

use super::convert::micros;
use crate::fault::{Fault, Result};

/// Which records are asked for.
pub(super) fn filter(filter: Option<v1::AuditFilter>) -> Result<AuditFilter> {
    let filter = filter.unwrap_or_default();
    let about = v1::AuditKind::try_from(filter.kind).map_err(|_| {
        Fault::invalid("filter.kind", format!("{} is no kind of record; leave it out for all", filter.kind))
    })?;
    Ok(AuditFilter {
        kind: kind(about),
        object_id: (filter.object_id > 0).then_some(filter.object_id),
        actor: (!filter.actor.is_empty()).then_some(filter.actor),
        from_us: instant(filter.from.as_ref(), "filter.from")?,
        until_us: instant(filter.until.as_ref(), "filter.until")?,
        ..AuditFilter::default()
    })
}

fn instant(at: Option<&Timestamp>, field: &str) -> Result<Option<i64>> {
    let Some(at) = at else { return Ok(None) };
    let nanos = u32::try_from(at.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos =
        nanos.ok_or_else(|| Fault::invalid(field, "its nanoseconds are not between 0 and 999,999,999"))?;
    Ok(Some(at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanos / 1_000))))
}

fn kind(kind: v1::AuditKind) -> Option<Kind> {
    Some(match kind {
        v1::AuditKind::Unspecified => return None,
        v1::AuditKind::Label => Kind::Label,
        v1::AuditKind::List => Kind::List,
        v1::AuditKind::Delivery => Kind::Delivery,
        v1::AuditKind::Approval => Kind::Approval,
        v1::AuditKind::Import => Kind::Import,
        v1::AuditKind::Generation => Kind::Generation,
        v1::AuditKind::Rebuild => Kind::Rebuild,
        v1::AuditKind::Token => Kind::Token,
        v1::AuditKind::Erasure => Kind::Erasure,
        v1::AuditKind::Server => Kind::Server,
    })
}

fn told_kind(kind: Kind) -> v1::AuditKind {
    match kind {
        Kind::Label => v1::AuditKind::Label,
        Kind::List => v1::AuditKind::List,
        Kind::Delivery => v1::AuditKind::Delivery,
        Kind::Approval => v1::AuditKind::Approval,
        Kind::Import => v1::AuditKind::Import,
        Kind::Generation => v1::AuditKind::Generation,
        Kind::Rebuild => v1::AuditKind::Rebuild,
        Kind::Token => v1::AuditKind::Token,
        Kind::Erasure => v1::AuditKind::Erasure,
        Kind::Server => v1::AuditKind::Server,
    }
}

/// A record as a message.
pub(super) fn told(record: Record) -> v1::AuditRecord {
    let json = |value: Option<serde_json::Value>| value.map(|value| value.to_string()).unwrap_or_default();
    v1::AuditRecord {
        id: record.id,
        at: micros(record.at_us),
        actor: record.actor,
        kind: told_kind(record.kind).into(),
        action: record.action,
        object_id: record.object_id.unwrap_or_default(),
        object: record.object,
        before_json: json(record.before),
        after_json: json(record.after),
        comment: record.comment,
        request: record.request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_goes_there_and_back() {
        for one in Kind::ALL {
            assert_eq!(kind(told_kind(one)), Some(one));
        }
    }
}
