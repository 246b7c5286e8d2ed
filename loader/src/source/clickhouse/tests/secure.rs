//! Passwords stay here, and TLS is what it should be.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::options::Secret;
use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// A table behind TLS, with a certificate for `localhost` and 127.0.0.1.
fn tls_server() -> Server {
    let certificates =
        CertificateDer::pem_file_iter(fixture("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let config = Arc::new(config);
    let answer = |request: &Request| {
        about(request, 5, false)
            .unwrap_or_else(|| Script::ok(arrow_stream(&batches(std::slice::from_ref(&(0..5)))).0))
    };
    Server::start_over(answer, move |stream| {
        let mut stream: StreamOwned<ServerConnection, TcpStream> =
            StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        // Whoever does not trust us leaves during the handshake.
        let _ = stream.read(&mut []);
        stream
    })
}

fn over_tls(server: &Server, ca_file: Option<&str>) -> ClickHouseOptions {
    let mut options = impatient(server);
    options.address.url = format!("https://127.0.0.1:{}", server.port());
    options.address.tls = true;
    options.ca_file = ca_file.map(fixture);
    options.patience.retries = 3;
    options
}

#[test]
fn a_certificate_that_is_trusted_is_enough() {
    let server = tls_server();
    let source = ClickHouseSource::open(over_tls(&server, Some("ca.pem"))).unwrap();
    assert_eq!(ids(&source).unwrap().len(), 5);
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_at_once() {
    let server = tls_server();
    let error = ClickHouseSource::open(over_tls(&server, Some("other-ca.pem"))).unwrap_err().to_string();
    assert!(
        error.contains("certificate") && error.contains("ca_file") && !error.contains("tried"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 0, "nothing was told to somebody unknown");
}

#[test]
fn a_ca_file_without_certificates_is_named() {
    let server = tls_server();
    for name in ["server.key", "nothing.pem"] {
        let error = ClickHouseSource::open(over_tls(&server, Some(name))).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn tls_to_a_plain_port_is_an_error() {
    let server = server_of(5, false, |_| Script::nothing());
    let mut options = over_tls(&server, Some("ca.pem"));
    options.patience.retries = 0;
    options.patience.first_byte = Duration::from_secs(2);
    assert!(ClickHouseSource::open(options).is_err());
}

#[test]
fn a_password_goes_to_the_server_and_nowhere_else() {
    let secret = "hunter2-hunter2";
    let server = Server::start(|request| {
        assert!(request.head.contains("hunter2-hunter2"), "it is sent");
        assert!(!request.head.lines().next().unwrap().contains("hunter2"), "and not where proxies log it");
        if request.query.starts_with("SELECT `user_id`") {
            return Script::status(403, "Code: 516. DB::Exception: me: Authentication failed");
        }
        about(request, 5, false).unwrap()
    });
    let mut options = impatient(&server);
    (options.user, options.password) = (Some("me".into()), Some(Secret(secret.into())));
    assert!(!format!("{options:?}").contains("hunter2"));
    let source = ClickHouseSource::open(options.clone()).unwrap();
    let told = format!("{source:?} {} {}", source.description(), error(&source));
    assert!(!told.contains("hunter2"), "{told}");

    // What HTTP cannot carry is refused without repeating it.
    options.password = Some(Secret("hunter2\n\u{e9}".into()));
    let error = ClickHouseSource::open(options).unwrap_err().to_string();
    assert!(error.contains("the password") && !error.contains("hunter2"), "{error}");
}
