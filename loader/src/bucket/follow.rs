//! Keeps a store at what is in service in a bucket, for as long as it runs.

use std::path::Path;
use std::time::Duration;

use muster_engine::snapshot::{Keep, Store};

use super::error::{BucketError, Result};
use super::masks;
use super::objects::Bucket;
use super::pull::{PullOutcome, PullReport, pull_current, writer};
use crate::progress::Progress;
use crate::stop::Stop;

/// How to follow.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// How long to wait between two looks.
    pub every: Duration,
    /// So many generations are kept in the store, and the one in service.
    pub keep: usize,
}

/// No wait is longer than so many times the usual one.
const WAIT_MAX: u32 = 10;

/// Follows until it is requested to stop. Errors are told and waited out; only an address that makes no sense ends it.
/// `told` hears of every pull that changed the store.
pub fn follow(
    store: &Path,
    bucket: &Bucket,
    options: &FollowOptions,
    stop: &Stop,
    progress: &dyn Progress,
    told: &dyn Fn(&PullReport),
) -> Result<()> {
    let mut tag: Option<String> = None;
    let mut masks_tag: Option<String> = None;
    let mut failures = 0_u32;
    let url = bucket.url();
    tracing::info!(url, store = %store.display(), every_seconds = options.every.as_secs(), "following");
    loop {
        match look(store, bucket, tag.as_deref(), &mut masks_tag, options.keep, stop, progress) {
            Ok(None) => failures = 0,
            Ok(Some((seen, report))) => {
                failures = 0;
                tag = seen;
                if report.outcome != PullOutcome::Unchanged {
                    tracing::info!(
                        url,
                        generation = report.generation,
                        outcome = ?report.outcome,
                        moved_bytes = report.moved_bytes,
                        reused_bytes = report.reused_bytes,
                        seconds = report.seconds,
                        "in service"
                    );
                    told(&report);
                }
            }
            Err(BucketError::Stopped) => break,
            Err(error) if error.is_transient() => {
                failures = failures.saturating_add(1);
                let wait_seconds = wait(options.every, failures).as_secs_f64();
                tracing::warn!(url, failures, wait_seconds, "{error}; what is in service stays in service");
            }
            Err(error) => return Err(error),
        }
        if stop.wait(wait(options.every, failures)) {
            break;
        }
    }
    tracing::info!(url, "stopped following");
    Ok(())
}

/// Twice as long after every failure, up to a bound.
fn wait(every: Duration, failures: u32) -> Duration {
    every * 2_u32.saturating_pow(failures).min(WAIT_MAX)
}

type Seen = (Option<String>, PullReport);

/// One look: `None` if `CURRENT` has not changed since it had this tag.
fn look(
    dir: &Path,
    bucket: &Bucket,
    tag: Option<&str>,
    masks_tag: &mut Option<String>,
    keep: usize,
    stop: &Stop,
    progress: &dyn Progress,
) -> Result<Option<Seen>> {
    let current = bucket.run(stop, bucket.current(tag))?;
    // Whether or not there is another generation: who was erased is to be in no answer soon.
    let (masks, seen) = masks::take(&Store::create(dir)?, bucket, masks_tag.as_deref(), stop)?;
    *masks_tag = seen;
    if masks > 0 {
        tracing::info!(url = bucket.url(), masks, "users were masked or unmasked");
    }
    let Some(current) = current else { return Ok(None) };
    let report = pull_current(dir, bucket, &current, stop, progress)?;
    if report.outcome == PullOutcome::Pulled {
        let keep = Keep { generations: keep, ..Keep::default() };
        let collected = writer(&Store::open(dir)?)?.collect(keep)?;
        for generation in collected.removed {
            tracing::info!(generation, "removed from the store");
        }
        for error in collected.failed {
            tracing::warn!("{error}");
        }
    }
    // Where CURRENT moved on during the pull, its tag is another: the next look sees that.
    Ok(Some((current.tag, report)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_times() {
        let seconds = |failures| wait(Duration::from_secs(30), failures).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 1000].map(seconds), [30, 60, 120, 240, 300, 300]);
    }
}
