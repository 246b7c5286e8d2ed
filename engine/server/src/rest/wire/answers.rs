//! Answers about audiences.

use muster_engine::execute::{HistogramBin, PreviewNode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{BinScale, Time, Value, share};
use crate::service::{Count, MembersBatch, Overlaps, Previewed, Profile, ProfiledColumn};

fn micros(took: std::time::Duration) -> u64 {
    took.as_micros() as u64
}

/// A count.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct CountAnswer {
    /// Users in the segment.
    count: u64,
    /// Users in all.
    universe: u64,
    /// count / universe.
    share: f64,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// How long the engine took, in microseconds; waiting not included.
    micros: u64,
    /// What `now()` was.
    now: Time,
    /// Users in the segment that did not opt out of targeting.
    targetable: u64,
    /// Whether the answer was known from an equal question before.
    cached: bool,
}

impl From<Count> for CountAnswer {
    fn from(count: Count) -> Self {
        let Count { count, targetable, cached, elapsed, origin } = count;
        Self {
            count,
            universe: origin.universe,
            share: share(count, origin.universe),
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            micros: micros(elapsed),
            now: Time::of(origin.now),
            targetable,
            cached,
        }
    }
}

/// A rule with its counts.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PreviewAnswer {
    /// Users in the segment.
    count: u64,
    /// Users in all.
    universe: u64,
    /// count / universe.
    share: f64,
    /// The rule's tree as it was given, a JSON tree group by group.
    root: PreviewPart,
    /// Users in the segment that did not opt out of targeting.
    targetable: u64,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// How long the engine took, in microseconds; waiting not included.
    micros: u64,
    /// What `now()` was.
    now: Time,
}

/// A part of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct PreviewPart {
    /// The part as text.
    rule: String,
    /// Users for whom the part alone is true.
    count: u64,
    /// count / universe.
    share: f64,
    /// By how much the whole audience would grow (or shrink, below zero) without this part. Absent for the whole rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<i64>,
    /// The parts inside it, in order.
    #[schema(no_recursion)]
    parts: Vec<PreviewPart>,
}

impl PreviewPart {
    fn of(node: PreviewNode, universe: u64) -> Self {
        Self {
            rule: node.rule,
            count: node.count,
            share: share(node.count, universe),
            without: node.without,
            parts: node.parts.into_iter().map(|part| Self::of(part, universe)).collect(),
        }
    }
}

impl From<Previewed> for PreviewAnswer {
    fn from(previewed: Previewed) -> Self {
        let Previewed { preview, targetable, elapsed, origin } = previewed;
        Self {
            count: preview.count,
            universe: origin.universe,
            share: share(preview.count, origin.universe),
            root: PreviewPart::of(preview.root, origin.universe),
            targetable,
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            micros: micros(elapsed),
            now: Time::of(origin.now),
        }
    }
}

/// An audience by columns.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ProfileAnswer {
    /// Users in the audience.
    count: u64,
    /// Users in all.
    universe: u64,
    /// count / universe.
    share: f64,
    /// The columns, in the order asked.
    columns: Vec<ProfileColumn>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// How long the engine took, in microseconds; waiting not included.
    micros: u64,
    /// What `now()` was.
    now: Time,
}

/// An audience by one column.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ProfileColumn {
    /// The column as it was asked for.
    column: String,
    /// The most frequent values among the members; of an array, its elements, of a map, its keys.
    values: Vec<ProfileValue>,
    /// Distinct values among the members.
    distinct: u64,
    /// Members whose value is not among `values`; of an array or a map, occurrences of other elements or keys.
    others: u64,
    /// Members without a value.
    null_count: u64,
    /// How the bins are laid out; only where there may be some.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<BinScale>,
    /// Members by value, of number and time columns: adjoining bins that hold every user's number; the last one includes its end. They
    /// depend on all users, not on the audience, so that audiences can be compared bin by bin.
    bins: Vec<ProfileBin>,
    /// Least value of number and time columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Value>,
    /// Greatest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Value>,
    /// Mean of number columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<Value>,
    /// Median of number and time columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    median: Option<Value>,
}

/// A value and who has it.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ProfileValue {
    value: Value,
    /// Members of the audience.
    count: u64,
    /// Users in all.
    population: u64,
}

/// Members with `low <= value < high`; instants are Unix seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ProfileBin {
    /// Least value.
    low: Value,
    /// End.
    high: Value,
    /// Members of the audience.
    count: u64,
    /// Users in all.
    population: u64,
}

impl From<HistogramBin> for ProfileBin {
    fn from(bin: HistogramBin) -> Self {
        let HistogramBin { low, high, count, population } = bin;
        Self { low: Value::number(low), high: Value::number(high), count, population }
    }
}

impl From<ProfiledColumn> for ProfileColumn {
    fn from(column: ProfiledColumn) -> Self {
        let ProfiledColumn { name, breakdown, histogram, stats } = column;
        let values = breakdown.values.into_iter().map(|found| ProfileValue {
            value: found.value.into(),
            count: found.count,
            population: found.population,
        });
        let scale = histogram.as_ref().map(|histogram| histogram.scale.into());
        let bins = histogram.map(|histogram| histogram.bins).unwrap_or_default();
        let (mut min, mut max, mut mean, mut median) = (None, None, None, None);
        if let Some(stats) = stats {
            min = stats.min.map(Value::from);
            max = stats.max.map(Value::from);
            mean = stats.mean.map(Value::number);
            median = stats.quantiles.into_iter().next().map(|quantile| quantile.value.into());
        }
        Self {
            column: name,
            values: values.collect(),
            distinct: breakdown.distinct,
            others: breakdown.others,
            null_count: breakdown.null,
            scale,
            bins: bins.into_iter().map(ProfileBin::from).collect(),
            min,
            max,
            mean,
            median,
        }
    }
}

impl From<Profile> for ProfileAnswer {
    fn from(profile: Profile) -> Self {
        let Profile { count, columns, elapsed, origin } = profile;
        Self {
            count,
            universe: origin.universe,
            share: share(count, origin.universe),
            columns: columns.into_iter().map(ProfileColumn::from).collect(),
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            micros: micros(elapsed),
            now: Time::of(origin.now),
        }
    }
}

/// How segments overlap.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct OverlapAnswer {
    /// A row for each segment, in the order asked: users in it and in each of the segments; with itself, its count.
    both: Vec<Vec<u64>>,
    /// Users in all.
    universe: u64,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// How long the engine took, in microseconds; waiting not included.
    micros: u64,
    /// What `now()` was.
    now: Time,
}

impl From<Overlaps> for OverlapAnswer {
    fn from(overlaps: Overlaps) -> Self {
        let Overlaps { overlap, elapsed, origin } = overlaps;
        Self {
            both: overlap.both,
            universe: origin.universe,
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            micros: micros(elapsed),
            now: Time::of(origin.now),
        }
    }
}

/// Some of the members: a page, or a line of a stream. Ids come in the order of the store, not ascending.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct MembersPage {
    /// Their ids.
    user_ids: Vec<u64>,
    /// Where to go on after these; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
}

impl From<MembersBatch> for MembersPage {
    fn from(batch: MembersBatch) -> Self {
        Self {
            user_ids: batch.user_ids,
            next_page_token: batch.next_page_token,
            generation: batch.origin.generation,
            as_of: Time::of(batch.origin.as_of),
        }
    }
}
