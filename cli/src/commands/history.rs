//! `muster history`: what happened to a store.

use std::io::Write;

use clap::Args;
use muster_engine::snapshot::Event;
use serde::Serialize;

use crate::arguments::{StoreArgs, warn};
use crate::failure::{Failure, Outcome};
use crate::output::{Align, json_line, stdout, table, time};

/// List what happened to a store: published, held back, accepted, rolled back, removed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct History {
    #[command(flatten)]
    store: StoreArgs,

    /// Only the last N
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// One JSON object an event
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster history --store store
  muster history --store store --limit 20 --json";

/// An event with a time that people and programs can read.
#[derive(Debug, Serialize)]
struct Told<'a> {
    time: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl History {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let history = self.store.open()?.history()?;
        let skipped = self.limit.map_or(0, |limit| history.events.len().saturating_sub(limit));
        let events = &history.events[skipped..];
        let mut out = stdout();
        if self.json {
            for event in events {
                json_line(&mut out, &Told { time: time(event.at), event })?;
            }
        } else {
            let rows: Vec<[String; 6]> = events.iter().map(row).collect();
            let heading = [
                ("time", Align::Left),
                ("event", Align::Left),
                ("generation", Align::Right),
                ("before", Align::Right),
                ("by", Align::Left),
                ("reason", Align::Left),
            ];
            table(&mut out, heading, &rows)?;
        }
        out.flush()?;
        if history.unreadable > 0 {
            warn(&[format!("{} lines of the history can't be read and are left out", history.unreadable)]);
        }
        Ok(Outcome::Fine)
    }
}

fn row(event: &Event) -> [String; 6] {
    [
        time(event.at),
        event.event.name().to_owned(),
        event.generation.to_string(),
        event.before.map_or_else(String::new, |before| before.to_string()),
        format!("{} on {}", event.user, event.host),
        event.reason.clone().unwrap_or_default(),
    ]
}
