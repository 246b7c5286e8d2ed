//! A process that ends at every single step of every command, really: its lock is free again, and the store opens.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::files::Disk;
use super::*;

/// Ends the process instead of the step of this number.
#[derive(Debug)]
struct Dying {
    steps: AtomicUsize,
    last: usize,
}

impl Dying {
    fn step(&self) {
        if self.steps.fetch_add(1, Ordering::Relaxed) == self.last {
            // Like a kill: nothing is unwound, nothing dropped.
            std::process::abort();
        }
    }
}

impl Files for Dying {
    fn create_dir(&self, path: &Path) -> Result<()> {
        self.step();
        Disk.create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.step();
        Disk.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.step();
        Disk.append(path, bytes)
    }

    fn cut(&self, path: &Path, bytes: u64) -> Result<()> {
        self.step();
        Disk.cut(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step();
        Disk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.step();
        Disk.sync_dir(path)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.step();
        Disk.remove_file(path)
    }

    fn remove_tree(&self, path: &Path) -> Result<()> {
        self.step();
        Disk.remove_tree(path)
    }
}

const STORE: &str = "MUSTER_TEST_DYING_STORE";
const STEP: &str = "MUSTER_TEST_DYING_STEP";

/// What the process does that dies. Called by the other test as a process of its own; by itself it has nothing to do.
#[test]
fn a_night() {
    let (Ok(dir), Ok(step)) = (std::env::var(STORE), std::env::var(STEP)) else { return };
    let files = Arc::new(Dying { steps: AtomicUsize::new(0), last: step.parse().unwrap() });
    let store = through(Path::new(&dir), files);
    let mut writer = staged(&store).unwrap().publish(None).unwrap();
    writer.collect(Keep { generations: 2, held: 1 }).unwrap();
    drop(writer);
    hold(&store).unwrap();
    store.write(&somebody(), "publish").unwrap().publish_held(None, "fine").unwrap();
    hold(&store).unwrap();
    store.write(&somebody(), "discard").unwrap().discard(None, None).unwrap();
    store.write(&somebody(), "rollback").unwrap().rollback(None, None).unwrap();
}

#[test]
fn a_process_that_dies_at_any_step_leaves_a_store_that_opens() {
    let dir = folder();
    let store = store_of(dir.path(), 3);
    let test = format!("{}::a_night", module_path!().split_once("::").unwrap().1);
    let mut step = 0;
    loop {
        let before = store.current_generation().unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--test-threads", "1"])
            .env(STORE, dir.path())
            .env(STEP, step.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(all_whole(&store) >= before.map(|_| 1), "step {step}");
        assert!(store.previous_of(store.current_generation().unwrap().unwrap()).unwrap().is_some());
        if status.success() {
            break;
        }
        // Whoever comes next has the lock at once. Every other time it clears up; else the next process that dies does.
        let mut writer = store.write(&somebody(), "collect").unwrap();
        if step % 2 == 0 {
            writer.collect(Keep { generations: 3, held: 1 }).unwrap();
            assert!(is_clean(&store), "step {step}");
        }
        step += 1;
    }
    assert!(step > 40, "the night has {step} steps");
    assert!(store.history().unwrap().events.iter().any(|event| event.event == EventKind::Clean));
}
