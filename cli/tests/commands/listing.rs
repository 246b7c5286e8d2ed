//! `muster members`.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use roaring::RoaringTreemap;

use crate::support::{ask, command, folder, store};

fn ids(rule: &str) -> Vec<u64> {
    let run = ask("members", &[rule]).ends_with(0);
    let mut ids: Vec<u64> = run.text().lines().map(|line| line.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn every_format_lists_the_same_users() {
    const RULE: &str = "has_poh AND NOT bot_warning";
    let ids = ids(RULE);
    let count = ask("count", &["--json", RULE]).ends_with(0).json()["count"].as_u64().unwrap();
    assert_eq!(ids.len() as u64, count);

    let csv = ask("members", &["--format", "csv", RULE]).ends_with(0);
    let (heading, rest) = csv.text().split_once('\n').unwrap();
    assert_eq!((heading, rest.lines().count()), ("user_id", ids.len()));

    let objects = ask("members", &["--format", "jsonl", RULE]).ends_with(0).json_lines();
    let mut from_json: Vec<u64> = objects.iter().map(|object| object["user_id"].as_u64().unwrap()).collect();
    from_json.sort_unstable();
    assert_eq!(from_json, ids);

    let folder = folder("members");
    for format in ["roaring", "parquet"] {
        let file = folder.join(format);
        ask("members", &["--format", format, "--out", file.to_str().unwrap(), RULE]).ends_with(0);
    }
    let bitmap = RoaringTreemap::deserialize_from(&fs::read(folder.join("roaring")).unwrap()[..]).unwrap();
    assert!(bitmap.iter().eq(ids.iter().copied()));
    assert!(fs::read(folder.join("parquet")).unwrap().ends_with(b"PAR1"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left beside the files");
}

#[test]
fn a_limit_is_kept() {
    let listed =
        |limit: &str| ask("members", &["--limit", limit, "has_poh"]).ends_with(0).text().lines().count();
    assert_eq!((listed("0"), listed("1"), listed("7")), (0, 1, 7));
    let all = ids("has_poh").len();
    assert_eq!(listed("99999999"), all);
}

#[test]
fn a_reader_that_has_enough_is_no_fault() {
    let mut child = command(&["members", "--store", store().to_str().unwrap(), "user_id > 0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(stderr, "");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    ask("members", &["--out", "/nowhere/at/all", "has_poh"]).refuses(3, &["/nowhere/at"]);
}
