//! How many files the process may hold open, which bounds its connections: raised to what the system allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for everything but connections: snapshots, logs, the catalog.
const RESERVED: u64 = 512;

/// Raises the limit as far as is allowed, and tells it; `None` if there is none.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // What is refused is not needed yet; what is missing is told by `connections`.
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current;
    }
    limit.maximum
}

/// How many connections each of some listeners may hold, of those that were wished for.
pub(crate) fn connections(wished: usize, listeners: u64, files: Option<u64>) -> usize {
    let Some(files) = files else { return wished };
    let room = files.saturating_sub(RESERVED) / listeners.max(1);
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    if room < wished {
        let needed = wished as u64 * listeners + RESERVED;
        tracing::warn!(
            "the system lets this process hold {files} files open, too few for `serve.connections` = {wished}: it takes \
             {room} connections a listener; allow {needed} files (`ulimit -Hn`, or LimitNOFILE= in systemd)"
        );
    }
    room.min(wished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_what_the_files_allow() {
        assert_eq!(connections(20_000, 2, None), 20_000);
        assert_eq!(connections(20_000, 2, Some(1 << 20)), 20_000);
        assert_eq!(connections(20_000, 2, Some(4_096)), 1_792);
        assert_eq!(connections(20_000, 2, Some(100)), 1);
    }

    #[test]
    fn the_limit_is_raised_to_what_is_allowed() {
        assert_eq!(raise(), getrlimit(Resource::Nofile).current);
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
    }
}
