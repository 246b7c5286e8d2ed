//! Asking again, or not; waiting, and not for ever.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::*;

/// The first answers to questions for rows are these, the others are whole.
fn failing_first(scripts: Vec<fn() -> Script>) -> Server {
    let next = AtomicUsize::new(0);
    server_of(9, false, move |_| match scripts.get(next.fetch_add(1, Ordering::SeqCst)) {
        Some(script) => script(),
        None => Script::ok(arrow_stream(&batches(&[0..5, 5..9])).0),
    })
}

fn patient(server: &Server, retries: u32) -> ClickHouseSource {
    let mut options = impatient(server);
    options.patience.retries = retries;
    options.patience.stall = Duration::from_millis(300);
    options.patience.first_byte = Duration::from_millis(300);
    ClickHouseSource::open(options).unwrap()
}

#[test]
fn what_passes_is_tried_again_and_no_row_comes_twice() {
    let scripts: Vec<fn() -> Script> = vec![
        || Script::status(503, "<html>503 Service Unavailable</html>"),
        || {
            Script::status(
                500,
                "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)",
            )
        },
        Script::nothing,
        || Script::broken("", &[&arrow_stream(&batches(&[0..5, 5..9])).0[..700]]),
        || Script::ok(&arrow_stream(&batches(&[0..5, 5..9])).0[..700]),
    ];
    let count = scripts.len();
    let server = failing_first(scripts);
    let source = patient(&server, count as u32);
    assert_eq!(ids(&source).unwrap(), (0..9).collect::<Vec<_>>());
    assert_eq!(server.asked("SELECT `user_id`"), count + 1);
}

#[test]
fn a_stall_and_a_late_first_byte_are_tried_again() {
    let scripts: Vec<fn() -> Script> = vec![|| Script::ok("").late(Duration::from_secs(5)), || {
        Script::broken("", &[&arrow_stream(&batches(&[0..5, 5..9])).0[..700]])
            .then_silence(Duration::from_secs(5))
    }];
    let server = failing_first(scripts);
    let begun = Instant::now();
    assert_eq!(ids(&patient(&server, 2)).unwrap().len(), 9);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(server.asked("SELECT `user_id`"), 3);
}

#[test]
fn attempts_end_and_say_how_many_there_were() {
    let server = server_of(9, false, |_| Script::status(503, "503 Service Unavailable"));
    let error = error(&patient(&server, 2));
    assert!(error.contains("503") && error.contains("tried 3 times"), "{error}");
    assert_eq!(server.asked("SELECT `user_id`"), 3);
    for (script, expected) in [
        (Script::ok as fn(&'static str) -> Script, "sent no byte for 0.3 s"),
        (
            |_| Script::broken("", &[b"\xFF"]).then_silence(Duration::from_secs(5)),
            "stopped in the middle of an answer",
        ),
    ] {
        let server = server_of(9, false, move |_| {
            if expected.starts_with("sent") { script("").late(Duration::from_secs(5)) } else { script("") }
        });
        let error = super::error(&patient(&server, 0));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_stays_is_asked_once() {
    let cases = [
        (403, "Code: 516. DB::Exception: me: Authentication failed: password is incorrect.", "password_env"),
        (
            401,
            "Code: 192, e.displayText() = DB::Exception: Unknown user me, e.what() = DB::Exception",
            "check `user`",
        ),
        (
            404,
            "Code: 60. DB::Exception: Unknown table expression identifier 'users'. (UNKNOWN_TABLE)",
            "check `database` and `table`",
        ),
        (404, "Code: 81. DB::Exception: Database cdp does not exist. (UNKNOWN_DATABASE)", "check `database`"),
        (
            404,
            "Code: 47. DB::Exception: Unknown expression identifier 'x'. (UNKNOWN_IDENTIFIER)",
            "check the columns",
        ),
        (400, "Code: 62. DB::Exception: Syntax error. (SYNTAX_ERROR)", "check the `query`"),
        (403, "Code: 497. DB::Exception: me: Not enough privileges. (ACCESS_DENIED)", "grant"),
        (404, "<html>404 Not Found</html>", "HTTP port"),
    ];
    for (status, text, expected) in cases {
        let server = Server::start(move |_| Script::status(status, text));
        let mut options = impatient(&server);
        options.patience.retries = 5;
        let error = ClickHouseSource::open(options).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(&server.url()), "{error}");
        assert_eq!(server.requests().len(), 1, "{text}");
    }
}

#[test]
fn a_range_that_fails_late_is_asked_again_by_itself() {
    let failed = AtomicUsize::new(0);
    let server = server_of(4000, true, move |request| {
        let condition = request.query.split(" WHERE ").nth(1).unwrap().to_owned();
        let rows = match condition.as_str() {
            "`user_id` < 10" => 0..10,
            "`user_id` >= 10 AND `user_id` < 20" => 10..20,
            "`user_id` >= 20 AND `user_id` < 30" => 20..30,
            _ => 30..4000,
        };
        let (body, ends) = arrow_stream(&batches(&[rows.start..rows.start + 5, rows.start + 5..rows.end]));
        if condition.contains(">= 10") && failed.fetch_add(1, Ordering::SeqCst) < 2 {
            return Script::ok(&body[..ends[1]]);
        }
        Script::ok(body)
    });
    assert_eq!(ids(&patient(&server, 3)).unwrap(), (0..4000).collect::<Vec<_>>());
    assert_eq!(server.asked("SELECT `user_id`"), 4 + 2);
}

#[test]
fn after_rows_have_been_handed_on_a_failure_is_final() {
    // Not sorted by the id and too large to hold back.
    let server = server_of(1_000_000, false, |_| {
        let (body, ends) = arrow_stream(&batches(&[0..5, 5..9]));
        Script::ok(&body[..ends[1]])
    });
    let source = patient(&server, 5);
    let error = error(&source);
    assert!(error.contains("5 rows had been handed on") && error.contains("`pulls`"), "{error}");
    assert_eq!(server.asked("SELECT `user_id`"), 1);
    // Before that it is not.
    let tries = AtomicUsize::new(0);
    let server = server_of(1_000_000, false, move |_| {
        let (body, ends) = arrow_stream(&batches(&[0..5, 5..9]));
        let end = if tries.fetch_add(1, Ordering::SeqCst) == 0 { ends[0] } else { body.len() };
        Script::ok(&body[..end])
    });
    let mut batches = patient(&server, 5).batches(&[0, 1]).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 5);
    drop(batches);
    assert_eq!(server.asked("SELECT `user_id`"), 2);
}

#[test]
fn everything_together_has_a_limit() {
    let server = server_of(9, false, |_| Script::ok("").late(Duration::from_secs(5)));
    let mut options = impatient(&server);
    options.patience.total = Duration::from_millis(700);
    options.patience.retries = 50;
    let source = ClickHouseSource::open(options).unwrap();
    let begun = Instant::now();
    let error = error(&source);
    assert!(error.contains("total_timeout_seconds"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn nobody_listening_is_tried_again_and_a_name_that_is_not_there_is_not() {
    let server = server_of(9, false, |_| Script::nothing());
    let mut options = impatient(&server);
    options.patience.retries = 2;
    drop(server);
    let error = ClickHouseSource::open(options.clone()).unwrap_err().to_string();
    assert!(error.contains("refused") && error.contains("tried 3 times"), "{error}");
    options.address.url = "http://no-such-host.invalid:8123".into();
    let error = ClickHouseSource::open(options).unwrap_err().to_string();
    assert!(error.contains("no-such-host.invalid"), "{error}");
}

#[test]
fn a_consumer_that_leaves_ends_the_reading() {
    let server = server_of(1_000_000, false, |_| {
        let (body, ends) = arrow_stream(&batches(&[0..5, 5..9]));
        Script::broken("", &[&body[..ends[1]]]).then_silence(Duration::from_secs(30))
    });
    let mut options = impatient(&server);
    options.patience.stall = Duration::from_secs(30);
    let source = ClickHouseSource::open(options).unwrap();
    let begun = Instant::now();
    let mut batches = source.batches(&[0, 1]).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 5);
    drop(batches);
    drop(source);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
