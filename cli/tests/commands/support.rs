//! Runs the binary, and builds the store that most tests ask.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Users of the shared population.
pub(crate) const USERS: u64 = 20_000;

/// What a run of the binary left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// Standard output as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Standard output as a JSON value a line.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Ends as expected, with everything that goes wrong said in one line.
    #[track_caller]
    pub(crate) fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Ends with this status and a message of one line that names each of these.
    #[track_caller]
    pub(crate) fn refuses(self, status: i32, naming: &[&str]) {
        let run = self.ends_with(status);
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.stderr);
        for name in naming {
            assert!(run.stderr.contains(name), "'{name}' is not in: {}", run.stderr);
        }
    }
}

/// The binary with these arguments.
pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    command.args(arguments).stdin(Stdio::null()).env_remove("MUSTER_STORE");
    command
}

/// Runs the binary with these arguments.
pub(crate) fn muster<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Run {
    finish(command(arguments))
}

/// Runs a prepared command.
pub(crate) fn finish(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        status: output.status.code().unwrap_or(-1),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `muster COMMAND --store STORE ...` on the shared store.
pub(crate) fn ask(subcommand: &str, rest: &[&str]) -> Run {
    let mut arguments = vec![subcommand, "--store", store().to_str().unwrap()];
    arguments.extend(rest);
    muster(&arguments)
}

/// A folder of this test run's own.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        fs::remove_dir_all(&path).unwrap();
    }
    fs::create_dir_all(&path).unwrap();
    path
}

/// The shared population's Parquet files, as a source.
pub(crate) fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let features = folder("features");
        let users = USERS.to_string();
        muster(&["synth", "--users", &users, "--seed", "7", "--out", features.to_str().unwrap()])
            .ends_with(0);
        format!("parquet:{}/*.parquet", features.display())
    })
}

/// The files of [`source`].
pub(crate) fn source_files() -> Vec<PathBuf> {
    let folder = source().trim_start_matches("parquet:").trim_end_matches("/*.parquet");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// A store of the shared population, built once; tests only read it.
pub(crate) fn store() -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = folder("store");
        build(&store, source()).ends_with(0);
        store
    })
}

/// `muster build`.
pub(crate) fn build(store: &Path, source: &str) -> Run {
    muster(&["build", "--store", store.to_str().unwrap(), "--source", source])
}
