//! Many connections that ask nothing: what each costs the server, and what membership notices of them.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use muster_proto::v1;

use super::children::Child;
use super::figures::{Figures, mib, own_bytes};
use super::flood::membership;

/// Half of them speak HTTP/2 to gRPC and ask nothing, half say nothing at all to HTTP.
const CONNECTIONS: usize = 10_000;
/// The beginning of HTTP/2: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The server takes them in within this time.
const TAKEN_IN: Duration = Duration::from_secs(2);

/// Opens the connections, and asks for membership beside them.
pub(super) fn idle(muster: &Child, asked: &v1::IsInSegmentRequest, requests: u64) -> Result<String> {
    let http = muster.http.as_deref().context("a server with metrics")?;
    // What ran before is over.
    std::thread::sleep(TAKEN_IN);
    let (quiet, before) = (membership(muster, asked, requests)?, own_bytes(muster.pid())?);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let speaks = number % 2 == 0;
        let mut stream = TcpStream::connect(if speaks { muster.address.as_str() } else { http })
            .with_context(|| format!("connection {number}; `ulimit -n` must allow {CONNECTIONS}"))?;
        if speaks {
            stream.write_all(PREFACE)?;
        }
        connections.push(stream);
    }
    std::thread::sleep(TAKEN_IN);
    let open = Figures::of(http)?.sum("muster_connections", &[]);
    ensure!(open >= CONNECTIONS as f64, "the server keeps {open} of {CONNECTIONS} connections");
    let (beside, after) = (membership(muster, asked, requests)?, own_bytes(muster.pid())?);
    let each = after.saturating_sub(before) / CONNECTIONS as u64;
    Ok(format!(
        "\n{CONNECTIONS} idle connections\n\n\
         - own memory: {} before, {} with them, {each} bytes each\n\
         - membership p99: {quiet:.0} us without, {beside:.0} us beside them\n",
        mib(before),
        mib(after),
    ))
}
