//! Files that are followed for changes. A change is taken up once it has been still for one look, so that a file that is being
//! written, or a certificate whose key is still to come, is not read halfway.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What tells that a file is another one, or was written to; `None` if it is not there.
type Mark = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Some files that belong together.
#[derive(Debug)]
pub(crate) struct Followed {
    files: Vec<PathBuf>,
    taken_up: Vec<Mark>,
    last_seen: Vec<Mark>,
}

impl Followed {
    /// Follows files from what they are now.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let marks: Vec<Mark> = files.iter().map(|file| mark(file)).collect();
        Self { files, taken_up: marks.clone(), last_seen: marks }
    }

    /// Looks at the files. Whether something changed since the last time this was true, and has been still since the last look.
    pub(crate) fn changed(&mut self) -> bool {
        let marks: Vec<Mark> = self.files.iter().map(|file| mark(file)).collect();
        let still = marks == self.last_seen;
        self.last_seen.clone_from(&marks);
        let changed = still && marks != self.taken_up;
        if changed {
            self.taken_up = marks;
        }
        changed
    }
}

fn mark(file: &Path) -> Mark {
    // Follows links, which is how secrets are exchanged in Kubernetes.
    let data = std::fs::metadata(file).ok()?;
    Some((
        data.dev(),
        data.ino(),
        data.len(),
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_up_once_when_it_is_still() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert"), dir.path().join("key"));
        std::fs::write(&cert, "1").unwrap();
        let mut followed = Followed::new(vec![cert.clone(), key.clone()]);
        assert!(!followed.changed());
        std::fs::write(&cert, "22").unwrap();
        assert!(!followed.changed(), "it may still be written to");
        std::fs::write(&key, "2").unwrap();
        assert!(!followed.changed(), "the other one came meanwhile");
        assert!(followed.changed());
        assert!(!followed.changed());
        std::fs::remove_file(&key).unwrap();
        assert!(!followed.changed());
        assert!(followed.changed());
    }

    #[test]
    fn a_file_behind_a_link_that_is_turned_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        for name in ["old", "new"] {
            std::fs::write(dir.path().join(name), "same size").unwrap();
        }
        std::os::unix::fs::symlink("old", &link).unwrap();
        let mut followed = Followed::new(vec![link.clone()]);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("new", &link).unwrap();
        assert!(!followed.changed());
        assert!(followed.changed());
    }
}
