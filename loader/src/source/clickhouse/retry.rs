//! Waiting before something is tried again: longer each time, never in step with others, never for ever.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::fault::{Fault, Remedy};
use super::link::Link;

/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The attempts at one thing.
pub(crate) struct Attempts<'a> {
    link: &'a Link,
    deadline: Instant,
    made: u32,
    /// Whether what failed may have been asked with settings. Several ask at a time, so another may have found out meanwhile
    /// that they are refused.
    dressed: bool,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(link: &'a Link, deadline: Instant) -> Self {
        Self { link, deadline, made: 0, dressed: link.takes_settings() }
    }

    /// Returns when it is time for the next attempt, or the fault if there is to be none.
    pub(crate) async fn after(&mut self, fault: Fault) -> Result<(), Fault> {
        let patience = &self.link.options().patience;
        match fault.remedy {
            Remedy::WithoutSettings if self.dressed => {
                self.dressed = false;
                self.link.drop_settings();
                tracing::debug!(reason = %fault.message, "ClickHouse takes no settings; asking without");
                return Ok(());
            }
            Remedy::Again if self.made < patience.retries => {}
            Remedy::Again if self.made > 0 => {
                let message = format!("{} (tried {} times)", fault.message, self.made + 1);
                return Err(Fault { message, ..fault });
            }
            _ => return Err(fault),
        }
        let wait = varied(doubled(patience.retry_wait, self.made));
        if Instant::now() + wait >= self.deadline {
            return Err(Fault {
                message: format!("{}; no time is left to try again", fault.message),
                ..fault
            });
        }
        self.made += 1;
        tracing::warn!(reason = %fault.message, attempt = self.made, wait_ms = wait.as_millis() as u64, "ClickHouse: trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

fn doubled(first: Duration, made: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(made).unwrap_or(u32::MAX)).min(WAIT_MAX)
}

/// Between half of it and all of it.
fn varied(wait: Duration) -> Duration {
    let dice = RandomState::new().hash_one(Instant::now()) % 1024;
    wait.mul_f64(0.5 + dice as f64 / 2048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_vary() {
        let first = Duration::from_millis(500);
        assert_eq!(doubled(first, 0), first);
        assert_eq!(doubled(first, 3), 8 * first);
        assert_eq!(doubled(first, 40), WAIT_MAX);
        let waits: std::collections::BTreeSet<Duration> = (0..50).map(|_| varied(first)).collect();
        assert!(waits.len() > 10);
        assert!(waits.iter().all(|wait| (first / 2..=first).contains(wait)));
    }
}
