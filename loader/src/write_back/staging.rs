//! A table of our own beside the one that others read. A label is written here first, compared with what was sent, and then put into
//! its place in one step.
//!
//! Two that write at once have a table each. What somebody who was killed left behind is removed by the next.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use muster_engine::error::Error;
use muster_engine::execute::Audience;

use super::members::{Digest, rows};
use super::settings::Form;
use super::table::{Table, definition};
use crate::source::clickhouse::{Attempts, Fault};

/// After so many seconds nobody writes any more who began then.
const LEFT_BEHIND_SECONDS: i64 = 24 * 3600;

/// A table for what is not complete yet.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    table: &'a Table,
    name: String,
    /// Where rows are that become a bitmap.
    rows: Option<String>,
}

/// Why a label was not written.
#[derive(Debug)]
pub(super) enum Failed {
    /// The server, or the way to it.
    Fault(Fault),
    /// Our own data.
    Store(Error),
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl<'a> Staging<'a> {
    /// Makes it, like the table that it is for.
    pub(super) async fn create(table: &'a Table) -> Result<Self, Fault> {
        let now = jiff::Timestamp::now().as_second();
        let prefix = table.staging_prefix();
        for name in table.tables(&prefix).await? {
            if began(&name[prefix.len()..]).is_some_and(|began| began + LEFT_BEHIND_SECONDS < now) {
                tracing::info!(table = name, "removing what a write-back left behind");
                table.ask(&format!("DROP TABLE IF EXISTS {}", table.beside(&name))).await?;
            }
        }
        let new_name = || {
            let random = RandomState::new().hash_one(Instant::now());
            table.beside(&format!("{prefix}{now}_{random:016x}"))
        };
        let name = new_name();
        // The order must be the other table's, too; an engine that is replicated would want a path of its own.
        let statement = format!("CREATE TABLE IF NOT EXISTS {name} AS {}{}", table.quoted(), table.engine());
        table.ask(&statement).await?;
        let rows = (table.form() == Form::Bitmap).then(new_name);
        if let Some(rows) = &rows {
            table.ask(&definition(Form::Rows, rows)).await?;
        }
        Ok(Self { table, name, rows })
    }

    /// Writes the members of a label, and puts them into their place once they are all there.
    pub(super) async fn write(&self, label: u64, audience: &Audience, time: u32) -> Result<Digest, Failed> {
        let mut attempts = Attempts::new(self.table.link(), self.table.deadline());
        loop {
            match self.write_once(label, audience, time).await {
                Err(Failed::Fault(fault)) => attempts.after(fault).await?,
                other => return other,
            }
            // What came of the attempt before is not known.
            for table in self.tables() {
                self.table.ask(&format!("ALTER TABLE {table} DROP PARTITION {label}")).await?;
            }
        }
    }

    async fn write_once(&self, label: u64, audience: &Audience, time: u32) -> Result<Digest, Failed> {
        let sent = self.send(label, audience, time).await?;
        if sent.users == 0 && self.table.form() == Form::Rows {
            // A partition without rows is none.
            self.table.clear(label).await?;
            return Ok(sent);
        }
        let arrived = self.table.digest(&self.name, label).await?;
        if arrived != sent {
            let what =
                format!("of {} users that were sent, {} arrived, or others", sent.users, arrived.users);
            return Err(Fault::passing(what).into());
        }
        self.table.replace(label, &self.name).await?;
        // Whatever else happened to the table: what was put there is what is there.
        let there = self.table.digest(&self.table.quoted(), label).await?;
        if there != sent {
            let what = format!("the table has {} users, of which {} were put there", there.users, sent.users);
            return Err(Fault::passing(what).into());
        }
        Ok(sent)
    }

    async fn send(&self, label: u64, audience: &Audience, time: u32) -> Result<Digest, Failed> {
        let of = |error| Failed::from(Fault::of(&error));
        let into = self.rows.as_ref().unwrap_or(&self.name);
        let statement = format!("INSERT INTO {into} (label_id, user_id, update_time) FORMAT RowBinary");
        let mut insert = self.table.link().insert(&statement);
        let mut digest = Digest::default();
        for batch in audience.members(None)?.targetable() {
            let batch = batch?;
            if Instant::now() >= self.table.deadline() {
                let what = "it took longer than `total_timeout_seconds` in [write_back] allows; raise it, or find out why it is slow";
                return Err(Fault::lasting(what).into());
            }
            digest.add(&batch);
            insert.write_buffered(&rows(label, &batch, time));
            insert.flush().await.map_err(of)?;
        }
        if digest.users > 0 {
            insert.end().await.map_err(of)?;
        }
        if let Some(rows) = &self.rows {
            // The server makes the state, so it is one that this server reads.
            let statement = format!(
                "INSERT INTO {} (label_id, users, update_time) SELECT {label}, groupBitmapState(user_id), \
                 toDateTime({time}) FROM {rows} WHERE label_id = {label}",
                self.name
            );
            self.table.ask(&statement).await?;
            self.table.ask(&format!("ALTER TABLE {rows} DROP PARTITION {label}")).await?;
        }
        Ok(digest)
    }

    fn tables(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.rows)
    }

    /// Removes it.
    pub(super) async fn remove(self) {
        for table in self.tables() {
            if let Err(fault) = self.table.ask(&format!("DROP TABLE IF EXISTS {table}")).await {
                tracing::warn!(table, reason = %fault.message, "a table of a write-back stays; a later one removes it");
            }
        }
    }
}

/// When a table of ours was made, from what stands behind the prefix of its name.
fn began(rest: &str) -> Option<i64> {
    let (seconds, random) = rest.split_once('_')?;
    let is_ours = random.len() == 16 && random.bytes().all(|letter| letter.is_ascii_hexdigit());
    seconds.parse().ok().filter(|_| is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_we_give_are_ours() {
        assert_eq!(began("1732000000_0123456789abcdef"), Some(1_732_000_000));
        for other in
            ["", "1732000000", "backup_0123456789abcdef", "1732000000_x", "1732000000_0123456789abcdef0"]
        {
            assert_eq!(began(other), None, "{other}");
        }
    }
}
