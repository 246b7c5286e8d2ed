//! Why a user is in a segment or not.

use std::collections::BTreeMap;

use muster_engine::execute::{FeatureChange, Outcome, Verdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::value::features;
use super::{Time, Value};
use crate::service::Explained;

/// Why a user is in a segment or not.
#[derive(Debug, Serialize, ToSchema)]
// Each is an answer of its own to callers.
#[allow(clippy::struct_excessive_bools)]
pub(in super::super) struct ExplainAnswer {
    /// Whether the user is in the generation at all; if not, nothing is known of the rest.
    known_user: bool,
    /// Whether the user is in the segment.
    in_segment: bool,
    /// The rule's conditions, each with its outcome; absent for an unknown user.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<ExplainedCondition>,
    /// The fewest changes of features that would turn the answer; none if nothing that was tried does.
    smallest_change: Vec<ChangedFeature>,
    /// Whether it is known that no smaller set of features turns the answer.
    change_is_smallest: bool,
    /// Whether the user opted out of targeting, and is targeted in no case.
    opted_out: bool,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// What `now()` was.
    now: Time,
}

/// A condition and how it turned out.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ExplainedCondition {
    /// The condition as text.
    rule: String,
    /// What it comes to.
    outcome: ConditionOutcome,
    /// The features it looks at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    features: BTreeMap<String, Value>,
    /// The conditions inside it.
    #[schema(no_recursion)]
    conditions: Vec<ExplainedCondition>,
}

/// One of the three values of SQL.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Outcome)]
#[serde(rename_all = "lowercase")]
enum ConditionOutcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told because a value is NULL: not in the segment.
    Unknown,
}

/// A change of one feature.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeatureChange)]
pub(in super::super) struct ChangedFeature {
    /// The feature.
    feature: String,
    /// Its value now.
    from: Value,
    /// A value with which the answer turns.
    to: Value,
}

impl From<Verdict> for ExplainedCondition {
    fn from(verdict: Verdict) -> Self {
        Self {
            rule: verdict.rule,
            outcome: match verdict.outcome {
                Outcome::True => ConditionOutcome::True,
                Outcome::False => ConditionOutcome::False,
                Outcome::Unknown => ConditionOutcome::Unknown,
            },
            features: features(verdict.features),
            conditions: verdict.terms.into_iter().map(Self::from).collect(),
        }
    }
}

impl From<FeatureChange> for ChangedFeature {
    fn from(change: FeatureChange) -> Self {
        Self { feature: change.feature, from: change.from.into(), to: change.to.into() }
    }
}

impl From<Explained> for ExplainAnswer {
    fn from(explained: Explained) -> Self {
        let Explained { why, opted_out, origin } = explained;
        let mut answer = Self {
            known_user: why.is_some(),
            in_segment: false,
            root: None,
            smallest_change: Vec::new(),
            change_is_smallest: false,
            opted_out,
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            now: Time::of(origin.now),
        };
        if let Some(why) = why {
            answer.in_segment = why.inside;
            answer.change_is_smallest = why.smallest;
            answer.root = Some(why.verdict.into());
            answer.smallest_change = why.change.into_iter().map(ChangedFeature::from).collect();
        }
        answer
    }
}
