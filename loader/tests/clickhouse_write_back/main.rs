//! Members of labels in real servers: a current one, and an old one that knows no bitmaps. What readers see, what comes of writing
//! again, and of a server that goes away.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(dead_code)]
#[path = "../clickhouse/mod.rs"]
mod clickhouse;
#[allow(dead_code)]
#[path = "../clickhouse_source/proxy.rs"]
mod proxy;

mod breaking;
mod population;
mod reading;
mod refusing;

use clickhouse::ClickHouse;
use muster_loader::write_back::{Form, Report, Wanted, WriteBack, WriteBackConfig};
use population::Population;

/// How to write to a test's own database.
fn config(server: &ClickHouse, form: Form) -> WriteBackConfig {
    WriteBackConfig {
        url: Some(server.url().to_owned()),
        database: Some(server.database().to_owned()),
        form,
        retry_wait_ms: 1,
        ..WriteBackConfig::default()
    }
}

/// Writes what must not fail.
#[track_caller]
fn write(to: &WriteBack, wanted: &Wanted) -> Report {
    let report = to.write(wanted).unwrap();
    assert!(report.failed.is_empty() && report.ended.is_none(), "{report:?}");
    report
}

/// The ids that a table has of a label, ascending.
fn ids(server: &ClickHouse, form: Form, label: u64) -> Vec<u64> {
    let query = match form {
        Form::Rows => {
            format!("SELECT user_id FROM label_user_mapping WHERE label_id = {label} ORDER BY user_id")
        }
        Form::Bitmap => format!(
            "SELECT arrayJoin(bitmapToArray(users)) AS user_id FROM label_user_bitmap WHERE label_id = {label} ORDER BY user_id"
        ),
    };
    server.query(&query, "UTC").lines().map(|line| line.parse().unwrap()).collect()
}

fn table(form: Form) -> &'static str {
    match form {
        Form::Rows => "label_user_mapping",
        Form::Bitmap => "label_user_bitmap",
    }
}

/// The names of a table's parts: others if anything was written.
fn parts(server: &ClickHouse, form: Form) -> String {
    server.query(
        &format!(
            "SELECT name FROM system.parts WHERE active AND database = '{}' AND table = '{}' ORDER BY name",
            server.database(),
            table(form)
        ),
        "UTC",
    )
}

/// Tables besides the one that is wanted.
fn others(server: &ClickHouse, form: Form) -> String {
    let query = "SELECT name FROM system.tables WHERE database = ";
    server.query(&format!("{query}'{}' AND name != '{}'", server.database(), table(form)), "UTC")
}

fn members_are_the_engine_s(server: &ClickHouse, form: Form) {
    let population = Population::new(200_000);
    let rules = [
        (1, "n < 150000"),
        (2, "n >= 0"),
        (3, "n < 0"),
        (4, "n < 32"),
        (5, "n < 33"),
        (u64::MAX, "n % 2 = 1 OR n = 0"),
    ];
    let rules: Vec<(u64, &str)> =
        rules.into_iter().map(|(id, rule)| (id, if rule.contains('%') { "odd" } else { rule })).collect();
    let wanted = population.wanted(1, &rules);
    let to = WriteBack::new(&config(server, form)).unwrap();
    let report = write(&to, &wanted);
    assert_eq!((report.written, report.unchanged), if form == Form::Rows { (5, 1) } else { (6, 0) });
    for label in &wanted.labels {
        let mut members: Vec<u64> = label.audience.members(None).unwrap().flat_map(Result::unwrap).collect();
        members.sort_unstable();
        assert_eq!(ids(server, form, label.id), members, "label {}", label.id);
    }
    let times = format!("SELECT DISTINCT toUInt32(update_time) FROM {}", table(form));
    assert_eq!(server.query(&times, "UTC").trim(), population::AS_OF.to_string());
    assert_eq!(others(server, form), "", "nothing else stays");

    // Again: by the same one, and by another, who knows nothing.
    let before = parts(server, form);
    for to in [&to, &WriteBack::new(&config(server, form)).unwrap()] {
        let report = write(to, &wanted);
        assert_eq!((report.written, report.unchanged, report.removed), (0, 6, 0));
    }
    assert_eq!(parts(server, form), before, "nothing was written");

    // Who was erased, and who opted out, is in it no longer; the others stay as they are.
    population.mask(&[population::id(5)], &[population::id(40)]);
    let report = write(&to, &population.wanted(1, &rules));
    assert_eq!(report.written, 5, "who was masked was in all labels but the empty one and one of two");
    assert_eq!(ids(server, form, 5).len(), 32);
    assert!(!ids(server, form, 2).contains(&population::id(40)));

    // Another generation has another time. A label that is wanted no longer goes.
    let mut later = population.wanted(2, &rules[..3]);
    later.as_of += 86_400;
    let only = later.only.take();
    assert_eq!(write(&to, &later).removed, 0, "only where it is said which may be there");
    assert_eq!(ids(server, form, 5).len(), 32);
    later.only = only;
    let report = write(&to, &later);
    assert_eq!((report.written, report.removed), (0, 3));
    let left = format!("SELECT DISTINCT label_id FROM {} ORDER BY label_id", table(form));
    assert_eq!(
        server.query(&left, "UTC").replace('\n', " "),
        if form == Form::Rows { "1 2 " } else { "1 2 3 " }
    );

    // A label that has nobody any more.
    let report = write(&to, &population.wanted(3, &[(1, "n < 0"), (2, "n < 3"), (3, "n < 0")]));
    assert_eq!((report.written, report.unchanged), if form == Form::Rows { (2, 1) } else { (3, 0) });
    assert_eq!(ids(server, form, 1), [0; 0]);
    assert_eq!(ids(server, form, 2), [population::id(0), population::id(1), population::id(2)]);
}

#[test]
#[ignore = "needs ClickHouse"]
fn rows_are_the_members() {
    members_are_the_engine_s(&ClickHouse::connect(), Form::Rows);
}

#[test]
#[ignore = "needs ClickHouse"]
fn bitmaps_are_the_members() {
    members_are_the_engine_s(&ClickHouse::connect(), Form::Bitmap);
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn rows_of_an_old_server_are_the_members() {
    members_are_the_engine_s(&ClickHouse::connect_old(), Form::Rows);
}
