//! SQLite files that are locked, read-only, damaged or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster_catalog::label::{LabelFilter, NewLabel};
use muster_catalog::{Catalog, Error, Settings};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::fixture::{NOW, ann, make, named, open, rule, run};

fn at(path: &Path) -> Settings {
    Settings::at(format!("sqlite:{}", path.display()))
}

/// A folder with a closed catalog in it that has some labels.
async fn closed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b%?#.db");
    let catalog = open(&at(&path)).await;
    for label in 0..50 {
        make(&catalog, &format!("label {label}"), "balance_usd > 1").await;
    }
    catalog.close().await;
    (folder, path)
}

#[test]
fn a_locked_file_is_read_and_not_written() {
    run(async {
        let (_folder, path) = closed().await;
        let mut settings = at(&path);
        settings.lock_timeout_ms = 300;
        let catalog = open(&settings).await;
        let escaped = path.to_str().unwrap().replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        let mut other =
            SqliteConnection::connect(&format!("sqlite:{}", escaped.replace(' ', "%20"))).await.unwrap();
        other.execute("BEGIN IMMEDIATE").await.unwrap();
        let begun = Instant::now();
        let error = catalog.create_label(&ann(), NewLabel::list("x"), NOW).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { maybe_done: false, .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert!(catalog.label(&ann(), &named("label 7"), NOW).await.is_ok());
        other.execute("ROLLBACK").await.unwrap();
        catalog.create_label(&ann(), NewLabel::list("x"), NOW).await.unwrap();
    });
}

#[test]
fn a_change_that_is_dropped_half_way_is_undone() {
    run(async {
        let (_folder, path) = closed().await;
        let catalog = open(&at(&path)).await;
        for micros in (0..4_000).step_by(200) {
            let caller = ann();
            let making = catalog.create_label(&caller, NewLabel::new("x", rule("true")), NOW);
            let made = tokio::time::timeout(Duration::from_micros(micros), making).await;
            let there = catalog.label(&ann(), &named("x"), NOW).await;
            match (made, there) {
                // What was told is so; what was dropped is there whole or not at all.
                (Ok(made), there) => assert_eq!(made.unwrap(), there.unwrap()),
                (Err(_), Ok(_) | Err(Error::NotFound { .. })) => {}
                (_, Err(other)) => panic!("{other}"),
            }
            let _ = catalog.delete_label(&ann(), &named("x"), None, NOW).await;
        }
        catalog.verify().await.unwrap();
    });
}

#[test]
fn what_is_not_a_catalog_is_told() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.db");
        let error = Catalog::open(at(&folder.path().join("nowhere/catalog.db"))).await.unwrap_err();
        assert!(error.to_string().ends_with("is not there; create it"), "{error}");
        let error = Catalog::open(at(folder.path())).await.unwrap_err();
        assert!(matches!(error, Error::CannotOpen { .. }), "{error}");
        fs::write(&path, "user_id\n1\n2\n").unwrap();
        let error = Catalog::open(at(&path)).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"user_id\n1\n2\n");
        // Another program's file.
        fs::remove_file(&path).unwrap();
        let mut conn =
            SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
        conn.execute("PRAGMA application_id = 7; CREATE TABLE x (id INTEGER)").await.unwrap();
        conn.close().await.unwrap();
        let error = Catalog::open(at(&path)).await.unwrap_err();
        assert!(error.to_string().contains("it is a file of another program"), "{error}");
    });
}

#[test]
fn a_cut_file_is_damaged() {
    run(async {
        let (_folder, path) = closed().await;
        let whole = fs::read(&path).unwrap();
        for length in [10, 99, 100, 4_096, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Catalog::open(at(&path)).await.unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{length}: {error}");
            assert!(error.to_string().ends_with("restore it from a backup"), "{error}");
        }
        fs::write(&path, &whole).unwrap();
        open(&at(&path)).await.verify().await.unwrap();
    });
}

/// Whatever bytes are wrong: no panic, and never labels that nobody made.
#[test]
fn flipped_bytes_are_found_or_do_no_harm() {
    run(async {
        let (_folder, path) = closed().await;
        let whole = fs::read(&path).unwrap();
        let names: Vec<String> = (0..50).map(|label| format!("label {label}")).collect();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut refused = 0;
        for _ in 0..150 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at_byte = (random >> 33) as usize % whole.len();
            let mut bytes = whole.clone();
            bytes[at_byte] ^= 1 << (random % 8);
            fs::write(&path, &bytes).unwrap();
            let outcome = async {
                let catalog = Catalog::open(at(&path)).await?;
                let found = catalog.labels(&ann(), &LabelFilter::default(), NOW).await;
                let verified = catalog.verify().await;
                catalog.close().await;
                verified?;
                found
            }
            .await;
            match outcome {
                // A byte of a text or in free space: nothing can tell.
                Ok(page) => assert!(page.items.len() == names.len(), "byte {at_byte}"),
                Err(_) => refused += 1,
            }
            for leftover in ["-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(leftover);
                let _ = fs::remove_file(name);
            }
        }
        println!("{refused} of 150 flipped bits were refused");
        assert!(refused > 10);
    });
}

#[test]
fn a_read_only_address_is_enough() {
    run(async {
        let (_folder, path) = closed().await;
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy.db");
        fs::copy(&path, &copy).unwrap();
        let catalog =
            Catalog::open(Settings::at(format!("sqlite:{}?mode=ro", copy.display()))).await.unwrap();
        assert!(catalog.is_read_only());
        assert_eq!(catalog.export().await.unwrap().labels.len(), 50);
        assert!(matches!(
            catalog.create_label(&ann(), NewLabel::list("x"), NOW).await,
            Err(Error::ReadOnly { .. })
        ));
        catalog.close().await;
        assert_eq!(fs::read(&path).unwrap(), fs::read(&copy).unwrap());
    });
}
