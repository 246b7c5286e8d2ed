//! Pieces of work done by several threads, their results delivered in the order of the pieces.
//!
//! Memory is bounded: each thread is at most [`QUEUED_PER_PIECE`] results ahead of the consumer, and blocks then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Results of one piece that may wait for the consumer.
const QUEUED_PER_PIECE: usize = 2;

/// Where a piece's results go; false says that nobody wants more.
pub(super) type Sink<'a, T> = &'a mut dyn FnMut(T) -> bool;

/// Starts `threads` threads that do `work` on the pieces `0..pieces`.
pub(super) fn read_ahead<T: Send + 'static>(
    pieces: usize,
    threads: usize,
    work: impl Fn(usize, Sink<'_, T>) + Send + Sync + 'static,
) -> impl Iterator<Item = T> + Send {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..pieces).map(|_| sync_channel(QUEUED_PER_PIECE)).unzip();
    let senders: Vec<Mutex<Option<SyncSender<T>>>> =
        senders.into_iter().map(|s| Mutex::new(Some(s))).collect();
    let shared = Arc::new((senders, AtomicUsize::new(0), work));
    for _ in 0..threads.min(pieces) {
        let shared = shared.clone();
        std::thread::spawn(move || {
            let (senders, next, work) = &*shared;
            while let Some(slot) = {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                senders.get(piece).map(|slot| (piece, slot))
            } {
                let (piece, sender) = (slot.0, slot.1.lock().unwrap_or_else(PoisonError::into_inner).take());
                let Some(sender) = sender else { return };
                let mut wanted = true;
                work(piece, &mut |result| {
                    wanted = wanted && sender.send(result).is_ok();
                    wanted
                });
                if !wanted {
                    return;
                }
            }
        });
    }
    InOrder { receivers: receivers.into_iter(), current: None }
}

struct InOrder<T> {
    receivers: std::vec::IntoIter<Receiver<T>>,
    current: Option<Receiver<T>>,
}

impl<T> Iterator for InOrder<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            // A piece is over when its sender is gone.
            if let Some(result) = self.current.as_ref().and_then(|receiver| receiver.recv().ok()) {
                return Some(result);
            }
            self.current = Some(self.receivers.next()?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads_do() {
        for threads in [1, 2, 5] {
            let results = read_ahead(20, threads, |piece, sink| {
                std::thread::sleep(std::time::Duration::from_micros((piece * 7919 % 5) as u64 * 300));
                for part in 0..piece % 4 {
                    if !sink((piece, part)) {
                        return;
                    }
                }
            });
            let want: Vec<_> =
                (0..20).flat_map(|piece| (0..piece % 4).map(move |part| (piece, part))).collect();
            assert_eq!(results.collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn dropping_the_consumer_ends_the_threads() {
        let (sender, done) = std::sync::mpsc::channel::<()>();
        let sender = Mutex::new(sender);
        let mut results = read_ahead(1_000_000, 3, move |piece, sink| {
            let _alive = &sender;
            sink(piece);
        });
        assert_eq!(results.next(), Some(0));
        drop(results);
        // The channel closes when the last thread lets go of the closure.
        assert!(
            done.recv_timeout(std::time::Duration::from_secs(10))
                == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn no_pieces_no_results() {
        assert_eq!(read_ahead(0, 4, |_, _: Sink<'_, u8>| {}).count(), 0);
    }
}
