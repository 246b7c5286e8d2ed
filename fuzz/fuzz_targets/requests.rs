//! A real server asked for anything: bytes as gRPC messages, as JSON bodies and as parts of addresses. Whatever is asked, there is an
//! answer, nothing panics, and the fault is the caller's.
#![no_main]

#[path = "../../engine/server/tests/fixture/mod.rs"]
mod fixture;

use std::cell::RefCell;

use fixture::{Running, config};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use libfuzzer_sys::fuzz_target;
use muster_server::Config;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Methods whose messages are decoded; not those that change masks, of which every call is synced to the disk.
const CALLS: [&str; 15] = [
    "Segments/Count",
    "Segments/Members",
    "Segments/IsInSegment",
    "Segments/BatchIsInSegment",
    "Segments/Preview",
    "Segments/Profile",
    "Segments/Explain",
    "Segments/Overlap",
    "Segments/GetUser",
    "Admin/Status",
    "Admin/Generations",
    "Admin/Schema",
    "Admin/Rollback",
    "Admin/Publish",
    "Admin/Discard",
];
/// Where JSON is posted.
const POSTED: [&str; 6] = [
    "/api/v1/audience/count",
    "/api/v1/audience/preview",
    "/api/v1/audience/profile",
    "/api/v1/audience/explain",
    "/api/v1/users/batch/features",
    "/api/v1/generations/rollback",
];
/// What an address begins with; the input goes on.
const READ: [&str; 4] = ["/api/v1/users?", "/api/v1/users/", "/api/v1/schema?", "/"];

/// A server and a way to it of each kind.
struct Asked {
    runtime: Runtime,
    server: Running,
    grpc: Option<http2::SendRequest<Full<Bytes>>>,
    rest: Option<http1::SendRequest<Full<Bytes>>>,
    _store: TempDir,
}

impl Asked {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fixture::store(dir.path(), 2, false);
        let server =
            Running::over(dir.path(), Config { heavy_deadline_ms: 500, deadline_max_ms: 500, ..config() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, server, grpc: None, rest: None, _store: dir }
    }

    /// Asks over HTTP/2, and tells the status that gRPC ends with.
    fn call(&mut self, method: &str, message: &[u8]) -> Option<u32> {
        let mut body = vec![0];
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
        let uri = format!("http://{}/muster.v1.{method}", self.server.grpc);
        let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(Full::from(body)).expect("a request");
        let (address, way) = (self.server.grpc, &mut self.grpc);
        self.runtime.block_on(async {
            if way.as_ref().is_none_or(http2::SendRequest::is_closed) {
                let stream = TokioIo::new(TcpStream::connect(address).await.expect("it listens"));
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), stream).await.expect("it speaks HTTP/2");
                tokio::spawn(connection);
                *way = Some(sender);
            }
            let answer = way.as_mut()?.send_request(request).await.expect("an answer");
            let of_head = status_of(answer.headers());
            let body = answer.into_body().collect().await.expect("a whole answer");
            of_head.or_else(|| body.trailers().and_then(status_of))
        })
    }

    /// Asks over HTTP/1.1.
    fn ask(&mut self, method: Method, uri: Uri, body: &[u8]) -> u16 {
        let request = Request::builder().method(method).uri(uri).header("host", "127.0.0.1");
        let request = request.header("content-type", "application/json");
        let request = request.body(Full::from(body.to_vec())).expect("a request");
        let (address, way) = (self.server.http, &mut self.rest);
        self.runtime.block_on(async {
            if way.as_ref().is_none_or(http1::SendRequest::is_closed) {
                let stream = TokioIo::new(TcpStream::connect(address).await.expect("it listens"));
                let (sender, connection) = http1::handshake(stream).await.expect("it speaks HTTP/1.1");
                tokio::spawn(connection);
                *way = Some(sender);
            }
            let way = way.as_mut().expect("it is there");
            way.ready().await.expect("it takes another");
            let answer: Response<Incoming> = way.send_request(request).await.expect("an answer");
            let status = answer.status().as_u16();
            answer.into_body().collect().await.expect("a whole answer");
            status
        })
    }
}

fn status_of(headers: &hyper::HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::new(Asked::new());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, rest)) = bytes.split_first() else { return };
    let choice = usize::from(choice);
    ASKED.with_borrow_mut(|asked| {
        let read = CALLS.len() + POSTED.len();
        match choice % (read + READ.len()) {
            at if at < CALLS.len() => {
                let status = asked.call(CALLS[at], rest).expect("a status");
                // Neither unknown, internal, nor lost data.
                assert!(![2, 13, 15].contains(&status), "{} ends with {status}", CALLS[at]);
            }
            at if at < read => {
                let path = POSTED[at - CALLS.len()];
                let status = asked.ask(Method::POST, Uri::from_static(path), rest);
                assert_ne!(status, 500, "{path}");
            }
            at => {
                let text = READ[at - read].to_owned() + &String::from_utf8_lossy(rest);
                if let Ok(uri) = text.parse::<Uri>() {
                    let status = asked.ask(Method::GET, uri, b"");
                    assert_ne!(status, 500, "{text}");
                }
            }
        }
    });
});
