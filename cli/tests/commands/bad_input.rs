//! What is wrong is told in one sentence, quickly, with the right exit status.

use std::fs;

use crate::support::{ask, build, command, finish, folder, muster, source_files, store};

fn count_in(store: &std::path::Path) -> crate::support::Run {
    muster(&["count", "--store", store.to_str().unwrap(), "has_poh"])
}

#[test]
fn a_store_that_is_not_there() {
    count_in(&folder("missing").join("nowhere")).refuses(3, &["nowhere", "muster build"]);
}

#[test]
fn a_folder_without_snapshots() {
    count_in(&folder("empty-store")).refuses(3, &["empty-store", "muster build"]);
}

#[test]
fn a_source_that_matches_no_file() {
    let folder = folder("no-source");
    build(&folder.join("store"), &format!("parquet:{}/*.parquet", folder.display()))
        .refuses(3, &["no-source"]);
}

#[test]
fn a_source_that_is_cut_in_half() {
    let folder = folder("half-source");
    let bytes = fs::read(&source_files()[0]).unwrap();
    fs::write(folder.join("half.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let store = folder.join("store");
    build(&store, &format!("parquet:{}/*.parquet", folder.display())).refuses(3, &["half.parquet"]);
    count_in(&store).ends_with(3);
}

#[test]
fn a_source_that_is_no_parquet() {
    let folder = folder("text-source");
    fs::write(folder.join("a.parquet"), "user_id,has_poh\n1,true\n").unwrap();
    build(&folder.join("store"), &format!("parquet:{}/*.parquet", folder.display()))
        .refuses(3, &["a.parquet"]);
}

#[test]
fn a_source_of_an_unknown_kind() {
    build(&folder("kind").join("store"), "oracle:everything").refuses(3, &["oracle:everything"]);
}

#[test]
fn a_clickhouse_that_is_not_there() {
    let store = folder("nobody").join("store");
    let source = "clickhouse:http://127.0.0.1:1";
    let mut build = command(&["build", "--store", store.to_str().unwrap(), "--source", source]);
    build.env("MUSTER_SOURCE_RETRIES", "0");
    finish(build).refuses(3, &["127.0.0.1:1", "refused", "check that the server runs"]);
    assert!(!store.exists());
}

#[test]
fn a_clickhouse_address_with_a_password_or_a_typing_error() {
    let store = folder("address").join("store");
    for (address, naming) in [
        ("clickhouse:http://me:hunter2@127.0.0.1:1", "password_env"),
        ("clickhouse:http://127.0.0.1:1?password=hunter2", "password_env"),
        ("clickhouse:http://127.0.0.1:1?tabel=t", "did you mean `table`"),
        ("clickhouse:127.0.0.1:1", "http://"),
    ] {
        let run = build(&store, address);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        run.refuses(2, &[naming]);
    }
}

#[test]
fn a_config_with_an_unknown_key() {
    let folder = folder("config");
    let config = folder.join("muster.toml");
    fs::write(&config, "sotre = \"x\"\n").unwrap();
    let store = folder.join("store");
    let arguments = ["build", "--store", store.to_str().unwrap(), "--config", config.to_str().unwrap()];
    muster(&arguments).refuses(2, &["sotre", "muster.toml"]);
}

#[test]
fn an_unknown_column_names_the_nearest() {
    ask("count", &["has_po AND bot_warning"]).refuses(1, &["has_po", "has_poh"]);
    ask("members", &["contry = 'US'"]).refuses(1, &["country"]);
    ask("check", &["1", "contry = 'US'"]).refuses(1, &["country"]);
    ask("explain", &["contry = 'US'"]).refuses(1, &["country"]);
}

#[test]
fn a_rule_outside_the_language() {
    ask("count", &["has_poh AND"]).ends_with(1);
    ask("count", &[""]).ends_with(1);
    ask("count", &["user_id IN (SELECT 1)"]).ends_with(1);
    ask("count", &["balance_usd + 1 > 2"]).ends_with(1);
    ask("count", &["{\"combinator\":"]).ends_with(1);
    ask("count", &["country > 5"]).refuses(1, &["country"]);
}

#[test]
fn a_rule_that_is_too_long_or_too_deep() {
    let folder = folder("big-rules");
    let file = folder.join("rules.txt");
    let long = format!("country = '{}'", "x".repeat(1 << 20));
    let deep = format!("{}has_poh{}", "(".repeat(10_000), ")".repeat(10_000));
    let not = format!("{} has_poh", "NOT ".repeat(10_000));
    fs::write(&file, format!("{long}\n{deep}\n{not}\nhas_poh\n")).unwrap();
    let answers = ask("count", &["--json", "--file", file.to_str().unwrap()]).ends_with(1).json_lines();
    assert!(answers[..3].iter().all(|answer| answer["error"].is_string()), "an over-long rule was taken");
    assert!(answers[3]["count"].is_u64());
}

#[test]
fn a_list_of_a_hundred_thousand_values() {
    let file = folder("long-list").join("rules.txt");
    let ids: Vec<String> = (0..100_000).map(|id| (id * 11).to_string()).collect();
    fs::write(&file, format!("user_id IN ({})\n", ids.join(","))).unwrap();
    let run = ask("count", &["--json", "--file", file.to_str().unwrap()]);
    let answer = &run.json_lines()[0];
    assert!(answer["count"].is_u64() || answer["error"].is_string(), "{run:?}");
}

#[test]
fn wrong_usage_is_status_2() {
    muster::<&str>(&[]).ends_with(2);
    muster(&["nonsense"]).ends_with(2);
    muster(&["count", "has_poh"]).ends_with(2);
    ask("count", &[]).ends_with(2);
    ask("count", &["has_poh", "--file", "rules.txt"]).ends_with(2);
    ask("count", &["has_poh", "--repeat", "0"]).ends_with(2);
    ask("members", &["has_poh", "--format", "xml"]).ends_with(2);
    ask("members", &["has_poh", "--limit", "-1"]).ends_with(2);
    ask("check", &["me", "has_poh"]).ends_with(2);
    for now in ["yesterday", "2026-11-20", "2026-11-20T00:00:00", "2026-13-20T00:00:00Z", ""] {
        let run = ask("count", &["--now", now, "has_poh"]).ends_with(2);
        assert!(run.stderr.contains("2026-11-20T00:00:00Z"), "{}", run.stderr);
    }
}

#[test]
fn a_file_of_rules_that_is_not_there() {
    ask("count", &["--file", "/nowhere/rules.txt"]).refuses(3, &["/nowhere/rules.txt"]);
}

#[test]
fn a_store_cut_short_is_an_error_not_an_answer() {
    let copy = folder("cut-store");
    copy_all(store(), &copy);
    let mut files = Vec::new();
    walk(&copy, &mut files);
    let largest = files.iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let bytes = fs::read(largest).unwrap();
    fs::write(largest, &bytes[..bytes.len() / 2]).unwrap();
    count_in(&copy).ends_with(3);
    muster(&["verify", "--store", copy.to_str().unwrap()]).ends_with(3);
}

#[test]
fn a_flipped_byte_is_found_by_verify() {
    let copy = folder("flipped-store");
    copy_all(store(), &copy);
    let mut files = Vec::new();
    walk(&copy, &mut files);
    let largest = files.iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let mut bytes = fs::read(largest).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x40;
    fs::write(largest, &bytes).unwrap();
    muster(&["verify", "--store", copy.to_str().unwrap()]).ends_with(3);
}

fn walk(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

fn copy_all(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_all(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
