//! The Python of `docs/clients.md`, run as it stands there, against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Serving, USERS};

/// A Python that has the packages which the page installs.
const PYTHON: &str = "MUSTER_TEST_PYTHON";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The blocks of the page that are marked as Python, in order.
fn python(page: &str) -> String {
    let blocks = page.split("\n```python\n").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect::<Vec<_>>().join("\n\n")
}

/// Runs Python and gives what it printed.
fn run<S: AsRef<OsStr>>(dir: &Path, arguments: &[S]) -> String {
    let python = std::env::var_os(PYTHON)
        .expect("MUSTER_TEST_PYTHON names a Python with grpcio, grpcio-tools and grpcio-status");
    let output =
        Command::new(python).args(arguments).current_dir(dir).env("PYTHONPATH", dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Python with grpcio"]
async fn the_python_of_the_page_does_what_it_says() {
    let page = fs::read_to_string(root().join("docs/clients.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let proto = root().join("proto").canonicalize().unwrap();
    let mut arguments =
        ["-m", "grpc_tools.protoc", "--python_out", ".", "--grpc_python_out", "."].map(String::from).to_vec();
    arguments.push(format!("--proto_path={}", proto.display()));
    for file in fs::read_dir(proto.join("muster/v1")).unwrap() {
        arguments.push(file.unwrap().path().display().to_string());
    }
    run(dir.path(), &arguments);

    let serving = Serving::start().await;
    let script = python(&page);
    assert!(script.contains("127.0.0.1:7070"));
    fs::write(dir.path().join("page.py"), script.replace("127.0.0.1:7070", &serving.address.to_string()))
        .unwrap();
    let folder = dir.path().to_owned();
    let told = tokio::task::spawn_blocking(move || run(&folder, &["page.py"])).await.unwrap();
    let lines: Vec<&str> = told.lines().collect();

    let rich = (0..USERS).filter(|id| id % 2 == 0 && id % 251 >= 100).count();
    assert_eq!(lines[0], "[True, False] True 1", "{told}");
    assert!(lines[1].starts_with(&format!("{rich} of {USERS}, as of ")), "{told}");
    assert_eq!(lines[2..4], ["True", "INVALID_ARGUMENT"], "{told}");
    assert!(lines[4].starts_with("segment ") && lines[4].contains("balance_usd"), "{told}");
    assert_eq!(lines[5..], ["line 1 column 1", "0"], "{told}");
}
