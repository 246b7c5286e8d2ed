//! What a change of a label would do, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::label::{LabelStatus, rule_of};
use super::{Time, share};
use crate::fault::Result;
use crate::service::{Ask, Effect, LabelEffects, LabelOf, Reckoned};

/// A change of a label that is not saved. What is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct EffectRequest {
    /// Its new rule as text.
    #[schema(example = "has_poh AND NOT bot_warning")]
    rule: Option<String>,
    /// Its new rule as the tree of a query builder, instead of `rule`.
    #[schema(value_type = Option<serde_json::Map<String, serde_json::Value>>)]
    rules: Option<Box<RawValue>>,
    /// Whether it could be used.
    status: Option<LabelStatus>,
    /// The version that the change would be based on; any unless given.
    version: Option<u64>,
    /// What now() means.
    now: Option<Time>,
    /// In this generation; without it, the one in service.
    generation: Option<u64>,
}

impl EffectRequest {
    /// The version that the change would be based on.
    pub(in super::super) fn version(&self) -> u64 {
        self.version.unwrap_or_default()
    }

    /// Fixes what the request says besides the change.
    pub(in super::super) fn fix(&self, ask: &mut Ask) {
        ask.now = self.now.map(Time::seconds);
        ask.generation = self.generation.unwrap_or_default();
    }

    /// The change.
    pub(in super::super) fn of(&self) -> Result<LabelOf<'_>> {
        Ok(LabelOf {
            rule: rule_of(self.rule.as_deref(), self.rules.as_deref())?,
            enabled: self.status.map(LabelStatus::is_enabled),
            ..LabelOf::default()
        })
    }
}

/// What a change of a label would do.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct EffectAnswer {
    /// To the label itself.
    label: EffectBody,
    /// To labels that use it, directly or through others, by name.
    labels: Vec<EffectBody>,
    /// To deliveries that use it, directly or through labels, and that are live or wait for approval, by number.
    deliveries: Vec<DeliveryEffectBody>,
    /// How many more labels use it that the caller may not see.
    hidden: u64,
    /// Users in all.
    universe: u64,
    /// Why the change could not be saved as things are; null if it could.
    refusal: Option<String>,
    /// The generation that was asked.
    generation: u64,
    /// When its source was read.
    as_of: Time,
    /// How long the engine took, in microseconds.
    micros: u64,
    /// What now() was.
    now: Time,
}

/// What a change would do to a label.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LabelEffect)]
pub(in super::super) struct EffectBody {
    /// Its number.
    id: u64,
    /// Its name.
    name: String,
    /// As it is.
    before: EffectCount,
    /// As it would be.
    after: EffectCount,
}

/// What a change of a label would do to a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliveryEffect)]
pub(in super::super) struct DeliveryEffectBody {
    /// Its number.
    id: u64,
    /// Its name.
    name: String,
    /// Users whom it reaches as things are: of its target, without those it excludes and holds out.
    before: EffectCount,
    /// Users whom it would reach.
    after: EffectCount,
    /// Whether this is what waits for approval. A live delivery that somebody wants to change is there twice.
    waiting: bool,
}

/// A count, or why there is none.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct EffectCount {
    /// Users; null if they cannot be counted.
    count: Option<u64>,
    /// `count` as a share of all users.
    share: Option<f64>,
    /// Why they cannot be counted.
    failure: Option<String>,
}

impl EffectCount {
    fn of(reckoned: Reckoned, universe: u64) -> Self {
        match reckoned {
            Ok(count) => Self { count: Some(count), share: Some(share(count, universe)), failure: None },
            Err(failure) => Self { count: None, share: None, failure: Some(failure) },
        }
    }
}

impl From<LabelEffects> for EffectAnswer {
    fn from(effects: LabelEffects) -> Self {
        let origin = effects.origin;
        let count = |reckoned| EffectCount::of(reckoned, origin.universe);
        let label = |Effect { id, name, before, after }: Effect| EffectBody {
            id,
            name,
            before: count(before),
            after: count(after),
        };
        let deliveries = effects.deliveries.into_iter().map(|of| DeliveryEffectBody {
            id: of.effect.id,
            name: of.effect.name,
            before: count(of.effect.before),
            after: count(of.effect.after),
            waiting: of.waiting,
        });
        Self {
            label: label(effects.label),
            labels: effects.labels.into_iter().map(label).collect(),
            deliveries: deliveries.collect(),
            hidden: effects.hidden,
            universe: origin.universe,
            refusal: effects.refusal,
            generation: origin.generation,
            as_of: Time::of(origin.as_of),
            micros: effects.elapsed.as_micros() as u64,
            now: Time::of(origin.now),
        }
    }
}
