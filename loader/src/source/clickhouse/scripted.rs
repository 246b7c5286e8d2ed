//! A server for tests that answers what it is told to: cut, poisoned, late, or not at all.
//!
//! Plain threads and sockets, so that it can break HTTP in ways no HTTP library would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What somebody asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) query: String,
}

impl Request {
    /// Whether a setting came along.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.head.lines().next().unwrap_or_default().contains(&format!("{name}="))
    }
}

enum Step {
    Send(Vec<u8>),
    Wait(Duration),
}

/// What happens on one connection before it is closed.
#[derive(Default)]
pub(crate) struct Script(Vec<Step>);

impl Script {
    /// A whole answer.
    pub(crate) fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::answer("200 OK", "", body.as_ref())
    }

    /// A refusal.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::answer(&format!("{status} Status"), "", body.as_bytes())
    }

    /// A whole answer with headers of its own, each ended by `\r\n`.
    pub(crate) fn with_headers(headers: &str, body: &[u8]) -> Self {
        Self::answer("200 OK", headers, body)
    }

    fn answer(status: &str, headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        Self(vec![Step::Send([head.as_bytes(), body].concat())])
    }

    /// An answer in chunks that ends properly.
    pub(crate) fn chunks(headers: &str, parts: &[&[u8]]) -> Self {
        let mut script = Self::broken(headers, parts);
        script.0.push(Step::Send(b"0\r\n\r\n".to_vec()));
        script
    }

    /// An answer in chunks that is never ended.
    pub(crate) fn broken(headers: &str, parts: &[&[u8]]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
        let mut steps = vec![Step::Send(head.into_bytes())];
        for part in parts.iter().filter(|part| !part.is_empty()) {
            steps.push(Step::Send([format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat()));
        }
        Self(steps)
    }

    /// Nothing: the connection is closed.
    pub(crate) fn nothing() -> Self {
        Self::default()
    }

    /// The same, after a while.
    pub(crate) fn late(mut self, wait: Duration) -> Self {
        self.0.insert(0, Step::Wait(wait));
        self
    }

    /// The same, and then silence for a while.
    pub(crate) fn then_silence(mut self, wait: Duration) -> Self {
        self.0.push(Step::Wait(wait));
        self
    }

    fn play(self, stream: &mut impl Write) {
        for step in self.0 {
            let sent = match step {
                Step::Send(bytes) => stream.write_all(&bytes).and_then(|()| stream.flush()),
                Step::Wait(time) => {
                    thread::sleep(time);
                    Ok(())
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// The server. Dropping it frees its port.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Answers each request by this.
    pub(crate) fn start(answer: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Self {
        Self::start_over(answer, |stream| stream)
    }

    /// The same over something else than plain TCP.
    pub(crate) fn start_over<S: Read + Write>(
        answer: impl Fn(&Request) -> Script + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> S + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let shared = Arc::new((answer, wrap));
        let (seen, stop) = (requests.clone(), stopped.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, seen) = (shared.clone(), seen.clone());
                thread::spawn(move || {
                    let mut stream = BufReader::new((shared.1)(stream.unwrap()));
                    let Some(request) = read(&mut stream) else { return };
                    seen.lock().unwrap().push(request.clone());
                    (shared.0)(&request).play(stream.get_mut());
                });
            }
        });
        Self { address, requests, stopped }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How often a query was asked that contains this.
    pub(crate) fn asked(&self, part: &str) -> usize {
        self.requests().iter().filter(|request| request.query.contains(part)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes whoever waits for the next connection.
        let _ = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn read(stream: &mut BufReader<impl Read>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { head, query: String::from_utf8(body).unwrap() })
}
