//! The data of a run: populations and stores in the work folder, made once and found again.
//!
//! `WORK/USERS/features` has the Parquet files, `WORK/USERS/store` the store; `*.done` beside each says what it was made of,
//! so that another seed or format makes it anew. Folders may be links to what is there already.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use muster_engine::format::FORMAT;
use muster_engine::snapshot::Store;
use muster_loader::build::{BuildOptions, BuildReport, build};
use muster_loader::config::Config;
use muster_loader::progress::Bars;
use muster_loader::synth::{DEFAULT_REFERENCE, SynthOptions, synth};
use serde::{Deserialize, Serialize};

/// One population.
#[derive(Debug, Clone)]
pub(crate) struct Population {
    /// How many users.
    pub(crate) users: u64,
    /// Where everything of it is.
    pub(crate) home: PathBuf,
}

/// What building a store took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Built {
    /// The binary and format that built it.
    made_of: String,
    /// Seconds from the first byte read to the published generation.
    pub(crate) seconds: f64,
    /// Most memory that the build held.
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Population {
    /// Makes what is missing of it.
    pub(crate) fn prepare(work: &Path, users: u64) -> Result<(Self, Built)> {
        let home = work.join(users.to_string());
        fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
        let this = Self { users, home };
        this.prepare_features()?;
        let built = this.prepare_store()?;
        Ok((this, built))
    }

    /// The Parquet files.
    pub(crate) fn features(&self) -> PathBuf {
        self.home.join("features")
    }

    /// The store.
    pub(crate) fn store(&self) -> PathBuf {
        self.home.join("store")
    }

    /// A number that is only measured when something is made: kept, so that a later run can tell it, too.
    pub(crate) fn once(&self, name: &str, measured: Option<f64>) -> Result<Option<f64>> {
        let path = self.home.join(name);
        if let Some(measured) = measured {
            fs::write(&path, measured.to_string())?;
        }
        Ok(fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok()))
    }

    fn prepare_features(&self) -> Result<()> {
        let mut options = SynthOptions::new(self.users, self.features());
        let made_of = format!("users {} seed {} now {}", options.users, options.seed, options.reference);
        let done = self.home.join("features.done");
        if fs::read_to_string(&done).is_ok_and(|text| text.trim() == made_of) {
            return Ok(());
        }
        eprintln!("making a population of {} users", self.users);
        options.replace = true;
        synth(&options, &Bars::new())?;
        Ok(fs::write(done, made_of)?)
    }

    fn prepare_store(&self) -> Result<Built> {
        let made_of = format!("format {FORMAT}");
        let done = self.home.join("store.done");
        if let Ok(text) = fs::read_to_string(&done)
            && let Ok(built) = serde_json::from_str::<Built>(&text)
            && built.made_of == made_of
            && Store::open(&self.store()).and_then(|store| store.current()).is_ok()
        {
            return Ok(built);
        }
        eprintln!("building a store of {} users", self.users);
        let _ = fs::remove_dir_all(self.store());
        // In a process of its own: its peak of memory is then the build's.
        let output = Command::new(std::env::current_exe()?).arg("build-store").arg(&self.home).output()?;
        ensure!(output.status.success(), "the build failed: {}", String::from_utf8_lossy(&output.stderr));
        let built: Built = serde_json::from_slice(&output.stdout)?;
        fs::write(done, serde_json::to_string(&built)?)?;
        Ok(built)
    }
}

/// Builds the store of a population and tells what that took; the whole work of one child process.
pub(crate) fn build_store(home: &Path) -> Result<()> {
    let report = build_into(&home.join("features"), &home.join("store"))?;
    let built = Built {
        made_of: format!("format {FORMAT}"),
        seconds: report.seconds,
        peak_memory_bytes: report.peak_memory_bytes,
    };
    serde_json::to_writer(std::io::stdout(), &built)?;
    Ok(())
}

/// Builds a store from a folder of Parquet files.
fn build_into(features: &Path, store: &Path) -> Result<BuildReport> {
    let mut config = Config::default();
    config.set_source(&format!("parquet:{}/*.parquet", features.display()));
    let mut options = BuildOptions::from(&config);
    store.clone_into(&mut options.store);
    // The population is seen at one instant; with it, `now()` means the same in every run.
    options.as_of = DEFAULT_REFERENCE;
    Ok(build(&*config.open_source()?, &options, &Bars::new())?)
}

/// Bytes of all files below a folder.
pub(crate) fn bytes_below(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
