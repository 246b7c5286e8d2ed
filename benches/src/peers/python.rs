//! The Python that peers come from: a virtual environment in the work folder, filled from PyPI once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What is installed, ClickHouse in the version that the tests use.
const PACKAGES: [&str; 2] = ["chdb-core==26.9.0", "duckdb"];

/// The interpreter of the environment, which is made if it is not there.
pub(crate) fn interpreter(work: &Path) -> Result<PathBuf> {
    let home = work.join("python");
    let (python, done) = (home.join("bin/python"), home.join("installed"));
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("installing {wanted} into {}", home.display());
    run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    run(Command::new(&python).args(pip).args(PACKAGES))?;
    fs::write(&done, wanted)?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
