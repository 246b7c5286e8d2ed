//! Connections that break, and a server that is killed: what was there stays, and the next try makes it whole.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use muster_loader::write_back::{Form, WriteBack, WriteBackConfig};

use super::clickhouse::ClickHouse;
use super::population::Population;
use super::proxy::Proxy;
use super::{config, ids, others, write};

fn broken_connections_are_made_again(server: &ClickHouse, form: Form) {
    let population = Population::new(300_000);
    let before = [(1, "n < 1000"), (2, "odd")];
    write(&WriteBack::new(&config(server, form)).unwrap(), &population.wanted(1, &before));
    // Every answer, or what is sent, ends in the middle some times.
    for ended in 1..8 {
        let proxy = Proxy::that_takes(server.url(), 400_000, ended);
        let config = WriteBackConfig { url: Some(proxy.url()), retries: 20, ..config(server, form) };
        let mut wanted = population.wanted(1 + ended, &[(1, "n >= 1000"), (2, "NOT odd")]);
        wanted.as_of += ended as i64;
        write(&WriteBack::new(&config).unwrap(), &wanted);
        assert_eq!(ids(server, form, 1).len(), 299_000);
        assert_eq!(ids(server, form, 2).len(), 150_000);
    }
    assert_eq!(others(server, form), "", "nothing else stays");
    // And always: what is there stays.
    let proxy = Proxy::that_takes(server.url(), 400_000, u64::MAX);
    let broken = WriteBackConfig { url: Some(proxy.url()), retries: 2, ..config(server, form) };
    let mut wanted = population.wanted(20, &[(1, "n < 250000"), (2, "n < 5")]);
    wanted.as_of += 20;
    let report = WriteBack::new(&broken).unwrap().write(&wanted).unwrap();
    let ended = report.ended.unwrap().to_string();
    assert!(ended.contains("label `label 1`") && ended.contains("tried 3 times"), "{ended}");
    assert_eq!((ids(server, form, 1).len(), ids(server, form, 2).len()), (299_000, 150_000));
}

#[test]
#[ignore = "needs ClickHouse"]
fn rows_whose_connection_breaks_are_sent_again() {
    broken_connections_are_made_again(&ClickHouse::connect(), Form::Rows);
}

#[test]
#[ignore = "needs ClickHouse"]
fn bitmaps_whose_connection_breaks_are_sent_again() {
    broken_connections_are_made_again(&ClickHouse::connect(), Form::Bitmap);
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn rows_for_an_old_server_whose_connection_breaks_are_sent_again() {
    broken_connections_are_made_again(&ClickHouse::connect_old(), Form::Rows);
}

/// A server of this test's own that can be killed.
struct Mortal {
    fixture: Child,
    port: u16,
}

impl Mortal {
    fn start(dir: &Path, port: u16) -> Self {
        // That of one that was killed.
        let _ = std::fs::remove_file(dir.join("url"));
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/old_clickhouse_server.py");
        let fixture = Command::new("python3")
            .args([script, dir.to_str().unwrap(), "--http-port", &port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !dir.join("url").exists() {
            assert!(begun.elapsed() < Duration::from_mins(1), "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { fixture, port }
    }

    fn ask(&self, query: &str) -> String {
        let mut answer = ureq::post(format!("http://127.0.0.1:{}/", self.port)).send(query).unwrap();
        answer.body_mut().read_to_string().unwrap().trim().to_owned()
    }

    /// Ends the server itself as a failure of power would; its data stays.
    fn kill(mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.fixture.id());
        for pid in std::fs::read_to_string(children).unwrap().split_whitespace() {
            Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status().unwrap();
        }
        self.fixture.wait().unwrap();
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // The fixture ends its server.
        let _ = Command::new("kill").arg(self.fixture.id().to_string()).status();
        let _ = self.fixture.wait();
    }
}

#[test]
#[ignore = "needs an old ClickHouse"]
fn a_server_that_is_killed_is_made_whole_by_the_next_write() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let population = Population::new(400_000);
    let config = WriteBackConfig {
        url: Some(format!("http://127.0.0.1:{port}")),
        retries: 1,
        retry_wait_ms: 1,
        ..WriteBackConfig::default()
    };
    let (old, new) = ([(1, "odd"), (2, "n < 9")], [(1, "n >= 100000"), (2, "n >= 100001")]);
    let count = "SELECT label_id, count() FROM label_user_mapping GROUP BY label_id ORDER BY label_id";
    let mut server = Mortal::start(dir.path(), port);
    let mut cut_short = 0;
    for round in 1..=6_u32 {
        write(&WriteBack::new(&config).unwrap(), &population.wanted(1, &old));
        assert_eq!(server.ask(count), "1\t200000\n2\t9");
        let report = std::thread::scope(|scope| {
            let to = WriteBack::new(&config).unwrap();
            let writing = scope.spawn({
                let wanted = population.wanted(2, &new);
                move || to.write(&wanted)
            });
            std::thread::sleep(Duration::from_millis(u64::from(round) * 40));
            server.kill();
            writing.join().unwrap()
        });
        cut_short += u32::from(!report.is_ok_and(|report| report.ended.is_none()));
        server = Mortal::start(dir.path(), port);
        // An old server that is killed soon after it replaced partitions has what it replaced as well, but never a part of it.
        let found = server.ask(count);
        let counts: Vec<u64> =
            found.lines().map(|line| line.split('\t').next_back().unwrap().parse().unwrap()).collect();
        let is_whole = |users: u64, [old, new]: [u64; 2]| {
            (0..30).any(|times| users >= times * new && (users - times * new).is_multiple_of(old))
        };
        assert!(is_whole(counts[0], [200_000, 300_000]) && is_whole(counts[1], [9, 299_999]), "{found}");
        write(&WriteBack::new(&config).unwrap(), &population.wanted(2, &new));
        assert_eq!(server.ask(count), "1\t300000\n2\t299999");
    }
    assert!(cut_short > 0, "every write was done before the server was killed");
}
