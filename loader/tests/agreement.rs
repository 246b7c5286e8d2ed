//! A store whose source has changed since: a row changed, a user removed, a user added. The comparison names exactly these users,
//! with what both sides have of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt64Array};
use arrow_select::concat::concat_batches;
use muster_engine::execute::Audience;
use muster_engine::rule::ast::Rule;
use muster_engine::rule::bind::Scope;
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};
use muster_loader::agreement::{Agreement, Closeness, Rebuilt, Side, compare, made_rules};
use muster_loader::build::{BuildOptions, build};
use muster_loader::config::Config;
use muster_loader::progress::NoProgress;
use muster_loader::source::ParquetSource;
use muster_loader::synth::{DEFAULT_REFERENCE, SynthOptions, synth};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Enough that audiences are cut into ranges before they are listed.
const USERS: u64 = 20_000;
const BALANCE: f64 = 123_456_789.25;
const ADDED: u64 = u64::MAX - 5;

struct Trial {
    snapshot: Arc<Snapshot>,
    rebuilt: Rebuilt,
    _dir: tempfile::TempDir,
}

/// What was done to the source.
struct Changes {
    changed: u64,
    removed: u64,
    balance_before: f64,
}

impl Trial {
    fn new(change: impl FnOnce(RecordBatch) -> RecordBatch) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("parquet");
        synth(&SynthOptions::new(USERS, &path), &NoProgress).unwrap();
        let source = ParquetSource::open(path.to_str().unwrap()).unwrap();
        let mut options = BuildOptions::from(&Config::default());
        options.store = dir.path().join("store");
        options.as_of = DEFAULT_REFERENCE;
        build(&source, &options, &NoProgress).unwrap();
        let snapshot = Store::open(&options.store).unwrap().current().unwrap();

        let changed = dir.path().join("changed.parquet");
        write(&changed, &change(read(source.paths())));
        let changed = ParquetSource::open(changed.to_str().unwrap()).unwrap();
        let folder = dir.path().join("again");
        std::fs::create_dir(&folder).unwrap();
        let rebuilt = Rebuilt::new(&changed, &options, &folder, DEFAULT_REFERENCE, &NoProgress).unwrap();
        Self { snapshot, rebuilt, _dir: dir }
    }

    fn compare(&self, rule: &str, differences: usize) -> Agreement {
        let limits = Limits::default();
        let scope = Scope { now: DEFAULT_REFERENCE, labels: &NoLabels, limits: &limits };
        let rule = Rule::parse(rule, &limits).unwrap();
        let audience = Audience::new(&self.snapshot, &rule, &scope).unwrap();
        compare(&audience, &self.rebuilt, Closeness { sample: 100, differences }).unwrap()
    }
}

fn read<'a>(paths: impl Iterator<Item = &'a Path>) -> RecordBatch {
    let batches: Vec<RecordBatch> = paths
        .flat_map(|path| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
            reader.build().unwrap().map(Result::unwrap)
        })
        .collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// Changes the balance of one user, removes another and adds a third, who is a copy of the first but for the id.
fn changed(batch: &RecordBatch) -> (RecordBatch, Changes) {
    let ids = batch.column_by_name("user_id").unwrap().as_primitive::<UInt64Type>();
    let balances = batch.column_by_name("balance_usd").unwrap().as_primitive::<Float64Type>();
    let row =
        (9_000..batch.num_rows()).find(|&row| balances.is_valid(row) && balances.value(row) > 1.0).unwrap();
    let removed = row + 5_000;
    let changes =
        Changes { changed: ids.value(row), removed: ids.value(removed), balance_before: balances.value(row) };
    let added =
        with_column(&batch.slice(row, 1), "user_id", Arc::new(UInt64Array::from(vec![ADDED])) as ArrayRef);
    let balances: Float64Array = balances
        .iter()
        .enumerate()
        .map(|(at, balance)| if at == row { Some(BALANCE) } else { balance })
        .collect();
    let batch_changed = with_column(batch, "balance_usd", Arc::new(balances));
    let rest = batch.num_rows() - removed - 1;
    let parts = [batch_changed.slice(0, removed), batch_changed.slice(removed + 1, rest), added];
    (concat_batches(&batch.schema(), &parts).unwrap(), changes)
}

fn sides(agreement: &Agreement) -> BTreeMap<u64, Side> {
    agreement.differing.iter().map(|difference| (difference.user, difference.side)).collect()
}

#[test]
fn a_source_that_has_changed_is_told_user_by_user() {
    let mut changes = None;
    let trial = Trial::new(|batch| {
        let (batch, made) = changed(&batch);
        changes = Some(made);
        batch
    });
    let Changes { changed, removed, balance_before } = changes.unwrap();

    let all = trial.compare("true", 10);
    assert_eq!((all.agrees, all.count, all.expected, all.more), (false, USERS, USERS, false));
    assert_eq!(sides(&all), [(removed, Side::OnlyHere), (ADDED, Side::OnlyThere)].into());
    assert!(all.differing[0].there.is_empty() && all.differing[0].here.is_some(), "{all:?}");
    assert!(all.differing[1].there.len() == 1 && all.differing[1].here.is_none(), "{all:?}");

    let rich = trial.compare("balance_usd >= 123456789 AND has_poh IS NOT NULL", 10);
    assert_eq!((rich.count + 1, rich.expected), (rich.expected, rich.expected));
    assert_eq!(sides(&rich), [(changed, Side::OnlyThere)].into());
    let difference = &rich.differing[0];
    assert_eq!(difference.here.as_ref().unwrap()["balance_usd"], balance_before.to_string());
    assert_eq!(difference.there[0]["balance_usd"], BALANCE.to_string());

    let as_before = trial.compare(&format!("balance_usd = {balance_before}"), 10);
    assert_eq!(sides(&as_before), [(changed, Side::OnlyHere), (ADDED, Side::OnlyThere)].into());

    let first = trial.compare("true", 1);
    assert_eq!((sides(&first), first.more), ([(removed, Side::OnlyHere)].into(), true));
    let none = trial.compare("true", 0);
    assert!(!none.agrees && none.differing.is_empty() && none.more);
    let untouched = trial.compare("country = 'no such country' OR user_id < 1001000", 10);
    assert!(untouched.agrees && untouched.count > 0 && untouched.differing.is_empty(), "{untouched:?}");
}

#[test]
fn many_differences_are_cut_off_at_the_lowest_ids() {
    let trial = Trial::new(|batch| batch.slice(0, 3_000));
    let all = trial.compare("true", 10);
    assert_eq!((all.count, all.expected, all.differing.len(), all.more), (USERS, 3_000, 10, true));
    let rebuilt = trial.compare("true", usize::MAX);
    assert_eq!((rebuilt.differing.len() as u64, rebuilt.more), (USERS - 3_000, false));
    assert!(rebuilt.differing.iter().all(|difference| difference.side == Side::OnlyHere));
    assert!(rebuilt.differing.is_sorted_by_key(|difference| difference.user));
    assert_eq!(all.differing[..], rebuilt.differing[..10]);
}

#[test]
fn made_rules_look_at_every_column_and_find_what_has_changed() {
    let trial = Trial::new(|batch| changed(&batch).0);
    let rules = made_rules(&trial.snapshot).unwrap();
    let texts: Vec<String> = rules.iter().map(Rule::to_string).collect();
    for column in &trial.snapshot.schema().columns {
        let rules: Vec<&String> = texts.iter().filter(|text| text.contains(&column.name)).collect();
        assert!(rules.len() >= 2, "{}: {rules:?}", column.name);
    }
    let mut differ = 0;
    for rule in &texts {
        let agreement = trial.compare(rule, 3);
        differ += usize::from(!agreement.agrees);
        assert_eq!(agreement.agrees, agreement.differing.is_empty(), "{rule}");
    }
    // A user removed and another added are in many audiences, and not in many others.
    assert!(differ > 20 && differ < texts.len(), "{differ} of {}", texts.len());
}
