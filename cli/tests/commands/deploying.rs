//! What people copy: every command line in `docs/` and `deploy/` is one that the binary takes, every configuration one it reads.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{folder, muster};

/// Files below a folder of the repository, with these endings.
fn files(below: &str, endings: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut found, mut folders) = (Vec::new(), vec![root.join(below)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_str().unwrap().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The command lines in the blocks of a page that are marked as shell.
fn in_page(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for block in text.split("\n```sh\n").skip(1) {
        let block = block.split("\n```").next().unwrap().replace("\\\n", " ");
        lines.extend(block.lines().map(str::to_owned));
    }
    lines.retain(|line| line.starts_with("muster "));
    lines
}

/// Words as a shell takes them, up to a comment, a pipe or a redirection.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\\', Some('"') | None) => word.get_or_insert_default().extend(characters.next()),
            ('\'' | '"', None) => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (' ', None) => words.extend(word.take()),
            ('#' | '|' | '>' | ';' | '&', None) if word.is_none() => break,
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The binary reads the arguments one by one until it is asked for help: what it does not know is told before.
fn taken(arguments: &[String], place: &str) {
    let asked: Vec<&str> = arguments.iter().map(String::as_str).chain(["--help"]).collect();
    let run = muster(&asked);
    assert_eq!(run.status, 0, "{place}: {arguments:?}: {}", run.stderr);
}

#[test]
fn command_lines_in_pages_are_taken() {
    let mut seen = 0;
    for path in files("docs", &[".md"]).into_iter().chain(files("deploy", &[".md"])) {
        for line in in_page(&fs::read_to_string(&path).unwrap()) {
            taken(&words(&line)[1..], path.to_str().unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} command lines");
    // It does refuse what it does not know.
    for line in ["muster push --to x --sotre y", "muster push --keep none", "muster psh"] {
        let mut arguments = words(line);
        arguments.push("--help".to_owned());
        assert_eq!(muster(&arguments[1..]).status, 2, "{line}");
    }
}

#[test]
fn units_start_what_the_binary_takes() {
    let mut seen = 0;
    for path in files("deploy", &[".service"]) {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(line) = line.strip_prefix("ExecStart=/usr/bin/muster ") else { continue };
            taken(&words(line), path.to_str().unwrap());
            seen += 1;
        }
    }
    for path in files("deploy", &[".yaml"]) {
        for line in fs::read_to_string(&path).unwrap().lines() {
            // Those of Compose; in Kubernetes, `command` is the binary alone.
            let list = line.trim().strip_prefix("args: ").or_else(|| line.strip_prefix("    command: "));
            let Some(list) = list else { continue };
            taken(&serde_json::from_str::<Vec<String>>(list).unwrap(), path.to_str().unwrap());
            seen += 1;
        }
    }
    for path in files("deploy", &["Dockerfile"]) {
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(list) = line.strip_prefix("CMD ") else { continue };
            taken(&serde_json::from_str::<Vec<String>>(list).unwrap(), path.to_str().unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} starts");
}

#[test]
fn configurations_are_read() {
    let dir = folder("deploying");
    let mut texts: Vec<String> =
        files("deploy", &[".toml"]).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for path in files("deploy", &[".yaml"]) {
        let text = fs::read_to_string(path).unwrap();
        for block in text.split("muster.toml: |\n").skip(1) {
            let lines = block.lines().map_while(|line| line.strip_prefix("    "));
            texts.push(lines.collect::<Vec<_>>().join("\n"));
        }
        for block in text.split("    content: |\n").skip(1) {
            let lines = block
                .lines()
                .map_while(|line| if line.is_empty() { Some("") } else { line.strip_prefix("      ") });
            texts.push(lines.collect::<Vec<_>>().join("\n"));
        }
    }
    assert!(texts.len() >= 4);
    for (number, text) in texts.iter().enumerate() {
        let file = dir.join(format!("{number}.toml"));
        fs::write(
            &file,
            format!(
                "{text}\n{}",
                if text.contains("[schedule]") { "" } else { "[schedule]\ncron = \"30 5 * * *\"\n" }
            ),
        )
        .unwrap();
        muster(&["schedule", "--config", file.to_str().unwrap(), "--next", "1"]).ends_with(0);
    }
}
