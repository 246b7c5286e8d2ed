//! Asking a long job to end: set once, from anywhere, and heard by whoever waits.
//!
//! A job that hears it ends soon and leaves things as if it had been killed, only tidier.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A request to end that many can hear. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requested: Mutex<bool>,
    threads: Condvar,
    tasks: Notify,
}

impl Stop {
    /// Not requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody who listens to end.
    pub fn request(&self) {
        *self.flag() = true;
        self.shared.threads.notify_all();
        self.shared.tasks.notify_waiters();
    }

    /// Whether it was requested.
    pub fn requested(&self) -> bool {
        *self.flag()
    }

    /// Sleeps for so long, or until it is requested; tells whether it was.
    pub fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut requested = self.flag();
        while !*requested {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let woken = self.shared.threads.wait_timeout(requested, left);
            requested = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        *requested
    }

    /// Ends when it is requested.
    pub async fn heard(&self) {
        let mut heard = std::pin::pin!(self.shared.tasks.notified());
        // Listening begins before looking, so that a request in between is not missed.
        heard.as_mut().enable();
        if !self.requested() {
            heard.await;
        }
    }

    fn flag(&self) -> MutexGuard<'_, bool> {
        self.shared.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_wakes_threads_and_tasks() {
        let stop = Stop::new();
        assert!(!stop.wait(Duration::from_millis(1)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| stop.wait(Duration::from_mins(1)));
            let task = scope.spawn(|| runtime.block_on(stop.heard()));
            std::thread::sleep(Duration::from_millis(20));
            let asked = Instant::now();
            stop.clone().request();
            assert!(thread.join().unwrap());
            task.join().unwrap();
            assert!(asked.elapsed() < Duration::from_secs(10));
        });
        assert!(stop.requested() && stop.wait(Duration::ZERO));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(stop.heard());
    }
}
