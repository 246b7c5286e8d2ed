//! Removes generations and parts that nobody needs from a bucket, while others push and pull.
//!
//! What makes that safe is the order of what is read here and of what a push writes; see `docs/replicas.md`.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::error::{BucketError, Result};
use super::layout::{CLAIMS, COLLECTING, GENERATIONS, Index, PARTS, Sha, index_name, part_name};
use super::objects::{Bucket, Listed};

/// A push's claim counts for so long.
pub(super) const CLAIM_LASTS: Duration = Duration::from_hours(24);
/// A collection counts as going on for so long, even if it was killed ...
pub(super) const COLLECTION_LASTS: Duration = Duration::from_mins(10);
/// ... so it has to end well before.
const REMOVING_LASTS: Duration = Duration::from_mins(5);
/// Objects deleted between two looks at the clock.
const DELETED_AT_ONCE: usize = 1000;

/// What to keep.
#[derive(Debug, Clone)]
pub struct CollectOptions {
    /// So many generations, those pushed last; at least the one in service.
    pub keep: usize,
    /// And those whose successor is younger than this: pulls that began with them have so long to end.
    pub grace: Duration,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Generations.
    pub generations: Vec<String>,
    /// Parts that no generation needs any more.
    pub parts: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether time ran out and the next collection has to go on.
    pub more: bool,
}

/// Removes what is not to be kept.
pub(super) async fn collect(bucket: &Bucket, options: &CollectOptions) -> Result<Collected> {
    let random = RandomState::new().hash_one((std::process::id(), Timestamp::now()));
    let lease = format!("{COLLECTING}/{random:016x}");
    let begun = Instant::now();
    bucket.write(&lease, b"a collection\n".to_vec()).await?;
    let collected = announced(bucket, options, &lease, begun).await;
    let removed = bucket.delete(vec![lease]).await;
    let collected = collected?;
    removed.map(|()| collected)
}

async fn announced(
    bucket: &Bucket,
    options: &CollectOptions,
    lease: &str,
    begun: Instant,
) -> Result<Collected> {
    let Some(now) = bucket.written(lease).await?.map(Timestamp::as_second) else {
        return Err(BucketError::Missing { object: bucket.address(lease) });
    };
    // Parts are listed before anything else, so none that is uploaded from here on is looked at.
    let parts = bucket.list(PARTS).await?;
    let mut needed = HashSet::new();
    let mut claimed = HashSet::new();
    // Claims before CURRENT before indexes: a push writes them in the opposite order.
    for claim in bucket.list(CLAIMS).await? {
        if now - claim.written >= CLAIM_LASTS.as_secs() as i64 {
            bucket.delete(vec![claim.name]).await?;
            continue;
        }
        match bucket.index(&claim.name, None).await {
            Ok((index, bytes)) => {
                claimed.insert(index_name(index.generation, &Sha::of(&bytes)));
                need(&mut needed, &index);
            }
            // Its push ended in between: what it wrote is found below.
            Err(BucketError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let current = bucket.current(None).await?.map(|current| current.pointer.index);
    let indexes = bucket.list(GENERATIONS).await?;
    let grace = options.grace.as_secs() as i64;
    let (kept, gone) = split(indexes, options.keep, now - grace, |name| {
        current.as_deref() == Some(name) || claimed.contains(name)
    });
    for listed in &kept {
        need(&mut needed, &bucket.index(&listed.name, None).await?.0);
    }
    let parts: Vec<Listed> = parts
        .into_iter()
        .filter(|part| !needed.contains(&part.name) && part.written <= now - grace)
        .collect();
    // Indexes first: one without its parts would be worse than parts without an index.
    let generations: Vec<String> = gone.into_iter().map(|listed| listed.name).collect();
    bucket.delete(generations.clone()).await?;
    let mut collected = Collected { generations, parts: 0, bytes: 0, more: false };
    for some in parts.chunks(DELETED_AT_ONCE) {
        if begun.elapsed() >= REMOVING_LASTS {
            collected.more = true;
            break;
        }
        bucket.delete(some.iter().map(|part| part.name.clone()).collect()).await?;
        collected.parts += some.len();
        collected.bytes += some.iter().map(|part| part.bytes).sum::<u64>();
    }
    Ok(collected)
}

fn need(needed: &mut HashSet<String>, index: &Index) {
    needed.extend(index.parts.iter().map(|part| part_name(&part.0)));
}

/// Which indexes stay and which go: one goes if it is not among the last `keep`, if what came after it was written
/// before `since`, and if nobody names it.
fn split(
    mut indexes: Vec<Listed>,
    keep: usize,
    since: i64,
    named: impl Fn(&str) -> bool,
) -> (Vec<Listed>, Vec<Listed>) {
    indexes.sort_by(|a, b| (a.written, &a.name).cmp(&(b.written, &b.name)));
    let last = indexes.len().saturating_sub(keep.max(1));
    let successors: Vec<Option<i64>> =
        (1..=indexes.len()).map(|next| indexes.get(next).map(|next| next.written)).collect();
    let mut at = 0;
    indexes.into_iter().partition(|listed| {
        let succeeded = successors[at].is_some_and(|written| written <= since);
        at += 1;
        at > last || !succeeded || named(&listed.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_stays_for_a_while_after_its_successor_came() {
        let index = |name: &str, written| Listed { name: name.to_owned(), bytes: 1, written };
        let indexes = || vec![index("c", 300), index("a", 100), index("b", 200)];
        let gone = |keep, since, named: &'static str| -> String {
            split(indexes(), keep, since, |name| name == named)
                .1
                .into_iter()
                .map(|listed| listed.name)
                .collect()
        };
        assert_eq!(gone(1, 1000, ""), "ab");
        assert_eq!(gone(0, 1000, ""), "ab", "the last one always stays");
        assert_eq!(gone(2, 1000, ""), "a");
        assert_eq!(gone(9, 1000, ""), "");
        assert_eq!(gone(1, 1000, "a"), "b", "a is in service");
        assert_eq!(gone(1, 299, ""), "a", "b was in service a moment ago");
        assert_eq!(gone(1, 150, ""), "");
    }
}
