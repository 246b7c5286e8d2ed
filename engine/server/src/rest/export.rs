//! `/api/v1/audience/export`: an audience as a file.
//!
//! A file that cannot go on must not look like one that has ended, so its connection is broken then.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::{self, Stream};
use http::{HeaderValue, header};
use muster_engine::execute::Feature;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::audience::NDJSON;
use super::front::Front;
use super::problem::Problem;
use super::read::Json as FromJson;
use super::wire::{ExportFormat, ExportRequest, Value};
use crate::fault::{Fault, Result};
use crate::service::{Ask, Content, Export, ExportOf, Lines, Piece};

/// Characters of a label's name in the name of a file.
const NAME_CHARACTERS: usize = 80;

/// The members of a segment as a file: ids or a table, in the store's own order, or a bitmap.
///
/// A file that cannot go on does not end: its connection is broken, so what a client saved is whole if the transfer ended well.
#[utoipa::path(
    post, path = "/api/v1/audience/export", tag = "audience", operation_id = "export_audience",
    request_body = ExportRequest,
    responses((status = 200, description = "The file.", content(
        (String = "text/plain"),
        (String = "text/csv"),
        (serde_json::Value = "application/x-ndjson"),
        (Vec<u8> = "application/octet-stream"),
    ))),
)]
pub(super) async fn export(
    State(front): State<Arc<Front>>,
    mut ask: Ask,
    FromJson(request): FromJson<ExportRequest>,
) -> std::result::Result<Response, Problem> {
    request.fix(&mut ask);
    let of = request.segment()?;
    let format = request.format;
    let wanted = export_of(&request)?;
    let export = front.service.export(ask, of.segment, wanted).await.map_err(|fault| of.place(fault))?;
    let Export { label, origin, mut pieces } = export;
    // What goes wrong before the first byte is told as any other refusal.
    let first = match pieces.recv().await {
        Some(piece) => piece?,
        None => return Err(Fault::Cancelled.into()),
    };
    let mut response = Response::new(Body::from_stream(whole(first, pieces)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(format)));
    let name = file_name(label.as_deref(), origin.generation, format);
    // The name is of characters that a header takes.
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn export_of(request: &ExportRequest) -> Result<ExportOf> {
    let content = match request.format {
        ExportFormat::Ids if !request.columns.is_empty() => {
            return Err(Fault::invalid("columns", "the format `ids` has none; give `csv` or `jsonl`"));
        }
        ExportFormat::Ids => Content::Lines(Box::new(Ids)),
        ExportFormat::Csv => Content::Lines(Box::new(Csv)),
        ExportFormat::Jsonl => Content::Lines(Box::new(JsonLines::default())),
        ExportFormat::Roaring => Content::Roaring,
    };
    let limit = request.limit.unwrap_or_default();
    Ok(ExportOf { content, columns: request.columns.clone(), limit })
}

/// The bytes of an export. If it is not whole where it ends, the last item is an error, by which the connection is broken.
fn whole(
    first: Piece,
    pieces: mpsc::Receiver<Result<Piece>>,
) -> impl Stream<Item = std::result::Result<Bytes, String>> {
    stream::unfold(Some((Some(first), pieces)), |state| async {
        let (first, mut pieces) = state?;
        let piece = match first {
            Some(first) => Some(Ok(first)),
            None => pieces.recv().await,
        };
        match piece {
            Some(Ok(Piece::Bytes(bytes))) => Some((Ok(Bytes::from(bytes)), Some((None, pieces)))),
            Some(Ok(Piece::End)) => None,
            Some(Err(fault)) => Some((Err(format!("the export cannot go on: {fault}")), None)),
            None => Some((Err("the export ended early: nobody read it".to_owned()), None)),
        }
    })
}

fn content_type(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Ids => "text/plain; charset=utf-8",
        ExportFormat::Csv => "text/csv; charset=utf-8; header=present",
        ExportFormat::Jsonl => NDJSON,
        ExportFormat::Roaring => "application/octet-stream",
    }
}

/// A name that any system takes: letters, digits, `_` and `-` of the label's, and the generation.
fn file_name(label: Option<&str>, generation: u64, format: ExportFormat) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = label.unwrap_or("audience").chars().take(NAME_CHARACTERS).map(safe).collect();
    let extension = match format {
        ExportFormat::Ids => "txt",
        ExportFormat::Csv => "csv",
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Roaring => "roaring",
    };
    format!("{name}-{generation}.{extension}")
}

/// An id a line.
struct Ids;

impl Lines for Ids {
    fn head(&self, _: &str, _: &[String]) -> Vec<u8> {
        Vec::new()
    }

    fn user(&self, id: u64, _: Vec<Feature>, out: &mut Vec<u8>) {
        out.extend_from_slice(id.to_string().as_bytes());
        out.push(b'\n');
    }
}

/// A table with a header. A missing value is an empty field, an empty text a quoted one; lists and maps are JSON.
struct Csv;

impl Lines for Csv {
    fn head(&self, user_id: &str, columns: &[String]) -> Vec<u8> {
        let mut out = Vec::new();
        csv_text(user_id, &mut out);
        for column in columns {
            out.push(b',');
            csv_text(column, &mut out);
        }
        out.push(b'\n');
        out
    }

    fn user(&self, id: u64, values: Vec<Feature>, out: &mut Vec<u8>) {
        out.extend_from_slice(id.to_string().as_bytes());
        for value in values {
            out.push(b',');
            match Value::from(value).into_json() {
                Json::Null => {}
                Json::String(text) => csv_text(&text, out),
                other => csv_text(&other.to_string(), out),
            }
        }
        out.push(b'\n');
    }
}

/// A text as CSV has it: quoted where a plain one would be read as something else.
fn csv_text(text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() && !text.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// An object a line: the id, then the columns, by their names.
#[derive(Default)]
struct JsonLines(std::sync::OnceLock<Vec<String>>);

impl Lines for JsonLines {
    fn head(&self, user_id: &str, columns: &[String]) -> Vec<u8> {
        let names = std::iter::once(user_id).chain(columns.iter().map(String::as_str));
        let _ = self.0.set(names.map(|name| Json::from(name).to_string()).collect());
        Vec::new()
    }

    fn user(&self, id: u64, values: Vec<Feature>, out: &mut Vec<u8>) {
        let names = self.0.get().map_or(&[][..], Vec::as_slice);
        let values = values.into_iter().map(|value| Value::from(value).into_json());
        let mut before = "{";
        for (name, value) in names.iter().zip(std::iter::once(Json::from(id)).chain(values)) {
            out.extend_from_slice(format!("{before}{name}:{value}").as_bytes());
            before = ",";
        }
        out.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use muster_engine::value::Value as EngineValue;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn text(text: &str) -> Feature {
        Feature::Value(EngineValue::Text(text.to_owned()))
    }

    fn written(lines: &dyn Lines, columns: &[&str], users: Vec<(u64, Vec<Feature>)>) -> String {
        let columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        let mut out = lines.head("user_id", &columns);
        for (id, values) in users {
            lines.user(id, values, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_quotes_what_would_be_read_as_something_else() {
        let values = vec![text("a,\"b\"\nc"), Feature::Value(EngineValue::Null), text("")];
        let list = Feature::List(vec![EngineValue::Text("x".to_owned()), EngineValue::UInt(u128::MAX)]);
        let users =
            vec![(7, values), (8, vec![list, Feature::Value(EngineValue::Float(f64::NAN)), text("y")])];
        assert_eq!(
            written(&Csv, &["plain", "holdings['a,b']", "c"], users),
            "user_id,plain,\"holdings['a,b']\",c\n7,\"a,\"\"b\"\"\nc\",,\"\"\n8,\"[\"\"x\"\",\"\"340282366920938463463374607431768211455\"\"]\",nan,y\n"
        );
    }

    #[test]
    fn lines_of_json_keep_the_order_that_was_asked_for() {
        let map = Feature::Map(vec![(EngineValue::Text("k\"".to_owned()), EngineValue::Float(0.1))]);
        let users = vec![(u64::MAX, vec![map, Feature::Value(EngineValue::Bool(true))])];
        assert_eq!(
            written(&JsonLines::default(), &["z", "a"], users),
            "{\"user_id\":18446744073709551615,\"z\":{\"k\\\"\":0.1},\"a\":true}\n"
        );
        assert_eq!(written(&JsonLines::default(), &[], vec![(1, vec![])]), "{\"user_id\":1}\n");
        assert_eq!(written(&Ids, &[], vec![(1, vec![]), (2, vec![])]), "1\n2\n");
    }

    #[test]
    fn names_of_files_are_safe() {
        assert_eq!(file_name(None, 12, ExportFormat::Ids), "audience-12.txt");
        assert_eq!(file_name(Some("kyc/../\"users\"\r\n"), 7, ExportFormat::Csv), "kyc_____users___-7.csv");
        assert_eq!(file_name(Some(&"ü".repeat(200)), 1, ExportFormat::Jsonl).len(), 80 + "-1.jsonl".len());
    }

    /// All bytes of an export, or that it broke.
    async fn received(pieces: Vec<Result<Piece>>) -> Option<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(8);
        for piece in pieces {
            sender.send(piece).await.unwrap();
        }
        drop(sender);
        let parts: Vec<_> = whole(Piece::Bytes(b"a".to_vec()), receiver).collect().await;
        let parts: std::result::Result<Vec<Bytes>, String> = parts.into_iter().collect();
        parts.ok().map(|parts| parts.concat())
    }

    #[tokio::test]
    async fn an_export_that_does_not_say_that_it_is_whole_breaks_the_connection() {
        let bytes = || Ok(Piece::Bytes(b"b".to_vec()));
        assert_eq!(received(vec![bytes(), Ok(Piece::End)]).await.unwrap(), b"ab");
        assert_eq!(received(vec![Ok(Piece::End)]).await.unwrap(), b"a");
        assert_eq!(received(vec![bytes()]).await, None, "its maker gave up on a slow reader");
        assert_eq!(received(vec![bytes(), Err(Fault::Deadline)]).await, None);
    }

    /// What a client of HTTP gets, to the last byte.
    async fn over_the_wire(at: std::net::SocketAddr, path: &str) -> String {
        let mut connection = TcpStream::connect(at).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that is broken may end as an error here, too.
        let _ = connection.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn a_broken_export_has_no_end_over_the_wire() {
        let body = |pieces: Vec<Result<Piece>>| async {
            let (sender, receiver) = mpsc::channel(8);
            for piece in pieces {
                sender.send(piece).await.unwrap();
            }
            Body::from_stream(whole(Piece::Bytes(b"7\n".to_vec()), receiver))
        };
        let routes = Router::new()
            .route("/whole", get(move || body(vec![Ok(Piece::End)])))
            .route("/slow", get(move || body(vec![])))
            .route("/failed", get(move || body(vec![Err(Fault::Deadline)])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let end = "\r\n0\r\n\r\n";
        assert!(over_the_wire(at, "/whole").await.ends_with(end));
        for path in ["/slow", "/failed"] {
            let answer = over_the_wire(at, path).await;
            assert!(!answer.contains(end), "{path}: {answer}");
        }
    }
}
