//! Listeners over a router made for it: limits, patience, and the end.

use std::net::Ipv4Addr;

use axum::extract::Request;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

/// A listener that serves.
struct Served {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    ended: JoinHandle<usize>,
    tally: Arc<Tally>,
}

async fn serve(router: Router, terms: Terms) -> Served {
    let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".into())).await.unwrap();
    let (address, tally) = (listener.local_addr().unwrap(), listener.tally());
    let (phase, now) = watch::channel(Phase::Open);
    let ended = tokio::spawn(listener.serve(terms, router, now));
    Served { address, phase, ended, tally }
}

fn http(connections: usize) -> Terms {
    Terms::new(Protocol::Http, connections, None)
}

fn router() -> Router {
    let who = |request: Request| async move { request.extensions().get::<Peer>().unwrap().to_string() };
    Router::new().route("/", get(who))
}

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.address).await.unwrap()
}

/// Everything up to the end of the connection.
async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has ended as well.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes))
        .await
        .expect("it stays open");
    String::from_utf8(bytes).unwrap()
}

async fn until(what: impl Fn() -> bool) {
    let waited = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waited).await.unwrap();
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const ASK_AND_CLOSE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_request_knows_where_it_comes_from() {
    let served = serve(router(), http(10)).await;
    let mut stream = connect(&served).await;
    stream.write_all(ASK_AND_CLOSE).await.unwrap();
    let from = stream.local_addr().unwrap().to_string();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&from), "{answer}");
}

#[tokio::test]
async fn http_is_served_on_a_socket_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("http.sock");
    let listener = Listener::bind(&Address::Unix(path.clone())).await.unwrap();
    assert!(listener.is_local() && listener.local_addr().is_none());
    let (phase, now) = watch::channel(Phase::Open);
    let ended = tokio::spawn(listener.serve(http(10), router(), now));
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(ASK_AND_CLOSE).await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.ends_with("a unix socket"), "{answer}");
    phase.send_replace(Phase::Ending);
    assert_eq!(ended.await.unwrap(), 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_counted() {
    let served = serve(router(), http(2)).await;
    let (first, _second) = (connect(&served).await, connect(&served).await);
    until(|| served.tally.open.load(Ordering::Relaxed) == 2).await;
    assert_eq!(rest(connect(&served).await).await, "");
    assert_eq!(served.tally.over_limit.load(Ordering::Relaxed), 1);
    // One that goes makes room.
    drop(first);
    until(|| served.tally.open.load(Ordering::Relaxed) == 1).await;
    let mut stream = connect(&served).await;
    stream.write_all(ASK_AND_CLOSE).await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
    assert_eq!(served.tally.accepted.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn who_is_silent_or_slow_is_closed() {
    let short = Duration::from_millis(200);
    let patience = Patience { silence: short, handshake: short, headers: short };
    let served = serve(router(), Terms { patience, ..http(10) }).await;
    let silent = connect(&served).await;
    let mut slow = connect(&served).await;
    slow.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
    let mut idle = connect(&served).await;
    idle.write_all(ASK).await.unwrap();
    assert_eq!(rest(silent).await, "");
    assert!(!rest(slow).await.contains(" 200 "));
    assert!(rest(idle).await.starts_with("HTTP/1.1 200"));
    until(|| served.tally.open.load(Ordering::Relaxed) == 0).await;
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_others_are_served() {
    let served = serve(router(), http(10)).await;
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(200 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(150));
    let tls = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".to_vec();
    let wrong: [(Vec<u8>, &str); 5] = [
        (b"\x00\x01\x02\x03\r\n\r\n".to_vec(), "HTTP/1.1 400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), ""),
        (long.into_bytes(), "HTTP/1.1 431"),
        (many.into_bytes(), "HTTP/1.1 431"),
        (tls, ""),
    ];
    for (bytes, want) in wrong {
        let mut stream = connect(&served).await;
        // It may be closed before all of it is written.
        let _ = stream.write_all(&bytes).await;
        let answer = rest(stream).await;
        assert!(answer.starts_with(want) && !answer.contains(" 200 "), "{answer}");
    }
    let mut stream = connect(&served).await;
    stream.write_all(ASK_AND_CLOSE).await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 200"));
}

/// A router whose only path answers when it is told to, and says when it is asked.
fn waiting() -> (Router, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (asked, begun) = oneshot::channel();
    let (answer, told) = oneshot::channel();
    let once = Arc::new(std::sync::Mutex::new(Some((asked, told))));
    let wait = move || async move {
        let taken = once.lock().unwrap().take();
        let (asked, told) = taken.unwrap();
        asked.send(()).unwrap();
        let _: Result<(), _> = told.await;
        "late"
    };
    (Router::new().route("/", get(wait)), begun, answer)
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_answered() {
    let (router, begun, answer) = waiting();
    let served = serve(router, http(10)).await;
    let _silent = connect(&served).await;
    let mut stream = connect(&served).await;
    stream.write_all(ASK).await.unwrap();
    begun.await.unwrap();
    served.phase.send_replace(Phase::Ending);
    let gone = async {
        while TcpStream::connect(served.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.unwrap();
    assert!(!served.ended.is_finished());
    answer.send(()).unwrap();
    assert!(rest(stream).await.ends_with("late"));
    assert_eq!(served.ended.await.unwrap(), 0);
    assert_eq!(served.tally.open.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_does_not_end_is_dropped_when_it_is_over() {
    let (router, begun, _answer) = waiting();
    let served = serve(router, http(10)).await;
    let mut stream = connect(&served).await;
    stream.write_all(ASK).await.unwrap();
    begun.await.unwrap();
    served.phase.send_replace(Phase::Ending);
    tokio::time::sleep(Duration::from_millis(20)).await;
    served.phase.send_replace(Phase::Over);
    assert_eq!(served.ended.await.unwrap(), 1);
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let served = serve(router(), http(1)).await;
    let taken = Listener::bind(&Address::Tcp(served.address.to_string())).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let any = Listener::bind(&Address::Tcp(format!("{}:0", Ipv4Addr::UNSPECIFIED))).await.unwrap();
    assert!(!any.is_local());
}
