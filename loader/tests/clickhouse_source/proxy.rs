//! Something between the loader and a real server that breaks connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Passes everything on, but ends so many connections after so many bytes of an answer.
pub(crate) struct Proxy {
    address: SocketAddr,
    /// Connections that are still to be ended.
    pub(crate) to_end: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of `http://HOST:PORT`.
    pub(crate) fn before(url: &str, bytes: u64, to_end: u64) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let to_end = Arc::new(AtomicU64::new(to_end));
        let left = to_end.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let left = left.clone();
                let (mut asking, mut asked) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut asking, &mut asked);
                    let _ = asked.shutdown(Shutdown::Write);
                });
                thread::spawn(move || answer(server, client, bytes, &left));
            }
        });
        Self { address, to_end }
    }

    /// In front of a server, but ends so many connections after so many bytes of what is sent to it.
    #[allow(dead_code, reason = "tests of reading share this file with those of writing")]
    pub(crate) fn that_takes(url: &str, bytes: u64, to_end: u64) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let to_end = Arc::new(AtomicU64::new(to_end));
        let left = to_end.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { continue };
                let left = left.clone();
                let (mut answering, mut answered) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut answering, &mut answered);
                    let _ = answered.shutdown(Shutdown::Write);
                });
                thread::spawn(move || answer(client, server, bytes, &left));
            }
        });
        Self { address, to_end }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn answer(mut server: TcpStream, mut client: TcpStream, bytes: u64, left: &AtomicU64) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        passed += read as u64;
        let one_less = |left: u64| left.checked_sub(1);
        if passed > bytes && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            break;
        }
        if client.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
