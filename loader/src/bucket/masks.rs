//! Who is masked, from store to store: what any of them knows of gets to all.
//!
//! A store that pushes writes all it knows as one object, named by its content, and deletes those it had read before, whose content is
//! in its own. Two that push at once leave two objects; who reads merges all there are, so nothing is lost.

use std::collections::HashSet;

use muster_engine::snapshot::{Masks, Store};

use super::error::{BucketError, Result};
use super::layout::{MASKS, MASKS_BYTES_MAX, Sha, Unreadable};
use super::objects::Bucket;
use crate::author::here;
use crate::stop::Stop;

/// How often reading starts over because a push replaced what was listed.
const RESTARTS: usize = 5;

/// Merges the masks in a bucket into a store's; returns how much was new to the store.
pub(super) fn take(store: &Store, bucket: &Bucket, stop: &Stop) -> Result<u64> {
    let (masks, names) = bucket.run(stop, read(bucket))?;
    if names.is_empty() { Ok(0) } else { Ok(store.merge_masks(&here(), &masks)?) }
}

/// The same, and then the other way: the bucket has all masks of the store.
pub(super) fn exchange(store: &Store, bucket: &Bucket, stop: &Stop) -> Result<u64> {
    let (theirs, names) = bucket.run(stop, read(bucket))?;
    let taken = if names.is_empty() { 0 } else { store.merge_masks(&here(), &theirs)? };
    let ours = store.masks()?;
    if ours == Masks::default() {
        return Ok(taken);
    }
    let bytes = ours.to_bytes();
    let name = format!("{MASKS}/{}.bin", Sha::of(&bytes));
    bucket.run(stop, async {
        if !names.contains(&name) {
            bucket.write(&name, bytes).await?;
        }
        // Only after that is there: whoever reads meanwhile finds one or the other.
        bucket.delete(names.into_iter().filter(|other| *other != name).collect()).await
    })?;
    Ok(taken)
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
            Masks::from_bytes(bytes).map_err(|error| Unreadable::Damaged(error.to_string()))
        };
        self.read_checked(name, MASKS_BYTES_MAX, check).await
    }
}
