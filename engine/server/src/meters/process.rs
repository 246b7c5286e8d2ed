//! What the system says of this process.

use std::fs;

/// Memory of this process that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Bytes in memory, those of mapped files among them.
    pub(super) resident: u64,
    /// Those that no file stands behind: heap and stacks.
    pub(super) anonymous: u64,
}

/// Memory in use now, where the system tells it as Linux does.
pub(super) fn memory() -> Option<Memory> {
    parsed(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parsed(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_linux_says() {
        let said = "Name:\tmuster\nVmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n";
        assert_eq!(parsed(said), Some(Memory { resident: 2 << 20, anonymous: 1 << 20 }));
        assert_eq!(parsed("VmRSS: 12 pages"), None);
        if cfg!(target_os = "linux") {
            assert!(memory().is_some_and(|memory| memory.resident >= memory.anonymous));
        }
    }
}
