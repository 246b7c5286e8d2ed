//! Erasing users, opting out, and proving that nobody of them is on the disk any more.

use std::fs;
use std::path::PathBuf;

use crate::support::{Run, USERS, folder, muster, source};

/// A store of its own with one generation, and a way to ask it.
struct Erasing(PathBuf);

impl Erasing {
    fn new(name: &str) -> Self {
        let place = Self(folder(name));
        place.build();
        place
    }

    fn build(&self) -> Run {
        self.run("build", &["--source", source(), "--json"]).ends_with(0)
    }

    fn run(&self, subcommand: &str, rest: &[&str]) -> Run {
        let store = self.0.join("store");
        let mut arguments = vec![subcommand, "--store", store.to_str().unwrap()];
        arguments.extend(rest);
        muster(&arguments)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn counted(&self, rule: &str) -> (u64, u64) {
        let answer = self.run("count", &["--json", rule]).ends_with(0).json();
        (answer["count"].as_u64().unwrap(), answer["universe"].as_u64().unwrap())
    }

    /// The first ids of a rule.
    fn some(&self, rule: &str, limit: u64, more: &[&str]) -> Vec<u64> {
        let limit = limit.to_string();
        let mut arguments = vec!["--limit", &limit, rule];
        arguments.extend(more);
        let run = self.run("members", &arguments).ends_with(0);
        run.text().lines().map(|line| line.parse().unwrap()).collect()
    }
}

#[test]
fn an_erased_user_is_in_no_answer_of_any_generation_and_then_not_on_the_disk() {
    let place = Erasing::new("erasing");
    place.build();
    let users = place.some("true", 3, &[]);
    let (member, before) = (users[0].to_string(), place.counted("true"));
    assert_eq!(before, (USERS, USERS));
    let file = place.file("erased.txt", &format!("{}\n\n  {}\n", users[1], users[2]));
    let all =
        place.file("all.txt", &users.iter().map(|user| format!("{user}\n")).collect::<Vec<_>>().concat());

    // Nobody was erased yet: that is no proof.
    let report = place.run("verify", &["--absent", &all, "--json"]).ends_with(1).json();
    assert_eq!((report["absent"].as_bool(), report["not_erased"].as_u64()), (Some(false), Some(3)));

    let report = place.run("erase", &["--json", &member, "--file", &file]).ends_with(0).json();
    assert_eq!((report["given"].as_u64(), report["changed"].as_u64()), (Some(3), Some(3)), "{report}");
    let again = place.run("erase", &[&member]).ends_with(0);
    assert!(again.text().starts_with("0 users erased"), "{}", again.text());
    for generation in ["1", "2"] {
        let run = place.run("count", &["--generation", generation, "--json", "true"]).ends_with(0).json();
        assert_eq!(
            (run["count"].as_u64(), run["universe"].as_u64()),
            (Some(USERS - 3), Some(USERS - 3)),
            "{generation}"
        );
    }
    assert!(users.iter().all(|user| !place.some("true", USERS, &[]).contains(user)));
    let check = place.run("check", &[&member, "true"]).ends_with(1);
    assert!(check.text().contains("is not in generation"), "{}", check.text());
    assert_eq!(place.counted(&format!("user_id = {member}")), (0, USERS - 3));
    // The source still has them, and that is no difference.
    let rules = place.file("rules.txt", "true\nhas_poh\n");
    place.run("verify", &["--against", source(), "--file", &rules]).ends_with(0);

    let report = place.run("verify", &["--absent", &all, "--json"]).ends_with(1).json();
    let present: Vec<u64> = report["generations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|generation| generation["present"].as_u64().unwrap())
        .collect();
    assert_eq!((present, report["not_erased"].as_u64()), (vec![3, 3], Some(0)));
    let told = place.run("verify", &["--absent", &all]).ends_with(1);
    for text in ["generation 2, in service: 3 of the 3 users on the disk", "to do: build"] {
        assert!(told.text().contains(text), "{}", told.text());
    }

    // A generation to go back to still has them; after another build it does not.
    assert_eq!(place.build().json()["erased"].as_u64(), Some(3));
    place.run("collect", &["--generations", "1"]).ends_with(0);
    let report = place.run("verify", &["--absent", &all, "--json"]).ends_with(1).json();
    let generations = report["generations"].as_array().unwrap();
    assert_eq!(generations.len(), 2);
    assert_eq!((generations[0]["present"].as_u64(), generations[1]["present"].as_u64()), (Some(3), Some(0)));
    place.build();
    place.run("collect", &["--generations", "1"]).ends_with(0);
    let proof = place.run("verify", &["--absent", &all]).ends_with(0);
    assert!(proof.text().contains("none of the 3 users is in the store"), "{}", proof.text());
    // What somebody is writing may have anybody in it.
    fs::create_dir(place.0.join("store/generations/0000000099.staging")).unwrap();
    let proof = place.run("verify", &["--absent", &all]).ends_with(1);
    assert!(proof.text().contains("0000000099.staging"), "{}", proof.text());
}

#[test]
fn who_opted_out_is_counted_but_is_no_target() {
    let place = Erasing::new("opting-out");
    let users = place.some("has_poh", 2, &[]);
    let (members, _) = place.counted("has_poh");
    let [first, second] = [users[0].to_string(), users[1].to_string()];
    let out = place.run("opt-out", &[&first, &second]).ends_with(0);
    assert!(out.text().starts_with("2 users opted out"), "{}", out.text());
    assert_eq!(place.counted("has_poh"), (members, USERS));
    assert_eq!(place.some("has_poh", USERS, &[]).len() as u64, members);
    let targets = place.some("has_poh", USERS, &["--targetable"]);
    assert_eq!(targets.len() as u64, members - 2);
    assert!(users.iter().all(|user| !targets.contains(user)));
    let back = place.run("opt-in", &["--json", &first, "77"]).ends_with(0).json();
    assert_eq!((back["changed"].as_u64(), back["opted_out"].as_u64()), (Some(1), Some(1)));
    assert_eq!(place.some("has_poh", USERS, &["--targetable"]).len() as u64, members - 1);
}

#[test]
fn what_is_no_id_or_no_store_is_refused() {
    let place = Erasing::new("erasing-nothing");
    let bad = place.file("bad.txt", "7\nbob\n");
    for subcommand in ["erase", "opt-out", "opt-in"] {
        place.run(subcommand, &["--file", &bad]).refuses(2, &["line 2", "bob"]);
        place.run(subcommand, &["--file", "/no/such/file"]).refuses(3, &["/no/such/file"]);
        place.run(subcommand, &[]).ends_with(2);
        muster(&[subcommand, "--store", "/no/such/store", "7"]).refuses(3, &["/no/such/store"]);
    }
    place.run("verify", &["--absent", &bad]).refuses(2, &["line 2"]);
    let empty = place.file("empty.txt", "\n");
    place.run("verify", &["--absent", &empty]).refuses(2, &["no ids"]);
    place.run("verify", &["--absent", &bad, "--against", source()]).ends_with(2);
    assert_eq!(place.counted("true"), (USERS, USERS));

    // Damage of the masks stops every answer: else those who were erased would be back.
    place.run("erase", &["1", "2", "3"]).ends_with(0);
    let path = place.0.join("store/masks.bin");
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    place.run("count", &["true"]).refuses(3, &["masks.bin", "record 1"]);
}
