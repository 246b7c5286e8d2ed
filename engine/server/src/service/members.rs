//! Who: members in batches, each made when its reader has room for it.
//!
//! Between two batches nothing is held but the generation and a token, so a slow reader costs neither a thread nor memory. One
//! that does not read at all loses its stream, and can go on later with the token it has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::execute::Audience;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::{Ask, Origin, Segment, Service};
use crate::fault::{Fault, Result};

/// Ids of a batch, about: what is found in so many rows at a time is sent together.
pub(super) const BATCH_IDS: usize = 1 << 16;
/// When a stream that was refused is worth trying again.
const RETRY_STREAM_AFTER: Duration = Duration::from_secs(1);

/// Whose members, and which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MembersOf {
    /// At most so many; 0 is all.
    pub(crate) limit: u64,
    /// Where an earlier answer ended.
    pub(crate) page_token: Option<String>,
}

/// Some members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MembersBatch {
    /// Their ids.
    pub(crate) user_ids: Vec<u64>,
    /// Where to go on.
    pub(crate) next_page_token: Option<String>,
    /// Of which generation.
    pub(crate) origin: Origin,
}

impl Service {
    /// One of the streams that may be open at a time.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let what = format!(
                "{} streams are open, which is the limit (`serve.streams` in the configuration)",
                self.config.streams
            );
            Fault::Exhausted { what, retry_after: RETRY_STREAM_AFTER }
        })
    }

    /// The members of a segment. The stream's end is the channel's.
    pub(crate) async fn members(
        self: &Arc<Self>,
        ask: Ask,
        segment: Segment<'_>,
        of: MembersOf,
    ) -> Result<mpsc::Receiver<Result<MembersBatch>>> {
        let permit = self.stream()?;
        let generation = self.generation(&ask).await?;
        let audience = self.audience(&generation, &ask, segment, || "segment".to_owned()).await?;
        let origin = Origin::of(&generation, &ask);
        // A bad token is refused before anything is sent.
        audience.members(of.page_token.as_deref())?;
        let (sender, receiver) = mpsc::channel(1);
        let service = Arc::clone(self);
        tokio::spawn(async move {
            service.send_members(&ask, &audience, of, origin, &sender).await;
            drop(permit);
        });
        Ok(receiver)
    }

    async fn send_members(
        self: &Arc<Self>,
        ask: &Ask,
        audience: &Arc<Audience>,
        of: MembersOf,
        origin: Origin,
        sender: &mpsc::Sender<Result<MembersBatch>>,
    ) {
        let stall = Duration::from_millis(self.config.stream_stall_ms);
        let (mut token, mut left) = (of.page_token, (of.limit > 0).then_some(of.limit));
        loop {
            let (audience, from, most) = (Arc::clone(audience), token.take(), left);
            // Each batch has its own time: the stream as a whole takes as long as its reader.
            let ask = Ask { deadline: self.deadline(Instant::now(), None), ..ask.clone() };
            let service = Arc::clone(self);
            let work = move || {
                service.evaluated(&[&audience], || next_batch(&audience, from.as_deref(), most, origin))
            };
            let batch = self.heavily(&ask, work).await;
            if let Err(fault) = &batch {
                ask.span.in_scope(|| tracing::info!(code = fault.name(), "a stream of members ended early"));
            }
            let (found, next) = match &batch {
                Ok(batch) => (batch.user_ids.len() as u64, batch.next_page_token.clone()),
                Err(_) => (0, None),
            };
            left = left.map(|left| left.saturating_sub(found));
            // A reader that is gone, or that does not read: what it missed it can ask for by token.
            if !matches!(timeout(stall, sender.send(batch)).await, Ok(Ok(()))) {
                return;
            }
            if next.is_none() || left == Some(0) {
                return;
            }
            token = next;
        }
    }
}

pub(super) fn next_batch(
    audience: &Audience,
    token: Option<&str>,
    most: Option<u64>,
    origin: Origin,
) -> Result<MembersBatch> {
    let mut members = audience.members(token)?.targetable();
    if let Some(most) = most {
        members = members.limit(most);
    }
    let mut user_ids = Vec::new();
    // What was evaluated together is sent together.
    while user_ids.len() < BATCH_IDS || members.is_ready() {
        match members.next() {
            Some(batch) if user_ids.is_empty() => user_ids = batch?,
            Some(batch) => user_ids.append(&mut batch?),
            None => break,
        }
    }
    Ok(MembersBatch { user_ids, next_page_token: members.token(), origin })
}
