//! What the commands that ask have in common: the store, the rule, the time, the labels.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use clap::Args;
use muster_engine::execute::{Audience, Batch, Outline, Preview, preview};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{Snapshot, Store};
use rayon::prelude::*;

use crate::arguments::{StoreArgs, instant};
use crate::failure::Failure;

/// What [`Asking::operand`] takes.
pub(crate) const OPERAND_HELP: &str = "A column, a map's key as tokens['USDT'], or length(column)";

/// How a rule is read and at which instant it holds.
#[derive(Debug, Args)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the one in service, also one that is held back
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// What now() and today() mean in rules, as 2026-11-20T00:00:00Z; when the data was read unless given
    #[arg(long, value_name = "TIME", value_parser = instant)]
    now: Option<i64>,

    /// A rule under a name, for label('NAME') in rules; may be given more than once
    #[arg(long = "label", value_name = "NAME=RULE", value_parser = named_rule)]
    labels: Vec<(String, String)>,
}

/// A store, opened for questions.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) now: i64,
    pub(crate) labels: HashMap<String, Rule>,
    pub(crate) limits: Limits,
}

impl AskArgs {
    /// Opens the generation in service, or the one named, and reads the labels.
    pub(crate) fn open(&self) -> Result<Asking, Failure> {
        self.open_generation(self.generation)
    }

    /// The store, for commands that ask more than one generation.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store.open()
    }

    /// Refuses `--generation`, for commands to which generations are named otherwise.
    pub(crate) fn names_no_generation(&self) -> Result<(), Failure> {
        match self.generation {
            Some(_) => {
                Err(Failure::Usage("name the generations without --generation, as in: 7 9".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// Opens a generation, or the one in service, and reads the labels.
    pub(crate) fn open_generation(&self, generation: Option<u64>) -> Result<Asking, Failure> {
        let limits = Limits::default();
        let snapshot = self.store.snapshot(generation)?;
        let mut labels = HashMap::with_capacity(self.labels.len());
        for (name, text) in &self.labels {
            let rule = Rule::read(text, snapshot.schema(), &limits)
                .map_err(|error| Failure::Rule(format!("label '{name}': {error}")))?;
            labels.insert(name.clone(), rule);
        }
        let now = self.now.unwrap_or_else(|| snapshot.as_of());
        Ok(Asking { snapshot, now, labels, limits })
    }
}

impl Asking {
    /// Reads a rule, as text or as JSON.
    pub(crate) fn rule(&self, text: &str) -> Result<Rule, Failure> {
        Rule::read(text, self.snapshot.schema(), &self.limits)
            .map_err(|error| Failure::Rule(error.to_string()))
    }

    /// A rule, read, bound to the snapshot and planned.
    pub(crate) fn audience(&self, text: &str) -> Result<Audience, Failure> {
        let scope = Scope { now: self.now, labels: &self.labels, limits: &self.limits };
        let rule = self.rule(text)?;
        Audience::new(&self.snapshot, &rule, &scope).map_err(|error| match error {
            // Binding knows names, not where they stand in what was typed.
            QueryError::Rule(error) => QueryError::Rule(error.located_in(text)).into(),
            QueryError::Store(error) => error.into(),
        })
    }

    /// The counts of a rule and of all its parts.
    pub(crate) fn preview(&self, text: &str) -> Result<Preview, Failure> {
        let scope = Scope { now: self.now, labels: &self.labels, limits: &self.limits };
        let outline = Outline::read(text, self.snapshot.schema(), &self.limits)
            .map_err(|error| Failure::Rule(error.to_string()))?;
        preview(&self.snapshot, &outline, &scope).map_err(|error| match error {
            QueryError::Rule(error) => QueryError::Rule(error.located_in(text)).into(),
            QueryError::Store(error) => error.into(),
        })
    }

    /// The counts of many rules in one pass, or for each why it has none.
    pub(crate) fn counts(&self, texts: &[String]) -> Result<Vec<Result<u64, String>>, Failure> {
        let scope = Scope { now: self.now, labels: &self.labels, limits: &self.limits };
        let read = |text: &String| Rule::read(text, self.snapshot.schema(), &self.limits);
        let parsed: Vec<Result<Rule, String>> =
            texts.par_iter().map(|text| read(text).map_err(|error| error.to_string())).collect();
        let rules: Vec<Rule> = parsed.iter().flatten().cloned().collect();
        let batch = Batch::new(&self.snapshot, &rules, &scope)?;
        let mut counts = batch.counts().into_iter();
        let mut answer = |text: &str, parsed: Result<Rule, String>| {
            parsed.and_then(|_| match counts.next() {
                Some(Ok(count)) => Ok(count),
                Some(Err(QueryError::Rule(error))) => Err(error.clone().located_in(text).to_string()),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("it was not counted".to_owned()),
            })
        };
        Ok(texts.iter().zip(parsed).map(|(text, parsed)| answer(text, parsed)).collect())
    }

    /// What has a value a user: a column, a map's key, an array's length.
    pub(crate) fn operand(&self, text: &str) -> Result<Operand, Failure> {
        // The language has operands only inside conditions, so it is read inside one.
        match self.rule(&format!("{text} IS NULL")) {
            Ok(Rule::IsNull { value, .. }) => Ok(value),
            _ => Err(Failure::Rule(format!(
                "'{text}' is not a column; give a name, a map's key as tokens['USDT'], or length(name)"
            ))),
        }
    }
}

/// The rules of a file, one a line; `-` is standard input. Empty lines and lines that start with `--` are none.
pub(crate) fn rules_in(file: &Path) -> Result<Vec<String>, Failure> {
    let text =
        if file == Path::new("-") { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = text.map_err(|error| Failure::file("read", file, &error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    Ok(lines.map(str::to_owned).collect())
}

/// The ids of a file, one a line; `-` is standard input. Empty lines are none.
pub(crate) fn user_ids_in(file: &Path) -> Result<Vec<u64>, Failure> {
    let text =
        if file == Path::new("-") { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = text.map_err(|error| Failure::file("read", file, &error))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    let id = |(at, line): (usize, &str)| {
        line.parse().map_err(|_| {
            Failure::Usage(format!(
                "line {at} of {} is '{line}', not a user's id; give a number",
                file.display()
            ))
        })
    };
    lines.map(id).collect()
}

fn named_rule(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, rule)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), rule.trim().to_owned())),
        _ => Err("give a name, an equals sign and a rule, as kyc='has_zkme OR has_babt'".to_owned()),
    }
}
