//! Ending work before it is done: because a deadline passed, or because nobody wants the answer any more.
//!
//! [`within`] puts a halt in this thread's place; whatever drives chunks from this thread takes it from there, hands it to the
//! threads that help, and looks at it once per chunk. What work that ended early returns is wrong, so [`within`] throws it away.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Instant;

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const PAST_DEADLINE: u8 = 2;

thread_local! {
    /// What ends the work of this thread.
    static HALT: RefCell<Option<Arc<Halt>>> = const { RefCell::new(None) };
}

/// Ends work when it is told to, or when its deadline passes; then it stays ended.
#[derive(Debug)]
pub struct Halt {
    deadline: Option<Instant>,
    state: AtomicU8,
    /// Whether any work ended early because of it.
    heeded: AtomicBool,
}

/// Work ended before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Halted {
    /// It took too long.
    #[error("the answer took longer than its deadline allows; give it more time, or ask a simpler rule")]
    Deadline,
    /// Nobody waits for it.
    #[error("the question was cancelled before it was answered; ask again")]
    Cancelled,
}

impl Halt {
    /// One that ends work at an instant, if any, and when it is cancelled.
    pub fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, state: AtomicU8::new(RUNNING), heeded: AtomicBool::new(false) }
    }

    /// Ends the work, which another thread may do.
    pub fn cancel(&self) {
        self.set(CANCELLED);
    }

    /// When work ends, if it is not cancelled before.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why work is to end, if it is.
    pub fn halted(&self) -> Option<Halted> {
        let passed = |deadline| Instant::now() >= deadline;
        if self.state.load(Ordering::Relaxed) == RUNNING && self.deadline.is_some_and(passed) {
            self.set(PAST_DEADLINE);
        }
        match self.state.load(Ordering::Relaxed) {
            RUNNING => None,
            CANCELLED => Some(Halted::Cancelled),
            _ => Some(Halted::Deadline),
        }
    }

    /// The first reason stays.
    fn set(&self, state: u8) {
        let _ = self.state.compare_exchange(RUNNING, state, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether work ends here. Who asks and hears that it does must end.
    pub(super) fn ends(&self) -> bool {
        let ends = self.halted().is_some();
        if ends {
            self.heeded.store(true, Ordering::Relaxed);
        }
        ends
    }
}

/// Does work on this thread, and on those that help it, until a halt ends it. What work returns that was ended early is dropped;
/// work that was done before it noticed is returned. Inside of another `within` only the inner one's halt holds.
///
/// Work ends where chunks are driven: opening a column or checking its bytes for the first time goes on to its end.
pub fn within<T>(halt: &Arc<Halt>, work: impl FnOnce() -> T) -> Result<T, Halted> {
    if let Some(halted) = halt.halted() {
        return Err(halted);
    }
    let before = Before(HALT.replace(Some(Arc::clone(halt))));
    let done = work();
    drop(before);
    // Threads that helped are done, so what they stored is seen.
    match halt.halted() {
        Some(halted) if halt.heeded.load(Ordering::Relaxed) => Err(halted),
        _ => Ok(done),
    }
}

/// Does something that waits for other threads, handing it this thread's halt. A thread of rayon's takes up foreign work while it
/// waits, which must not find the halt in its place and end because of it.
pub(super) fn apart<T>(work: impl FnOnce(Option<&Halt>) -> T) -> T {
    let before = Before(HALT.take());
    work(before.0.as_deref())
}

/// Whether this thread's work ends here.
pub(super) fn ended() -> bool {
    HALT.with_borrow(|halt| halt.as_deref().is_some_and(Halt::ends))
}

/// Puts back what was in the thread's place, however the work in between ends.
struct Before(Option<Arc<Halt>>);

impl Drop for Before {
    fn drop(&mut self) {
        // The thread may be ending; then nothing is in its place.
        let _ = HALT.try_with(|halt| halt.replace(self.0.take()));
    }
}
