//! Clients that others wrote: curl over HTTPS, and grpcio over TLS, with a token and without.

use std::path::Path;
use std::process::{Command, Output};

use jiff::Timestamp;
use muster_server::{Role, Tokens, TokensFile};

use crate::certificates::{Authority, client};
use crate::support::{Running, start, until};

/// A server that wants TLS and tokens, and a token that it knows.
async fn guarded() -> (Running, String) {
    let authority = Authority::new("ours");
    let pair = authority.sign("server", 2100);
    let server = start(|config, dir| {
        let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(|name| dir.join(name));
        pair.write(&cert, &key);
        authority.write(&ca);
        (config.tls_cert, config.tls_key) = (Some(cert), Some(key));
        config.tokens = Tokens::Required;
    })
    .await;
    let file = TokensFile::at(&server.tokens());
    let token = file.create("delivery", Role::Reader, Timestamp::now(), None).unwrap();
    let client = client(&server, &authority.client(None)).await;
    let shown = format!("Bearer {token}");
    until(|| async { client.count(&[("authorization", &shown)]).await.is_ok() }).await;
    (server, token)
}

fn curl(server: &Running, scheme: &str, rest: &[&str]) -> Output {
    let ca = server.dir.path().join("ca.pem");
    let url = format!("{scheme}://localhost:{}/api/v1/audience/count", server.http.unwrap().port());
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", "\n%{http_code}", "--cacert"]).arg(ca);
    curl.args(["-H", "content-type: application/json", "-d", r#"{"rule": "number < 7"}"#]);
    curl.args(rest).arg(url).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs curl"]
async fn curl_is_answered_over_tls_with_a_token_and_only_so() {
    let (server, token) = guarded().await;
    let bearer = format!("authorization: Bearer {token}");
    let answered = curl(&server, "https", &["-H", &bearer]);
    assert!(
        text(&answered).contains("\"count\":700") && text(&answered).ends_with("200"),
        "{}",
        text(&answered)
    );
    let refused = curl(&server, "https", &[]);
    assert!(text(&refused).ends_with("401"), "{}", text(&refused));
    let plain = curl(&server, "http", &["-H", &bearer]);
    assert!(!plain.status.success() && text(&plain).contains("000"), "{}", text(&plain));
    server.stop().await;
}

const PYTHON: &str = r#"
import sys, grpc
from muster.v1 import segments_pb2, segments_pb2_grpc, types_pb2
port, ca, token = sys.argv[1:]
trust = grpc.ssl_channel_credentials(open(ca, "rb").read())
stub = segments_pb2_grpc.SegmentsStub(grpc.secure_channel("localhost:" + port, trust))
question = segments_pb2.CountRequest(segment=types_pb2.Segment(rule="number < 7"))
print(stub.Count(question, metadata=[("authorization", "Bearer " + token)], timeout=20).count)
for metadata in [(), [("authorization", "Bearer muster_wrong")]]:
    try:
        stub.Count(question, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        print(error.code().name)
plain = segments_pb2_grpc.SegmentsStub(grpc.insecure_channel("localhost:" + port))
try:
    plain.Count(question, timeout=5)
except grpc.RpcError as error:
    print(error.code().name)
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs MUSTER_TEST_PYTHON, a Python with grpcio and grpcio-tools"]
async fn grpcio_is_answered_over_tls_with_a_token_and_only_so() {
    let python = std::env::var("MUSTER_TEST_PYTHON").unwrap();
    let (server, token) = guarded().await;
    let ca = server.dir.path().join("ca.pem");
    let compiled = server.dir.path();
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto").canonicalize().unwrap();
    let mut protoc = Command::new(Path::new(&python));
    protoc
        .args(["-m", "grpc_tools.protoc", "--python_out", ".", "--grpc_python_out", "."])
        .current_dir(compiled);
    protoc.arg(format!("--proto_path={}", proto.display()));
    protoc.args(["types", "segments"].map(|name| proto.join(format!("muster/v1/{name}.proto"))));
    let output = protoc.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let mut command = Command::new(Path::new(&python));
    command.env("PYTHONPATH", compiled);
    command.args(["-c", PYTHON, &server.address().port().to_string(), ca.to_str().unwrap(), &token]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "700\nUNAUTHENTICATED\nUNAUTHENTICATED\nUNAVAILABLE\n");
    server.stop().await;
}
