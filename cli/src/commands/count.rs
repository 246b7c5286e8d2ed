//! `muster count`: how many.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Align, duration, grouped, json_line, share, stdout, table, time};
use crate::request::{AskArgs, Asking, rules_in};

/// Count the users a rule matches
///
/// The time is that of the whole request: the rule read, bound to the columns, planned and counted. Rules of a file are
/// counted together, in one pass over the data; --repeat counts each of them by itself, to tell its time.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Count {
    #[command(flatten)]
    ask: AskArgs,

    /// A WHERE expression, or a JSON rule tree
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    rule: Option<String>,

    /// Rules to count, one a line; - is standard input; empty lines and lines that start with -- are skipped
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Count each rule N times and tell the median and the 99th percentile of the times
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,

    /// One JSON object a rule: rule, count, universe, generation, as_of, now, micros (of its share, if counted together)
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster count --store store \"has_poh AND country = 'US'\"
  muster count --store store --json --repeat 100 \"balance_usd >= 100\"
  muster count --store store --now 2026-11-20T00:00:00Z \"last_active_time >= now() - INTERVAL 7 DAY\"
  muster count --store store --file rules.txt";

/// One answered rule.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    rule: &'a str,
    count: u64,
    universe: u64,
    generation: u64,
    as_of: String,
    now: String,
    micros: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_micros: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_micros: Option<f64>,
}

/// One rule that has no answer.
#[derive(Debug, Serialize)]
struct Refusal<'a> {
    rule: &'a str,
    error: String,
}

impl Count {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let asking = self.ask.open()?;
        let Some(file) = &self.file else {
            let rule = self.rule.as_deref().unwrap_or_default();
            return self.one(&asking, rule);
        };
        let rules = rules_in(file)?;
        if self.repeat > 1 { self.one_by_one(&asking, &rules) } else { self.together(&asking, &rules) }
    }

    fn one(&self, asking: &Asking, rule: &str) -> Result<Outcome, Failure> {
        let mut out = stdout();
        let result = self.count(asking, rule);
        if self.json {
            return match result {
                Ok(answer) => {
                    json_line(&mut out, &answer)?;
                    out.flush()?;
                    Ok(Outcome::Fine)
                }
                Err(Failure::Rule(error)) => {
                    json_line(&mut out, &Refusal { rule, error: error.clone() })?;
                    out.flush()?;
                    Err(Failure::Rule(error))
                }
                Err(other) => Err(other),
            };
        }
        let answer = result?;
        writeln!(
            out,
            "{} of {} users, {}, in {}; generation {} as of {}",
            grouped(answer.count),
            grouped(answer.universe),
            share(answer.count, answer.universe),
            micros(answer.micros),
            answer.generation,
            answer.as_of,
        )?;
        if let (Some(p50), Some(p99)) = (answer.p50_micros, answer.p99_micros) {
            writeln!(out, "{} times: median {}, 99th percentile {}", self.repeat, micros(p50), micros(p99))?;
        }
        out.flush()?;
        Ok(Outcome::Fine)
    }

    /// Each rule by itself, with its time.
    fn one_by_one(&self, asking: &Asking, rules: &[String]) -> Result<Outcome, Failure> {
        let mut out = stdout();
        let mut rows = Vec::new();
        let mut outcome = Outcome::Fine;
        for rule in rules {
            match self.count(asking, rule) {
                Ok(answer) if self.json => json_line(&mut out, &answer)?,
                Ok(answer) => rows.push([
                    grouped(answer.count),
                    share(answer.count, answer.universe),
                    micros(answer.p50_micros.unwrap_or(answer.micros)),
                    rule.clone(),
                ]),
                Err(Failure::Rule(error)) => {
                    outcome = Outcome::No;
                    if self.json {
                        json_line(&mut out, &Refusal { rule, error })?;
                    } else {
                        rows.push([
                            "error".to_owned(),
                            String::new(),
                            String::new(),
                            format!("{rule}: {error}"),
                        ]);
                    }
                }
                Err(other) => return Err(other),
            }
        }
        if !self.json {
            let heading = [
                ("users", Align::Right),
                ("share", Align::Right),
                (if self.repeat > 1 { "median" } else { "time" }, Align::Right),
                ("rule", Align::Left),
            ];
            table(&mut out, heading, &rows)?;
        }
        out.flush()?;
        Ok(outcome)
    }

    /// All rules in one pass over the data.
    fn together(&self, asking: &Asking, rules: &[String]) -> Result<Outcome, Failure> {
        let begun = Instant::now();
        let counts = asking.counts(rules)?;
        let took = begun.elapsed();
        let micros = took.as_nanos() as f64 / 1e3 / rules.len().max(1) as f64;
        let universe = asking.snapshot.users();
        let (mut out, mut outcome) = (stdout(), Outcome::Fine);
        let mut rows = Vec::new();
        for (rule, count) in rules.iter().zip(counts) {
            match count {
                Ok(count) if self.json => {
                    json_line(&mut out, &Self::answer(asking, rule, count, micros))?;
                }
                Ok(count) => rows.push([grouped(count), share(count, universe), rule.clone()]),
                Err(error) => {
                    outcome = Outcome::No;
                    if self.json {
                        json_line(&mut out, &Refusal { rule, error })?;
                    } else {
                        rows.push(["error".to_owned(), String::new(), format!("{rule}: {error}")]);
                    }
                }
            }
        }
        if !self.json {
            let heading = [("users", Align::Right), ("share", Align::Right), ("rule", Align::Left)];
            table(&mut out, heading, &rows)?;
            writeln!(
                out,
                "{} rules, {} users, in {}; generation {} as of {}",
                grouped(rules.len() as u64),
                grouped(universe),
                duration(took),
                asking.snapshot.generation(),
                time(asking.snapshot.as_of()),
            )?;
        }
        out.flush()?;
        Ok(outcome)
    }

    fn answer<'a>(asking: &Asking, rule: &'a str, count: u64, micros: f64) -> Answer<'a> {
        let snapshot = &asking.snapshot;
        Answer {
            rule,
            count,
            universe: snapshot.users(),
            generation: snapshot.generation(),
            as_of: time(snapshot.as_of()),
            now: time(asking.now),
            micros,
            p50_micros: None,
            p99_micros: None,
        }
    }

    fn count<'a>(&self, asking: &Asking, rule: &'a str) -> Result<Answer<'a>, Failure> {
        let mut times = Vec::with_capacity(self.repeat as usize);
        let mut count = 0;
        for _ in 0..self.repeat {
            let begun = Instant::now();
            count = asking.audience(rule)?.count();
            times.push(begun.elapsed().as_nanos() as f64 / 1e3);
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let at = |share: f64| (self.repeat > 1).then(|| percentile(&times, share));
        let answer = Self::answer(asking, rule, count, first);
        Ok(Answer { p50_micros: at(0.50), p99_micros: at(0.99), ..answer })
    }
}

/// The smallest of the sorted values that at least this share of them does not exceed.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn micros(value: f64) -> String {
    duration(Duration::from_nanos((value * 1e3) as u64))
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let times: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            (percentile(&times, 0.5), percentile(&times, 0.99), percentile(&[7.0], 0.99)),
            (100.0, 198.0, 7.0)
        );
    }
}
