//! Static lists: labels that are lists of users, uploaded, appended to, replaced.
//!
//! An upload is collected and checked first, and then stored in one transaction: whoever reads a list sees it as it was before
//! or as it is after.

mod codec;
mod parse;
pub(crate) mod store;

use serde::{Deserialize, Serialize};

pub use self::parse::{BadLine, IdReader, Parsed};
use crate::audit::{Event, Kind};
use crate::caller::{Caller, check_text};
use crate::catalog::Catalog;
use crate::db::{Counter, Tx};
use crate::error::{Error, Result};
use crate::label::{Label, LabelKey, LabelKind, rows};

/// What an upload does to the list that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadMode {
    /// Its users come to those that are there.
    Append,
    /// Its users take the place of those that are there.
    Replace,
}

/// Users that are being uploaded, in any order, repeated or not.
#[derive(Debug)]
pub struct Upload {
    mode: UploadMode,
    ids: Vec<u64>,
    /// So many at the front are in order, each once.
    sorted: usize,
    users_max: usize,
}

/// The list after an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Uploaded {
    /// The label, with the number of its users.
    pub label: Label,
    /// Users that were not in the list before.
    pub added: u64,
    /// Users that are not in the list any more.
    pub removed: u64,
}

impl Upload {
    /// Takes some of the users. Fails when there are more than a list may have.
    pub fn push(&mut self, ids: &[u64]) -> Result<()> {
        self.ids.extend_from_slice(ids);
        if self.ids.len() > (2 * self.sorted).max(1 << 16) {
            self.sort();
            check_size(self.ids.len(), self.users_max)?;
        }
        Ok(())
    }

    /// How it is meant.
    pub fn mode(&self) -> UploadMode {
        self.mode
    }

    /// The users, ascending, each once.
    fn finish(mut self) -> Result<(UploadMode, Vec<u64>)> {
        self.sort();
        check_size(self.ids.len(), self.users_max)?;
        Ok((self.mode, self.ids))
    }

    fn sort(&mut self) {
        self.ids.sort_unstable();
        self.ids.dedup();
        self.sorted = self.ids.len();
    }
}

fn check_size(users: usize, max: usize) -> Result<()> {
    if users <= max {
        return Ok(());
    }
    Err(Error::invalid(
        "users",
        format!(
            "the list would have {users} users, more than the limit of {max} (`catalog.list_users_max` in the configuration)"
        ),
    ))
}

impl Catalog {
    /// Begins an upload. Nothing is stored before [`Catalog::finish_upload`].
    pub fn upload(&self, mode: UploadMode) -> Upload {
        let users_max = usize::try_from(self.db.settings.list_users_max).unwrap_or(usize::MAX);
        Upload { mode, ids: Vec::new(), sorted: 0, users_max }
    }

    /// Stores an upload.
    pub async fn finish_upload(
        &self,
        caller: &Caller,
        key: &LabelKey,
        upload: Upload,
        comment: &str,
        now_us: i64,
    ) -> Result<Uploaded> {
        caller.check()?;
        check_text("comment", comment)?;
        let users_max = upload.users_max;
        // Sorting millions of numbers is no work for a thread that answers others.
        let (mode, ids) = tokio::task::spawn_blocking(move || upload.finish())
            .await
            .map_err(|error| Error::invalid("users", format!("they could not be put in order: {error}")))??;
        let mut tx = self.db.write().await?;
        let outcome = put(&mut tx, caller, key, mode, ids, users_max, comment, now_us).await;
        tx.finish(outcome).await
    }

    /// All users of a list, ascending, and the list's version.
    pub async fn list_users(&self, caller: &Caller, key: &LabelKey, now_us: i64) -> Result<(u64, Vec<u64>)> {
        let mut tx = self.db.read().await?;
        let outcome = async {
            let label = list(&mut tx, caller, key, now_us).await?;
            Ok((label.list_version, store::read(&mut tx, &label).await?))
        }
        .await;
        tx.finish(outcome).await
    }
}

/// A label that is a list.
async fn list(tx: &mut Tx<'_>, caller: &Caller, key: &LabelKey, now_us: i64) -> Result<Label> {
    let label = rows::get(tx, caller, key, now_us).await?;
    match label.kind {
        LabelKind::List => Ok(label),
        LabelKind::Rule => Err(Error::WrongKind { name: label.name, is_list: false }),
    }
}

#[allow(clippy::too_many_arguments, reason = "one call, and each is what it says")]
async fn put(
    tx: &mut Tx<'_>,
    caller: &Caller,
    key: &LabelKey,
    mode: UploadMode,
    ids: Vec<u64>,
    users_max: usize,
    comment: &str,
    now_us: i64,
) -> Result<Uploaded> {
    let mut label = list(tx, caller, key, now_us).await?;
    let before = store::read(tx, &label).await?;
    let (users, common) = match mode {
        UploadMode::Replace => {
            let common = common(&before, &ids);
            (ids, common)
        }
        UploadMode::Append => (union(&before, &ids), before.len()),
    };
    check_size(users.len(), users_max)?;
    let (had, has) = (before.len(), users.len());
    drop(before);
    let version = tx.count_up(Counter::List, 1).await?;
    store::write(tx, &mut label, &users, version).await?;
    label.version += 1;
    label.updated_us = now_us;
    label.updated_by.clone_from(&caller.user);
    rows::store(tx, &label).await?;
    let event = Event {
        kind: Kind::List,
        action: match mode {
            UploadMode::Append => "append".to_owned(),
            UploadMode::Replace => "replace".to_owned(),
        },
        id: Some(label.id),
        name: label.name.clone(),
        before: Some(serde_json::json!({ "users": had })),
        after: Some(serde_json::json!({ "users": has, "list_version": label.list_version })),
        comment: comment.to_owned(),
    };
    tx.audit(caller, &event, now_us).await?;
    tx.count_up(Counter::LabelChanges, 1).await?;
    Ok(Uploaded { label, added: (has - common) as u64, removed: (had - common) as u64 })
}

/// How many are in both of two ascending lists.
fn common(a: &[u64], b: &[u64]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                i += 1;
                j += 1;
                count += 1;
            }
        }
    }
    count
}

/// What is in one of two ascending lists, ascending, each once.
fn union(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (mut i, mut j) = (0, 0);
    let mut all = Vec::with_capacity(a.len() + b.len());
    while i < a.len() && j < b.len() {
        let next = a[i].min(b[j]);
        i += usize::from(a[i] == next);
        j += usize::from(b[j] == next);
        all.push(next);
    }
    all.extend_from_slice(&a[i..]);
    all.extend_from_slice(&b[j..]);
    all
}

/// Gives a stored label these users and stores it, under a version of the list that it has already, or under the next.
pub(crate) async fn fill(
    tx: &mut Tx<'_>,
    label: &mut Label,
    mut users: Vec<u64>,
    version: Option<u64>,
) -> Result<()> {
    users.sort_unstable();
    users.dedup();
    check_size(users.len(), usize::try_from(tx.db.settings.list_users_max).unwrap_or(usize::MAX))?;
    let version = match version {
        Some(version) => version,
        None => tx.count_up(Counter::List, 1).await?,
    };
    store::write(tx, label, &users, version).await?;
    rows::store(tx, label).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_are_what_sets_are(a: BTreeSet<u64>, b: BTreeSet<u64>, shared: BTreeSet<u64>) {
            let a: BTreeSet<u64> = a.union(&shared).copied().collect();
            let b: BTreeSet<u64> = b.union(&shared).copied().collect();
            let (av, bv): (Vec<u64>, Vec<u64>) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(common(&av, &bv), a.intersection(&b).count());
            prop_assert_eq!(union(&av, &bv), a.union(&b).copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_upload_that_is_too_long_ends_early() {
        let mut upload = Upload { mode: UploadMode::Replace, ids: Vec::new(), sorted: 0, users_max: 100_000 };
        let mut pushed = 0;
        let error = loop {
            let ids: Vec<u64> = (pushed..pushed + 1_000).collect();
            match upload.push(&ids) {
                Ok(()) => pushed += 1_000,
                Err(error) => break error,
            }
        };
        assert!(pushed < 250_000);
        assert!(error.to_string().contains("catalog.list_users_max"), "{error}");
    }
}
