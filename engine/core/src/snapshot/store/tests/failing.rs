//! A disk that refuses one step, or every step from one on, as a full one does: the command fails or has happened, the store is
//! as complete as before, and the next command works.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::files::Disk;
use super::*;

/// Refuses steps from `first` on, `count` of them.
#[derive(Debug)]
pub(super) struct Refusing {
    steps: AtomicUsize,
    first: usize,
    count: usize,
    refused: AtomicUsize,
}

impl Refusing {
    pub(super) fn new(first: usize, count: usize) -> Self {
        Self { steps: AtomicUsize::new(0), first, count, refused: AtomicUsize::new(0) }
    }

    /// How many steps it refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    fn step(&self, path: &Path, what: impl FnOnce() -> Result<()>) -> Result<()> {
        let step = self.steps.fetch_add(1, Ordering::Relaxed);
        if step < self.first || step - self.first >= self.count {
            return what();
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Error::io("write", path)(std::io::ErrorKind::StorageFull.into()))
    }
}

impl Files for Refusing {
    fn create_dir(&self, path: &Path) -> Result<()> {
        self.step(path, || Disk.create_dir(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        // Part of it gets there.
        self.step(path, || Disk.write(path, bytes)).inspect_err(|_| {
            let _ = std::fs::write(path, &bytes[..bytes.len() / 2]);
        })
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.step(path, || Disk.append(path, bytes))
    }

    fn cut(&self, path: &Path, bytes: u64) -> Result<()> {
        self.step(path, || Disk.cut(path, bytes))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(from, || Disk.rename(from, to))
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.step(path, || Disk.sync_dir(path))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.step(path, || Disk.remove_file(path))
    }

    fn remove_tree(&self, path: &Path) -> Result<()> {
        self.step(path, || Disk.remove_tree(path))
    }
}

/// Does one thing to a store.
type Command = fn(&Store) -> Result<()>;

const COMMANDS: [(&str, Command); 6] = [
    ("publish", |store| publish(store).map(|_| ())),
    ("hold", |store| hold(store).map(|_| ())),
    ("publish held", |store| store.write(&somebody(), "")?.publish_held(None, "fine").map(|_| ())),
    ("discard", |store| store.write(&somebody(), "")?.discard(None, None).map(|_| ())),
    ("rollback", |store| store.write(&somebody(), "")?.rollback(None, None).map(|_| ())),
    ("collect", |store| {
        let collected = store.write(&somebody(), "")?.collect(Keep { generations: 1, held: 0 })?;
        assert_eq!(collected.removed.len() + collected.failed.len(), 2);
        Ok(())
    }),
];

/// Runs a command on a store of three generations and a held one; returns how many steps were refused.
fn refused(name: &str, command: Command, first: usize, count: usize) -> usize {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    hold(&store).unwrap();
    let files = Arc::new(Refusing::new(first, count));
    let result = command(&through(dir.path(), files.clone()));
    let case = format!("{name}, {count} steps from {first}: {result:?}");
    let in_service = all_whole(&store);
    match (name, &result) {
        ("publish", Ok(())) => assert_eq!(in_service, Some(5), "{case}"),
        ("publish held", Ok(())) => assert_eq!(in_service, Some(4), "{case}"),
        ("rollback", Ok(())) => assert_eq!(in_service, Some(2), "{case}"),
        // Only its last sync can fail after CURRENT was replaced, and then it may be in service for good or not.
        (_, Err(error)) if in_service != Some(3) => {
            let Error::Io { path, .. } = error else { panic!("{case}") };
            assert_eq!(path, dir.path(), "{case}");
        }
        _ => assert_eq!(in_service, Some(3), "{case}"),
    }
    if let Err(error) = &result {
        assert!(error.to_string().contains("make room there"), "{case}");
    }
    // The held one is not lost by a failure; where its old name cannot be given back to it either, it is one that was published.
    if name == "publish held" && result.is_err() && in_service == Some(3) {
        let (held, published) = (store.held().unwrap(), store.generations().unwrap());
        assert!(held == [4] || (count > 1 && published == [1, 2, 3, 4]), "{case}");
    }
    let next = publish(&store).unwrap();
    assert!(is_clean(&store) && all_whole(&store) == Some(next), "{case}");
    files.refused()
}

#[test]
fn a_step_that_fails_leaves_the_store_complete() {
    for (name, command) in COMMANDS {
        let mut first = 0;
        while refused(name, command, first, 1) > 0 {
            refused(name, command, first, usize::MAX);
            first += 1;
        }
        assert!(first >= 3, "{name} has {first} steps");
    }
}

#[test]
fn a_history_that_cannot_be_written_is_a_warning() {
    let dir = folder();
    let store = store_of(dir.path(), 2);
    let path = dir.path().join("history.jsonl");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mut writer = store.write(&somebody(), "rollback").unwrap();
    assert_eq!(writer.rollback(None, None).unwrap().to, 1);
    assert!(writer.warnings().iter().any(|warning| warning.contains("history.jsonl")), "{writer:?}");
}
