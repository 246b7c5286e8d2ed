//! An audience as a Roaring bitmap: whole in memory, because its first bytes tell how much follows, so few at a time.

use std::sync::Arc;
use std::time::Duration;

use roaring::RoaringTreemap;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::super::Service;
use super::super::members::{BATCH_IDS, next_batch};
use super::{Exporting, Piece};
use crate::fault::{Fault, Result};

/// Bitmaps that are made at a time.
pub(in super::super) const AT_ONCE: usize = 2;
/// When one that was refused is worth trying again.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Ranges of 2^32 ids that may have members: each is a bitmap of its own, so ids that are scattered over more of them take more memory
/// than they do as text.
const RANGES_MAX: usize = 1 << 16;
/// Bytes that are handed over at a time.
const PIECE_BYTES: usize = 1 << 20;

impl Service {
    /// One of the bitmaps that may be made at a time.
    pub(super) fn bitmap(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.bitmaps).try_acquire_owned().map_err(|_| {
            let what =
                format!("{AT_ONCE} bitmaps are being exported, which is the limit; try the format `ids`");
            Fault::Exhausted { what, retry_after: RETRY_AFTER }
        })
    }

    pub(super) async fn export_bitmap(self: &Arc<Self>, of: Exporting, sender: &mpsc::Sender<Result<Piece>>) {
        let bytes = match self.bitmap_bytes(&of).await {
            Ok(bytes) => bytes,
            Err(fault) => {
                self.send(&of.ask, sender, Err(fault)).await;
                return;
            }
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.send(&of.ask, sender, Ok(Piece::Bytes(piece.to_vec()))).await {
                return;
            }
        }
        self.send(&of.ask, sender, Ok(Piece::End)).await;
    }

    /// The bytes of the bitmap, gathered in pieces that each have their own time.
    async fn bitmap_bytes(self: &Arc<Self>, of: &Exporting) -> Result<Vec<u8>> {
        let (mut users, mut token) = (RoaringTreemap::new(), None::<String>);
        let mut left = (of.limit > 0).then_some(of.limit);
        loop {
            let most = left.map_or(BATCH_IDS as u64, |left| left.min(BATCH_IDS as u64));
            let (audience, origin, service) = (Arc::clone(&of.audience), of.origin, Arc::clone(self));
            let work = move || {
                let batch = service.evaluated(&[&audience], || {
                    next_batch(&audience, token.as_deref(), Some(most), origin)
                })?;
                users.extend(batch.user_ids.iter().copied());
                check_ranges(&users)?;
                Ok((users, batch.user_ids.len() as u64, batch.next_page_token))
            };
            let found;
            (users, found, token) = self.heavily(&self.afresh(&of.ask), work).await?;
            left = left.map(|left| left.saturating_sub(found));
            if token.is_none() || left == Some(0) {
                break;
            }
        }
        let write = move || {
            users.optimize();
            let mut bytes = Vec::with_capacity(users.serialized_size());
            let failed = |error| Fault::Internal { what: format!("the bitmap cannot be written: {error}") };
            users.serialize_into(&mut bytes).map_err(failed)?;
            Ok(bytes)
        };
        self.heavily(&self.afresh(&of.ask), write).await
    }
}

fn check_ranges(users: &RoaringTreemap) -> Result<()> {
    if users.bitmaps().nth(RANGES_MAX).is_none() {
        return Ok(());
    }
    let what = format!("the ids are scattered over more than {RANGES_MAX} ranges of 2^32; give `ids`");
    Err(Fault::invalid("format", what))
}
