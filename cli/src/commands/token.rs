//! `muster token`: who may ask a server.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use muster_catalog::audit::Event;
use muster_loader::config::Config;
use muster_server::{Config as Serving, Role, TokensFile};
use serde::Serialize;
use serde_json::json;

use crate::arguments::ahead;
use crate::failure::{Failure, Outcome};
use crate::noting::note;
use crate::output::{Align, json_line, line, stdout, table};

/// Make, list and revoke the tokens that a server asks for
///
/// Servers follow the file of tokens: what is changed holds within a second, without a restart.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: TokenCommand,
}

const EXAMPLES: &str = "\
Examples:
  muster token create --store store --name delivery --role reader
  muster token create --config muster.toml --name ops --role admin --expires 90d
  muster token list --store store
  muster token revoke --store store delivery";

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it, this once: only its hash is kept
    Create(Create),
    /// List tokens: names, roles, until when they hold
    List(List),
    /// Take a token out; whoever holds it is refused
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    file: FileArgs,

    /// Who will hold it
    #[arg(long)]
    name: String,

    /// What they may do: reader, editor, approver or admin
    #[arg(long)]
    role: Role,

    /// How long it holds, as 90d or 12h [default: until it is revoked]
    #[arg(long, value_name = "SPAN", value_parser = ahead)]
    expires: Option<Duration>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    file: FileArgs,

    /// One JSON object a token
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    #[command(flatten)]
    file: FileArgs,

    /// Whose
    name: String,
}

/// Which file of tokens.
#[derive(Debug, Args)]
struct FileArgs {
    /// The file of tokens itself
    #[arg(long, value_name = "FILE", conflicts_with_all = ["store", "config"])]
    tokens_file: Option<PathBuf>,

    /// Folder of the store beside which it is
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,

    /// Configuration file, TOML, that names the one or the other
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl FileArgs {
    /// The file that a server with the same flags and variables reads.
    fn file(&self) -> Result<TokensFile, Failure> {
        if let Some(file) = &self.tokens_file {
            return Ok(TokensFile::at(file));
        }
        let config = Config::load(self.config.as_deref(), env::vars())?;
        let serving = Serving::read(config.serve).map_err(Failure::Usage)?;
        let store = self.store.as_ref().unwrap_or(&config.store);
        Ok(serving.tokens_file.as_deref().map_or_else(|| TokensFile::beside(store), TokensFile::at))
    }
}

impl FileArgs {
    /// Notes what was done to a token in the audit of the catalog that the same server uses.
    fn note(&self, file: &TokensFile, event: Event) {
        let store = match (&self.tokens_file, &self.store) {
            // Beside the file, as both are beside the store unless said otherwise.
            (Some(_), _) => Some(file.path().with_file_name("store")),
            (None, store) => store.clone(),
        };
        note(self.config.as_deref(), store.as_deref(), event);
    }
}

/// A token as programs read it.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    role: Role,
    created: String,
    expires: Option<String>,
    expired: bool,
}

impl Token {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self.command {
            TokenCommand::Create(command) => command.run(),
            TokenCommand::List(command) => command.run(),
            TokenCommand::Revoke(command) => command.run(),
        }
    }
}

impl Create {
    fn run(self) -> Result<Outcome, Failure> {
        let file = self.file.file()?;
        let now = Timestamp::now();
        let created = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let expires = self.expires.map(|span| created.checked_add(span)).transpose();
        let expires =
            expires.map_err(|_| Failure::Usage("--expires is beyond the end of the calendar".to_owned()))?;
        let token = file.create(&self.name, self.role, created, expires)?;
        line(&token)?;
        let after = json!({ "role": self.role, "expires": expires.map(|end| end.to_string()) });
        self.file.note(&file, Event::token("create", &self.name, None, Some(after)));
        eprintln!("muster: its hash is in {}; the token is not shown again", file.path().display());
        Ok(Outcome::Fine)
    }
}

impl List {
    fn run(self) -> Result<Outcome, Failure> {
        let now = Timestamp::now();
        let tokens = self.file.file()?.list()?.into_iter().map(|token| Told {
            name: token.name,
            role: token.role,
            created: token.created.to_string(),
            expires: token.expires.map(|end| end.to_string()),
            expired: token.expires.is_some_and(|end| end <= now),
        });
        let mut out = stdout();
        if self.json {
            for token in tokens {
                json_line(&mut out, &token)?;
            }
        } else {
            let heading = ["name", "role", "created", "expires"].map(|name| (name, Align::Left));
            table(&mut out, heading, &tokens.map(row).collect::<Vec<_>>())?;
        }
        out.flush()?;
        Ok(Outcome::Fine)
    }
}

fn row(token: Told) -> [String; 4] {
    let expires = match token.expires {
        Some(end) if token.expired => format!("{end} (expired)"),
        Some(end) => end,
        None => "never".to_owned(),
    };
    [token.name, token.role.to_string(), token.created, expires]
}

impl Revoke {
    fn run(self) -> Result<Outcome, Failure> {
        let file = self.file.file()?;
        let before = file.list()?.into_iter().find(|token| token.name == self.name);
        file.revoke(&self.name)?;
        let before = before
            .map(|token| json!({ "role": token.role, "expires": token.expires.map(|end| end.to_string()) }));
        self.file.note(&file, Event::token("revoke", &self.name, before, None));
        line(&format!("{} is revoked", self.name))?;
        Ok(Outcome::Fine)
    }
}
