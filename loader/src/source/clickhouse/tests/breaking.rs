//! Answers that are cut, poisoned or lies: none may pass for a whole one.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::WireFormat;
use super::*;

const OLD_ERROR: &str = "Code: 395, e.displayText() = DB::Exception: Value passed to 'throwIf' function is non zero, e.what() = DB::Exception\n";
const NEW_ERROR: &str = "Code: 395. DB::Exception: Value passed to 'throwIf' function is non-zero. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.9.2.1)";

/// A source whose answer is `body` as far as the counter says; all of it is `rows` rows.
fn cut_by(
    body: Vec<u8>,
    rows: u64,
    format: WireFormat,
    script: fn(&[u8]) -> Script,
) -> (Server, ClickHouseSource, Arc<AtomicUsize>) {
    let cut = Arc::new(AtomicUsize::new(body.len()));
    let at = cut.clone();
    let server = server_of(rows, false, move |_| script(&body[..at.load(Ordering::SeqCst)]));
    let mut options = impatient(&server);
    options.format = format;
    let source = ClickHouseSource::open(options).unwrap();
    assert_eq!(ids(&source).unwrap(), (0..rows).collect::<Vec<_>>());
    (server, source, cut)
}

/// Every few bytes, and around every place where a message or a block ends.
fn places(length: usize, ends: &[usize]) -> Vec<usize> {
    let near = ends.iter().flat_map(|&end| end.saturating_sub(9)..=end + 9);
    let mut places: Vec<usize> = (0..length).step_by(5).chain(near).filter(|&place| place < length).collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[test]
fn an_arrow_stream_that_is_cut_anywhere_and_ends_properly_is_not_whole() {
    let (body, ends) = arrow_stream(&batches(&[0..5, 5..9, 9..14]));
    let places = places(body.len(), &ends);
    assert!(ends.iter().all(|end| places.contains(end)));
    let (_server, source, cut) = cut_by(body, 14, WireFormat::Arrow, |body| Script::ok(body));
    for place in places {
        cut.store(place, Ordering::SeqCst);
        let error = error(&source);
        assert!(error.contains("is not whole"), "{place}: {error}");
    }
}

#[test]
fn an_arrow_stream_whose_connection_breaks_anywhere_is_not_whole() {
    let (body, ends) = arrow_stream(&batches(&[0..5, 5..9]));
    // Even after everything: the response was never ended.
    let places: Vec<usize> = places(body.len(), &ends).into_iter().chain([body.len()]).collect();
    let cut = Arc::new(AtomicUsize::new(0));
    let at = cut.clone();
    let server = server_of(9, false, move |_| Script::broken("", &[&body[..at.load(Ordering::SeqCst)]]));
    let source = ClickHouseSource::open(impatient(&server)).unwrap();
    for place in places {
        cut.store(place, Ordering::SeqCst);
        error(&source);
    }
}

#[test]
fn a_native_stream_that_is_cut_anywhere_is_not_whole() {
    let (body, ends) = native_stream(&[0..5, 5..9, 9..14]);
    let places = places(body.len(), &ends);
    let (_server, source, cut) = cut_by(body, 14, WireFormat::Native, |body| Script::ok(body));
    for place in places {
        cut.store(place, Ordering::SeqCst);
        let error = error(&source);
        let expected =
            if ends.contains(&place) { "rows came where the server counts 14" } else { "is not whole" };
        assert!(error.contains(expected), "{place}: {error}");
    }
}

#[test]
fn an_error_of_an_old_server_stands_in_the_data_and_is_told() {
    for (format, (body, ends)) in [
        (WireFormat::Arrow, arrow_stream(&batches(&[0..5, 5..9]))),
        (WireFormat::Native, native_stream(&[0..5, 5..9])),
    ] {
        for place in places(body.len(), &ends).into_iter().chain([body.len()]) {
            let poisoned = [&body[..place], OLD_ERROR.as_bytes()].concat();
            let server = server_of(9, false, move |_| Script::ok(&poisoned));
            let mut options = impatient(&server);
            options.format = format;
            options.patience.retries = 3;
            let source = ClickHouseSource::open(options).unwrap();
            let error = error(&source);
            assert!(error.contains("Code: 395") && error.contains("throwIf"), "{format:?} {place}: {error}");
            assert_eq!(server.asked("SELECT `user_id`"), 1, "such an error stays");
        }
    }
}

#[test]
fn an_error_of_a_new_server_breaks_the_response_and_is_told() {
    let (body, ends) = arrow_stream(&batches(&[0..5, 5..9]));
    let tag = "rnywyenlaeqynhmu";
    let length = NEW_ERROR.len() + 1;
    let marked = format!("\r\n__exception__\r\n{tag}\r\n{NEW_ERROR}\n{length} {tag}\r\n__exception__\r\n");
    for place in places(body.len(), &ends) {
        let (body, marked) = (body[..place].to_vec(), marked.clone());
        let server = server_of(9, false, move |_| {
            Script::broken(&format!("X-ClickHouse-Exception-Tag: {tag}\r\n"), &[&body, marked.as_bytes()])
        });
        let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
        assert!(error.contains("Code: 395") && error.contains("throwIf"), "{place}: {error}");
    }
    // The same in two pieces, as a network may deliver it: the crate does not see it, we do.
    let server = server_of(9, false, move |_| {
        let (first, second) = marked.as_bytes().split_at(60);
        Script::broken(&format!("X-ClickHouse-Exception-Tag: {tag}\r\n"), &[&body, first, second])
    });
    let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
    assert!(error.contains("Code: 395"), "{error}");
}

#[test]
fn bytes_after_the_end_are_not_ignored() {
    let (mut body, _) = arrow_stream(&batches(std::slice::from_ref(&(0..5))));
    body.push(0);
    let server = server_of(5, false, move |_| Script::ok(&body));
    assert!(error(&ClickHouseSource::open(impatient(&server)).unwrap()).contains("1 bytes follow the end"));
}

#[test]
fn columns_that_are_not_what_the_server_said_are_refused() {
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let ids: ArrayRef = Arc::new(UInt64Array::from(vec![1]));
    let cases = [
        (vec![("user_id", names.clone()), ("name", names.clone())], "`user_id` arrived as Utf8"),
        (vec![("user_id", ids.clone()), ("name", ids.clone())], "`name` arrived as UInt64"),
        (vec![("name", names.clone()), ("user_id", ids.clone())], "`name` where `user_id` was asked for"),
        (vec![("user_id", ids)], "1 columns where 2 were asked for"),
    ];
    for (columns, expected) in cases {
        let (body, _) = arrow_stream(&[RecordBatch::try_from_iter(columns).unwrap()]);
        let server = server_of(1, false, move |_| Script::ok(&body));
        let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_wrong_number_of_rows_is_noticed_in_strict_mode() {
    // A server that says 0 does not say it: `count()` is asked instead.
    for (summary, whole) in [("9", true), ("0", true), ("10", false), ("8", false)] {
        let server = server_of(9, false, move |_| {
            let headers = format!("X-ClickHouse-Summary: {{\"result_rows\":\"{summary}\"}}\r\n");
            Script::with_headers(&headers, &arrow_stream(&batches(&[0..5, 5..9])).0)
        });
        let mut options = impatient(&server);
        options.strict = true;
        let source = ClickHouseSource::open(options).unwrap();
        if whole {
            assert_eq!(ids(&source).unwrap().len(), 9);
        } else {
            let error = error(&source);
            assert!(error.contains(&format!("9 rows came where the server counts {summary}")), "{error}");
        }
        assert!(server.requests().iter().any(|request| {
            request.query.starts_with("SELECT `user_id`") && request.sets("wait_end_of_query")
        }));
    }
}

#[test]
fn rows_that_a_setting_left_out_are_noticed_by_the_total() {
    // The stream is perfect, but it is not the whole table.
    let server = server_of(900, false, |_| Script::ok(arrow_stream(&batches(&[0..5, 5..9])).0));
    let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
    assert!(error.contains("9 rows came of a table of 900"), "{error}");
}

#[test]
fn a_table_that_is_written_to_meanwhile_has_no_total() {
    let counts = AtomicUsize::new(9);
    let server = Server::start(move |request| {
        if request.query.starts_with("SELECT count()") {
            return Script::ok(counts.fetch_add(1, Ordering::SeqCst).to_string());
        }
        about(request, 9, false)
            .unwrap_or_else(|| Script::ok(arrow_stream(&batches(std::slice::from_ref(&(0..12)))).0))
    });
    assert_eq!(ids(&ClickHouseSource::open(impatient(&server)).unwrap()).unwrap().len(), 12);
}

#[test]
fn a_table_that_was_exchanged_is_noticed() {
    let tables = AtomicUsize::new(1);
    let server = Server::start(move |request| {
        if request.query.contains("uuid") {
            return Script::ok(format!(
                "0000000{}-0000-0000-0000-000000000000\n",
                tables.fetch_add(1, Ordering::SeqCst)
            ));
        }
        about(request, 5, false)
            .unwrap_or_else(|| Script::ok(arrow_stream(&batches(std::slice::from_ref(&(0..5)))).0))
    });
    let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
    assert!(error.contains("exchanged for another"), "{error}");
}

#[test]
fn what_claims_to_be_huge_is_refused_before_memory_is_reserved() {
    let (body, ends) = arrow_stream(&batches(std::slice::from_ref(&(0..5))));
    let prefix = |length: u32| [0xFF_u8; 4].into_iter().chain(length.to_le_bytes()).collect::<Vec<_>>();
    let head = prefix(0x7FFF_FFF0);
    let far = [&body[..ends[0]], &prefix(u32::MAX)].concat();
    let native = |rows: u64| {
        let mut bytes = vec![2];
        let mut rest = rows;
        while rest >= 0x80 {
            bytes.push((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes.extend_from_slice(b"\x07user_id\x06UInt64");
        bytes
    };
    let cases = [
        (WireFormat::Arrow, head, "claims a description of"),
        (WireFormat::Arrow, far, "claims a description of"),
        (WireFormat::Native, native(1 << 40), "claims"),
        (WireFormat::Native, native(1 << 29), "claims"),
        (WireFormat::Native, native(1 << 26), "is not whole"),
    ];
    for (format, body, expected) in cases {
        let server = server_of(9, false, move |_| Script::ok(&body));
        let mut options = impatient(&server);
        options.format = format;
        let error = error(&ClickHouseSource::open(options).unwrap());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn flipped_bytes_are_an_error_or_change_only_values() {
    let (body, _) = arrow_stream(&batches(&[0..5, 5..9]));
    let wanted = |place: usize| {
        let mut body = body.clone();
        body[place] ^= 0x5A;
        body
    };
    let columns = [("user_id", "UInt64"), ("name", "String")];
    let columns: Vec<super::super::Wanted> = columns
        .iter()
        .enumerate()
        .map(|(place, (name, ty))| {
            let column = super::super::columns::Column::new((*name).to_owned(), (*ty).to_owned());
            super::super::Wanted::new(&column, place, true).unwrap()
        })
        .collect();
    let columns = Arc::new(columns);
    let mut refused = 0;
    for place in 0..body.len() {
        let mut stream = super::super::arrow_stream::ArrowStream::new(columns.clone());
        let mut out = Vec::new();
        let outcome = stream.push(&wanted(place), &mut out).and_then(|()| stream.finish());
        refused += usize::from(outcome.is_err());
    }
    assert!(refused > body.len() / 20, "{refused} of {}", body.len());
}

#[test]
fn a_packed_part_that_claims_to_unpack_to_much_is_refused() {
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::IpcWriteOptions;
    let batches = batches(std::slice::from_ref(&(0..3000)));
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    writer.write(&batches[0]).unwrap();
    writer.finish().unwrap();
    let body = writer.into_inner().unwrap();
    // Each packed part begins with how long it is unpacked: the ids are 3,000 times 8 bytes.
    let length = (3000_i64 * 8).to_le_bytes();
    let at = body.windows(8).rposition(|bytes| bytes == length).unwrap();
    for claim in [1_i64 << 40, i64::MAX, -7] {
        let mut body = body.clone();
        body[at..at + 8].copy_from_slice(&claim.to_le_bytes());
        let server = server_of(3000, false, move |_| Script::ok(&body));
        let error = error(&ClickHouseSource::open(impatient(&server)).unwrap());
        assert!(error.contains("claims"), "{claim}: {error}");
    }
}
