//! Builds from several tables, and columns derived from others.

use arrow_array::BooleanArray;
use muster_engine::snapshot::Store;

use super::*;

fn flags(values: &[bool]) -> ArrayRef {
    Arc::new(BooleanArray::from(values.to_vec()))
}

fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// A table in a folder of its own.
fn table(dir: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) -> ParquetSource {
    std::fs::create_dir_all(dir.join(name)).unwrap();
    write(&dir.join(name), columns)
}

fn input<'a>(name: &'a str, source: &'a ParquetSource) -> Input<'a> {
    Input { name, source, user_id: "user_id", version: None, columns: None, prefix: "" }
}

fn bases(dir: &Path) -> ParquetSource {
    let country = texts(&[Some("US"), Some("CN"), None, Some("US")]);
    table(dir, "base", vec![("user_id", ids(&[40, 10, 30, 20])), ("country", country)])
}

#[test]
fn tables_are_joined_by_user_on_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let base = bases(dir.path());
    let kyc = table(
        dir.path(),
        "kyc",
        vec![
            ("user_id", ids(&[10, 99, 20, 10])),
            ("level", numbers(&[Some(1), Some(7), Some(3), Some(2)])),
            ("data_update_time", times(&[Some(1), Some(1), Some(1), Some(2)])),
        ],
    );
    let chain = table(
        dir.path(),
        "chain",
        vec![("wallet_owner", ids(&[30, 40])), ("level", numbers(&[Some(5), None])), ("other", ids(&[1, 2]))],
    );
    let level = ["level".to_owned()];
    let inputs = [
        input("source", &base),
        input("kyc", &kyc),
        Input { user_id: "wallet_owner", columns: Some(&level), prefix: "chain_", ..input("chain", &chain) },
    ];
    for row_order in [RowOrder::Given, RowOrder::Columns(vec!["chain_level".into(), "country".into()])] {
        let options = BuildOptions { row_order, ..options(dir.path()) };
        let report = build_joined(&inputs, &options, &NoProgress).unwrap();
        assert_eq!(report.rows, 4);
        let counts: Vec<(u64, u64, u64, u64)> =
            report.inputs.iter().map(|i| (i.rows, i.older, i.strangers, i.missing)).collect();
        assert_eq!(counts, [(4, 0, 0, 0), (4, 1, 1, 2), (2, 0, 0, 2)]);
        assert!(report.columns.iter().map(|c| c.name.as_str()).eq(["country", "level", "chain_level"]));
        for (rule, want) in [
            ("level = 2 AND user_id = 10", 1),
            ("level = 3 AND user_id = 20", 1),
            ("level IN (1, 7)", 0),
            // A user that a table lacks has no value there.
            ("level IS NULL AND user_id IN (30, 40)", 2),
            ("chain_level = 5 AND country IS NULL", 1),
            ("chain_level IS NULL", 3),
            ("NOT (level = 2)", 1),
        ] {
            assert_eq!(count(dir.path(), rule), want, "{rule}");
        }
        Store::open(&dir.path().join("store")).unwrap().current().unwrap().verify(&|_| {}).unwrap();
    }
}

#[test]
fn a_column_of_two_tables_names_both() {
    let dir = tempfile::tempdir().unwrap();
    let base = bases(dir.path());
    let other = table(dir.path(), "other", vec![("user_id", ids(&[10])), ("country", texts(&[Some("x")]))]);
    let inputs = [input("source", &base), input("other", &other)];
    let error = build_joined(&inputs, &options(dir.path()), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("`country` comes from `source` and from `other`"), "{error}");
    let columns = ["county".to_owned()];
    let inputs = [input("source", &base), Input { columns: Some(&columns), ..input("other", &other) }];
    let error = build_joined(&inputs, &options(dir.path()), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("no column `county`") && error.contains("`country`"), "{error}");
    assert!(!dir.path().join("store").exists());
}

#[test]
fn several_rows_of_a_user_in_a_joined_table_are_refused_without_a_version() {
    let dir = tempfile::tempdir().unwrap();
    let base = bases(dir.path());
    let other = table(dir.path(), "other", vec![("user_id", ids(&[10, 10])), ("n", ids(&[1, 2]))]);
    let inputs = [input("source", &base), input("other", &other)];
    let error = build_joined(&inputs, &options(dir.path()), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("1 users have more than one row, among them 10"), "{error}");
}

fn derived(rules: &[(&str, &str)]) -> BTreeMap<String, DerivedColumn> {
    rules.iter().map(|&(name, rule)| (name.to_owned(), DerivedColumn { rule: rule.to_owned() })).collect()
}

fn kyc(dir: &Path) -> ParquetSource {
    table(
        dir,
        "kyc",
        vec![
            ("user_id", ids(&[1, 2, 3, 4])),
            ("has_kyc", flags(&[true, true, false, true])),
            // In milliseconds: expired, valid, valid, unknown.
            ("expires", times(&[Some(1_000_000), Some(5_000_000), Some(5_000_000), None])),
            ("score", numbers(&[Some(1), Some(2), None, Some(4)])),
        ],
    )
}

#[test]
fn a_flag_that_expires_is_derived_at_build_time() {
    let dir = tempfile::tempdir().unwrap();
    let source = kyc(dir.path());
    let mut deriving = BuildOptions { as_of: 2000, ..options(dir.path()) };
    deriving.derived =
        derived(&[("has_kyc", "has_kyc AND expires > now()"), ("scored", "score > 1 OR has_kyc")]);
    deriving.columns.insert("expires".into(), ColumnOptions { skip: true, ..ColumnOptions::default() });
    let report = build(&source, &deriving, &NoProgress).unwrap();
    // It takes the place of the flag that it replaces; what was only looked at is gone.
    assert!(report.columns.iter().map(|c| c.name.as_str()).eq(["has_kyc", "score", "scored"]));
    assert!(report.phases.iter().any(|phase| phase.name == "derive"));
    let counts: Vec<u64> = [
        "has_kyc",
        "has_kyc AND user_id = 2",
        "NOT has_kyc",
        "has_kyc IS NULL",
        // Of the flag as the source has it.
        "scored",
        "NOT scored AND user_id = 3",
        "score IS NULL",
    ]
    .iter()
    .map(|rule| count(dir.path(), rule))
    .collect();
    assert_eq!(counts, [1, 1, 3, 0, 3, 1, 1]);
    let snapshot = Store::open(&dir.path().join("store")).unwrap().current().unwrap();
    snapshot.verify(&|_| {}).unwrap();
    assert!(snapshot.schema().column("expires").is_none());
}

#[test]
fn a_wrong_rule_is_refused_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = kyc(dir.path());
    for (name, rule, want) in [
        ("a", "has_kyk", "did you mean"),
        ("a", "has_kyc AND", "[derived.a]"),
        ("a", "score LIKE 'x'", "[derived.a]"),
        ("user_id", "has_kyc", "is the key column"),
        ("a", "label('x')", "[derived.a]"),
    ] {
        let wrong = BuildOptions { derived: derived(&[(name, rule)]), ..options(dir.path()) };
        let error = build(&source, &wrong, &NoProgress).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    assert!(!dir.path().join("store").exists());
}
