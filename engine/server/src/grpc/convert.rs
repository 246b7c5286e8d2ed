//! Between the messages of `muster.v1` and what the service layer speaks: the only place that knows both.

use std::collections::HashMap;
use std::time::Duration;

use muster_engine::execute::{
    Feature, FeatureChange, Histogram, HistogramBin, Outcome, PreviewNode, Scale, Verdict,
};
use muster_engine::schema::Schema;
use muster_engine::value::Value;
use muster_proto::v1;
use prost_types::Timestamp;

use crate::fault::{Fault, Result};
use crate::rebuild::{RebuildState, RebuildStatus};
use crate::service::{Listed, ListedState, ProfiledColumn, Segment};

/// The segment of a request; `field` names it there.
pub(super) fn segment(segment: Option<&v1::Segment>, field: impl Fn() -> String) -> Result<Segment<'_>> {
    use v1::segment::By;
    match segment.and_then(|segment| segment.by.as_ref()) {
        Some(By::LabelId(id)) => Ok(Segment::LabelId(*id)),
        Some(By::Label(name)) => Ok(Segment::Label(name)),
        Some(By::Rule(text)) => Ok(Segment::Rule(text)),
        Some(By::RulesJson(text)) => Ok(Segment::Json(text)),
        None => Err(Fault::invalid(field(), "it is empty; give label_id, label, rule or rules_json")),
    }
}

/// What `now()` was said to mean, in Unix seconds.
pub(super) fn said(now: Option<&Timestamp>) -> Result<Option<i64>> {
    match now {
        None => Ok(None),
        Some(now) if (0..1_000_000_000).contains(&now.nanos) => Ok(Some(now.seconds)),
        Some(_) => Err(Fault::invalid("now", "its nanoseconds are not between 0 and 999,999,999")),
    }
}

/// An instant of whole seconds.
#[expect(clippy::unnecessary_wraps, reason = "messages have every message in them as an option")]
pub(super) fn instant(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// An instant in microseconds.
#[expect(clippy::unnecessary_wraps, reason = "messages have every message in them as an option")]
pub(super) fn micros(micros: i64) -> Option<Timestamp> {
    let nanos = (micros.rem_euclid(1_000_000) * 1_000) as i32;
    Some(Timestamp { seconds: micros.div_euclid(1_000_000), nanos })
}

/// An instant of a request, in microseconds; `field` names it there.
pub(super) fn micros_of(at: &Timestamp, field: &str) -> Result<i64> {
    let wrong = || Fault::invalid(field, "its time is out of range");
    let at = jiff::Timestamp::new(at.seconds, at.nanos).map_err(|_| wrong())?;
    Ok(at.as_microsecond())
}

/// An instant of the clock.
#[expect(clippy::unnecessary_wraps, reason = "messages have every message in them as an option")]
pub(super) fn clock(at: jiff::Timestamp) -> Option<Timestamp> {
    // Both count from the same second, but this one has no negative nanoseconds.
    let nanos = at.as_nanosecond();
    Some(Timestamp {
        seconds: nanos.div_euclid(1_000_000_000) as i64,
        nanos: nanos.rem_euclid(1_000_000_000) as i32,
    })
}

/// A time span.
#[expect(clippy::unnecessary_wraps, reason = "messages have every message in them as an option")]
pub(super) fn span(span: Duration) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: span.as_secs() as i64, nanos: span.subsec_nanos() as i32 })
}

/// Fresher values, by the names given.
pub(super) fn overlay(overlay: HashMap<String, v1::Value>) -> Result<Vec<(String, Feature)>> {
    let feature = |(name, value): (String, v1::Value)| {
        let field = format!("overlay[{name:?}]");
        Ok((name, feature_of(value, &field)?))
    };
    overlay.into_iter().map(feature).collect()
}

fn feature_of(value: v1::Value, field: &str) -> Result<Feature> {
    use v1::value::Kind;
    Ok(match value.kind {
        Some(Kind::ListValue(list)) => {
            Feature::List(list.values.into_iter().map(|value| single(value, field)).collect::<Result<_>>()?)
        }
        Some(Kind::MapValue(map)) => {
            let entry = |(key, value)| Ok((Value::Text(key), single(value, field)?));
            Feature::Map(map.entries.into_iter().map(entry).collect::<Result<_>>()?)
        }
        _ => Feature::Value(single(value, field)?),
    })
}

fn single(value: v1::Value, field: &str) -> Result<Value> {
    use v1::value::Kind;
    Ok(match value.kind {
        None => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::IntValue(value)) => Value::Int(value.into()),
        Some(Kind::UintValue(value)) => Value::UInt(value.into()),
        Some(Kind::DoubleValue(value)) => Value::Float(value),
        Some(Kind::TextValue(value)) => Value::Text(value),
        Some(Kind::TimeValue(value)) => {
            let at = jiff::Timestamp::new(value.seconds, value.nanos);
            Value::Text(at.map_err(|_| Fault::invalid(field, "its time is out of range"))?.to_string())
        }
        Some(Kind::ListValue(_) | Kind::MapValue(_)) => {
            return Err(Fault::invalid(field, "a list or map inside a list or map is no feature's value"));
        }
    })
}

/// A value.
pub(super) fn value(value: Value) -> v1::Value {
    use v1::value::Kind;
    let kind = match value {
        Value::Null => None,
        Value::Bool(value) => Some(Kind::BoolValue(value)),
        Value::Int(value) => {
            Some(i64::try_from(value).map_or_else(|_| Kind::TextValue(value.to_string()), Kind::IntValue))
        }
        Value::UInt(value) => {
            Some(u64::try_from(value).map_or_else(|_| Kind::TextValue(value.to_string()), Kind::UintValue))
        }
        Value::Float(value) => Some(Kind::DoubleValue(value)),
        Value::Text(value) => Some(Kind::TextValue(value)),
    };
    v1::Value { kind }
}

/// The value of a feature.
pub(super) fn feature_value(feature: Feature) -> v1::Value {
    use v1::value::Kind;
    let kind = match feature {
        Feature::Value(one) | Feature::Length(one) => return value(one),
        Feature::List(elements) => {
            Kind::ListValue(v1::ListValue { values: elements.into_iter().map(value).collect() })
        }
        Feature::Map(entries) => {
            let entry = |(key, number): (Value, Value)| (key.to_string(), value(number));
            Kind::MapValue(v1::MapValue { entries: entries.into_iter().map(entry).collect() })
        }
    };
    v1::Value { kind: Some(kind) }
}

/// Features by name.
pub(super) fn features(features: Vec<(String, Feature)>) -> Vec<v1::Feature> {
    let feature = |(name, feature)| v1::Feature { name, value: Some(feature_value(feature)) };
    features.into_iter().map(feature).collect()
}

/// A part of a rule with its counts.
pub(super) fn preview_node(node: PreviewNode, universe: u64) -> v1::PreviewNode {
    v1::PreviewNode {
        rule: node.rule,
        count: node.count,
        share: share(node.count, universe),
        without: node.without,
        parts: node.parts.into_iter().map(|part| preview_node(part, universe)).collect(),
    }
}

/// The share of a count.
pub(super) fn share(count: u64, universe: u64) -> f64 {
    if universe == 0 { 0.0 } else { count as f64 / universe as f64 }
}

/// A column of a profile.
pub(super) fn profiled(column: ProfiledColumn) -> v1::ColumnProfile {
    let ProfiledColumn { name, breakdown, histogram, stats } = column;
    let counts = breakdown.values.into_iter().map(|found| v1::ValueCount {
        value: Some(value(found.value)),
        count: found.count,
        population: found.population,
    });
    let mut profile = v1::ColumnProfile {
        column: name,
        values: counts.collect(),
        distinct: breakdown.distinct,
        others: breakdown.others,
        null_count: breakdown.null,
        scale: histogram.as_ref().map_or(v1::BinScale::Unspecified, |of| bin_scale(of.scale)).into(),
        bins: histogram.map(bins).unwrap_or_default(),
        ..v1::ColumnProfile::default()
    };
    if let Some(stats) = stats {
        profile.min = stats.min.map(value);
        profile.max = stats.max.map(value);
        profile.mean = stats.mean;
        profile.median = stats.quantiles.into_iter().next().map(|quantile| value(quantile.value));
    }
    profile
}

fn bins(histogram: Histogram) -> Vec<v1::Bin> {
    let bin = |HistogramBin { low, high, count, population }| v1::Bin { low, high, count, population };
    histogram.bins.into_iter().map(bin).collect()
}

fn bin_scale(scale: Scale) -> v1::BinScale {
    match scale {
        Scale::Auto => v1::BinScale::Unspecified,
        Scale::Linear => v1::BinScale::Linear,
        Scale::Log => v1::BinScale::Log,
    }
}

/// How bins are to be laid out.
pub(super) fn scale(scale: i32) -> Result<Scale> {
    match v1::BinScale::try_from(scale) {
        Ok(v1::BinScale::Unspecified) => Ok(Scale::Auto),
        Ok(v1::BinScale::Linear) => Ok(Scale::Linear),
        Ok(v1::BinScale::Log) => Ok(Scale::Log),
        Err(_) => Err(Fault::invalid("scale", format!("there is no scale {scale}; give one of BinScale"))),
    }
}

/// A condition and how it turned out.
pub(super) fn verdict(verdict: Verdict) -> v1::ExplainedCondition {
    let outcome = match verdict.outcome {
        Outcome::True => v1::Outcome::True,
        Outcome::False => v1::Outcome::False,
        Outcome::Unknown => v1::Outcome::Unknown,
    };
    v1::ExplainedCondition {
        rule: verdict.rule,
        outcome: outcome.into(),
        features: features(verdict.features),
        conditions: verdict.terms.into_iter().map(self::verdict).collect(),
    }
}

/// A change of a feature.
pub(super) fn change(change: FeatureChange) -> v1::FeatureChange {
    v1::FeatureChange {
        feature: change.feature,
        from: Some(feature_value(change.from)),
        to: Some(feature_value(change.to)),
    }
}

/// A generation of the store.
pub(super) fn listed(listed: Listed) -> v1::Generation {
    let state = match listed.state {
        ListedState::Published => v1::GenerationState::Published,
        ListedState::Held => v1::GenerationState::Held,
    };
    v1::Generation {
        generation: listed.generation,
        as_of: instant(listed.as_of),
        users: listed.users,
        state: state.into(),
        in_service: listed.in_service,
        bytes: listed.bytes,
        reason: listed.reason.unwrap_or_default(),
    }
}

/// The columns of a schema.
pub(super) fn columns(schema: &Schema) -> Vec<v1::Column> {
    let column = |column: &muster_engine::schema::ColumnSchema| v1::Column {
        name: column.name.clone(),
        r#type: column.ty.to_string(),
        nullable: column.nullable,
    };
    schema.columns.iter().map(column).collect()
}

/// How a rebuild stands.
pub(super) fn rebuild(status: RebuildStatus) -> v1::RebuildStatus {
    let state = match status.state {
        RebuildState::Running => v1::RebuildState::Running,
        RebuildState::Published => v1::RebuildState::Published,
        RebuildState::Held => v1::RebuildState::Held,
        RebuildState::Failed => v1::RebuildState::Failed,
    };
    let phase = status.phase;
    v1::RebuildStatus {
        state: state.into(),
        started: clock(status.started),
        ended: status.ended.and_then(clock),
        generation: status.generation.unwrap_or_default(),
        problem: status.problem.unwrap_or_default(),
        phase: phase.as_ref().map_or_else(String::new, |phase| phase.name.to_string()),
        done: phase.as_ref().map_or(0, |phase| phase.done),
        total: phase.and_then(|phase| phase.total).unwrap_or_default(),
    }
}
