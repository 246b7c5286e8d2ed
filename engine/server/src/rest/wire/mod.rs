//! Between the JSON of REST and what the service layer speaks: the only place of REST that knows both, and what OpenAPI describes.

mod answers;
mod audit;
mod delivery;
mod effect;
mod generation;
mod label;
mod rule;
mod segment;
mod standing;
mod store;
mod value;
mod why;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

pub(super) use answers::{CountAnswer, MembersPage, OverlapAnswer, PreviewAnswer, ProfileAnswer};
pub(super) use audit::AuditAnswer;
pub(super) use delivery::{
    ApprovalsAnswer, DeliveriesAnswer, DeliveriesOf, DeliveryBody, DeliveryRequest, MatchedDeliveries,
    MatchedLabels, ReachAnswer, StepRequest,
};
pub(super) use effect::{EffectAnswer, EffectRequest};
pub(super) use generation::{GenerationAnswer, HistoryAnswer};
pub(super) use label::{
    LabelBody, LabelCountsAnswer, LabelRequest, LabelSortBy, LabelUsesAnswer, LabelsAnswer, LabelsRequest,
    UploadAnswer,
};
pub(super) use rule::{CallerAnswer, RuleAnswer};
pub(super) use segment::{
    AudienceRequest, BinScale, ExplainRequest, ExportFormat, ExportRequest, MatchRequest, MembersRequest,
    OverlapRequest, ProfileRequest, SegmentParameters,
};
pub(super) use standing::{NothingRequest, RefreshAnswer};
pub(super) use store::{
    DiscardRequest, ErasedAnswer, GenerationsAnswer, InServiceAnswer, OptedAnswer, PublishRequest, Readiness,
    RebuildAnswer, RebuildRequest, RollbackRequest, SchemaAnswer, StatusAnswer, UserIdsRequest,
};
pub(super) use value::{FeatureAnswer, FeaturesRequest, UserAnswer, UsersAnswer, Value};
pub(super) use why::ExplainAnswer;

/// An instant, as RFC 3339 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-20T00:00:00Z")]
pub(super) struct Time(jiff::Timestamp);

impl Time {
    /// Of Unix seconds. What no calendar has is the nearest instant that one has.
    pub(super) fn of(seconds: i64) -> Self {
        let nearest = if seconds < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        Self(jiff::Timestamp::from_second(seconds).unwrap_or(nearest))
    }

    /// Of microseconds since 1970, likewise.
    pub(super) fn of_micros(micros: i64) -> Self {
        jiff::Timestamp::from_microsecond(micros).map_or_else(|_| Self::of(micros / 1_000_000), Self)
    }

    /// Microseconds since 1970; what is finer is left out.
    pub(super) fn micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Unix seconds; a fraction is left out.
    pub(super) fn seconds(self) -> i64 {
        self.0.as_nanosecond().div_euclid(1_000_000_000) as i64
    }
}

impl From<jiff::Timestamp> for Time {
    fn from(at: jiff::Timestamp) -> Self {
        Self(at)
    }
}

impl std::str::FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.parse().map(Self);
        parsed.map_err(|_| format!("{text:?} is no instant; give one as 2026-11-20T00:00:00Z (RFC 3339)"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// count / universe.
fn share(count: u64, universe: u64) -> f64 {
    if universe == 0 { 0.0 } else { count as f64 / universe as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_rfc_3339() {
        let time: Time = serde_json::from_str(r#""2026-11-20T01:00:00.5+01:00""#).unwrap();
        assert_eq!(time.seconds(), 1_795_132_800);
        assert_eq!(serde_json::to_string(&Time::of(1_795_132_800)).unwrap(), r#""2026-11-20T00:00:00Z""#);
        for wrong in [r#""2026-11-20""#, r#""2026-11-20T00:00:00""#, "1795132800", r#""now""#] {
            assert!(serde_json::from_str::<Time>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Time::of(i64::MAX).0, jiff::Timestamp::MAX);
        assert_eq!("1969-12-31T23:59:59.5Z".parse::<Time>().unwrap().seconds(), -1);
    }
}
