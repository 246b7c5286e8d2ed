//! What can be said on the command line.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::serving::{NightOptions, ServingOptions, SoakOptions};

/// Measure Muster beside its peers on the same data, and write docs/benchmarks.md
#[derive(Debug, Parser)]
#[command(name = "muster-bench", version, after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) run: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  muster-bench                                       1 M and 10 M users, all peers, into docs
  muster-bench --users 1000000 --quick --out target/report
  muster-bench --peers roaring,croaring --work /tmp/muster-bench
  muster-bench --report-only                         the page again, from the tables of the last run
  muster-bench match --users 1000000 --rules 1000,15000
  muster-bench serving --store muster-demo/store     the server under load, and flooded
  muster-bench night --out docs/benchmarks/night.md  fifteen thousand labels in a new generation";

/// Instead of a run.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Match random users against many rules, beside the `a-tree` crate and other ways to keep the answers, and print what came of it
    Match(MatchOptions),
    /// Load a server of a store with h2load, beside an empty service, and print what came of it
    Serving(ServingOptions),
    /// Load a server for a long time with everything at once: membership, heavy counts, members, rebuilds
    Soak(SoakOptions),
    /// Count fifteen thousand labels in a new generation while a server is asked for membership
    Night(NightOptions),
    /// Serve nothing (`serving` starts this in a process of its own)
    #[command(hide = true)]
    ServeEmpty { address: String },
    /// Build the store of a population (the run calls this in a process of its own)
    #[command(hide = true)]
    BuildStore { home: PathBuf },
    /// Open a store and count (the run calls this in a process of its own)
    #[command(hide = true)]
    FirstCount { store: PathBuf, rule: String },
}

/// What a run does.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunOptions {
    /// Sizes of the populations
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    pub(crate) users: Vec<u64>,

    /// 100 M users too: 16 GB of Parquet, as much again for each peer, and an hour
    #[arg(long)]
    pub(crate) huge: bool,

    /// Folder for populations, stores and peers, kept and found again
    #[arg(long, value_name = "DIR", default_value = "bench-work")]
    pub(crate) work: PathBuf,

    /// Who is asked beside Muster: clickhouse (with its groupBitmap), duckdb, roaring, croaring, or none
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values_t = PEERS.map(str::to_owned))]
    pub(crate) peers: Vec<String>,

    /// A ClickHouse server that runs already, such as http://127.0.0.1:8123; started otherwise
    #[arg(long, value_name = "URL")]
    pub(crate) clickhouse: Option<String>,

    /// Threads for everyone that can use several
    #[arg(long, value_name = "N", default_value_t = cores())]
    pub(crate) threads: usize,

    /// Folder for benchmarks.md and, in benchmarks/, plots and tables
    #[arg(long, value_name = "DIR", default_value = "docs")]
    pub(crate) out: PathBuf,

    /// A tenth of the repeats, and no 100 M rows of flags: for trying things, not for figures
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write the page from the tables of the last run, without measuring
    #[arg(long)]
    pub(crate) report_only: bool,
}

const PEERS: [&str; 4] = ["clickhouse", "duckdb", "roaring", "croaring"];
/// What `--huge` adds.
const HUGE: u64 = 100_000_000;

impl RunOptions {
    /// Refuses what makes no sense, and says the sizes in order.
    pub(crate) fn checked(mut self) -> Result<Self> {
        if self.huge {
            self.users.push(HUGE);
        }
        self.users.sort_unstable();
        self.users.dedup();
        self.peers.retain(|peer| peer != "none");
        for peer in &self.peers {
            ensure!(
                PEERS.contains(&peer.as_str()),
                "there is no peer '{peer}'; there are {}",
                PEERS.join(", ")
            );
        }
        ensure!(self.threads > 0 && !self.users.is_empty(), "give at least one thread and one size");
        Ok(self)
    }

    /// Whether a peer is wanted.
    pub(crate) fn wants(&self, peer: &str) -> bool {
        self.peers.iter().any(|wanted| wanted == peer)
    }

    /// The command that does this again; folders and addresses are whoever's who runs it.
    pub(crate) fn command(&self) -> String {
        let users: Vec<String> = self.users.iter().map(u64::to_string).collect();
        let mut command = format!("cargo run --release -p muster-benches -- --users {}", users.join(","));
        if self.peers.len() < PEERS.len() {
            let peers = if self.peers.is_empty() { "none".to_owned() } else { self.peers.join(",") };
            command.extend([" --peers ", &peers]);
        }
        command.extend([" --threads ", &self.threads.to_string()]);
        if self.quick {
            command += " --quick";
        }
        command
    }
}

/// What is matched.
#[derive(Debug, Clone, Args)]
pub(crate) struct MatchOptions {
    /// Size of the population
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) users: u64,

    /// How many rules
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [100, 1_000, 15_000])]
    pub(crate) rules: Vec<usize>,

    /// Folder for the population and its store, kept and found again
    #[arg(long, value_name = "DIR", default_value = "bench-work")]
    pub(crate) work: PathBuf,

    /// Leave out the rows and lists of members, which take gigabytes at many rules
    #[arg(long)]
    pub(crate) no_members: bool,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn sizes_come_in_order_and_unknown_peers_are_refused() {
        let run = |text: &str| Options::parse_from(text.split(' ')).run.checked();
        assert_eq!(run("b --huge --users 5,3,5").unwrap().users, [3, 5, HUGE]);
        assert!(run("b --peers none").unwrap().peers.is_empty());
        assert!(run("b --peers postgres").is_err());
    }
}
