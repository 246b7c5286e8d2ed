//! What is in service in a bucket into a store: fetched aside, checked, published at once.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use muster_engine::error::Error;
use muster_engine::format::{DATA_FILE, MANIFEST_FILE};
use muster_engine::snapshot::{Snapshot, Staging, Store, Writer};
use rayon::prelude::*;
use serde::Serialize;

use super::TRANSFERS;
use super::error::{BucketError, Result};
use super::incoming::{Assembly, Incoming};
use super::layout::{Index, Part};
use super::local::{LocalParts, PARTS_FILE, index_of};
use super::masks;
use super::objects::{Bucket, Current};
use crate::author::here;
use crate::progress::Progress;
use crate::stop::Stop;

/// How often a pull starts over because a collection removed what it was fetching.
const RESTARTS: usize = 3;
/// How long a pull that has everything waits for whoever is writing to the store.
const LOCK_PATIENCE: Duration = Duration::from_mins(1);

/// What became of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PullOutcome {
    /// The generation was fetched and published.
    Pulled,
    /// The store had the generation, and put it into service.
    Switched,
    /// The generation was in service already.
    Unchanged,
}

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PullReport {
    /// Where from.
    pub url: String,
    /// What became of the store.
    pub outcome: PullOutcome,
    /// The generation that is now in service.
    pub generation: u64,
    /// Bytes of its data.
    pub bytes: u64,
    /// Parts it is cut into.
    pub parts: usize,
    /// Bytes that were fetched.
    pub moved_bytes: u64,
    /// Bytes that the store, or an earlier try, had.
    pub reused_bytes: u64,
    /// What was new to the store of who is masked: erasures, and changes of who may be a target.
    pub masks: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Pulls what is in service in the bucket. When it fails, what is in service in the store stays in service.
pub fn pull(store: &Path, bucket: &Bucket, stop: &Stop, progress: &dyn Progress) -> Result<PullReport> {
    let current = bucket.run(stop, bucket.current(None))?;
    let current = current.ok_or_else(|| BucketError::Empty { url: bucket.url().to_owned() })?;
    // First, so that nobody who was erased is in an answer of what is pulled.
    let (masks, _) = masks::take(&Store::create(store)?, bucket, None, stop)?;
    let report = pull_current(store, bucket, &current, stop, progress)?;
    Ok(PullReport { masks, ..report })
}

/// Pulls what `CURRENT` said; or what it says now, if that is gone.
pub(super) fn pull_current(
    store: &Path,
    bucket: &Bucket,
    current: &Current,
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<PullReport> {
    let mut current = current.clone();
    for _ in 0..RESTARTS {
        match pull_once(store, bucket, &current, stop, progress) {
            Err(BucketError::Missing { object }) => {
                let now = bucket.run(stop, bucket.current(None))?;
                match now {
                    Some(now) if now.pointer != current.pointer => current = now,
                    _ => return Err(BucketError::Missing { object }),
                }
            }
            done => return done,
        }
    }
    Err(BucketError::Busy(format!(
        "generations are removed from {} faster than they can be pulled; push with a longer --grace",
        bucket.url()
    )))
}

fn pull_once(
    dir: &Path,
    bucket: &Bucket,
    current: &Current,
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<PullReport> {
    let begun = Instant::now();
    let pointer = &current.pointer;
    let (index, bytes) = bucket.run(stop, bucket.index(&pointer.index, Some(&pointer.sha256)))?;
    if index.generation != pointer.generation {
        let what = format!("it is of generation {}, CURRENT says {}", index.generation, pointer.generation);
        return Err(BucketError::Damaged { object: bucket.address(&pointer.index), what });
    }
    let report = |outcome, moved_bytes| PullReport {
        url: bucket.url().to_owned(),
        outcome,
        generation: index.generation,
        bytes: index.data_bytes,
        parts: index.parts.len(),
        moved_bytes,
        reused_bytes: index.data_bytes.saturating_sub(moved_bytes),
        masks: 0,
        seconds: begun.elapsed().as_secs_f64(),
    };
    let store = Store::create(dir)?;
    if has(&store, &index, bucket)? {
        if store.current_generation()? == Some(index.generation) {
            return Ok(report(PullOutcome::Unchanged, 0));
        }
        let reason = format!("pulled from {}", bucket.url());
        patiently(stop, || writer(&store)?.rollback(Some(index.generation), Some(&reason)))?;
        return Ok(report(PullOutcome::Switched, 0));
    }
    let incoming = Incoming::open(dir)?;
    let assembly = incoming.assemble(&index, &bytes)?;
    let missing = assembly.missing(&index, progress)?;
    let mut local = local_parts(&store, progress);
    incoming.leftovers(&assembly, &mut local);
    let missing = copy(&assembly, &local, missing, progress)?;
    let moved_bytes = fetch(bucket, &assembly, &missing, stop, progress)?;
    assembly.complete(&index)?;
    verify(&assembly, progress).map_err(|error| BucketError::Damaged {
        object: bucket.address(&pointer.index),
        what: error.to_string(),
    })?;
    publish(&store, &assembly, &index, stop)?;
    incoming.clear();
    Ok(report(PullOutcome::Pulled, moved_bytes))
}

/// Whether the store has this very generation; another of the same number is an error.
fn has(store: &Store, index: &Index, bucket: &Bucket) -> Result<bool> {
    let path = store.generation_dir(index.generation).join(MANIFEST_FILE);
    match std::fs::read(&path) {
        Ok(manifest) if manifest == index.manifest.as_bytes() => Ok(true),
        Ok(_) => Err(BucketError::Conflict(format!(
            "the generation {} in {} is another one than that of {}; pull into a store that has not built it itself",
            index.generation,
            store.dir().display(),
            bucket.url(),
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BucketError::io("read", &path)(error)),
    }
}

/// What the store's generations hold: those whose parts were listed before, and the one in service.
fn local_parts(store: &Store, progress: &dyn Progress) -> LocalParts {
    let mut local = LocalParts::default();
    let current = store.current_generation().ok().flatten();
    // The newest first: most parts come from there.
    for generation in store.generations().unwrap_or_default().into_iter().rev() {
        let dir = store.generation_dir(generation);
        if !dir.join(PARTS_FILE).exists() && Some(generation) != current {
            continue;
        }
        match index_of(&dir, progress) {
            Ok(index) => local.add(dir.join(DATA_FILE), &index),
            Err(error) => tracing::warn!(generation, %error, "no parts can be taken from this generation"),
        }
    }
    local
}

/// Takes what is there from other files; what is left has to be fetched, each part once.
fn copy(
    assembly: &Assembly,
    local: &LocalParts,
    missing: Vec<(u64, Part)>,
    progress: &dyn Progress,
) -> Result<Vec<(u64, Part)>> {
    progress.begin("copy", Some(missing.iter().map(|(_, Part(_, bytes))| bytes).sum()));
    let left = missing.into_par_iter().filter_map(|(at, part)| {
        let bytes = local.read(&part);
        progress.advance(part.1);
        match bytes {
            Some(bytes) => assembly.place(at, &bytes).err().map(Err),
            None => Some(Ok((at, part))),
        }
    });
    let left = left.collect::<Result<Vec<_>>>()?;
    progress.end();
    Ok(left)
}

/// Fetches parts into their places; tells how many bytes came.
fn fetch(
    bucket: &Bucket,
    assembly: &Assembly,
    missing: &[(u64, Part)],
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<u64> {
    // A part that is needed in several places is fetched once.
    let mut by_part = missing.to_vec();
    by_part.sort_unstable_by_key(|(at, part)| (part.0, *at));
    let groups: Vec<&[(u64, Part)]> = by_part.chunk_by(|a, b| a.1 == b.1).collect();
    progress.begin("fetch", Some(groups.iter().map(|group| group[0].1.1).sum()));
    let moved = AtomicU64::new(0);
    let moved = &moved;
    let fetches = stream::iter(groups).map(|group| async move {
        let part = &group[0].1;
        let bytes = bucket.part(part).await?;
        moved.fetch_add(part.1, Ordering::Relaxed);
        progress.advance(part.1);
        group.iter().try_for_each(|(at, _)| assembly.place(*at, &bytes))
    });
    bucket.run(stop, fetches.buffer_unordered(TRANSFERS).try_collect::<()>())?;
    progress.end();
    Ok(moved.load(Ordering::Relaxed))
}

fn verify(assembly: &Assembly, progress: &dyn Progress) -> Result<(), Error> {
    super::push::verify(&Snapshot::open(assembly.dir())?, progress)
}

fn publish(store: &Store, assembly: &Assembly, index: &Index, stop: &Stop) -> Result<()> {
    let staging: Staging = patiently(stop, || writer(store)?.stage_as(index.generation))?;
    assembly.hand_over(&staging)?;
    staging.publish(None)?;
    Ok(())
}

/// The right to change the store.
pub(super) fn writer(store: &Store) -> Result<Writer, Error> {
    store.write(&here(), "muster pull")
}

/// Tries again while somebody else is writing to the store, for a while.
fn patiently<T>(stop: &Stop, work: impl Fn() -> Result<T, Error>) -> Result<T> {
    let until = Instant::now() + LOCK_PATIENCE;
    loop {
        match work() {
            Err(Error::Locked { .. }) if Instant::now() < until => {
                if stop.wait(Duration::from_secs(1)) {
                    return Err(BucketError::Stopped);
                }
            }
            done => return Ok(done?),
        }
    }
}
