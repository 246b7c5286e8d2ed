//! Whole builds from Parquet: what is published, what is held back and why.

use std::fs::File;
use std::path::Path;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use muster_engine::snapshot::EventKind;
use parquet::arrow::ArrowWriter;

use super::super::*;
use crate::author;
use crate::build::{BuildOptions, BuildReport, Outcome, build};
use crate::columns::{ColumnOptions, JsonKind};
use crate::config::Config;
use crate::progress::NoProgress;
use crate::source::ParquetSource;

/// A feature table, of which tests change one thing at a time.
#[derive(Clone)]
struct Night {
    users: u64,
    /// Of a thousand, so many have no balance.
    without_balance: u64,
    /// Of a thousand, so many have the flag.
    flagged: u64,
    countries: u64,
    /// Of a thousand, so many have tokens that are not JSON.
    malformed: u64,
    with_score: bool,
    texts_for_scores: bool,
}

const USUAL: Night = Night {
    users: 2_000,
    without_balance: 100,
    flagged: 200,
    countries: 50,
    malformed: 0,
    with_score: true,
    texts_for_scores: false,
};

/// A store and the tables it is built from.
struct Nights {
    dir: tempfile::TempDir,
    options: BuildOptions,
}

impl Nights {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = BuildOptions::from(&Config::default());
        options.store = dir.path().join("store");
        let json = ColumnOptions { json: Some(JsonKind::JsonMap), ..ColumnOptions::default() };
        options.columns.insert("tokens".into(), json);
        Self { dir, options }
    }

    /// After a first build of the usual table.
    fn usual() -> Self {
        let nights = Self::new();
        assert_eq!(nights.build(&USUAL).settled.outcome, Outcome::Published);
        nights
    }

    fn store(&self) -> Store {
        Store::open(&self.options.store).unwrap()
    }

    fn build(&self, night: &Night) -> BuildReport {
        let path = self.dir.path().join("table.parquet");
        write(&path, night);
        let source = ParquetSource::open(path.to_str().unwrap()).unwrap();
        build(&source, &self.options, &NoProgress).unwrap()
    }

    /// Builds something that is held back by these checks and no others.
    #[track_caller]
    fn held_by(&self, night: &Night, names: &[&str]) -> Vec<Check> {
        let before = self.store().current_generation().unwrap();
        let report = self.build(night);
        let tripped: Vec<Check> =
            report.settled.gates.checks.into_iter().filter(|check| check.trips).collect();
        let mut found: Vec<String> = tripped.iter().map(Check::name).collect();
        found.sort();
        assert_eq!(found, names);
        assert_eq!(report.settled.outcome, Outcome::Held);
        assert_eq!(self.store().current_generation().unwrap(), before);
        assert_eq!(self.store().held().unwrap().last(), Some(&report.generation));
        tripped
    }
}

/// One of a thousand places, every one as often as any other however many users there are.
fn place(user: u64) -> u64 {
    user * 389 % 1000
}

fn write(path: &Path, night: &Night) {
    let users = 0..night.users;
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(users.clone().collect::<UInt64Array>())),
        (
            "flag",
            Arc::new(users.clone().map(|user| Some(place(user) < night.flagged)).collect::<BooleanArray>()),
        ),
        (
            "country",
            Arc::new(
                users
                    .clone()
                    .map(|user| Some(format!("c{}", user % night.countries)))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "balance",
            Arc::new(
                users
                    .clone()
                    .map(|user| (place(user) >= night.without_balance).then_some(user as f64))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "tokens",
            Arc::new(
                users
                    .clone()
                    .map(|user| Some(if place(user) < night.malformed { "{oops" } else { "{\"USDT\":1}" }))
                    .collect::<StringArray>(),
            ),
        ),
    ];
    if night.with_score && night.texts_for_scores {
        columns.push((
            "score",
            Arc::new(users.map(|user| Some((user % 100).to_string())).collect::<StringArray>()),
        ));
    } else if night.with_score {
        columns
            .push(("score", Arc::new(users.map(|user| Some((user % 100) as i64)).collect::<Int64Array>())));
    }
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn a_first_build_is_compared_with_nothing() {
    let nights = Nights::new();
    let report = nights.build(&USUAL);
    assert_eq!(report.settled.outcome, Outcome::Published);
    assert_eq!(report.settled.gates, Verdict::default());
}

#[test]
fn an_ordinary_night_passes_every_gate() {
    let nights = Nights::usual();
    let report =
        nights.build(&Night { users: 2_010, without_balance: 110, flagged: 210, countries: 52, ..USUAL });
    assert_eq!(report.settled.outcome, Outcome::Published, "{}", report.settled.gates.text(true));
    // Rows; NULLs and distinct values of five columns; malformed JSON of one.
    assert_eq!((report.settled.gates.compared_with, report.settled.gates.checks.len()), (Some(1), 12));
    assert_eq!(nights.store().current_generation().unwrap(), Some(2));
}

#[test]
fn forty_percent_fewer_rows_are_held_back() {
    let nights = Nights::usual();
    let tripped = nights.held_by(&Night { users: 1_200, ..USUAL }, &["distinct balance", "rows"]);
    let rows = tripped.iter().find(|check| check.gate == Gate::Rows).unwrap();
    assert_eq!(
        (&rows.before, &rows.after, rows.change),
        (&Some(Figure::Count(2_000)), &Some(Figure::Count(1_200)), Some(-0.4))
    );
    // The next night is compared with what is in service, and leaves the held one alone.
    assert_eq!(nights.build(&USUAL).settled.gates.compared_with, Some(1));
    assert_eq!(
        (nights.store().held().unwrap(), nights.store().generations().unwrap()),
        (vec![2], vec![1, 3])
    );
}

#[test]
fn nulls_distinct_values_and_flags_are_watched() {
    let nights = Nights::usual();
    nights.held_by(&Night { without_balance: 140, ..USUAL }, &["null_rate balance"]);
    nights.held_by(&Night { without_balance: 60, ..USUAL }, &["null_rate balance"]);
    let gone =
        nights.held_by(&Night { without_balance: 1000, ..USUAL }, &["distinct balance", "null_rate balance"]);
    assert!(gone.iter().any(|check| check.note.as_deref() == Some("nobody has a value any more")));
    nights.held_by(&Night { countries: 20, ..USUAL }, &["distinct country"]);
    let flag = nights.held_by(&Night { flagged: 0, ..USUAL }, &["distinct flag"]);
    assert!(
        flag[0].note.as_deref().unwrap().starts_with("everybody has the same value now; 20.00 % had another")
    );
}

#[test]
fn malformed_json_is_compared_with_what_the_last_build_counted() {
    let mut nights = Nights::usual();
    let night = Night { malformed: 250, ..USUAL };
    nights.held_by(&night, &["malformed_json tokens", "null_rate tokens"]);
    nights.options.gates.null_rate = Some(Threshold::Off);
    nights.held_by(&night, &["malformed_json tokens"]);
    nights.store().write(&author::here(), "test").unwrap().publish_held(None, "known").unwrap();
    assert_eq!(nights.build(&Night { malformed: 300, ..USUAL }).settled.outcome, Outcome::Published);
    // Fewer are never held back, and without a count there is nothing to compare with.
    assert_eq!(nights.build(&USUAL).settled.outcome, Outcome::Published);
    let generation = nights.store().current_generation().unwrap().unwrap();
    std::fs::remove_file(nights.store().generation_dir(generation).join(GATES_FILE)).unwrap();
    assert_eq!(nights.build(&night).settled.outcome, Outcome::Published);
}

#[test]
fn columns_that_go_or_change_their_type_are_held_back_and_new_ones_shown() {
    let mut nights = Nights::usual();
    let gone = nights.held_by(&Night { with_score: false, ..USUAL }, &["schema score"]);
    assert_eq!(gone[0].note.as_deref(), Some("the column is gone"));
    let retyped = nights.held_by(&Night { texts_for_scores: true, ..USUAL }, &["schema score"]);
    assert_eq!(
        (&retyped[0].before, &retyped[0].after),
        (&Some(Figure::Text("Int64".into())), &Some(Figure::Text("String".into())))
    );
    nights.options.gates.schema = false;
    assert_eq!(nights.build(&Night { with_score: false, ..USUAL }).settled.outcome, Outcome::Published);
    let report = nights.build(&USUAL);
    assert_eq!(report.settled.outcome, Outcome::Published);
    let score = report.settled.gates.checks.iter().find(|check| check.name() == "schema score").unwrap();
    assert_eq!(score.note.as_deref(), Some("a new column"));
}

#[test]
fn the_counts_of_rules_are_compared_each_with_its_own_threshold() {
    let mut nights = Nights::usual();
    nights.options.gates.schema = false;
    let generous = WatchedRule { change_max: Some(Threshold::Share(2.0)), ..WatchedRule::of("NOT NOT flag") };
    nights.options.gates.rules = vec![
        WatchedRule::of("flag"),
        WatchedRule::of("score >= 0"),
        WatchedRule::of("{\"field\":\"flag\",\"operator\":\"=\",\"value\":true}"),
        generous,
    ];
    let tripped = nights.build(&Night { flagged: 300, ..USUAL });
    let names: Vec<String> =
        tripped.settled.gates.checks.iter().filter(|check| check.trips).map(Check::name).collect();
    assert!(names.contains(&"rule flag".to_owned()), "{names:?}");
    assert!(!names.contains(&"rule NOT NOT flag".to_owned()), "{names:?}");

    let held = nights.build(&Night { with_score: false, ..USUAL });
    let rule = held.settled.gates.checks.iter().find(|check| check.name() == "rule score >= 0").unwrap();
    assert!(rule.trips && rule.note.as_deref().unwrap().contains("score"), "{rule:?}");
    assert_eq!(rule.before, Some(Figure::Count(2_000)));
    // Back again after it was accepted, it is counted for the first time.
    nights.store().write(&author::here(), "test").unwrap().publish_held(None, "planned").unwrap();
    let back = nights.build(&USUAL);
    let rule = back.settled.gates.checks.iter().find(|check| check.name() == "rule score >= 0").unwrap();
    assert!(!rule.trips && rule.note.as_deref() == Some("counted for the first time"), "{rule:?}");
}

#[test]
fn a_rule_that_cannot_be_counted_holds_even_the_first_build_back() {
    let mut nights = Nights::new();
    nights.options.gates.rules = vec![WatchedRule::of("flag"), WatchedRule::of("flug")];
    let report = nights.build(&USUAL);
    assert_eq!((report.settled.outcome, report.settled.gates.checks.len()), (Outcome::Held, 1));
    assert!(report.settled.gates.text(false).contains("flag"), "{}", report.settled.gates.text(false));
}

#[test]
fn what_is_accepted_is_published_and_recorded() {
    let mut nights = Nights::usual();
    nights.options.accept = Some("the bots are gone".into());
    let report = nights.build(&Night { users: 1_000, ..USUAL });
    assert_eq!((report.settled.outcome, report.settled.gates.holds()), (Outcome::Accepted, true));
    let store = nights.store();
    let record = store.record(2).unwrap().unwrap();
    assert_eq!((record.event, record.reason.as_deref()), (EventKind::Accept, Some("the bots are gone")));
    assert_eq!(record.user, author::here().user);
    assert_eq!(store.history().unwrap().events.last().unwrap().event, EventKind::Accept);
    // Where nothing trips, nothing has to be accepted.
    assert_eq!(nights.build(&Night { users: 1_000, ..USUAL }).settled.outcome, Outcome::Published);
    assert_eq!(nights.store().record(3).unwrap().unwrap().reason, None);
}

#[test]
fn after_going_back_a_build_is_compared_with_the_one_in_service() {
    let mut nights = Nights::usual();
    nights.options.accept = Some("by mistake".into());
    nights.build(&Night { users: 1_000, ..USUAL });
    nights.options.accept = None;
    nights.store().write(&author::here(), "test").unwrap().rollback(None, None).unwrap();
    let report = nights.build(&USUAL);
    assert_eq!((report.settled.outcome, report.settled.gates.compared_with), (Outcome::Published, Some(1)));
    assert_eq!(nights.store().previous_of(3).unwrap(), Some(1));
}

#[test]
fn a_generation_in_service_that_cannot_be_read_holds_its_successor_back() {
    let nights = Nights::usual();
    std::fs::write(nights.store().generation_dir(1).join("manifest.json"), "{}").unwrap();
    let tripped = nights.held_by(&USUAL, &["in_service generation 1"]);
    assert!(tripped[0].note.as_deref().unwrap().contains("can't be read, so nothing is compared"));
}

#[test]
fn switched_off_gates_compare_nothing() {
    let mut nights = Nights::usual();
    nights.options.gates.enabled = false;
    let report = nights.build(&Night { users: 20, with_score: false, ..USUAL });
    assert_eq!((report.settled.outcome, report.settled.gates), (Outcome::Published, Verdict::default()));
}

#[test]
fn no_more_are_kept_than_told() {
    let mut nights = Nights::usual();
    nights.options.keep.generations = 2;
    nights.build(&USUAL);
    assert_eq!(nights.build(&USUAL).settled.collected.removed, [1]);
    nights.options.keep.held = 1;
    for held in 4..7 {
        let report = nights.build(&Night { users: 500, ..USUAL });
        assert_eq!((report.settled.outcome, report.generation), (Outcome::Held, held));
    }
    assert_eq!(
        (nights.store().held().unwrap(), nights.store().generations().unwrap()),
        (vec![6], vec![2, 3])
    );
}
