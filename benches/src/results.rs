//! What was measured, as one flat table, and what is known about the run; both are read back as they were written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

const MEASUREMENTS: &str = "measurements.csv";
const FACTS: &str = "run.csv";
const HEADING: &str = "part,users,case,who,threads,metric,value";

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    /// Which measurement: `rules`, `terms`, `bandwidth` and so on.
    pub(crate) part: String,
    /// How many users the data has.
    pub(crate) users: u64,
    /// The rule's name, or what else was measured.
    pub(crate) case: String,
    /// Muster or a peer.
    pub(crate) who: String,
    /// On how many threads.
    pub(crate) threads: usize,
    /// `request_ns`, `request_p99_ns`, `count`, `bytes` and so on.
    pub(crate) metric: String,
    /// The number.
    pub(crate) value: f64,
}

/// Everything of a run.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// The numbers, in the order in which they were taken.
    pub(crate) records: Vec<Record>,
    /// What is known about the run: a name and a text.
    pub(crate) facts: Vec<(String, String)>,
}

impl Results {
    /// Adds a number.
    pub(crate) fn add(
        &mut self,
        (part, users): (&str, u64),
        case: &str,
        (who, threads): (&str, usize),
        metric: &str,
        value: f64,
    ) {
        self.records.push(Record {
            part: part.to_owned(),
            users,
            case: case.to_owned(),
            who: who.to_owned(),
            threads,
            metric: metric.to_owned(),
            value,
        });
    }

    /// Adds what is known; the last word on a name stands.
    pub(crate) fn know(&mut self, name: &str, text: impl Into<String>) {
        self.facts.retain(|(known, _)| known != name);
        self.facts.push((name.to_owned(), text.into()));
    }

    /// What is known under a name.
    pub(crate) fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// One number.
    pub(crate) fn value(
        &self,
        (part, users): (&str, u64),
        case: &str,
        (who, threads): (&str, usize),
        metric: &str,
    ) -> Option<f64> {
        let found = self.records.iter().find(|r| {
            r.part == part
                && r.users == users
                && r.case == case
                && r.who == who
                && r.threads == threads
                && r.metric == metric
        });
        found.map(|record| record.value)
    }

    /// The cases of a part, in order.
    pub(crate) fn cases(&self, part: &str, users: u64) -> Vec<&str> {
        distinct(self.records.iter().filter(|r| r.part == part && r.users == users).map(|r| r.case.as_str()))
    }

    /// The numbers of users that a part was measured with, in order.
    pub(crate) fn sizes(&self, part: &str) -> Vec<u64> {
        distinct(self.records.iter().filter(|r| r.part == part).map(|r| r.users))
    }

    /// Writes both tables into a folder.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut lines = vec![HEADING.to_owned()];
        for r in &self.records {
            let fields = [
                quoted(&r.part),
                r.users.to_string(),
                quoted(&r.case),
                quoted(&r.who),
                r.threads.to_string(),
                quoted(&r.metric),
                r.value.to_string(),
            ];
            lines.push(fields.join(","));
        }
        let mut facts = vec!["fact,text".to_owned()];
        facts.extend(self.facts.iter().map(|(name, text)| format!("{},{}", quoted(name), quoted(text))));
        for (name, lines) in [(MEASUREMENTS, lines), (FACTS, facts)] {
            let path = dir.join(name);
            fs::write(&path, lines.join("\n") + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads what an earlier run wrote.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let lines = |name: &str| -> Result<Vec<Vec<String>>> {
            let path = dir.join(name);
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok(text.lines().skip(1).map(fields).collect())
        };
        let mut results = Self::default();
        for line in lines(MEASUREMENTS)? {
            let [part, users, case, who, threads, metric, value] = &line[..] else {
                bail!("{MEASUREMENTS} has a line of {} fields: {}", line.len(), line.join(","));
            };
            let (users, threads, value) = (users.parse()?, threads.parse()?, value.parse()?);
            results.add((part, users), case, (who, threads), metric, value);
        }
        for line in lines(FACTS)? {
            let [name, text] = &line[..] else { bail!("{FACTS} has a line of {} fields", line.len()) };
            results.know(name, text.as_str());
        }
        Ok(results)
    }
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// A field; line ends become spaces, so that a record is a line.
fn quoted(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The fields of a line.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut inside) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                field.push('"');
                chars.next();
            }
            '"' => inside = !inside,
            ',' if !inside => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_they_were() {
        let texts = ["a", "b, \"c\"", "", "d\"\"e"];
        let line: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        assert_eq!(fields(&line.join(",")), texts);
        assert_eq!(fields(&quoted("two\nlines")), ["two lines"]);
    }
}
