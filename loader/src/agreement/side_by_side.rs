//! Several questions under way at once, so that one side computes while the other is waited for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does something with every item on so many threads; results in the items' order. After an error no new item is begun, and
/// the error of the first item that has one is returned.
pub fn side_by_side<T: Sync, R: Send, E: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done: Vec<Mutex<Option<Result<R, E>>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let run = || {
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let (Some(item), Some(slot)) = (items.get(at), done.get(at)) else { break };
            let result = work(item);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.clamp(1, items.len().max(1)) {
            scope.spawn(run);
        }
        run();
    });
    // Items are begun in their order, so only those behind an error can be missing.
    done.into_iter().filter_map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order_and_errors_end_it() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [0, 1, 3, 500] {
            let doubled: Result<Vec<u32>, String> = side_by_side(&items, threads, |item| Ok(item * 2));
            assert_eq!(doubled.unwrap(), items.iter().map(|item| item * 2).collect::<Vec<_>>());
            let failing = |item: &u32| if *item >= 40 { Err(*item) } else { Ok(()) };
            let error = side_by_side(&items, threads, failing).unwrap_err();
            assert!((40..40 + threads.max(1) as u32).contains(&error), "{error}");
        }
        assert_eq!(side_by_side(&[], 4, |_: &u32| Ok::<u32, ()>(1)), Ok(Vec::new()));
    }
}
