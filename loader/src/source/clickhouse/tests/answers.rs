//! What is asked, and answers that are whole.

use super::*;

#[test]
fn rows_of_a_whole_answer_come() {
    let (body, _) = arrow_stream(&batches(&[0..5, 5..9]));
    let server = server_of(9, false, move |_| Script::ok(&body));
    let source = ClickHouseSource::open(impatient(&server)).unwrap();
    assert_eq!(ids(&source).unwrap(), (0..9).collect::<Vec<_>>());
    assert_eq!(source.rows(), Some(9));
    assert_eq!(source.watermark().as_deref(), Some("2026-09-21T14:13:20Z"));
    assert_eq!(source.description(), format!("clickhouse:{} (cdp.users)", server.url()));
    let asked = server.requests();
    let rows = asked.iter().find(|request| request.query.starts_with("SELECT `user_id`")).unwrap();
    assert_eq!(rows.query, "SELECT `user_id`, `name` FROM `cdp`.`users`");
    // This machine: nothing is packed.
    assert!(rows.head.contains("output_format_arrow_compression_method=none"), "{}", rows.head);
    assert!(!rows.sets("wait_end_of_query"));
}

#[test]
fn an_answer_in_single_bytes_is_the_same() {
    let (body, _) = arrow_stream(&batches(&[0..5, 5..9]));
    let (native, _) = native_stream(&[0..5, 5..9]);
    for format in [super::super::WireFormat::Arrow, super::super::WireFormat::Native] {
        let body = if format == super::super::WireFormat::Native { native.clone() } else { body.clone() };
        let server = server_of(9, false, move |_| {
            Script::chunks("", &body.iter().map(std::slice::from_ref).collect::<Vec<_>>())
        });
        let mut options = impatient(&server);
        options.format = format;
        let source = ClickHouseSource::open(options).unwrap();
        assert_eq!(ids(&source).unwrap(), (0..9).collect::<Vec<_>>());
    }
}

#[test]
fn a_column_that_is_not_wanted_is_not_asked_for_and_one_that_cannot_be_read_is_named() {
    let (body, _) = arrow_stream(&batches(std::slice::from_ref(&(0..5))));
    let server = server_of(5, false, move |_| Script::ok(&body));
    let source = ClickHouseSource::open(impatient(&server)).unwrap();
    ids(&source).unwrap();
    assert_eq!(server.asked("pair"), 0);
    let error = source.batches(&[0, 2]).err().unwrap().to_string();
    assert!(
        error.contains("`pair`") && error.contains("Tuple(UInt8, UInt8)") && error.contains("skip = true"),
        "{error}"
    );
    // Planning says the same before anything is read.
    let field = source.schema().field(2).clone();
    let planned =
        crate::columns::plan(&field, &crate::columns::ColumnOptions::default()).unwrap_err().to_string();
    assert!(planned.contains("Tuple(UInt8, UInt8)") && planned.contains("skip = true"), "{planned}");
}

#[test]
fn ranges_are_pulled_side_by_side_and_each_row_comes_once() {
    let server = server_of(4000, true, |request| {
        let bounds = match request.query.split(" WHERE ").nth(1).unwrap() {
            "`user_id` < 10" => 0..10,
            "`user_id` >= 10 AND `user_id` < 20" => 10..20,
            "`user_id` >= 20 AND `user_id` < 30" => 20..30,
            "`user_id` >= 30" => 30..4000,
            other => panic!("{other}"),
        };
        Script::ok(arrow_stream(&batches(&[bounds])).0)
    });
    let mut options = impatient(&server);
    options.pulls = Some(3);
    let source = ClickHouseSource::open(options).unwrap();
    assert_eq!(ids(&source).unwrap(), (0..4000).collect::<Vec<_>>());
    assert_eq!(server.asked("SELECT `user_id`"), 4);
}

#[test]
fn a_user_who_may_not_change_settings_is_asked_without() {
    for code in [164, 115] {
        let server = Server::start(move |request| {
            if request.sets("output_format_arrow_compression_method") {
                return Script::status(
                    500,
                    &format!("Code: {code}. DB::Exception: Cannot modify it. (READONLY)"),
                );
            }
            let body = arrow_stream(&batches(std::slice::from_ref(&(0..5)))).0;
            about(request, 5, false).unwrap_or_else(|| Script::ok(body))
        });
        let source = ClickHouseSource::open(impatient(&server)).unwrap();
        assert_eq!(ids(&source).unwrap().len(), 5);
        let refused = |request: &&Request| request.sets("output_format_arrow_compression_method");
        assert_eq!(server.requests().iter().filter(refused).count(), 1, "found out once");
    }
}

#[test]
fn an_old_server_is_asked_for_native_and_its_rows_are_counted() {
    let server = Server::start(|request| {
        if request.head.contains("default_format=ArrowStream") {
            return Script::status(
                404,
                "Code: 73, e.displayText() = DB::Exception: Unknown format ArrowStream, e.what() = DB::Exception",
            );
        }
        about(request, 9, false).unwrap_or_else(|| Script::ok(native_stream(&[0..5, 5..9]).0))
    });
    let source = ClickHouseSource::open(impatient(&server)).unwrap();
    assert_eq!(ids(&source).unwrap(), (0..9).collect::<Vec<_>>());
    let asked = server.requests();
    let rows = asked.iter().find(|request| request.query.starts_with("SELECT `user_id`")).unwrap();
    assert!(rows.sets("wait_end_of_query") && rows.head.contains("default_format=Native"), "{}", rows.head);
    // Before, after, and, the header of new servers being absent, for the piece itself; and once when it was opened.
    assert_eq!(server.asked("SELECT count()"), 4);

    let mut options = impatient(&server);
    options.format = super::super::WireFormat::Arrow;
    let error = ClickHouseSource::open(options).unwrap_err().to_string();
    assert!(error.contains("Unknown format ArrowStream") && error.contains("format = \"native\""), "{error}");
}

#[test]
fn a_packed_stream_is_read() {
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::IpcWriteOptions;
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let batches = batches(std::slice::from_ref(&(0..3000)));
        let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let mut writer =
            StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
        writer.write(&batches[0]).unwrap();
        writer.finish().unwrap();
        let body = writer.into_inner().unwrap();
        let server = server_of(3000, false, move |_| Script::ok(&body));
        let source = ClickHouseSource::open(impatient(&server)).unwrap();
        assert_eq!(ids(&source).unwrap().len(), 3000);
    }
}

#[test]
fn several_who_learn_at_once_that_settings_are_refused_all_go_on() {
    let server = Server::start(|request| {
        // Only questions for rows mind: as if the right had been taken away meanwhile.
        if request.query.starts_with("SELECT `user_id`") && request.sets("read_overflow_mode") {
            return Script::status(500, "Code: 164. DB::Exception: Cannot modify it. (READONLY)")
                .late(Duration::from_millis(50));
        }
        about(request, 4000, true)
            .unwrap_or_else(|| Script::ok(arrow_stream(&batches(std::slice::from_ref(&(0..1000)))).0))
    });
    let mut options = impatient(&server);
    options.pulls = Some(4);
    let source = ClickHouseSource::open(options).unwrap();
    let rows: usize = source.batches(&[0, 1]).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 4000);
}
