//! Somebody who reads all the time sees the members of before or those of now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use muster_loader::write_back::{Form, WriteBack};

use super::clickhouse::ClickHouse;
use super::population::Population;
use super::{config, table, write};

/// How often labels are replaced under the eyes of readers.
const ROUNDS: u64 = 20;

fn readers_see_one_or_the_other(server: &ClickHouse, form: Form) {
    let population = Population::new(100_000);
    let rules = [[(7, "n < 70000"), (8, "odd")], [(7, "n >= 40000"), (8, "NOT odd AND n < 10000")]];
    let to = WriteBack::new(&config(server, form)).unwrap();
    write(&to, &population.wanted(1, &rules[0]));
    let users = if form == Form::Rows { "count()" } else { "sum(bitmapCardinality(users))" };
    let query = format!(
        "SELECT {users}, uniqExact(update_time) FROM {} WHERE label_id = 7 UNION ALL \
         SELECT {users}, uniqExact(update_time) FROM {} WHERE label_id = 8",
        table(form),
        table(form)
    );
    let end = AtomicBool::new(false);
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let read = || {
            let mut seen = Vec::new();
            while !end.load(Ordering::Relaxed) {
                seen.extend(server.query(&query, "UTC").lines().map(str::to_owned));
            }
            seen
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        for round in 2..ROUNDS {
            let mut wanted = population.wanted(round, &rules[round as usize % 2]);
            wanted.as_of += round as i64;
            write(&to, &wanted);
        }
        end.store(true, Ordering::Relaxed);
        for reader in readers {
            for line in reader.join().unwrap() {
                *seen.entry(line).or_default() += 1;
            }
        }
    });
    let allowed = ["70000\t1", "60000\t1", "50000\t1", "5000\t1"];
    assert!(seen.keys().all(|line| allowed.contains(&line.as_str())), "{seen:?}");
    assert!(seen.len() == 4 && seen.values().all(|&times| times > 3), "too few looked: {seen:?}");
}

#[test]
#[ignore = "needs ClickHouse"]
fn who_reads_rows_sees_those_of_before_or_of_now() {
    readers_see_one_or_the_other(&ClickHouse::connect(), Form::Rows);
}

#[test]
#[ignore = "needs ClickHouse"]
fn who_reads_bitmaps_sees_those_of_before_or_of_now() {
    readers_see_one_or_the_other(&ClickHouse::connect(), Form::Bitmap);
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn who_reads_an_old_server_sees_the_rows_of_before_or_of_now() {
    readers_see_one_or_the_other(&ClickHouse::connect_old(), Form::Rows);
}

/// Replaces a label while the server merges many parts of it.
fn merges_bring_nothing_back(server: &ClickHouse) {
    let population = Population::new(1_000);
    let to = WriteBack::new(&config(server, Form::Rows)).unwrap();
    write(&to, &population.wanted(1, &[(7, "n < 10")]));
    for round in 2..5 {
        for part in 0..8 {
            let rows =
                format!("SELECT 7, number * 8 + {part}, toDateTime(1) FROM system.numbers LIMIT 500000");
            server.run(&format!("INSERT INTO label_user_mapping {rows}"), "UTC");
        }
        let mut wanted = population.wanted(round, &[(7, "n < 20")]);
        wanted.as_of += round as i64;
        write(&to, &wanted);
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        assert_eq!(super::ids(server, Form::Rows, 7).len(), 20);
    }
}

#[test]
#[ignore = "needs ClickHouse"]
fn a_merge_brings_nothing_back() {
    merges_bring_nothing_back(&ClickHouse::connect());
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn a_merge_of_an_old_server_brings_nothing_back() {
    merges_bring_nothing_back(&ClickHouse::connect_old());
}
