//! Driving work over chunks: on this thread if that is soon done, else on all cores; until it is done, or this thread's halt ends it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::chunk::{Evaluator, Without};
use super::halt::{Halt, apart};
use crate::bitmap::Leaf;
use crate::format::chunks_of;
use crate::plan::Plan;
use crate::snapshot::Snapshot;

/// Below this estimate in nanoseconds, one core is done before another has woken up.
const PARALLEL_NANOS_MIN: f64 = 60_000.0;
/// Chunks that a thread takes at a time, if they are quickly done.
const STRIDE: u32 = 4;
/// A chunk that takes longer than this in nanoseconds is taken alone.
const LONG_NANOS: f64 = 50_000.0;

/// Does something with every chunk, or with those in which a bitmap has rows, and joins the results, in any order. `nanos` is
/// what all chunks take on one core, about.
#[allow(clippy::too_many_arguments)]
pub(super) fn over_chunks<'p, T: Send>(
    plan: &'p Plan,
    snapshot: &'p Snapshot,
    without: &Without,
    within: Option<&'p Leaf>,
    nanos: f64,
    work: impl Fn(&mut Evaluator<'p>, u32) -> T + Sync,
    join: impl Fn(T, T) -> T + Sync,
) -> Option<T> {
    let all = chunks_of(snapshot.rows());
    let entries = within.map(Leaf::entries).filter(|entries| entries.len() < all as usize);
    let chunks = entries.map_or(all, |entries| entries.len() as u32);
    let chunk_at = |at: u32| entries.map_or(at, |entries| entries[at as usize].chunk.into());
    over(
        chunks,
        nanos / f64::from(all.max(1)),
        || Evaluator::new(plan, snapshot, without),
        |evaluator, at| work(evaluator, chunk_at(at)),
        join,
    )
}

/// Does something with each number below `count` and joins the results, in any order. `nanos` is what one takes on one core,
/// about; each thread that takes part has its own state. Ended early it returns anything: see [`super::halt`].
pub(super) fn over<S, T: Send>(
    count: u32,
    nanos: f64,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u32) -> T + Sync,
    join: impl Fn(T, T) -> T + Sync,
) -> Option<T> {
    let stride = if nanos > LONG_NANOS { 1 } else { STRIDE };
    let threads = (rayon::current_num_threads() as u32).min(count.div_ceil(stride));
    let alone = nanos * f64::from(count) < PARALLEL_NANOS_MIN || threads < 2;
    apart(|halt| {
        let goes_on = || !halt.is_some_and(Halt::ends);
        if alone {
            let mut state = state();
            return (0..count).take_while(|_| goes_on()).map(|at| work(&mut state, at)).reduce(join);
        }
        let (next, total) = (AtomicU32::new(0), Mutex::new(None));
        let run = || {
            let mut state = state();
            let mut mine = None;
            'taken: loop {
                let first = next.fetch_add(stride, Ordering::Relaxed);
                if first >= count {
                    break;
                }
                for at in first..count.min(first + stride) {
                    if !goes_on() {
                        break 'taken;
                    }
                    let result = work(&mut state, at);
                    mine = Some(match mine {
                        Some(before) => join(before, result),
                        None => result,
                    });
                }
            }
            if let Some(mine) = mine {
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                *total = Some(match total.take() {
                    Some(before) => join(before, mine),
                    None => mine,
                });
            }
        };
        // This thread begins at once; the others join as they wake up.
        rayon::in_place_scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|_| run());
            }
            run();
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    })
}
