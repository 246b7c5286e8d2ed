//! `muster serve` as a process: killed and started again, and told to end while it is asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{build, command, folder, source};

/// Nothing takes so long that is not broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server, killed when it is dropped.
pub(crate) struct Serving {
    process: Child,
    http: String,
}

impl Serving {
    pub(crate) fn start(store: &Path) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (grpc, http) = (free(), free());
        let mut serve = command(&["serve", "--grpc", &grpc, "--http", &http]);
        serve.arg("--store").arg(store).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: serve.spawn().unwrap(), http }
    }

    /// Waits until it says that it is ready, and tells how long that took.
    pub(crate) fn ready(&self) -> Duration {
        let begun = Instant::now();
        while !get(&self.http, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(begun.elapsed() < PATIENCE, "it is never ready");
            std::thread::sleep(Duration::from_millis(5));
        }
        begun.elapsed()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a server answers on a connection of its own: all of it, or nothing.
fn exchange(http: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(http).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Ok(_) => (!answer.is_empty()).then_some(answer),
        Err(error) => {
            assert!(answer.is_empty(), "an answer was cut: {error} after {answer}");
            None
        }
    }
}

fn get(http: &str, path: &str) -> Option<String> {
    exchange(http, &format!("GET {path} HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\n\r\n"))
}

fn count(http: &str, rule: &str) -> Option<String> {
    let body = format!("{{\"rule\": \"{rule}\"}}");
    exchange(
        http,
        &format!(
            "POST /api/v1/audience/count HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

#[test]
fn a_server_that_was_killed_is_ready_again_within_a_second() {
    let store = folder("serve-killed");
    build(&store, source()).ends_with(0);
    let first = Serving::start(&store);
    first.ready();
    let before = count(&first.http, "has_poh").unwrap();
    // SIGKILL.
    drop(first);
    let begun = Instant::now();
    let second = Serving::start(&store);
    second.ready();
    let took = begun.elapsed();
    let users =
        |answer: &str| answer.split("\"count\":").nth(1).unwrap().split(',').next().unwrap().to_owned();
    let after = count(&second.http, "has_poh").unwrap();
    assert_eq!(users(&after), users(&before));
    assert!(took < Duration::from_secs(1), "ready after {took:?}");
    println!("ready after {took:?}");
}

#[test]
fn a_server_that_is_told_to_end_answers_what_it_accepted_and_ends_well() {
    let store = folder("serve-ended");
    build(&store, source()).ends_with(0);
    let mut server = Serving::start(&store);
    server.ready();
    let (answered, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            let (http, answered, end) = (server.http.clone(), Arc::clone(&answered), Arc::clone(&end));
            std::thread::spawn(move || {
                for number in 0.. {
                    if end.load(Ordering::Relaxed) {
                        break;
                    }
                    let rule = format!("bucket('{caller}-{number}', 0, 50) AND has_poh");
                    // Nothing at all means that it was not accepted, or that nobody listens any more.
                    if let Some(answer) = count(&http, &rule) {
                        let whole = answer.starts_with("HTTP/1.1 200") && answer.trim_end().ends_with('}');
                        assert!(whole, "{answer}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while answered.load(Ordering::Relaxed) < 100 {
        assert!(begun.elapsed() < PATIENCE, "too few answers");
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = Command::new("kill").args(["-TERM", &server.process.id().to_string()]).status().unwrap();
    assert!(told.success());
    let begun = Instant::now();
    let status = server.process.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(10), "it ended after {:?}", begun.elapsed());
    end.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.join().unwrap();
    }
}
