//! The table that members of labels are written to: what it must be, whether it is, and what is in it.
//!
//! It is partitioned by label, because a partition is what ClickHouse replaces as one thing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::members::Digest;
use super::settings::Form;
use crate::source::Rows;
use crate::source::clickhouse::{Fault, Link, literal, quoted};

/// The codes of a server that does not know `groupBitmap`: as a type, and as a function.
const TOO_OLD: [u32; 2] = [63, 46];

/// From this version on, a partition is not replaced while its parts are merged.
const MERGES_STAND_STILL_SINCE: u32 = 21;
/// Between two looks whether merges have ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A table that can be written to.
#[derive(Debug, Clone)]
pub(super) struct Table {
    link: Arc<Link>,
    form: Form,
    database: String,
    name: String,
    deadline: Instant,
    /// What a table like it must say of its engine, where it must say something.
    engine: String,
    /// Whether a merge that is under way brings back what was replaced meanwhile.
    merges_interfere: bool,
}

/// What a table has of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    /// Rows; one of a bitmap.
    pub(super) rows: u64,
    /// Users.
    pub(super) users: u64,
    /// The times that rows tell, first and last, in Unix seconds.
    pub(super) times: [u32; 2],
}

impl Table {
    /// Makes the table if it is not there, and checks that it is one that can be written to.
    pub(super) async fn open(link: &Arc<Link>, form: Form, deadline: Instant) -> Result<Self, Fault> {
        let options = link.options();
        let Rows::Table { name, .. } = &options.rows else {
            return Err(Fault::lasting("a query cannot be written to; give a `table` in [write_back]"));
        };
        let (database, name) = match (name.split_once('.'), &options.database) {
            (Some((database, name)), _) => (database.to_owned(), name),
            (None, Some(database)) => (database.clone(), name.as_str()),
            (None, None) => {
                let database = link.text_when("SELECT currentDatabase()", deadline).await?;
                (unescaped(database.trim_end_matches('\n')), name.as_str())
            }
        };
        let (link, name) = (Arc::clone(link), name.to_owned());
        let mut table =
            Self { link, form, database, name, deadline, engine: String::new(), merges_interfere: false };
        let made = table.ask(&definition(form, &table.quoted())).await;
        made.map_err(|fault| table.too_old(fault))?;
        table.engine = table.check().await?;
        let version = table.ask("SELECT version()").await?;
        let major = version.trim().split('.').next().and_then(|major| major.parse::<u32>().ok());
        table.merges_interfere = major.is_some_and(|major| major < MERGES_STAND_STILL_SINCE);
        Ok(table)
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// What stands behind `CREATE TABLE ... AS` this one.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// Until when everything must be done.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Its name, for statements.
    pub(super) fn quoted(&self) -> String {
        self.beside(&self.name)
    }

    /// The name of another table in the same database.
    pub(super) fn beside(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.database), quoted(name))
    }

    /// How names of tables begin that are written before they become part of this one.
    pub(super) fn staging_prefix(&self) -> String {
        format!("{}_muster_", self.name)
    }

    /// The answer to a statement, tried again while that can help.
    pub(super) async fn ask(&self, statement: &str) -> Result<String, Fault> {
        self.link.text_when(statement, self.deadline).await
    }

    fn too_old(&self, fault: Fault) -> Fault {
        if self.form == Form::Bitmap && fault.code.is_some_and(|code| TOO_OLD.contains(&code)) {
            let what = "this ClickHouse is too old for groupBitmap; set `form = \"rows\"` in [write_back], or use a newer one";
            return Fault { code: fault.code, ..Fault::lasting(what) };
        }
        fault
    }

    /// Fails unless it is one that can be written to. What a table like it must say of its engine.
    async fn check(&self) -> Result<String, Fault> {
        let [database, name] = [&self.database, &self.name].map(|text| literal(text));
        let columns =
            format!("SELECT name, type FROM system.columns WHERE database = {database} AND table = {name}");
        let columns = self.ask(&columns).await?;
        let kind = "engine, partition_key, sorting_key";
        let kind = format!("SELECT {kind} FROM system.tables WHERE database = {database} AND name = {name}");
        let kind = self.ask(&kind).await?;
        let problem = wrong_columns(self.form, &columns).or_else(|| wrong_kind(&kind));
        problem.map_or_else(
            || Ok(local_engine(&kind)),
            |problem| {
                Err(Fault::lasting(format!(
                    "the table {} cannot take members of labels: {problem}; name another `table` in [write_back], or drop \
                     this one, and it is made as: {}",
                    self.quoted(),
                    definition(self.form, &self.quoted())
                )))
            },
        )
    }

    /// What is there, by label.
    pub(super) async fn present(&self) -> Result<HashMap<u64, Present>, Fault> {
        let users = match self.form {
            Form::Rows => "count()",
            Form::Bitmap => "sum(bitmapCardinality(users))",
        };
        let answer = self
            .ask(&format!(
                "SELECT label_id, count(), {users}, toUInt32(min(update_time)), toUInt32(max(update_time)) FROM {} \
                 GROUP BY label_id",
                self.quoted()
            ))
            .await?;
        answer.lines().map(|line| present(line).ok_or_else(|| unreadable(line))).collect()
    }

    /// The members of a label in this table, or in one like it.
    pub(super) async fn digest(&self, of: &str, label: u64) -> Result<Digest, Fault> {
        let (users, hashes) = match self.form {
            Form::Rows => ("count()", "sum(intHash64(user_id))"),
            Form::Bitmap => (
                "sum(bitmapCardinality(users))",
                "sum(arraySum(arrayMap(user -> intHash64(user), bitmapToArray(users))))",
            ),
        };
        let answer =
            self.ask(&format!("SELECT {users}, {hashes} FROM {of} WHERE label_id = {label}")).await?;
        let numbers = numbers(answer.trim_end());
        match numbers.as_deref() {
            Some(&[users, hashes]) => Ok(Digest { users, hashes }),
            _ => Err(unreadable(&answer)),
        }
    }

    /// Makes another table's partition this label's.
    pub(super) async fn replace(&self, label: u64, from: &str) -> Result<(), Fault> {
        let statement = format!("ALTER TABLE {} REPLACE PARTITION {label} FROM {from}", self.quoted());
        if !self.merges_interfere {
            return self.ask(&statement).await.map(drop);
        }
        self.ask(&format!("SYSTEM STOP MERGES {}", self.quoted())).await?;
        let replaced = async {
            self.merges_to_end().await?;
            self.ask(&statement).await.map(drop)
        };
        let replaced = replaced.await;
        self.ask(&format!("SYSTEM START MERGES {}", self.quoted())).await?;
        replaced
    }

    /// Waits until nothing is merged in it.
    async fn merges_to_end(&self) -> Result<(), Fault> {
        let query = format!(
            "SELECT count() FROM system.merges WHERE database = {} AND table = {}",
            literal(&self.database),
            literal(&self.name)
        );
        while self.ask(&query).await?.trim() != "0" {
            if Instant::now() >= self.deadline {
                return Err(Fault::lasting("merges of the table do not end; look at system.merges"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Leaves nothing of a label.
    pub(super) async fn clear(&self, label: u64) -> Result<(), Fault> {
        self.ask(&format!("ALTER TABLE {} DROP PARTITION {label}", self.quoted())).await.map(drop)
    }

    /// Names of tables in the same database that begin so.
    pub(super) async fn tables(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let answer = self
            .ask(&format!(
                "SELECT name FROM system.tables WHERE database = {} AND startsWith(name, {})",
                literal(&self.database),
                literal(prefix)
            ))
            .await?;
        Ok(answer.lines().map(unescaped).collect())
    }
}

/// The statement that makes a table of this form.
pub(super) fn definition(form: Form, name: &str) -> String {
    let (users, order) = match form {
        Form::Rows => ("user_id UInt64", "(label_id, user_id)"),
        Form::Bitmap => ("users AggregateFunction(groupBitmap, UInt64)", "label_id"),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS {name} (label_id UInt64, {users}, update_time DateTime) ENGINE = MergeTree \
         PARTITION BY label_id ORDER BY {order}"
    )
}

/// What is wrong with a table's columns, told by `system.columns`.
fn wrong_columns(form: Form, told: &str) -> Option<String> {
    let users = match form {
        Form::Rows => ("user_id", "UInt64"),
        Form::Bitmap => ("users", "AggregateFunction(groupBitmap, UInt64)"),
    };
    let wanted = [("label_id", "UInt64"), users, ("update_time", "DateTime")];
    let found: Vec<(String, String)> = told
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, ty)| (unescaped(name), unescaped(ty)))
        .collect();
    let mut problem = String::new();
    for (name, ty) in wanted {
        let found = found.iter().find(|(found, _)| found == name).map(|(_, ty)| ty.as_str());
        let fits = |found: &str| found == ty || (ty == "DateTime" && found.starts_with("DateTime("));
        let said = match found {
            None => write!(problem, ", it has no column `{name}` of type {ty}"),
            Some(found) if !fits(found) => {
                write!(problem, ", its column `{name}` is of type {found} and not {ty}")
            }
            Some(_) => continue,
        };
        // Writing to a String does not fail.
        let _ = said;
    }
    for (name, _) in found.iter().filter(|(found, _)| wanted.iter().all(|(name, _)| name != found)) {
        let _ = write!(problem, ", it has a column `{name}` that nothing is written to");
    }
    (!problem.is_empty()).then(|| problem.trim_start_matches(", ").to_owned())
}

/// What is wrong with a table's kind, told by `system.tables`.
fn wrong_kind(told: &str) -> Option<String> {
    let mut fields = told.trim_end_matches('\n').split('\t');
    let (engine, partition) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    if !engine.ends_with("MergeTree") {
        return Some(format!(
            "its engine is {engine}, and labels are replaced in tables of MergeTree's family only"
        ));
    }
    let partition = unescaped(partition);
    let by_label = partition.trim_matches(['(', ')', '`']) == "label_id";
    let how = if partition.is_empty() {
        "is not partitioned".to_owned()
    } else {
        format!("is partitioned by {partition}")
    };
    (!by_label)
        .then(|| format!("it {how}, and must be by label_id, because labels are replaced one at a time"))
}

/// The engine of a table like it that is this server's alone; nothing if it is such a one itself.
fn local_engine(told: &str) -> String {
    let mut fields = told.trim_end_matches('\n').split('\t');
    let (engine, order) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
    if engine.starts_with("Replicated") || engine.starts_with("Shared") {
        return format!(" ENGINE = MergeTree PARTITION BY label_id ORDER BY ({})", unescaped(order));
    }
    String::new()
}

fn present(line: &str) -> Option<(u64, Present)> {
    let numbers = numbers(line)?;
    let &[label, rows, users, first, last] = &numbers[..] else { return None };
    Some((label, Present { rows, users, times: [u32::try_from(first).ok()?, u32::try_from(last).ok()?] }))
}

fn numbers(line: &str) -> Option<Vec<u64>> {
    line.split('\t').map(|number| number.parse().ok()).collect()
}

fn unreadable(answer: &str) -> Fault {
    let answer: String = answer.chars().take(200).collect();
    Fault::lasting(format!(
        "the answer {answer:?} is not ClickHouse's; is this the address of its HTTP port?"
    ))
}

/// A text without the escapes of TabSeparated.
fn unescaped(text: &str) -> String {
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        plain.extend(match letter {
            '\\' => match letters.next() {
                Some('t') => Some('\t'),
                Some('n') => Some('\n'),
                other => other,
            },
            letter => Some(letter),
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_another_says_how() {
        let good = "label_id\tUInt64\nuser_id\tUInt64\nupdate_time\tDateTime\n";
        assert_eq!(wrong_columns(Form::Rows, good), None);
        let zoned = "update_time\tDateTime(\\'UTC\\')\nlabel_id\tUInt64\nuser_id\tUInt64\n";
        assert_eq!(wrong_columns(Form::Rows, zoned), None);
        let problem = wrong_columns(Form::Bitmap, good).unwrap();
        for part in
            ["no column `users` of type AggregateFunction(groupBitmap, UInt64)", "`user_id` that nothing"]
        {
            assert!(problem.contains(part), "{problem}");
        }
        let narrow = good.replace("user_id\tUInt64", "user_id\tUInt32");
        let problem = wrong_columns(Form::Rows, &narrow).unwrap();
        assert_eq!(problem, "its column `user_id` is of type UInt32 and not UInt64");
    }

    #[test]
    fn only_tables_whose_partitions_are_labels_will_do() {
        for told in
            ["MergeTree\tlabel_id\n", "ReplicatedMergeTree\t(label_id)\n", "ReplacingMergeTree\t`label_id`\n"]
        {
            assert_eq!(wrong_kind(told), None, "{told}");
        }
        let cases = [
            ("Memory\t\n", "engine is Memory"),
            ("MergeTree\t\n", "is not partitioned"),
            ("MergeTree\ttoYYYYMM(update_time)\n", "partitioned by toYYYYMM(update_time)"),
        ];
        for (told, want) in cases {
            assert!(wrong_kind(told).unwrap().contains(want), "{told}");
        }
    }

    #[test]
    fn staging_beside_a_replicated_table_is_not_replicated() {
        assert_eq!(local_engine("MergeTree\tlabel_id\tlabel_id, user_id\n"), "");
        let engine = local_engine("ReplicatedMergeTree\tlabel_id\tlabel_id, user_id\n");
        assert_eq!(engine, " ENGINE = MergeTree PARTITION BY label_id ORDER BY (label_id, user_id)");
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let there = Present { rows: 2, users: 2, times: [5, 6] };
        assert_eq!(present("7\t2\t2\t5\t6"), Some((7, there)));
        for line in ["", "7\t2\t2\t5", "7\t2\t2\t5\t6\t7", "7\tx\t2\t5\t6", "7\t2\t2\t5\t99999999999"] {
            assert_eq!(present(line), None, "{line}");
        }
        assert_eq!(unescaped("a\\'b\\\\c\\td"), "a'b\\c\td");
    }
}
