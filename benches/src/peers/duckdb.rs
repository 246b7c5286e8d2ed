//! DuckDB: a child process of Python with a native table, asked the rendered SQL after a few rewrites.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde::Deserialize;

use super::python;
use super::{Peer, Question, Reply};

const SCRIPT: &str = include_str!("duckdb_child.py");

/// What DuckDB says otherwise than ClickHouse: a pattern, what it becomes, and in words what that is. In this order.
const REWRITES: [(&str, &str, &str); 9] = [
    (r"toDateTime\('([^']*)', 'UTC'\)", "TIMESTAMPTZ '$1+00'", "instants"),
    (
        r"if\(JSONType\(ifNull\(([A-Za-z0-9_]+), ''\)\) = 'Array', has\(JSONExtract\(ifNull\([A-Za-z0-9_]+, ''\), 'Array\(String\)'\), ('[^']*')\), NULL\)",
        r#"list_contains(from_json($1, '["VARCHAR"]'), $2)"#,
        "`has` on a JSON array",
    ),
    (
        r"if\(JSONType\(ifNull\(([A-Za-z0-9_]+), ''\)\) = 'Array', hasAny\(JSONExtract\(ifNull\([A-Za-z0-9_]+, ''\), 'Array\(String\)'\), (\[[^\]]*\])\), NULL\)",
        r#"list_has_any(from_json($1, '["VARCHAR"]'), $2)"#,
        "`hasAny` on a JSON array",
    ),
    (
        r"if\(JSONType\(ifNull\(([A-Za-z0-9_]+), ''\)\) = 'Array', hasAll\(JSONExtract\(ifNull\([A-Za-z0-9_]+, ''\), 'Array\(String\)'\), (\[[^\]]*\])\), NULL\)",
        r#"list_has_all(from_json($1, '["VARCHAR"]'), $2)"#,
        "`hasAll` on a JSON array",
    ),
    (
        r"if\(JSONType\(ifNull\(([A-Za-z0-9_]+), ''\)\) = 'Array', JSONLength\(ifNull\([A-Za-z0-9_]+, ''\)\), NULL\)",
        "json_array_length($1)",
        "the length of a JSON array",
    ),
    (
        r"if\(JSONType\(ifNull\(([A-Za-z0-9_]+), ''\)\) = 'Object', JSONExtract\(ifNull\([A-Za-z0-9_]+, ''\), '([A-Za-z0-9_]+)', 'Nullable\(Float64\)'\) IS NOT NULL, NULL\)",
        r#"json_exists($1, '$$."$2"')"#,
        "`mapContains` on a JSON object",
    ),
    (
        r"JSONExtract\(ifNull\(([A-Za-z0-9_]+), ''\), '([A-Za-z0-9_]+)', 'Nullable\(Float64\)'\)",
        r#"CAST(json_extract($1, '$$."$2"') AS DOUBLE)"#,
        "a key of a JSON object",
    ),
    (r"startsWith\(", "starts_with(", "prefixes"),
    (r"arraySum\(\[(.*?)\]\)", "list_sum(CAST([$1] AS INTEGER[]))", "`at_least`"),
];

/// The child process.
pub(crate) struct DuckDb {
    child: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    threads: usize,
    rewrites: Vec<(Regex, &'static str)>,
}

/// What the child says first.
#[derive(Debug, Deserialize)]
pub(crate) struct Load {
    /// DuckDB's version.
    pub(crate) version: String,
    /// Seconds of loading, if the table was not there already.
    pub(crate) seconds: Option<f64>,
    /// Bytes of the database file.
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Counted { count: u64, nanos: f64 },
    Failed { error: String },
}

impl DuckDb {
    /// Starts the child and loads the table, unless the database in the folder has that many users already.
    pub(crate) fn load(work: &Path, home: &Path, users: u64, threads: usize) -> Result<(Self, Load)> {
        let python = python::interpreter(work)?;
        let script = work.join("duckdb_child.py");
        fs::write(&script, SCRIPT)?;
        let mut child = Command::new(python)
            .arg(&script)
            .arg(home.join("duckdb.db"))
            .arg(home.join("features"))
            .args([users.to_string(), threads.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start DuckDB")?;
        let questions = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("DuckDB's child has no output")?);
        let rewrites =
            REWRITES.iter().map(|(pattern, to, _)| Ok((Regex::new(pattern)?, *to))).collect::<Result<_>>()?;
        let mut this = Self { child, questions, answers, threads, rewrites };
        let load = serde_json::from_str(&this.line()?)?;
        Ok((this, load))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("DuckDB's child ended: {}", self.child.wait()?);
        }
        Ok(line)
    }

    fn rewritten(&self, sql: &str) -> String {
        self.rewrites.iter().fold(sql.to_owned(), |sql, (from, to)| from.replace_all(&sql, *to).into_owned())
    }
}

/// What is rewritten, in words.
pub(crate) fn rewrites() -> Vec<&'static str> {
    REWRITES.iter().map(|(_, _, what)| *what).collect()
}

impl Peer for DuckDb {
    fn name(&self) -> &'static str {
        "duckdb"
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn ask(&mut self, question: &Question) -> Result<Reply> {
        let line = serde_json::to_string(&self.rewritten(&question.sql))?;
        let questions = self.questions.as_mut().context("DuckDB's child is gone")?;
        writeln!(questions, "{line}")?;
        Ok(match serde_json::from_str(&self.line()?)? {
            Answer::Counted { count, nanos } => Reply::Counted { count, nanos },
            Answer::Failed { error } => Reply::NotAsked(error),
        })
    }
}

impl Drop for DuckDb {
    fn drop(&mut self) {
        // The end of its input ends the child.
        drop(self.questions.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_are_patterns() {
        for (pattern, _, _) in REWRITES {
            Regex::new(pattern).unwrap();
        }
    }
}
