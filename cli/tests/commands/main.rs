//! Drives the binary as a user or another program would: what it prints, and how it ends.

// The helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod asking;
mod bad_input;
mod cataloging;
mod counting;
mod deploying;
mod differing;
mod disk;
mod erasing;
mod killed;
mod labelling;
mod listing;
mod nights;
mod replicas;
mod scheduling;
mod serving;
mod storing;
mod support;
mod tokens;
mod verifying;
mod writing_back;

use support::muster;

#[test]
fn every_command_explains_itself_with_examples() {
    let help = muster(&["--help"]).ends_with(0);
    let commands = help.text().split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    for expected in
        ["demo", "synth", "build", "count", "members", "check", "explain", "inspect", "verify", "rollback"]
    {
        assert!(names.contains(&expected), "{names:?}");
    }
    for name in names {
        let help = muster(&[name, "--help"]).ends_with(0);
        assert!(help.text().contains("Examples:"), "{name}: {}", help.text());
    }
}

#[test]
fn the_version_is_told() {
    assert!(muster(&["--version"]).ends_with(0).text().starts_with("muster 0."));
}
