//! `muster catalog`: kept, brought back, checked, carried over; and what other commands note in its audit.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::{Run, build, command, finish, folder, muster, source};

/// A folder with a catalog beside a store that may be there or not.
struct Kept(PathBuf);

impl Kept {
    /// Nothing yet.
    fn new(name: &str) -> Self {
        Self(folder(name))
    }

    /// A catalog of two labels, a list and a delivery.
    fn full(name: &str) -> Self {
        let kept = Self::new(name);
        let document = kept.file("document.json", &document("has_poh").to_string());
        kept.catalog("import", &[&document, "--unchecked"]).ends_with(0);
        kept
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    /// `muster catalog SUBCOMMAND --store STORE ...`
    fn catalog(&self, subcommand: &str, rest: &[&str]) -> Run {
        let store = self.path("store");
        muster(&[&["catalog", subcommand, "--store", &store], rest].concat())
    }

    /// `muster COMMAND --store STORE ...`
    fn run(&self, subcommand: &str, rest: &[&str]) -> Run {
        let store = self.path("store");
        muster(&[&[subcommand, "--store", &store], rest].concat())
    }

    fn export(&self) -> Value {
        self.catalog("export", &[]).ends_with(0).json()
    }

    fn audit(&self, rest: &[&str]) -> Vec<Value> {
        self.catalog("audit", &[&["--json"], rest].concat()).ends_with(0).json_lines()
    }
}

fn label(id: u64, name: &str, rule: &str) -> Value {
    json!({
        "id": id, "name": name, "description": "", "kind": "rule", "rule": rule, "enabled": true, "private": false,
        "predefined": false, "creator": "ann", "version": 1, "created_us": 5, "updated_us": 5, "updated_by": "ann",
        "list_version": 0
    })
}

/// A catalog as a document; `rule` is that of its first label.
fn document(rule: &str) -> Value {
    let mut list = label(3, "vips", "");
    (list["kind"], list["users"], list["list_version"]) = ("list".into(), json!([1, 2, 3]), 1.into());
    let body = json!({
        "name": "greet", "target": {"label": {"id": 2, "name": "both"}}, "exclude": [], "holdout": null,
        "content": {"onchain_task": {"content_id": "t1"}}, "start_us": 10, "end_us": 20, "priority": 1, "placement": "",
        "daily_cap": null, "total_cap": null
    });
    let delivery = json!({
        "id": 1, "body": body, "state": "draft", "open": null, "creator": "ann", "version": 1, "created_us": 5,
        "updated_us": 5, "updated_by": "ann"
    });
    json!({
        "muster_catalog": 1,
        "last": {"label": 3, "delivery": 1, "approval": 0, "list": 1},
        "labels": [label(1, "poh", rule), label(2, "both", "label('poh') AND label('vips')"), list],
        "deliveries": [{"delivery": delivery, "approvals": []}]
    })
}

#[test]
fn a_backup_is_written_checked_and_restored() {
    let kept = Kept::full("catalog_backup");
    let backup = kept.path("backup.db");
    let done = kept.catalog("backup", &["--to", &backup]).ends_with(0);
    assert!(done.text().contains("backed up") && done.text().contains("KiB in"), "{}", done.text());
    let verified = kept.catalog("verify", &[]).ends_with(0);
    let holds = "3 labels (3 users in lists), 1 delivery, 1 record of the audit";
    assert!(verified.text().contains(holds), "{}", verified.text());
    let url = format!("sqlite:{backup}");
    assert!(muster(&["catalog", "verify", "--catalog", &url]).ends_with(0).text().contains(holds));

    let before = kept.export();
    let more = kept.file(
        "more.json",
        &json!({
            "muster_catalog": 1, "last": {"label": 1, "delivery": 0, "approval": 0, "list": 0},
            "labels": [label(1, "later", "true")], "deliveries": []
        })
        .to_string(),
    );
    kept.catalog("import", &[&more, "--merge", "--unchecked"]).ends_with(0);
    assert_ne!(kept.export(), before);
    let restored = kept.catalog("restore", &["--from", &backup]).ends_with(0);
    assert!(restored.text().contains(holds) && restored.text().contains(".before"), "{}", restored.text());
    assert_eq!(kept.export(), before);

    let itself = kept.path("catalog.db");
    kept.catalog("backup", &["--to", &itself]).refuses(2, &["the catalog itself"]);
    let nowhere = kept.path("no/backup.db");
    kept.catalog("backup", &["--to", &nowhere]).ends_with(3);
    kept.catalog("restore", &["--from", &kept.path("no.db")]).refuses(3, &["no.db", "no such file"]);
    let damaged = kept.file("damaged.db", "SQLite format 3\0 and then nothing");
    kept.catalog("restore", &["--from", &damaged]).refuses(3, &["damaged.db", "damaged"]);
    assert_eq!(kept.export(), before, "nothing was touched");
}

#[test]
fn a_catalog_that_a_server_has_open_is_not_replaced() {
    let kept = Kept::full("catalog_open");
    let backup = kept.path("backup.db");
    kept.catalog("backup", &["--to", &backup]).ends_with(0);
    build(&kept.0.join("store"), source()).ends_with(0);
    let server = Serving::start(&kept.0.join("store"));
    server.ready();
    // What reads and what changes may go on beside it.
    kept.catalog("verify", &[]).ends_with(0);
    kept.catalog("backup", &["--to", &backup]).ends_with(0);
    kept.catalog("restore", &["--from", &backup])
        .refuses(3, &["another program has the catalog", "nothing was changed", "end the server"]);
    drop(server);
    kept.catalog("restore", &["--from", &backup]).ends_with(0);
}

#[test]
fn a_document_is_carried_over_whole_or_by_names() {
    let from = Kept::full("catalog_from");
    let file = from.path("out.json");
    let told = from.catalog("export", &["--out", &file]).ends_with(0);
    assert!(told.text().contains("3 labels (3 users in lists) and 1 delivery"), "{}", told.text());

    let to = Kept::new("catalog_to");
    let dry = to.catalog("import", &[&file, "--dry-run"]).ends_with(0);
    assert!(dry.text().starts_with("would be imported: 3 labels"), "{}", dry.text());
    assert!(dry.stderr.contains("there is no store"), "{}", dry.stderr);
    assert!(!to.0.join("catalog.db").exists(), "a dry run makes nothing");
    to.catalog("import", &[&file]).ends_with(0);
    assert_eq!(to.export(), from.export());
    to.catalog("import", &[&file]).ends_with(1);

    let other = to.file("other.json", &document("bot_warning").to_string());
    let merged = to.catalog("import", &[&other, "--merge", "--dry-run", "--json"]).ends_with(0).json();
    assert_eq!((&merged["labels_kept"], &merged["dry_run"]), (&json!(["poh"]), &json!(true)));
    let merged = to.catalog("import", &[&other, "--merge", "--replace"]).ends_with(0);
    assert!(merged.text().contains("1 changed, 0 that differ kept, 2 the same"), "{}", merged.text());
    assert!(merged.text().contains("label changed: poh"), "{}", merged.text());
    assert_eq!(to.export()["labels"][0]["rule"], "bot_warning");

    for (text, naming) in [
        ("{}", "muster_catalog"),
        ("nonsense", "an export of a catalog"),
        ("{\"muster_catalog\": 9}", "version 9"),
    ] {
        let bad = to.file("bad.json", text);
        to.catalog("import", &[&bad, "--merge"]).refuses(1, &[naming]);
    }
    to.catalog("import", &[&to.path("none.json")]).refuses(3, &["none.json"]);
    to.catalog("import", &[&file, "--replace"]).ends_with(2);
}

#[test]
fn rules_are_read_with_the_columns_of_the_store() {
    let kept = Kept::new("catalog_columns");
    build(&kept.0.join("store"), source()).ends_with(0);
    let wrong = kept.file("wrong.json", &document("has_pho").to_string());
    kept.catalog("import", &[&wrong]).refuses(
        1,
        &["label `poh`: unknown column `has_pho`", "did you mean `has_poh`?", "label `both`", "--unchecked"],
    );
    assert_eq!(kept.export()["labels"], json!([]), "nothing was imported");
    let right = kept.file("right.json", &document("has_poh").to_string());
    let fine = kept.catalog("import", &[&right]).ends_with(0);
    assert_eq!(fine.stderr, "");
}

#[test]
fn what_commands_do_is_in_the_audit() {
    let kept = Kept::new("catalog_audit");
    let store = kept.0.join("store");
    build(&store, source()).ends_with(0);
    build(&store, source()).ends_with(0);
    // No catalog yet: nothing is noted, and none is made.
    let quiet = kept.run("rollback", &[]).ends_with(0);
    assert_eq!(quiet.stderr, "");
    assert!(!kept.0.join("catalog.db").exists());

    let empty = json!({"muster_catalog": 1, "last": {"label": 0, "delivery": 0, "approval": 0, "list": 0}, "labels": [], "deliveries": []});
    let file = kept.file("empty.json", &empty.to_string());
    kept.catalog("import", &[&file]).ends_with(0);
    kept.run("rollback", &["--to", "2", "--reason", "all is well"]).ends_with(0);
    let users = ["1000011", "1000012", "77"];
    kept.run("opt-out", &users).ends_with(0);
    kept.run("erase", &users[..2]).ends_with(0);
    kept.run("token", &["create"]).ends_with(2);
    let token =
        muster(&["token", "create", "--store", store.to_str().unwrap(), "--name", "ops", "--role", "editor"]);
    let secret = token.ends_with(0).text().trim_end().to_owned();
    let tokens = kept.path("tokens.toml");
    muster(&["token", "revoke", "--tokens-file", &tokens, "ops"]).ends_with(0);

    let records = kept.audit(&[]);
    let what: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record["kind"].as_str().unwrap(), record["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        what,
        [
            ("token", "revoke"),
            ("token", "create"),
            ("erasure", "erase"),
            ("erasure", "opt-out"),
            ("generation", "rollback"),
            ("import", "import"),
        ]
    );
    assert_eq!(records[4]["before"], json!({"in_service": 1}));
    assert_eq!((&records[4]["object_id"], &records[4]["comment"]), (&json!(2), &json!("all is well")));
    assert_eq!(records[2]["after"], json!({"given": 2, "changed": 2, "erased": 2, "opted_out": 3}));
    assert_eq!(records[1]["after"], json!({"role": "editor", "expires": null}));
    assert!(records.iter().all(|record| record["request"].as_str().unwrap().starts_with("command line on ")));
    let text = format!("{records:?}");
    assert!(!text.contains(&secret) && !text.contains("1000011"), "no secret and no erased id: {text}");

    let only = kept.audit(&["--kind", "erasure", "--limit", "1"]);
    assert_eq!(only, records[2..3]);
    let since = records[1]["at"].as_str().unwrap();
    assert!(kept.audit(&["--since", since, "--until", "2200-01-01T00:00:00Z"]).len() >= 2);
    let all = kept.path("audit.jsonl");
    let told = kept.catalog("audit", &["--export", &all]).ends_with(0);
    assert!(told.text().contains("exported 6 records"), "{}", told.text());
    let mut exported: Vec<Value> =
        fs::read_to_string(&all).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    exported.reverse();
    assert_eq!(exported, records);
    let table = kept.catalog("audit", &["--actor", records[0]["actor"].as_str().unwrap()]).ends_with(0);
    assert!(
        table.text().contains("generation rollback") && table.text().contains("all is well"),
        "{}",
        table.text()
    );
    kept.catalog("audit", &["--kind", "labels"]).ends_with(2);
    kept.catalog("audit", &["--since", "2026-11-02T00:00:00Z", "--until", "2026-11-01T00:00:00Z"])
        .refuses(2, &["--until"]);
}

#[test]
fn what_cannot_be_noted_is_done_all_the_same() {
    let kept = Kept::new("catalog_broken");
    build(&kept.0.join("store"), source()).ends_with(0);
    kept.file("catalog.db", &"this is no catalog at all ".repeat(10));
    let done = kept.run("opt-out", &["1000011"]).ends_with(0);
    assert!(done.text().contains("1 user opted out"), "{}", done.text());
    assert!(
        done.stderr.contains("warning: this was done, but it is not in the catalog's audit"),
        "{}",
        done.stderr
    );
}

#[test]
fn which_catalog_is_meant_is_told() {
    let kept = Kept::new("catalog_which");
    kept.catalog("verify", &[]).refuses(3, &["there is no catalog at", "catalog.db", "muster serve"]);
    kept.catalog("audit", &[]).refuses(3, &["there is no catalog at"]);
    assert!(!kept.0.join("catalog.db").exists());
    muster(&["catalog", "export", "--catalog", "postgres://u:secret@h/d"]).refuses(2, &["catalog.url"]);
    let config = kept.file("muster.toml", &format!("[catalog]\nurl = \"sqlite:{}\"", kept.path("named.db")));
    let document = kept.file("document.json", &document("has_poh").to_string());
    muster(&["catalog", "import", "--config", &config, "--unchecked", &document]).ends_with(0);
    assert!(kept.0.join("named.db").exists());
    let mut export = command(&["catalog", "export"]);
    export.env("MUSTER_CATALOG_URL", format!("sqlite:{}", kept.path("named.db")));
    assert_eq!(finish(export).ends_with(0).json()["labels"].as_array().unwrap().len(), 3);
    let mysql = ["catalog", "backup", "--catalog", "mysql://u:secret@127.0.0.1:1/d", "--to", "x"];
    muster(&mysql).refuses(3, &["mysql://127.0.0.1:1/d", "not available"]);
}
