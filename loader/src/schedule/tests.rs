//! Schedules whose builds are small shell scripts, and webhooks that are real HTTP servers of a thread.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::progress::Step;

/// A schedule in a folder of its own, whose build is a script.
struct Place {
    dir: TempDir,
    config: ScheduleConfig,
    script: String,
    timeout: Duration,
}

impl Place {
    fn new(script: &str) -> Self {
        let config = ScheduleConfig {
            cron: Some("30 5 * * *".to_owned()),
            retry_after_seconds: 0,
            retries: 2,
            ..ScheduleConfig::default()
        };
        let dir = tempfile::tempdir().unwrap();
        Self { dir, config, script: script.to_owned(), timeout: Duration::from_mins(1) }
    }

    fn store(&self) -> std::path::PathBuf {
        self.dir.path().join("store")
    }

    fn schedule(&self) -> Schedule {
        let job = Job {
            program: "/bin/sh".into(),
            arguments: ["-c", &self.script].map(Into::into).to_vec(),
            environment: vec![("DIR".into(), self.dir.path().into())],
            timeout: self.timeout,
        };
        Schedule::new(&self.config, &self.store(), "UTC", job).unwrap()
    }

    fn once(&self) -> Run {
        self.schedule().run_once(&Stop::new()).unwrap()
    }

    fn history(&self) -> Vec<Run> {
        self.schedule().history().unwrap().runs().to_vec()
    }

    /// Remembers a run that ended long ago.
    fn remember(&self, started: &str, outcome: Outcome) {
        fs::create_dir_all(self.store()).unwrap();
        let started = started.parse().unwrap();
        let run = Run {
            due: started,
            cause: Cause::Time,
            started,
            ended: (outcome != Outcome::Running).then_some(started),
            outcome,
            attempts: 1,
            error: None,
            report: serde_json::Map::new(),
        };
        self.schedule().history().unwrap().add(run).unwrap();
    }
}

/// An HTTP server that answers with these statuses, one a request, and keeps what it was sent.
fn server(statuses: &'static [u16]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hooks/T0/s3cret", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    thread::spawn(move || {
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            kept.lock().unwrap().push(request(&mut stream));
            write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (address, requests)
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        let read = stream.read(&mut some).unwrap();
        bytes.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        assert!(read > 0, "{text}");
    }
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_that_publishes_is_remembered_with_its_figures() {
    let place = Place::new(r#"echo '{"generation": 7, "rows": 12, "columns": [{"name": "x"}]}'"#);
    let run = place.once();
    assert_eq!((run.outcome, run.attempts, run.generation()), (Outcome::Published, 1, Some(7)), "{run:?}");
    assert_eq!(run.report.keys().collect::<Vec<_>>(), ["generation", "rows"]);
    assert_eq!(place.history(), [run]);
}

#[test]
fn what_fails_is_tried_again_but_not_what_is_held_or_badly_said() {
    let failing = Place::new("echo x >> $DIR/tries; echo 'muster: the source is away' >&2; exit 3");
    let run = failing.once();
    assert_eq!((run.outcome, run.attempts), (Outcome::Failed, 3));
    assert_eq!(run.error.as_deref(), Some("the source is away"));
    assert_eq!(fs::read_to_string(failing.dir.path().join("tries")).unwrap().len(), 6);

    let recovering = Place::new(
        "echo x >> $DIR/tries; [ $(wc -l < $DIR/tries) -ge 2 ] || exit 3; echo '{\"generation\": 2}'",
    );
    let run = recovering.once();
    assert_eq!((run.outcome, run.attempts, run.error), (Outcome::Published, 2, None));

    let held = Place::new("echo 'muster: warning: x' >&2; echo '{\"generation\": 8}'; exit 1").once();
    assert_eq!((held.outcome, held.attempts, held.generation()), (Outcome::Held, 1, Some(8)));
    assert_eq!(held.error, None);
    let usage = Place::new("echo 'error: unexpected argument' >&2; exit 2").once();
    assert_eq!((usage.outcome, usage.attempts), (Outcome::Failed, 1));
    assert_eq!(usage.error.as_deref(), Some("unexpected argument"));
    let killed =
        Place { config: ScheduleConfig { retries: 0, ..Default::default() }, ..Place::new("kill -9 $$") }
            .once();
    assert!(killed.error.unwrap().contains("signal 9"));
}

#[test]
fn a_build_that_hangs_is_ended() {
    let mut place = Place::new("sleep 60 & wait");
    place.timeout = Duration::from_millis(200);
    place.config.retries = 0;
    let begun = Instant::now();
    let run = place.once();
    assert_eq!(run.outcome, Outcome::Failed);
    assert!(run.error.unwrap().contains("longer than") && begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn the_webhook_is_told_of_failures_holds_and_recoveries_with_its_secret() {
    let (address, requests) = server(&[503, 200, 200, 200]);
    let mut place = Place::new("cat $DIR/said >&2; cat $DIR/report; exit $(cat $DIR/status)");
    let say = |status: &str, report: &str, said: &str| {
        for (name, text) in [("status", status), ("report", report), ("said", said)] {
            fs::write(place.dir.path().join(name), text).unwrap();
        }
    };
    say("3", "", "muster: no connection to the \"source\"");
    fs::write(place.dir.path().join("secret"), "Bearer t0ken\n").unwrap();
    place.config.webhook = Some(Secret::new(address));
    place.config.webhook_secret_file = Some(place.dir.path().join("secret"));
    place.config.retries = 0;
    let run = place.once();
    assert_eq!(run.outcome, Outcome::Failed);
    // Told again after the server's fault.
    assert_eq!(requests.lock().unwrap().len(), 2);
    let told = requests.lock().unwrap()[1].clone();
    assert!(
        told.starts_with("POST /hooks/T0/s3cret HTTP/1.1\r\n") && told.contains("Bearer t0ken"),
        "{told}"
    );
    let message = body(&told);
    let text = message["text"].as_str().unwrap();
    assert!(text.contains("failed after 1 try: no connection to the \"source\""), "{text}");
    assert_eq!((&message["event"], &message["run"]["outcome"]), (&"failed".into(), &"failed".into()));

    fs::write(place.dir.path().join("status"), "1").unwrap();
    fs::write(place.dir.path().join("report"), "{\"generation\": 8}").unwrap();
    fs::write(place.dir.path().join("said"), "").unwrap();
    place.once();
    let text = body(&requests.lock().unwrap()[2])["text"].as_str().unwrap().to_owned();
    assert!(text.contains("generation 8") && text.contains("muster publish"), "{text}");

    fs::write(place.dir.path().join("status"), "0").unwrap();
    place.once();
    assert_eq!(body(&requests.lock().unwrap()[3])["event"], "recovered");
    // Well after well is nothing to tell: the server is gone, and nothing waits for it.
    let begun = Instant::now();
    place.once();
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_webhook_that_does_not_answer_holds_nothing_up() {
    // It takes connections and never says a word.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut place = Place::new("exit 3");
    place.config.webhook = Some(Secret::new(format!("http://{}/", deaf.local_addr().unwrap())));
    place.config.retries = 0;
    place.config.cron = Some("* * * * *".to_owned());
    let stop = Stop::new();
    let begun = Instant::now();
    thread::scope(|scope| {
        let running = scope.spawn(|| place.schedule().run(&stop));
        until(|| place.history().last().is_some_and(|run| run.outcome == Outcome::Failed));
        assert!(begun.elapsed() < Duration::from_secs(8), "the run waited for the webhook");
        stop.request();
        running.join().unwrap().unwrap();
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_schedule_starts_at_once_what_was_missed_and_ends_its_build_when_it_is_stopped() {
    let place = Place::new("echo $$ > $DIR/pid; exec sleep 60");
    place.remember("2026-11-01T05:30:00Z", Outcome::Published);
    place.remember("2026-11-02T05:30:00Z", Outcome::Running);
    let stop = Stop::new();
    thread::scope(|scope| {
        let running = scope.spawn(|| place.schedule().run(&stop));
        until(|| fs::read_to_string(place.dir.path().join("pid")).is_ok_and(|pid| pid.ends_with('\n')));
        let other = place.schedule().run_once(&Stop::new()).unwrap_err().to_string();
        assert!(other.contains("another schedule is running"), "{other}");
        stop.request();
        running.join().unwrap().unwrap();
    });
    let pid = fs::read_to_string(place.dir.path().join("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the build goes on");
    let history = place.history();
    let outcomes: Vec<Outcome> = history.iter().map(|run| run.outcome).collect();
    assert_eq!(outcomes, [Outcome::Published, Outcome::Interrupted, Outcome::Interrupted]);
    assert_eq!((history[2].cause, history[2].due), (Cause::Missed, "2026-11-02T05:30:00Z".parse().unwrap()));
}

#[test]
fn nothing_is_missed_where_a_run_was_or_nobody_wants_it() {
    let missed = |place: &Place, now: &str| {
        let schedule = place.schedule();
        let running = Running::start(&schedule).unwrap();
        running.missed(schedule.cron().unwrap(), now.parse().unwrap()).unwrap().map(|due| due.to_string())
    };
    let mut place = Place::new("true");
    assert!(missed(&place, "2026-11-03T05:00:00Z").is_some(), "an empty store");
    place.remember("2026-11-02T05:30:00Z", Outcome::Failed);
    assert_eq!(missed(&place, "2026-11-03T05:00:00Z"), None, "its time has not come");
    assert_eq!(missed(&place, "2026-11-03T09:00:00Z").as_deref(), Some("2026-11-03T05:30:00Z"));
    place.remember("2026-11-03T05:30:00Z", Outcome::Interrupted);
    assert!(missed(&place, "2026-11-03T09:00:00Z").is_some(), "it never ended");
    place.config.catch_up = false;
    assert_eq!(missed(&place, "2026-11-03T09:00:00Z"), None);
}

#[test]
fn times_that_pass_during_a_run_are_skipped_and_said() {
    let mut place = Place::new("true");
    place.config.cron = Some("* * * * *".to_owned());
    let schedule = place.schedule();
    let mut running = Running::start(&schedule).unwrap();
    let now = Timestamp::now();
    let next = running.after(now - jiff::SignedDuration::from_secs(600)).unwrap().unwrap();
    assert!(next > now && next <= now + jiff::SignedDuration::from_secs(61));
    let runs = place.history();
    assert_eq!((runs.len(), runs[0].outcome, runs[0].attempts), (1, Outcome::Skipped, 0));
}

#[test]
fn the_history_is_bounded_and_bears_lines_it_cannot_read() {
    let mut place = Place::new("true");
    place.config.keep_runs = 3;
    for day in 1..6 {
        place.remember(&format!("2026-11-0{day}T05:30:00Z"), Outcome::Published);
    }
    let path = place.store().join("schedule.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    fs::write(&path, format!("{{\"half\": \n{text}")).unwrap();
    assert_eq!(place.history().len(), 3);
}

#[test]
fn pauses_double_up_to_an_hour() {
    assert_eq!([1, 2, 3, 5, 90].map(|tries| pause(300, tries).as_secs()), [300, 600, 1200, 3600, 3600]);
}

#[test]
fn what_is_said_wrong_is_refused_without_repeating_secrets() {
    let place = Place::new("true");
    let refused = |change: &dyn Fn(&mut ScheduleConfig)| {
        let mut place = Place::new("true");
        change(&mut place.config);
        let job = place.schedule().job;
        let new = Schedule::new(&place.config, &place.store(), "UTC", job);
        new.and_then(|schedule| schedule.run_once(&Stop::new())).unwrap_err().to_string()
    };
    let secret = refused(&|config| config.webhook = Some(Secret::new("s3cret")));
    assert!(secret.contains("https://HOST/PATH") && !secret.contains("s3cret"), "{secret}");
    let secret = refused(&|config| config.webhook = Some(Secret::new("ftp://host/s3cret")));
    assert!(!secret.contains("s3cret"), "{secret}");
    let unset = refused(&|config| {
        config.webhook = Some(Secret::new("https://host/x"));
        config.webhook_secret_env = Some("MUSTER_NO_SUCH_VARIABLE".to_owned());
    });
    assert!(unset.contains("MUSTER_NO_SUCH_VARIABLE"), "{unset}");
    let both = refused(&|config| {
        config.webhook = Some(Secret::new("https://host/x"));
        config.webhook_file = Some("x".into());
    });
    assert!(both.contains("keep one of them"), "{both}");
    let job = place.schedule().job;
    let none = Schedule::new(&ScheduleConfig::default(), &place.store(), "UTC", job).unwrap();
    assert!(none.run(&Stop::new()).unwrap_err().to_string().contains("[schedule]"));
}

#[test]
fn builds_that_are_asked_for_run_one_at_a_time_beside_those_of_the_clock() {
    let place = Place::new(
        "printf '%s\\n' \"$*\" >> asked; echo 'muster-progress: {\"phase\":\"read\",\"done\":3,\"total\":null}' >&2; \
         sleep 0.3; echo '{\"generation\": 7}'",
    );
    let schedule = place.schedule();
    let (stop, asked) = (Stop::new(), Asked::default());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| schedule.run_and_hear(&stop, &asked));
        assert_eq!(asked.ask(Some("as agreed".to_owned())).unwrap().outcome, Outcome::Running);
        assert!(matches!(asked.ask(None), Err(Refused::Running(_))), "one goes on");
        let begun = std::time::Instant::now();
        let mut steps = Vec::new();
        while asked.last().unwrap().outcome == Outcome::Running {
            assert!(begun.elapsed().as_secs() < 60, "it never ended");
            steps.extend(asked.step());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(steps.pop(), Some(Step { phase: "read".to_owned(), done: 3, total: None }));
        assert_eq!(asked.step(), None, "it is over");
        let run = asked.last().unwrap();
        assert_eq!((run.outcome, run.generation(), run.cause), (Outcome::Published, Some(7), Cause::Once));
        stop.request();
        running.join().unwrap().unwrap();
    });
    asked.close("it has ended".to_owned());
    assert!(matches!(asked.ask(None), Err(Refused::Closed(why)) if why == "it has ended"));
    assert_eq!(place.history().len(), 1);
}
