//! Backup and restoration of an SQLite catalog, and the check of everything in a catalog.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::db::sqlite::{beside, check_header, wal};
use crate::db::{Db, Dialect};
use crate::error::{Error, Result};
use crate::label::{LabelKind, nest, rows};
use crate::list;
use crate::settings::Settings;
use crate::transfer::{all_labels, count};

/// What a complete check read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Labels, lists among them.
    pub labels: u64,
    /// Users in lists.
    pub list_users: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Records of the audit.
    pub audit: u64,
}

impl Catalog {
    /// Writes a backup of an SQLite catalog to a file, while it is in use. A file that is there is replaced when the backup is
    /// complete and on disk.
    pub async fn backup(&self, to: &Path) -> Result<()> {
        if self.db.dialect == Dialect::MySql {
            return Err(Error::invalid(
                "backup",
                "this catalog is in a MySQL server; back it up there, for example with mysqldump --single-transaction",
            ));
        }
        let itself = self.db.settings.file()?.and_then(|path| fs::canonicalize(path).ok());
        if itself.is_some() && fs::canonicalize(to).ok() == itself {
            return Err(Error::invalid("backup", "that file is the catalog itself; name another"));
        }
        let aside = beside(to, ".part");
        remove(&aside)?;
        let Some(name) = aside.to_str() else {
            return Err(Error::invalid("backup", "the file's name is not UTF-8; take another"));
        };
        let written = self.db.maintain(sqlx::query("VACUUM INTO ?").bind(name)).await;
        let placed = match written {
            Ok(()) => {
                in_background({
                    let (aside, to) = (aside.clone(), to.to_owned());
                    move || place(&aside, &to)
                })
                .await
            }
            Err(error) => Err(error),
        };
        if placed.is_err() {
            let _ = fs::remove_file(&aside);
        }
        placed
    }

    /// Reads everything: the database's own check, every rule, every list, every delivery.
    pub async fn verify(&self) -> Result<Verified> {
        let mut tx = self.db.read().await?.for_maintenance();
        let outcome = async {
            if self.db.dialect == Dialect::Sqlite {
                self.db.expect_ok(&mut tx, "PRAGMA integrity_check(1)").await?;
                let loose = tx.all(sqlx::query("PRAGMA foreign_key_check")).await?;
                if !loose.is_empty() {
                    return Err(self.corrupt("a record refers to one that is not there".to_owned()));
                }
            }
            let labels = all_labels(&mut tx).await?;
            let names: HashSet<&str> = labels.iter().map(|label| label.name.as_str()).collect();
            let mut list_users = 0;
            for label in &labels {
                match label.kind {
                    LabelKind::List => list_users += list::store::read(&mut tx, label).await?.len() as u64,
                    LabelKind::Rule => {
                        let of = format!("label `{}`", label.name);
                        let rule =
                            rows::parse_stored(&label.rule, &of, &self.db.settings.rules, &self.db.place)?;
                        for name in nest::names(&rule) {
                            if !names.contains(name) {
                                return Err(self.corrupt(format!("{of} uses `{name}`, which is not there")));
                            }
                        }
                    }
                }
            }
            let sql = crate::delivery::rows::SELECT;
            let found = tx.all(sqlx::query(sql)).await?;
            for row in &found {
                crate::delivery::rows::delivery(row, &self.db.place)?;
            }
            Ok(Verified {
                labels: labels.len() as u64,
                list_users,
                deliveries: found.len() as u64,
                audit: count(&mut tx, "audit").await?,
            })
        }
        .await;
        tx.finish(outcome).await
    }

    fn corrupt(&self, what: String) -> Error {
        Error::Corrupt { place: self.db.place.clone(), what }
    }
}

/// Puts a backup in the place of an SQLite catalog that no program has open. The backup is checked completely before
/// anything is touched; what was there is kept beside it as `.before`.
pub async fn restore(backup: &Path, catalog: &Path) -> Result<Verified> {
    if !backup.is_file() {
        let why = "there is no such file; name a backup".to_owned();
        return Err(Error::CannotOpen { place: backup.display().to_string(), why });
    }
    check_header(backup)?;
    let aside = beside(catalog, ".part");
    let outcome = async {
        in_background({
            let (backup, aside) = (backup.to_owned(), aside.clone());
            move || {
                remove(&aside)?;
                fs::copy(&backup, &aside).map(drop).map_err(Error::file("write", &aside))
            }
        })
        .await?;
        let verified = check_copy(&aside, backup).await?;
        release(catalog).await?;
        in_background({
            let (aside, catalog) = (aside.clone(), catalog.to_owned());
            move || {
                keep_before(&catalog)?;
                place(&aside, &catalog)
            }
        })
        .await?;
        Ok(verified)
    }
    .await;
    if outcome.is_err() {
        for leftover in [aside.clone(), wal(&aside), beside(&aside, "-shm")] {
            let _ = fs::remove_file(leftover);
        }
    }
    outcome
}

/// Opens the copy, which brings it to this program's schema, and reads everything in it.
async fn check_copy(copy: &Path, backup: &Path) -> Result<Verified> {
    let named = |error: Error| match error {
        // The file that people know.
        Error::Corrupt { what, .. } => Error::Corrupt { place: backup.display().to_string(), what },
        other => other,
    };
    let opened = Catalog::open(Settings::at(format!("sqlite:{}", copy.display()))).await.map_err(named)?;
    let verified = opened.verify().await;
    opened.close().await;
    let verified = verified.map_err(named)?;
    Db::open_alone(copy).await?;
    Ok(verified)
}

/// Brings what is in the log of a catalog into its file, and fails if another program has it open.
async fn release(catalog: &Path) -> Result<()> {
    if !catalog.exists() {
        return Ok(());
    }
    match Db::open_alone(catalog).await {
        Ok(()) => Ok(()),
        // What is damaged cannot be brought in order; its log must not come to the new file.
        Err(Error::Corrupt { .. }) => {
            let log = wal(catalog);
            if log.exists() {
                let to = beside(&log, ".before");
                fs::rename(&log, &to).map_err(Error::file("rename", &log))?;
            }
            remove(&beside(catalog, "-shm"))
        }
        Err(error) => Err(error),
    }
}

/// Keeps what was there under another name, without a moment in which it is not there.
fn keep_before(catalog: &Path) -> Result<()> {
    if !catalog.exists() {
        return Ok(());
    }
    let before = beside(catalog, ".before");
    remove(&before)?;
    fs::hard_link(catalog, &before).map_err(Error::file("keep", catalog))
}

/// Syncs a file that is complete and gives it its name.
fn place(aside: &Path, to: &Path) -> Result<()> {
    let sync =
        |path: &Path| File::open(path).and_then(|file| file.sync_all()).map_err(Error::file("sync", path));
    sync(aside)?;
    fs::rename(aside, to).map_err(Error::file("rename", aside))?;
    let folder: PathBuf = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    sync(&folder)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::File {
        action: "work on",
        path: PathBuf::from("the catalog's files"),
        source: std::io::Error::other(error),
    })?
}
