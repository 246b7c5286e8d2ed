//! Backups while the catalog is in use, and the way back.

use std::fs;
use std::path::Path;

use muster_catalog::label::NewLabel;
use muster_catalog::list::UploadMode;
use muster_catalog::{Error, Settings, restore};

use crate::fixture::{NOW, ann, make, named, on_mysql, open, root, run};

fn at(path: &Path) -> Settings {
    Settings::at(format!("sqlite:{}", path.display()))
}

#[test]
fn a_backup_is_complete_and_comes_back() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("catalog.db"), folder.path().join("backup.db"));
        let catalog = open(&at(&path)).await;
        make(&catalog, "a", "true").await;
        catalog.create_label(&ann(), NewLabel::list("list"), NOW).await.unwrap();
        let mut upload = catalog.upload(UploadMode::Append);
        upload.push(&(0..200_000).map(|at| at * 3).collect::<Vec<_>>()).unwrap();
        catalog.finish_upload(&ann(), &named("list"), upload, "", NOW).await.unwrap();
        let before = catalog.export().await.unwrap();

        // While others write.
        let writer = tokio::spawn({
            let catalog = catalog.clone();
            async move {
                for at in 0..50 {
                    make(&catalog, &format!("later {at}"), "true").await;
                }
            }
        });
        catalog.backup(&backup).await.unwrap();
        let itself = folder.path().join(".").join("catalog.db");
        assert!(matches!(catalog.backup(&itself).await, Err(Error::Invalid { field: "backup", .. })));
        // A second one takes the place of the first.
        catalog.backup(&backup).await.unwrap();
        writer.await.unwrap();
        assert_eq!(
            fs::read_dir(folder.path())
                .unwrap()
                .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().contains(".part") })
                .count(),
            0
        );
        let count = open(&at(&backup)).await.export().await.unwrap().labels.len();
        assert!((2..=52).contains(&count));

        let error = restore(&backup, &path).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "in use, and not refused: {error}");
        make(&catalog, "newest", "true").await;
        catalog.close().await;
        let verified = restore(&backup, &path).await.unwrap();
        assert_eq!((verified.labels, verified.list_users), (count as u64, 200_000));
        let catalog = open(&at(&path)).await;
        let after = catalog.export().await.unwrap();
        assert_eq!(after.labels.len(), count);
        assert_eq!(after.labels[..2], before.labels[..]);
        assert_eq!(
            catalog.audit(&muster_catalog::audit::AuditFilter::default()).await.unwrap().items.len(),
            count + 1
        );
        // What was there is beside it.
        let kept = open(&at(&folder.path().join("catalog.db.before"))).await;
        assert_eq!(kept.export().await.unwrap().labels.len(), 53);
    });
}

#[test]
fn a_damaged_backup_touches_nothing() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("catalog.db"), folder.path().join("backup.db"));
        let catalog = open(&at(&path)).await;
        for label in 0..200 {
            make(&catalog, &format!("label {label}"), "balance_usd > 1").await;
        }
        catalog.backup(&backup).await.unwrap();
        let before = catalog.export().await.unwrap();
        catalog.close().await;
        let whole = fs::read(&backup).unwrap();
        let mut flipped = whole.clone();
        flipped[8_192..12_288].fill(0xa5);
        for bad in [&whole[..whole.len() - 4_096], &whole[..50], b"nothing", &flipped] {
            fs::write(&backup, bad).unwrap();
            let error = restore(&backup, &path).await.unwrap_err();
            assert!(matches!(error, Error::Corrupt { .. }), "{error}");
            assert!(error.to_string().contains("backup.db"), "{error}");
        }
        assert!(restore(&folder.path().join("no.db"), &path).await.is_err());
        let catalog = open(&at(&path)).await;
        assert_eq!(catalog.export().await.unwrap(), before);
        catalog.close().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    });
}

#[test]
fn a_damaged_catalog_is_replaced() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("catalog.db"), folder.path().join("backup.db"));
        let catalog = open(&at(&path)).await;
        make(&catalog, "a", "true").await;
        catalog.backup(&backup).await.unwrap();
        catalog.close().await;
        for damage in [b"rubbish".to_vec(), fs::read(&path).unwrap()[..5_000].to_vec()] {
            fs::write(&path, damage).unwrap();
            // Its log belongs to what was there.
            fs::write(folder.path().join("catalog.db-wal"), b"rubbish").unwrap();
            restore(&backup, &path).await.unwrap();
            let catalog = open(&at(&path)).await;
            assert_eq!(catalog.export().await.unwrap().labels.len(), 1);
            make(&catalog, "b", "true").await;
            catalog.close().await;
        }
        // Into a place where nothing is.
        restore(&backup, &folder.path().join("new.db")).await.unwrap();
    });
}

#[test]
#[ignore = "needs MariaDB"]
fn a_server_is_backed_up_with_its_own_tools() {
    on_mysql(async |settings: Settings| {
        let catalog = open(&settings).await;
        let error = catalog.backup(Path::new("/tmp/x")).await.unwrap_err();
        assert!(error.to_string().contains("mysqldump"), "{error}");
        assert!(
            catalog
                .import(
                    &root(),
                    &catalog.export().await.unwrap(),
                    muster_catalog::transfer::ImportMode::Empty,
                    false,
                    NOW
                )
                .await
                .is_ok()
        );
    });
}
