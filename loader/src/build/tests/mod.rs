//! Builds from Parquet files in temporary directories, good and bad.

mod joined;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array};
use muster_engine::rule::ast::Rule;
use muster_engine::schema::{ColumnType, HeldAs, ScalarType};
use parquet::arrow::ArrowWriter;

use super::*;
use crate::progress::NoProgress;
use crate::source::ParquetSource;
use crate::synth::{SynthOptions, synth};

fn options(dir: &Path) -> BuildOptions {
    let mut options = BuildOptions::from(&Config::default());
    options.store = dir.join("store");
    options
}

fn write(dir: &Path, columns: Vec<(&str, ArrayRef)>) -> ParquetSource {
    let path = dir.join("table.parquet");
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    ParquetSource::open(path.to_str().unwrap()).unwrap()
}

fn ids(ids: &[u64]) -> ArrayRef {
    Arc::new(UInt64Array::from(ids.to_vec()))
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn times(millis: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(millis.to_vec()))
}

/// How many users of the store in service a rule matches.
fn count(dir: &Path, rule: &str) -> u64 {
    let snapshot = Store::open(&dir.join("store")).unwrap().current().unwrap();
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    Audience::new(&snapshot, &Rule::parse(rule, &limits).unwrap(), &scope).unwrap().count()
}

fn failure(dir: &Path, source: &ParquetSource, options: &BuildOptions) -> String {
    let error = build(source, options, &NoProgress).unwrap_err().to_string();
    let left = std::fs::read_dir(dir.join("store/generations")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "something is left behind");
    error
}

#[test]
fn a_population_is_built_without_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    synth(&SynthOptions::new(3_000, dir.path().join("parquet")), &NoProgress).unwrap();
    let source = ParquetSource::open(dir.path().join("parquet").to_str().unwrap()).unwrap();
    let report = build(&source, &options(dir.path()), &NoProgress).unwrap();
    assert_eq!((report.rows, report.generation, report.duplicates_dropped), (3_000, 1, 0));
    assert_eq!(report.columns.len(), 50);
    assert!(report.phases.iter().map(|phase| phase.name.as_str()).eq(["read", "encode", "gates", "publish"]));
    let snapshot = Store::open(&dir.path().join("store")).unwrap().current().unwrap();
    snapshot.verify(&|_| {}).unwrap();
    let schema = snapshot.schema();
    let column = |name: &str| schema.column(name).unwrap().1;
    assert_eq!(column("erc20_token_holdings").held_as, HeldAs::JsonMap);
    assert_eq!(column("active_chains").ty, ColumnType::Array(ScalarType::String));
    assert_eq!(column("last_active_time").ty.to_string(), "DateTime");
    assert!(column("okx_kyc_expire_time").nullable && !column("country").nullable);
    let holdings = report.columns.iter().find(|column| column.name == "erc20_token_holdings").unwrap();
    assert!(holdings.distinct > 500 && holdings.json == Some(JsonFindings::default()));
    // The next build is the next generation.
    assert_eq!(build(&source, &options(dir.path()), &NoProgress).unwrap().generation, 2);
}

#[test]
fn of_several_rows_of_a_user_the_newest_counts() {
    let dir = tempfile::tempdir().unwrap();
    let source = write(
        dir.path(),
        vec![
            ("user_id", ids(&[7, 5, 7, 9, 5, 7, 8, 8])),
            ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5, 6, 7, 8]))),
            // 7: the middle one; 5: the last of two equal ones; 8: any time beats NULL.
            ("data_update_time", times(&[Some(1), Some(4), Some(3), None, Some(4), Some(2), Some(-5), None])),
        ],
    );
    let report = build(&source, &options(dir.path()), &NoProgress).unwrap();
    assert_eq!((report.rows, report.duplicates_dropped), (4, 4));
    let count = |rule: &str| count(dir.path(), rule);
    assert_eq!((count("n IN (3, 4, 5, 7)"), count("n IN (1, 2, 6, 8)")), (4, 0));
    assert_eq!(count("user_id = 5 AND n = 5"), 1);
    // Values of the rows that were left out are not in the snapshot at all.
    let snapshot = Store::open(&dir.path().join("store")).unwrap().current().unwrap();
    assert_eq!(snapshot.manifest().columns[0].distinct, 4);
    snapshot.verify(&|_| {}).unwrap();

    let without =
        write(dir.path(), vec![("user_id", ids(&[7, 5, 7, 9, 5, 8, 8])), ("n", ids(&[1, 2, 3, 4, 5, 6, 7]))]);
    let error = build(&without, &options(dir.path()), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("3 users have more than one row, among them 5, 7, 8"), "{error}");
}

#[test]
fn copies_in_a_sorted_table_are_found_too() {
    let dir = tempfile::tempdir().unwrap();
    let source = write(
        dir.path(),
        vec![("user_id", ids(&[1, 2, 2, 3])), ("v", texts(&[Some("a"), Some("b"), Some("c"), Some("d")]))],
    );
    let error = failure(dir.path(), &source, &options(dir.path()));
    assert!(error.contains("1 users have more than one row, among them 2"), "{error}");
    let mut named = options(dir.path());
    named.version = Some("v".into());
    let error = failure(dir.path(), &source, &named);
    assert!(error.contains("column `v`: a String can't tell the newest row"), "{error}");
}

#[test]
fn malformed_json_is_counted_with_examples() {
    let dir = tempfile::tempdir().unwrap();
    let json = [Some("{\"a\":1}"), Some("{oops"), None, Some("[]"), Some("{\"b\":null}")];
    let source = write(dir.path(), vec![("user_id", ids(&[1, 2, 3, 4, 5])), ("m", texts(&json))]);
    let mut with_json = options(dir.path());
    let column = ColumnOptions { json: Some(crate::columns::JsonKind::JsonMap), ..ColumnOptions::default() };
    with_json.columns.insert("m".into(), column);
    let report = build(&source, &with_json, &NoProgress).unwrap();
    let json = report.columns[0].json.as_ref().unwrap();
    assert_eq!((json.malformed, json.not_numbers, report.columns[0].present), (2, 1, 2));
    assert_eq!((json.examples[0].user_id, json.examples[0].text.as_str()), (2, "{oops"));
}

#[test]
fn tables_without_rows_or_features() {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), vec![("user_id", ids(&[])), ("t", texts(&[]))]);
    let error = failure(dir.path(), &source, &options(dir.path()));
    assert!(error.contains("has no rows"), "{error}");
    let mut empty = options(dir.path());
    empty.allow_empty = true;
    assert_eq!(build(&source, &empty, &NoProgress).unwrap().rows, 0);

    let dir = tempfile::tempdir().unwrap();
    let only_ids = write(dir.path(), vec![("user_id", ids(&[u64::MAX, 0, u64::MAX - 1]))]);
    let report = build(&only_ids, &options(dir.path()), &NoProgress).unwrap();
    assert_eq!((report.rows, report.columns.len()), (3, 0));
}

#[test]
fn what_the_configuration_names_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), vec![("user_id", ids(&[1])), ("country", texts(&[Some("US")]))]);
    let mut wrong = options(dir.path());
    wrong.user_id = "userid".into();
    assert!(
        failure(dir.path(), &source, &wrong)
            .contains("no column `userid`, which should hold the user ids; did you mean `user_id`")
    );
    let mut wrong = options(dir.path());
    wrong.columns.insert("contry".into(), ColumnOptions::default());
    assert!(failure(dir.path(), &source, &wrong).contains("did you mean `country`"));
    let mut wrong = options(dir.path());
    wrong.columns.insert("user_id".into(), ColumnOptions::default());
    assert!(failure(dir.path(), &source, &wrong).contains("is the key column"));
    let mut wrong = options(dir.path());
    wrong.time_zone = "Mars/Olympus".into();
    assert!(failure(dir.path(), &source, &wrong).contains("Mars/Olympus"));
}

#[test]
fn ids_are_whole_numbers_of_any_width() {
    let dir = tempfile::tempdir().unwrap();
    let signed = |values: Vec<Option<i64>>| -> ArrayRef { Arc::new(Int64Array::from(values)) };
    let source = write(dir.path(), vec![("user_id", signed(vec![Some(3), Some(0)]))]);
    assert_eq!(build(&source, &options(dir.path()), &NoProgress).unwrap().rows, 2);
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), vec![("user_id", signed(vec![Some(3), Some(-1)]))]);
    assert!(failure(dir.path(), &source, &options(dir.path())).contains("user id -1 is negative"));
    let source = write(dir.path(), vec![("user_id", signed(vec![Some(3), None]))]);
    assert!(failure(dir.path(), &source, &options(dir.path())).contains("a user id is NULL"));
    let source = write(dir.path(), vec![("user_id", texts(&[Some("x")]))]);
    assert!(failure(dir.path(), &source, &options(dir.path())).contains("must be integers"));
}

#[test]
fn skipped_columns_are_left_out_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let source = write(
        dir.path(),
        vec![
            ("user_id", ids(&[2, 2])),
            ("n", ids(&[1, 2])),
            ("data_update_time", times(&[Some(2), Some(1)])),
        ],
    );
    let mut skipping = options(dir.path());
    skipping
        .columns
        .insert("data_update_time".into(), ColumnOptions { skip: true, ..ColumnOptions::default() });
    let report = build(&source, &skipping, &NoProgress).unwrap();
    assert_eq!(
        (report.rows, report.columns.len(), report.skipped),
        (1, 1, vec!["data_update_time".to_owned()])
    );
}

/// Nothing of an erased user is in what is built next, in whichever of its inputs they are; and the file of masks still has those
/// who are in no source any more.
#[test]
fn erased_users_are_left_out_of_the_next_build() {
    use muster_engine::snapshot::MaskChange;

    let dir = tempfile::tempdir().unwrap();
    let source = write(
        dir.path(),
        vec![
            ("user_id", ids(&[10, 20, 30, 40])),
            ("name", texts(&[Some("amanda"), Some("bartholomew"), Some("amanda"), Some("carl")])),
            ("tags", texts(&[Some("{\"x\": 1}"), Some("{not json of 20"), None, Some("{\"y\": 2}")])),
        ],
    );
    let other_dir = tempfile::tempdir().unwrap();
    let other = write(
        other_dir.path(),
        vec![("user_id", ids(&[20, 30, 99])), ("nick", texts(&[Some("barty"), Some("mandy"), Some("zoe")]))],
    );
    let mut options = options(dir.path());
    options.gates.enabled = false;
    options.columns.insert("tags".into(), toml::from_str("as = \"json_map\"").unwrap());
    let input =
        |name, source| Input { name, source, user_id: "user_id", version: None, columns: None, prefix: "" };
    let inputs: [Input<'_>; 2] = [input("users", &source), input("names", &other)];
    let first = build_joined(&inputs, &options, &NoProgress).unwrap();
    assert_eq!((first.rows, first.erased), (4, 0));
    let store = Store::open(&dir.path().join("store")).unwrap();
    store.change_masks(&author::here(), MaskChange::Erase, &[20, 99, 12345]).unwrap();
    assert_eq!((count(dir.path(), "true"), count(dir.path(), "name = 'bartholomew'")), (3, 0));

    let report = build_joined(&inputs, &options, &NoProgress).unwrap();
    assert_eq!((report.rows, report.erased), (3, 1));
    assert_eq!(report.inputs.iter().map(|input| input.erased).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(report.inputs[1].strangers, 0);
    assert_eq!(serde_json::to_value(&report).unwrap()["erased"], 1);
    let malformed: Vec<_> = report.columns.iter().filter_map(|column| column.json.as_ref()).collect();
    assert!(malformed.iter().all(|found| found.examples.is_empty()), "{malformed:?}");
    let has = |generation: u64, text: &str| {
        let data = std::fs::read(store.generation_dir(generation).join("data.bin")).unwrap();
        data.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    };
    for text in ["bartholomew", "barty"] {
        assert_eq!((has(1, text), has(2, text)), (true, false), "{text}");
    }
    assert!(has(2, "amanda") && has(2, "mandy"));
    let snapshot = store.current().unwrap();
    snapshot.verify(&|_| {}).unwrap();
    assert_eq!((snapshot.rows(), snapshot.users(), snapshot.ids().row(20).unwrap()), (3, 3, None));
    assert_eq!(store.masks().unwrap().erased().collect::<Vec<_>>(), [20, 99, 12345]);
    // All of them at once leave an empty table, and it is one.
    store.change_masks(&author::here(), MaskChange::Erase, &[10, 30, 40]).unwrap();
    assert_eq!(build_joined(&inputs, &options, &NoProgress).unwrap().rows, 0);
    assert_eq!(count(dir.path(), "true"), 0);
}
