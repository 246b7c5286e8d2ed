//! `synth`, `build`, `inspect`, `verify`, `rollback`.

use std::fs;

use crate::support::{USERS, ask, build, folder, muster, source};

#[test]
fn the_same_seed_gives_the_same_population() {
    let folder = folder("synth");
    let bytes = |name: &str, seed: &str| {
        let out = folder.join(name);
        muster(&["synth", "--users", "3000", "--seed", seed, "--out", out.to_str().unwrap()]).ends_with(0);
        let mut files: Vec<_> = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let first = bytes("a", "1");
    assert!(first == bytes("b", "1") && first != bytes("c", "2"));
}

#[test]
fn a_build_reports_what_it_did() {
    let store = folder("report").join("store");
    let arguments = ["build", "--store", store.to_str().unwrap(), "--source", source(), "--json"];
    let report = muster(&arguments).ends_with(0).json();
    assert_eq!((report["rows"].as_u64(), report["generation"].as_u64()), (Some(USERS), Some(1)), "{report}");
}

#[test]
fn inspect_tells_generations_and_columns() {
    let report = ask("inspect", &["--json"]).ends_with(0).json();
    assert_eq!(report["rows"].as_u64(), Some(USERS));
    let columns = report["columns"].as_array().unwrap();
    assert!(
        columns.iter().any(|column| column["name"] == "balance_usd" && column["type"] == "Float64"),
        "{report}"
    );
    let text = ask("inspect", &[]).ends_with(0);
    assert!(
        text.text().contains("country") && text.text().contains("erc20_token_holdings"),
        "{}",
        text.text()
    );
}

#[test]
fn verify_finds_a_fresh_store_whole() {
    let report = ask("verify", &["--json"]).ends_with(0).json();
    assert_eq!(report["generation"].as_u64(), Some(1), "{report}");
    ask("verify", &[]).ends_with(0);
}

#[test]
fn a_rollback_goes_to_the_previous_generation_or_the_one_named() {
    let store = folder("rollback").join("store");
    let dir = store.to_str().unwrap();
    for _ in 0..3 {
        build(&store, source()).ends_with(0);
    }
    let current =
        || muster(&["count", "--store", dir, "--json", "true"]).ends_with(0).json()["generation"].clone();
    assert_eq!(current(), 3);
    muster(&["rollback", "--store", dir]).ends_with(0);
    assert_eq!(current(), 2);
    muster(&["rollback", "--store", dir, "--to", "3"]).ends_with(0);
    assert_eq!(current(), 3);
    muster(&["rollback", "--store", dir, "--to", "9"]).refuses(3, &["9"]);
    assert_eq!(current(), 3);
    build(&store, source()).ends_with(0);
    assert_eq!(current(), 4);
}

#[test]
fn there_is_nothing_before_the_first_generation() {
    let store = folder("first").join("store");
    build(&store, source()).ends_with(0);
    muster(&["rollback", "--store", store.to_str().unwrap()]).ends_with(3);
}
