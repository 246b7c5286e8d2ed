//! Who is masked, from store to store: what any of them knows of gets to all.
//!
//! A store that pushes writes all it knows as an object that is named by its content, then as `masks.bin`, which is what pulls read,
//! and deletes the named ones that it had read, whose content is in its own. Then it looks again: if another push has written one
//! meanwhile, both begin anew. So whoever writes `masks.bin` last has seen all there was, and nothing is lost.

use std::collections::HashSet;

use muster_engine::snapshot::{Masks, Store};

use super::error::{BucketError, Result};
use super::layout::{ALL_MASKS, MASKS, MASKS_BYTES_MAX, Sha, Unreadable};
use super::objects::Bucket;
use crate::author::here;
use crate::stop::Stop;

/// How often reading starts over because a push replaced what was listed.
const RESTARTS: usize = 5;

/// Merges the masks in a bucket into a store's, unless they still have this tag. Returns how much was new to the store, and their tag.
pub(super) fn take(
    store: &Store,
    bucket: &Bucket,
    unless: Option<&str>,
    stop: &Stop,
) -> Result<(u64, Option<String>)> {
    match bucket.run(stop, bucket.all_masks(unless)) {
        Ok(Some((masks, tag))) => Ok((store.merge_masks(&here(), &masks)?, tag)),
        Ok(None) => Ok((0, unless.map(str::to_owned))),
        // Nobody was ever masked there.
        Err(BucketError::Missing { .. }) => Ok((0, None)),
        Err(error) => Err(error),
    }
}

/// The masks of store and bucket, united in both; returns how much was new to the store.
pub(super) fn exchange(store: &Store, bucket: &Bucket, stop: &Stop) -> Result<u64> {
    let (mut taken, mut written) = (0, None);
    for _ in 0..RESTARTS {
        let (theirs, listed) = bucket.run(stop, read(bucket))?;
        if !listed.is_empty() {
            taken += store.merge_masks(&here(), &theirs)?;
        }
        let ours = store.masks()?;
        if ours.is_empty() {
            return Ok(taken);
        }
        let bytes = ours.to_bytes();
        let name = format!("{MASKS}/{}.bin", Sha::of(&bytes));
        if written.as_ref() == Some(&name) && listed.iter().eq([&name]) {
            return Ok(taken);
        }
        bucket.run(stop, async {
            if !listed.contains(&name) {
                bucket.write(&name, bytes.clone()).await?;
            }
            bucket.write(ALL_MASKS, bytes).await?;
            bucket.delete(listed.into_iter().filter(|other| *other != name).collect()).await
        })?;
        written = Some(name);
    }
    Err(BucketError::Busy(format!(
        "other stores push their masks to {} all the time; push again",
        bucket.url()
    )))
}

/// All masks there are, and the objects they are from.
async fn read(bucket: &Bucket) -> Result<(Masks, HashSet<String>)> {
    let mut gone = None;
    for _ in 0..RESTARTS {
        let listed = bucket.list(MASKS).await?;
        let mut masks = Masks::default();
        let mut names = HashSet::new();
        gone = None;
        for object in listed {
            match bucket.masks(&object.name).await {
                Ok(found) => masks.merge(&found),
                Err(error @ BucketError::Missing { .. }) => {
                    gone = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
            names.insert(object.name);
        }
        if gone.is_none() {
            return Ok((masks, names));
        }
    }
    Err(gone.unwrap_or_else(|| BucketError::Missing { object: bucket.address(MASKS) }))
}

impl Bucket {
    async fn masks(&self, name: &str) -> Result<Masks> {
        let check = |bytes: &[u8]| {
            if name != format!("{MASKS}/{}.bin", Sha::of(bytes)) {
                return Err(Unreadable::Damaged("its SHA-256 is not its name".to_owned()));
            }
            whole(bytes)
        };
        self.read_checked(name, MASKS_BYTES_MAX, check).await
    }

    /// All masks with their tag, unless they still have this one.
    async fn all_masks(&self, unless: Option<&str>) -> Result<Option<(Masks, Option<String>)>> {
        self.read_unless(ALL_MASKS, unless, MASKS_BYTES_MAX, whole).await
    }
}

/// Masks as a push writes them: one that was cut is not taken for one that had fewer.
fn whole(bytes: &[u8]) -> Result<Masks, Unreadable> {
    let masks = Masks::from_bytes(bytes).map_err(|error| Unreadable::Damaged(error.to_string()))?;
    if masks.to_bytes() == bytes {
        Ok(masks)
    } else {
        Err(Unreadable::Damaged("it is not as it was written".to_owned()))
    }
}
