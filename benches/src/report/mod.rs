//! The report: docs/benchmarks.md and its plots, from the tables of a run and nothing else.

mod plot;
mod plots;
mod ratios;
mod sections;
mod targets;
mod text;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::results::Results;
use crate::run::main_users;

/// Writes the page and its plots into a folder.
pub(crate) fn write(results: &Results, out: &Path) -> Result<()> {
    let sizes = results.sizes("rules");
    ensure!(!sizes.is_empty(), "there are no measurements of rules to report");
    let main = main_users(&sizes);
    let threads = results.fact("threads").and_then(|threads| threads.parse().ok()).unwrap_or(1);
    let plots = plots::all(results, main, threads);

    let folder = out.join("benchmarks");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, plot) in &plots {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, plot.svg()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let page = sections::page(results, main, threads, &plots);
    let path = out.join("benchmarks.md");
    fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}", targets::summary(results, main, threads));
    println!("written: {}", path.display());
    Ok(())
}
