//! What people copy: every `[serve]` in `deploy/` and `docs/` is one that the server takes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use muster_server::Config;

/// Files below a folder of the repository.
fn files(below: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut found, mut folders) = (Vec::new(), vec![root.join(below)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The lines below each `[serve]`, up to the next table or the end of what is indented like it.
fn tables(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = (0..lines.len()).filter(|&at| lines[at].trim() == "[serve]");
    let table = |at: usize| {
        let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
        let inside = lines[at + 1..].iter().map_while(|line| line.strip_prefix(indent));
        let inside = inside.take_while(|line| !line.starts_with('[') && !line.starts_with("```"));
        inside.collect::<Vec<_>>().join("\n")
    };
    begins.map(table).collect()
}

#[test]
fn configurations_are_taken() {
    let mut seen = 0;
    for path in ["deploy", "docs"].into_iter().flat_map(files) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for table in tables(&text) {
            toml::from_str::<Config>(&table).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen} tables");
    assert!(toml::from_str::<Config>("grcp = \"127.0.0.1:1\"").is_err());
}
