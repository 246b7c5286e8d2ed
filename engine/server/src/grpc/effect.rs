//! What a change of a label would do, in messages.

use muster_proto::v1;

use super::convert::{instant, share, span};
use crate::service::{Effect, LabelEffects, Reckoned};

/// The answer.
pub(super) fn told(effects: LabelEffects) -> v1::PreviewLabelResponse {
    let origin = effects.origin;
    let count = |of: Reckoned| match of {
        Ok(count) => v1::EffectCount { count, share: share(count, origin.universe), failure: String::new() },
        Err(failure) => v1::EffectCount { count: 0, share: 0.0, failure },
    };
    let label = |Effect { id, name, before, after }: Effect| v1::LabelEffect {
        id,
        name,
        before: Some(count(before)),
        after: Some(count(after)),
    };
    let deliveries = effects.deliveries.into_iter().map(|of| v1::DeliveryEffect {
        id: of.effect.id,
        name: of.effect.name,
        before: Some(count(of.effect.before)),
        after: Some(count(of.effect.after)),
        waiting: of.waiting,
    });
    v1::PreviewLabelResponse {
        label: Some(label(effects.label)),
        labels: effects.labels.into_iter().map(label).collect(),
        deliveries: deliveries.collect(),
        hidden: effects.hidden,
        universe: origin.universe,
        refusal: effects.refusal.unwrap_or_default(),
        generation: origin.generation,
        as_of: instant(origin.as_of),
        elapsed: span(effects.elapsed),
        now: instant(origin.now),
    }
}
