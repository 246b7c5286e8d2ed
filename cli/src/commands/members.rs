//! `muster members`: who.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::formats::{Format, write_members};
use crate::output::stdout;
use crate::request::AskArgs;

/// List the users a rule matches
///
/// The order is the store's own and stays the same within a generation; it is not the order of the ids.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Members {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    rule: String,

    /// At most this many users
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Go on where a run with --limit ended: the token it told, with the same rule, --now and generation
    #[arg(long, value_name = "TOKEN")]
    page_token: Option<String>,

    /// How to write them
    #[arg(long, value_enum, default_value_t = Format::Ids)]
    format: Format,

    /// Write to this file, which appears when it is complete; otherwise to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  muster members --store store --limit 10 \"has_poh AND country = 'US'\"
  muster members --store store --format csv --out audience.csv \"balance_usd >= 100\"
  muster members --store store --format roaring --out audience.roaring \"has_zkme OR has_babt\"";

impl Members {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        if self.out.is_none() && self.format.is_binary() && io::stdout().is_terminal() {
            return Err(Failure::Usage(
                "this format is not for a terminal; give a file with --out FILE".to_owned(),
            ));
        }
        let asking = self.ask.open()?;
        let audience = asking.audience(&self.rule)?;
        let mut members = audience.members(self.page_token.as_deref())?;
        if let Some(limit) = self.limit {
            members = members.limit(limit);
        }
        let key = &asking.snapshot.schema().user_id;
        match &self.out {
            None => write_members(self.format, stdout(), key, &mut members)?,
            Some(path) => {
                write_aside(path, |file| {
                    write_members(self.format, BufWriter::new(file), key, &mut members)
                })?;
            }
        }
        if let Some(token) = members.token().filter(|_| self.limit.is_some()) {
            eprintln!("muster: there may be more; go on with --page-token {token}");
        }
        Ok(Outcome::Fine)
    }
}

/// Writes a file beside its place and moves it there once it is complete, so that nobody reads half of it.
fn write_aside(path: &Path, write: impl FnOnce(&File) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let aside = path.with_file_name(name);
    let file = File::create(&aside).map_err(|error| Failure::file("create", &aside, &error))?;
    let written = write(&file)
        .and_then(|()| file.sync_all().map_err(|error| Failure::file("write", &aside, &error)))
        .and_then(|()| fs::rename(&aside, path).map_err(|error| Failure::file("write", path, &error)));
    if written.is_err() {
        // The first error is the one to tell; a leftover that cannot be removed either changes nothing.
        let _ = fs::remove_file(&aside);
    }
    written
}
