//! Whether users are in segments: what the delivery service asks on every request.

use std::sync::Arc;

use muster_engine::execute::{Audience, Feature, Overlay};
use muster_engine::snapshot::Snapshot;

use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};

/// Users that are looked up on the thread that received the question; more go through the pool.
const INLINE_USERS_MAX: usize = 1_024;

/// What holds for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    /// For each segment, in the order asked.
    pub(crate) in_segment: Vec<bool>,
    /// Whether the user is in the generation at all.
    pub(crate) known_user: bool,
    /// Whether the user opted out of targeting.
    pub(crate) opted_out: bool,
    /// Of which generation.
    pub(crate) origin: Origin,
}

/// What holds for each of many users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InsideMany {
    /// In the order asked: whether the user is in the segment.
    pub(crate) in_segment: Vec<bool>,
    /// Whether the user is in the generation at all.
    pub(crate) known_user: Vec<bool>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// Whether a user is in some segments.
    pub(crate) async fn is_in_segments<'a>(
        self: &Arc<Self>,
        ask: &Ask,
        user_id: u64,
        segments: impl ExactSizeIterator<Item = Result<Segment<'a>>>,
        overlay: Vec<(String, Feature)>,
    ) -> Result<Inside> {
        self.check_segments(segments.len())?;
        let generation = self.generation(ask).await?;
        let snapshot = generation.snapshot();
        let overlay = if overlay.is_empty() { None } else { Some(fresher(snapshot, &overlay)?) };
        let row = snapshot.ids().row(user_id)?;
        // Known, and whether a target; one state of the masks for the whole answer.
        let targetable = row.and_then(|row| snapshot.targetable(row));
        let row = row.filter(|_| targetable == Some(true));
        let mut in_segment = Vec::with_capacity(segments.len());
        for (at, segment) in segments.enumerate() {
            let audience = self.audience(&generation, ask, segment?, || format!("segments[{at}]")).await?;
            // A rule that cannot be used is an error for unknown users, too.
            in_segment.push(match (row, &overlay) {
                (None, _) => false,
                (Some(row), None) => audience.contains_row(row)?,
                (Some(_), Some(overlay)) => {
                    let inside = audience.contains_with(user_id, overlay);
                    inside
                        .map_err(|error| Fault::of_query(error, &format!("segments[{at}]")))?
                        .unwrap_or_default()
                }
            });
        }
        Ok(Inside {
            in_segment,
            known_user: targetable.is_some(),
            opted_out: targetable == Some(false),
            origin: Origin::of(&generation, ask),
        })
    }

    fn check_segments(&self, found: usize) -> Result<()> {
        let most = self.config.segments_per_request;
        if found == 0 {
            return Err(Fault::invalid("segments", "there is none; give at least one segment"));
        }
        if found > most {
            let what = format!(
                "{found} segments are more than the limit of {most} (`serve.segments_per_request` in the configuration)"
            );
            return Err(Fault::invalid("segments", what));
        }
        Ok(())
    }

    /// Whether many users are in one segment.
    pub(crate) async fn are_in_segment(
        self: &Arc<Self>,
        ask: &Ask,
        user_ids: Vec<u64>,
        segment: Segment<'_>,
    ) -> Result<InsideMany> {
        let most = self.config.users_per_request;
        if user_ids.len() > most {
            let what = format!(
                "{} users are more than the limit of {most} (`serve.users_per_request` in the configuration)",
                user_ids.len()
            );
            return Err(Fault::invalid("user_ids", what));
        }
        let generation = self.generation(ask).await?;
        let audience = self.audience(&generation, ask, segment, || "segment".to_owned()).await?;
        let origin = Origin::of(&generation, ask);
        if user_ids.len() <= INLINE_USERS_MAX {
            return looked_up(&audience, &user_ids, origin);
        }
        self.heavily(ask, move || looked_up(&audience, &user_ids, origin)).await
    }
}

fn looked_up(audience: &Audience, user_ids: &[u64], origin: Origin) -> Result<InsideMany> {
    let mut answer = InsideMany {
        in_segment: Vec::with_capacity(user_ids.len()),
        known_user: Vec::with_capacity(user_ids.len()),
        origin,
    };
    for inside in audience.targets_many(user_ids)? {
        answer.known_user.push(inside.is_some());
        answer.in_segment.push(inside.unwrap_or_default());
    }
    Ok(answer)
}

/// Fresher values of a user's features.
pub(super) fn fresher(snapshot: &Snapshot, values: &[(String, Feature)]) -> Result<Overlay> {
    let named = values.iter().map(|(name, value)| (name.as_str(), value.clone()));
    Overlay::new(snapshot.schema(), named).map_err(|error| Fault::Rule { field: "overlay".to_owned(), error })
}
