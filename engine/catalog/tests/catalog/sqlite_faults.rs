//! SQLite files that are locked, read-only, damaged or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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

/// Files and folders that may only be read, with a log beside the file and without. Root may write them all the same, and then
/// there is nothing to see.
#[test]
fn permissions_make_a_catalog_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let permit = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    run(async {
        for (file_mode, folder_mode) in [(0o444, 0o755), (0o444, 0o555), (0o644, 0o555)] {
            let (folder, path) = closed().await;
            permit(&path, file_mode);
            permit(folder.path(), folder_mode);
            let may_write = fs::OpenOptions::new().append(true).open(&path).is_ok()
                && fs::write(folder.path().join("tried"), b"").is_ok();
            let catalog = open(&at(&path)).await;
            assert_eq!(catalog.export().await.unwrap().labels.len(), 50);
            let outcome = catalog.create_label(&ann(), NewLabel::list("x"), NOW).await;
            if may_write {
                outcome.unwrap();
            } else {
                assert!(catalog.is_read_only());
                assert!(matches!(outcome, Err(Error::ReadOnly { .. })), "{outcome:?}");
                catalog.verify().await.unwrap();
            }
            catalog.close().await;
            permit(folder.path(), 0o755);
        }
    });
}

/// Where the process that is to be killed finds its catalog.
const CHILD: &str = "MUSTER_TEST_CATALOG_CHILD";

/// Not a test of its own: what `what_was_acknowledged_survives_a_killed_process` starts and kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    run(async {
        let catalog = open(&at(Path::new(&path))).await;
        for at in 0.. {
            let name = format!("{} {at}", std::process::id());
            make(&catalog, &name, "label('label 7')").await;
            let mut upload = catalog.upload(muster_catalog::list::UploadMode::Append);
            upload.push(&[at]).unwrap();
            catalog.finish_upload(&ann(), &named("list"), upload, "", NOW).await.unwrap();
            println!("made {name}");
        }
    });
}

#[test]
fn what_was_acknowledged_survives_a_killed_process() {
    run(async {
        let (_folder, path) = closed().await;
        let catalog = open(&at(&path)).await;
        catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
        catalog.close().await;
        let mut acknowledged = 0;
        for round in 0..6 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "sqlite_faults::child_that_writes_until_it_is_killed", "--nocapture"])
                .env(CHILD, &path)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(150 + round * 70));
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let catalog = open(&at(&path)).await;
            catalog.verify().await.unwrap();
            for line in String::from_utf8(output.stdout).unwrap().split_inclusive('\n') {
                // The last line may be cut off.
                let Some(name) = line.strip_prefix("made ").and_then(|name| name.strip_suffix('\n')) else {
                    continue;
                };
                assert!(catalog.label(&ann(), &named(name), NOW).await.is_ok(), "{name} is lost");
                acknowledged += 1;
            }
            catalog.close().await;
        }
        println!("{acknowledged} changes of 6 killed processes are all there");
        assert!(acknowledged > 0);
    });
}
