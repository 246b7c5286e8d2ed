//! One process at a time makes a generation, and one changes what a store holds: two locks, so that a build of an hour keeps
//! nobody from going back a generation meanwhile. The system frees a lock when its holder ends, however it ends; what is written
//! into the file only tells others who that is.

use std::fs::{File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::history::time;
use crate::error::{Error, Result};

/// How long a build that is done waits for others to end their changes. Removing large generations takes a while.
const WAIT_MAX: Duration = Duration::from_mins(10);
const WAIT_STEP: Duration = Duration::from_millis(20);

/// Who changes a store. The engine knows neither users nor hosts nor the time, so whoever calls it says.
#[derive(Debug, Clone)]
pub struct Author {
    /// Name of the user.
    pub user: String,
    /// Name of the machine.
    pub host: String,
    /// The clock, in Unix seconds.
    pub clock: fn() -> i64,
}

/// What the lock's holder says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    user: String,
    since: i64,
    doing: String,
}

/// The lock, held.
#[derive(Debug)]
pub(super) struct WriterLock(File);

impl WriterLock {
    /// Takes a lock, or fails at once and says who has it.
    pub(super) fn take(store: &Path, name: &str, by: &Author, doing: &str) -> Result<Self> {
        let path = store.join(name);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { path: store.to_owned(), holder: holder(&path) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        let holder = Holder {
            pid: std::process::id(),
            host: by.host.clone(),
            user: by.user.clone(),
            since: (by.clock)(),
            doing: doing.to_owned(),
        };
        // For a message only: a disk too full for it must not keep anybody from going back a generation.
        let text = serde_json::to_vec(&holder).unwrap_or_default();
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text));
        Ok(Self(file))
    }
}

impl WriterLock {
    /// Takes the lock, waiting for whoever has it: changes take an instant.
    pub(super) fn wait(store: &Path, name: &str, by: &Author, doing: &str) -> Result<Self> {
        let begun = Instant::now();
        loop {
            match Self::take(store, name, by, doing) {
                Err(Error::Locked { .. }) if begun.elapsed() < WAIT_MAX => std::thread::sleep(WAIT_STEP),
                taken => return taken,
            }
        }
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
        // Not by closing alone: a process being started at this moment has a copy of the handle for an instant.
        let _ = self.0.unlock();
    }
}

fn holder(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    match serde_json::from_slice::<Holder>(&text) {
        Ok(Holder { pid, host, user, since, doing }) => {
            format!("process {pid} on {host} ({doing}, by {user}, since {})", time(since))
        }
        Err(_) => "another process".to_owned(),
    }
}
