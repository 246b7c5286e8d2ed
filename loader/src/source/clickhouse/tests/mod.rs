//! The source against servers that fail on purpose. What a real server does is tested in `loader/tests`.

mod answers;
mod breaking;
mod retrying;
mod secure;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow_ipc::writer::StreamWriter;

use super::scripted::{Request, Script, Server};
use super::{ClickHouseOptions, ClickHouseSource};
use crate::config::SourceConfig;
use crate::error::Result;
use crate::source::Source;

/// Batches of the table that these servers pretend to have: `user_id UInt64, name String`.
fn batches(rows: &[std::ops::Range<u64>]) -> Vec<RecordBatch> {
    let batch = |ids: &std::ops::Range<u64>| {
        let names: ArrayRef =
            Arc::new(ids.clone().map(|id| Some(format!("user {id}"))).collect::<StringArray>());
        let ids: ArrayRef = Arc::new(ids.clone().collect::<UInt64Array>());
        RecordBatch::try_from_iter([("user_id", ids), ("name", names)]).unwrap()
    };
    rows.iter().map(batch).collect()
}

/// An ArrowStream of these batches, and where its messages end.
fn arrow_stream(batches: &[RecordBatch]) -> (Vec<u8>, Vec<usize>) {
    let mut ends = Vec::new();
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        ends.push(writer.get_ref().len());
        writer.write(batch).unwrap();
    }
    ends.push(writer.get_ref().len());
    writer.finish().unwrap();
    (writer.into_inner().unwrap(), ends)
}

/// The same in Native, and where its blocks end.
fn native_stream(rows: &[std::ops::Range<u64>]) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend_from_slice(text.as_bytes());
    };
    for ids in rows {
        bytes.extend([2, u8::try_from(ids.clone().count()).unwrap()]);
        text(&mut bytes, "user_id");
        text(&mut bytes, "UInt64");
        ids.clone().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
        text(&mut bytes, "name");
        text(&mut bytes, "String");
        ids.clone().for_each(|id| text(&mut bytes, &format!("user {id}")));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

const DESCRIPTION: &str =
    r#"{"data":[["user_id","UInt64"],["name","String"],["pair","Tuple(UInt8, UInt8)"]]}"#;

/// Answers what is asked beside rows, as a server that has a table of so many rows, sorted by the id or not.
fn about(request: &Request, rows: u64, sorted: bool) -> Option<Script> {
    let query = request.query.as_str();
    let answer = if query.starts_with("DESCRIBE") {
        DESCRIPTION.to_owned()
    } else if query.contains("sorting_key") {
        if sorted { "user_id\n".to_owned() } else { String::new() }
    } else if query.contains("SELECT engine") {
        "MergeTree\n".to_owned()
    } else if query.contains("uuid") {
        "11111111-2222-3333-4444-555555555555\n".to_owned()
    } else if query.contains("modification_time") {
        "1790000000\n".to_owned()
    } else if query.starts_with("SELECT count()") {
        format!("{rows}\n")
    } else if query.starts_with("SELECT quantiles") {
        "[10,20,30]\n".to_owned()
    } else if query == "SELECT 1" {
        return Some(Script::ok(arrow_stream(&batches(std::slice::from_ref(&(0..1)))).0));
    } else {
        return None;
    };
    Some(Script::ok(answer))
}

/// A server with so many rows that answers questions for rows by this.
fn server_of(rows: u64, sorted: bool, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Server {
    Server::start(move |request| about(request, rows, sorted).unwrap_or_else(|| answer(request)))
}

/// Asks without patience: no attempt but the first.
fn impatient(server: &Server) -> ClickHouseOptions {
    let source = SourceConfig {
        url: Some(server.url()),
        table: Some("cdp.users".into()),
        retries: 0,
        retry_wait_ms: 1,
        range_rows: 1000,
        ..SourceConfig::default()
    };
    let mut options = ClickHouseOptions::new(&source).unwrap();
    options.patience.stall = Duration::from_secs(20);
    options
}

/// The ids that come.
fn ids(source: &ClickHouseSource) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    for batch in source.batches(&[0, 1])? {
        let batch = batch?;
        assert_eq!(batch.num_columns(), 2);
        ids.extend(batch.column(0).as_primitive::<UInt64Type>().values());
    }
    ids.sort_unstable();
    Ok(ids)
}

/// Why they don't.
fn error(source: &ClickHouseSource) -> String {
    let error = ids(source).expect_err("this must not be read").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}
