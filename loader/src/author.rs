//! Who runs this process, where, and what time it is: for locks, records and the history of a store.

use std::fs;

use jiff::Timestamp;
use muster_engine::snapshot::Author;

/// The user and the machine of this process, and the system's clock.
pub fn here() -> Author {
    Author { user: user(), host: host(), clock: || Timestamp::now().as_second() }
}

/// The user's name, by the process's owner rather than by what the environment claims. Who became another by sudo is named too.
fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let name = owner().or_else(|| variable("USER")).unwrap_or_else(|| "unknown".to_owned());
    match variable("SUDO_USER") {
        Some(before) if before != name => format!("{before} (as {name})"),
        _ => name,
    }
}

#[cfg(unix)]
fn owner() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let uid = fs::metadata("/proc/self").ok()?.uid();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(name_of(uid, &users).map_or_else(|| format!("uid {uid}"), str::to_owned))
}

#[cfg(not(unix))]
fn owner() -> Option<String> {
    None
}

/// The name of a user in the text of a passwd file.
fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

fn host() -> String {
    let name =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| fs::read_to_string(path).ok());
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { "an unnamed host".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\n# note\nalice:x:1000:100::/home/alice:/bin/sh\n";
        assert_eq!((name_of(0, users), name_of(1000, users)), (Some("root"), Some("alice")));
        assert_eq!((name_of(100, users), name_of(1, "")), (None, None));
    }

    #[test]
    fn somebody_is_here() {
        let author = here();
        assert!(!author.user.is_empty() && !author.host.is_empty() && (author.clock)() > 1_700_000_000);
    }
}
