//! Logging that somebody outside can cause, kept to a few lines a second: who knocks often must not fill the disk.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// Lines a second of one kind.
pub(crate) const LINES_PER_SECOND: u32 = 5;

/// Lets a few lines a second pass, and counts what it held back.
#[derive(Debug)]
pub(crate) struct Sparing {
    begun: Instant,
    /// The second that `lines` is of, counted from the beginning.
    second: AtomicU64,
    lines: AtomicU32,
    held_back: AtomicU64,
}

impl Default for Sparing {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            second: AtomicU64::new(0),
            lines: AtomicU32::new(0),
            held_back: AtomicU64::new(0),
        }
    }
}

impl Sparing {
    /// Whether a line may be logged; if so, how many were not since the last one.
    pub(crate) fn line(&self) -> Option<u64> {
        self.line_in(self.begun.elapsed().as_secs())
    }

    fn line_in(&self, second: u64) -> Option<u64> {
        // Two threads that see a new second at once may let a few lines more pass, which does no harm.
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.lines.store(0, Ordering::Relaxed);
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) < LINES_PER_SECOND {
            return Some(self.held_back.swap(0, Ordering::Relaxed));
        }
        self.held_back.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lines_a_second_pass_and_the_rest_is_counted() {
        let sparing = Sparing::default();
        let passed = (0..100).filter(|_| sparing.line_in(0).is_some()).count();
        assert_eq!(passed, LINES_PER_SECOND as usize);
        assert_eq!(sparing.line_in(1), Some(100 - u64::from(LINES_PER_SECOND)));
        assert_eq!(sparing.line_in(1), Some(0));
    }
}
