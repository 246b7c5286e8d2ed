//! A generation of a store into a bucket: parts first, then the index, `CURRENT` last.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use muster_engine::error::Error;
use muster_engine::format::DATA_FILE;
use muster_engine::snapshot::{Snapshot, Store};
use muster_engine::storage::Bytes;
use serde::Serialize;

use super::TRANSFERS;
use super::collect::{CLAIM_LASTS, COLLECTION_LASTS, CollectOptions, Collected, collect};
use super::error::{BucketError, Result};
use super::layout::{
    CLAIMS, COLLECTING, CURRENT, FORMAT, GENERATIONS, Index, PARTS, Part, Pointer, Sha, generation_of,
    index_name, part_name,
};
use super::local::{index_of, part_of};
use super::masks;
use super::objects::Bucket;
use crate::progress::Progress;
use crate::stop::Stop;

/// How to push.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Which generation; the one in service unless said.
    pub generation: Option<u64>,
    /// Whether parts that are there are uploaded again, too.
    pub all: bool,
    /// Whether another generation of this number does not matter.
    pub replace: bool,
    /// What to remove afterwards, if anything.
    pub collect: Option<CollectOptions>,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PushReport {
    /// Where to.
    pub url: String,
    /// The generation that is now in service there.
    pub generation: u64,
    /// The one that was before, if any.
    pub before: Option<u64>,
    /// Bytes of its data.
    pub bytes: u64,
    /// Parts it is cut into.
    pub parts: usize,
    /// Parts that were uploaded.
    pub moved_parts: usize,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Bytes that were there already.
    pub reused_bytes: u64,
    /// What was new to the store of who is masked, because other stores had pushed it.
    pub masks: u64,
    /// Wall time.
    pub seconds: f64,
    /// What was removed afterwards, if that was asked for.
    pub collected: Option<Collected>,
}

/// Pushes a generation. When it fails, what is in service in the bucket stays in service.
pub fn push(
    store: &Store,
    bucket: &Bucket,
    options: &PushOptions,
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<PushReport> {
    let begun = Instant::now();
    let generation = match options.generation {
        Some(generation) => generation,
        None => store.current_generation()?.ok_or_else(|| Error::NoStore { path: store.dir().to_owned() })?,
    };
    // A generation that is not there is told before anybody is asked over the network.
    let snapshot = store.generation(generation)?;
    // By itself: it does not depend on whether the generation gets there.
    let masks = masks::exchange(store, bucket, stop)?;
    verify(&snapshot, progress)?;
    let dir = store.generation_dir(generation);
    let index = index_of(&dir, progress)?;
    let push = Push { bucket, options, index: &index, data: Bytes::map(&dir.join(DATA_FILE))?, progress };

    let claim = claim_name(generation);
    let done = bucket.run(stop, push.claimed(&claim));
    // Also after a failure: a claim that stays only keeps a collection from removing things, for a day.
    let removed = bucket.run(&Stop::new(), bucket.delete(vec![claim]));
    let (before, moved) = done?;
    removed?;
    let collected = match &options.collect {
        Some(options) => Some(bucket.run(stop, collect(bucket, options))?),
        None => None,
    };
    let moved_bytes = moved.iter().map(|(_, Part(_, bytes))| *bytes).sum();
    Ok(PushReport {
        url: bucket.url().to_owned(),
        generation,
        before,
        bytes: index.data_bytes,
        parts: index.parts.len(),
        moved_parts: moved.len(),
        moved_bytes,
        reused_bytes: index.data_bytes.saturating_sub(moved_bytes),
        masks,
        seconds: begun.elapsed().as_secs_f64(),
        collected,
    })
}

/// Reads all of a generation once, and tells how far it is.
pub(super) fn verify(snapshot: &Snapshot, progress: &dyn Progress) -> Result<(), Error> {
    progress.begin("verify", Some(snapshot.manifest().data.checksums_at));
    snapshot.verify(&|bytes| progress.advance(bytes))?;
    progress.end();
    Ok(())
}

/// A name that no other push has.
fn claim_name(generation: u64) -> String {
    let random = RandomState::new().hash_one((std::process::id(), Timestamp::now()));
    format!("{CLAIMS}/{generation:010}-{random:016x}.json")
}

struct Push<'a> {
    bucket: &'a Bucket,
    options: &'a PushOptions,
    index: &'a Index,
    data: Bytes,
    progress: &'a dyn Progress,
}

impl Push<'_> {
    /// The whole push under a claim: what was in service before, and the parts that were uploaded.
    async fn claimed(&self, claim: &str) -> Result<(Option<u64>, Vec<(u64, Part)>)> {
        let (bucket, begun) = (self.bucket, Instant::now());
        let bytes = self.index.to_bytes();
        let sha256 = Sha::of(&bytes);
        let name = index_name(self.index.generation, &sha256);
        let before = match bucket.current(None).await {
            Ok(current) => current.map(|current| current.pointer.generation),
            // What is damaged is about to be replaced.
            Err(BucketError::Empty { .. } | BucketError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        self.refuse_another(&name).await?;
        bucket.write(claim, bytes.clone()).await?;
        self.wait_for_collections(claim).await?;
        let missing = self.missing().await?;
        self.upload(&missing).await?;
        if begun.elapsed() >= CLAIM_LASTS || bucket.written(claim).await?.is_none() {
            return Err(BucketError::Busy(format!(
                "the push took so long that a collection may have removed what it counts on; push to {} again",
                bucket.url()
            )));
        }
        bucket.write(&name, bytes).await?;
        let pointer = Pointer { format: FORMAT, generation: self.index.generation, index: name, sha256 };
        bucket.write(CURRENT, serde_json::to_vec(&pointer).unwrap_or_default()).await?;
        Ok((before, missing))
    }

    /// Two generations of one number would be taken for each other.
    async fn refuse_another(&self, name: &str) -> Result<()> {
        if self.options.replace {
            return Ok(());
        }
        let listed = self.bucket.list(GENERATIONS).await?;
        let other = listed.iter().find(|listed| {
            generation_of(listed.file_name()) == Some(self.index.generation) && listed.name != name
        });
        other.map_or(Ok(()), |other| {
            let (url, generation) = (self.bucket.url(), self.index.generation);
            Err(BucketError::Conflict(format!(
                "{url} has another generation {generation} ({}), built elsewhere; `muster pull --from {url}` and build again so that \
                 numbers go on from there, or push with --replace",
                other.file_name()
            )))
        })
    }

    /// A collection that did not see the claim has ended when this returns.
    async fn wait_for_collections(&self, claim: &str) -> Result<()> {
        let claimed = self.bucket.written(claim).await?.map_or(0, Timestamp::as_second);
        let begun = Instant::now();
        loop {
            let now = claimed + begun.elapsed().as_secs() as i64;
            let listed = self.bucket.list(COLLECTING).await?;
            if !listed.iter().any(|lease| now - lease.written < COLLECTION_LASTS.as_secs() as i64) {
                return Ok(());
            }
            tracing::info!(url = self.bucket.url(), "waiting for a collection to end");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The parts to upload, each once.
    async fn missing(&self) -> Result<Vec<(u64, Part)>> {
        let there: HashMap<String, u64> = if self.options.all {
            HashMap::new()
        } else {
            let listed = self.bucket.list(PARTS).await?;
            listed.into_iter().map(|listed| (listed.name, listed.bytes)).collect()
        };
        let mut seen = HashSet::new();
        let placed = self.index.placed().into_iter();
        Ok(placed
            .filter(|(_, part)| there.get(&part_name(&part.0)) != Some(&part.1) && seen.insert(part.0))
            .collect())
    }

    async fn upload(&self, missing: &[(u64, Part)]) -> Result<()> {
        self.progress.begin("upload", Some(missing.iter().map(|(_, Part(_, bytes))| bytes).sum()));
        let uploads = stream::iter(missing).map(|(at, part)| async move {
            let bytes = part_of(&self.data, *at, part)?.to_vec();
            self.bucket.write(&part_name(&part.0), bytes).await?;
            self.progress.advance(part.1);
            Ok::<(), BucketError>(())
        });
        uploads.buffer_unordered(TRANSFERS).try_collect::<()>().await?;
        self.progress.end();
        Ok(())
    }
}
