//! A full disk, a read-only one, and folders that a user may not enter: a clear error, the store as it was, readers go on.
//!
//! File systems are mounted in a mount namespace of the test's own, so nothing is left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Run, finish, folder, muster};

/// What scripts begin with: `run NAME ARGUMENTS...` runs the binary and keeps what it says under that name.
const PRELUDE: &str = r#"
set -eu
run() {
  name=$1; shift
  status=0
  ${AS:-} "$MUSTER" "$@" >"$OUT/$name.out" 2>"$OUT/$name.err" </dev/null || status=$?
  echo "$status" >"$OUT/$name.status"
}
"#;

/// A folder for what the commands say, a population, and a place to mount on.
struct Scene {
    folder: PathBuf,
}

impl Scene {
    fn new(name: &str) -> Self {
        Self::inside(folder(name))
    }

    fn inside(folder: PathBuf) -> Self {
        for part in ["out", "disk"] {
            fs::create_dir(folder.join(part)).unwrap();
        }
        let features = folder.join("features");
        muster(&["synth", "--users", "1500", "--out", features.to_str().unwrap()]).ends_with(0);
        Self { folder }
    }

    /// Runs a script by a shell, or by what runs a shell.
    fn play(&self, by: &[&str], script: &str) {
        let file = self.folder.join("script.sh");
        fs::write(&file, format!("{PRELUDE}{script}")).unwrap();
        let mut command = Command::new(by[0]);
        command.args(&by[1..]).arg(&file);
        command.env("MUSTER", self.binary()).env("OUT", self.folder.join("out"));
        command.env("DISK", self.folder.join("disk")).env("STORE", self.folder.join("disk/store"));
        command.env("SOURCE", format!("parquet:{}/*.parquet", self.folder.join("features").display()));
        finish(command).ends_with(0);
    }

    /// The same in a mount namespace of its own: as root, or as somebody whom the namespace makes root.
    fn play_mounting(&self, script: &str) {
        let by: &[&str] = if is_root() { &["unshare", "-m", "sh"] } else { &["unshare", "-Urm", "sh"] };
        self.play(by, script);
    }

    /// Where other users can run it.
    fn binary(&self) -> PathBuf {
        let copy = self.folder.join("muster");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_muster"), &copy).unwrap();
        }
        copy
    }

    #[track_caller]
    fn said(&self, name: &str) -> Run {
        let read = |suffix: &str| {
            fs::read_to_string(self.folder.join("out").join(format!("{name}.{suffix}"))).unwrap()
        };
        Run {
            status: read("status").trim().parse().unwrap(),
            stdout: read("out").into_bytes(),
            stderr: read("err"),
        }
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
#[ignore = "needs to mount: root, or user namespaces"]
fn a_disk_that_is_full_fails_the_build_and_nothing_else() {
    let scene = Scene::new("full");
    // How much is left when a build begins, in KiB: from nothing to nearly enough.
    let left = [0, 4, 8, 12, 16, 24, 32, 64, 128, 200, 256, 300, 320, 340, 360, 380, 400, 450, 500, 600, 800];
    let list = left.map(|kib| kib.to_string()).join(" ");
    scene.play_mounting(&format!(
        r#"
        mount -t tmpfs -o size=16m tmpfs "$DISK"
        export MUSTER_KEEP_GENERATIONS=3
        run first build --store "$STORE" --source "$SOURCE"
        run second build --store "$STORE" --source "$SOURCE"
        for kib in {list}; do
          # The file takes all there is, then gives some back.
          dd if=/dev/zero of="$DISK/filler" bs=4k 2>/dev/null || true
          truncate -s -"$((kib * 1024))" "$DISK/filler"
          run "build-$kib" build --store "$STORE" --source "$SOURCE"
          run "verify-$kib" verify --store "$STORE"
          run "count-$kib" count --json --store "$STORE" true
          ls "$STORE/generations" >"$OUT/left-$kib"
          rm "$DISK/filler"
        done
        run back rollback --store "$STORE"
        run last build --store "$STORE" --source "$SOURCE"
        run verify verify --store "$STORE"
        "#
    ));
    let (mut failed, mut last) = (0, 2);
    for kib in left {
        let build = scene.said(&format!("build-{kib}"));
        let serving = scene.said(&format!("count-{kib}")).ends_with(0).json()["generation"].as_u64().unwrap();
        scene.said(&format!("verify-{kib}")).ends_with(0);
        let names = fs::read_to_string(scene.folder.join("out").join(format!("left-{kib}"))).unwrap();
        assert!(!names.contains(".staging") && !names.contains(".removing"), "{kib} KiB left: {names}");
        if build.status == 0 {
            assert!(serving > last);
            last = serving;
        } else {
            build.refuses(3, &["No space left on device", "make room there"]);
            assert_eq!(serving, last, "{kib} KiB left");
            failed += 1;
        }
    }
    assert!(failed >= 5, "only {failed} builds found the disk full");
    scene.said("back").ends_with(0);
    scene.said("last").ends_with(0);
    scene.said("verify").ends_with(0);
}

#[test]
#[ignore = "needs to mount: root, or user namespaces"]
fn a_store_that_is_mounted_read_only_answers_and_is_not_written() {
    let scene = Scene::new("read-only");
    scene.play_mounting(
        r#"
        mount -t tmpfs -o size=32m tmpfs "$DISK"
        run first build --store "$STORE" --source "$SOURCE"
        run second build --store "$STORE" --source "$SOURCE"
        mount -o remount,ro "$DISK"
        for command in build rollback collect; do
          [ $command = build ] && set -- --source "$SOURCE" || set --
          run $command $command --store "$STORE" "$@"
        done
        run elsewhere build --store "$DISK/other" --source "$SOURCE"
        run count count --json --store "$STORE" true
        run inspect inspect --store "$STORE"
        run history history --store "$STORE"
        run verify verify --store "$STORE"
        "#,
    );
    for command in ["build", "rollback", "collect", "elsewhere"] {
        scene.said(command).refuses(3, &["Read-only file system", "mount that file system for writing"]);
    }
    assert_eq!(scene.said("count").ends_with(0).json()["generation"], 2);
    for command in ["inspect", "history", "verify"] {
        scene.said(command).ends_with(0);
    }
}

#[test]
#[ignore = "needs setpriv where it is root that runs it"]
fn who_may_not_write_is_told_so_and_may_still_read() {
    // Where every user can get to.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let scene = Scene::inside(folder.path().to_owned());
    let (begin, end) = if is_root() {
        ("export AS='setpriv --reuid=65534 --regid=65534 --clear-groups'", "export AS=")
    } else {
        ("find \"$STORE\" -exec chmod a-w {} +", "chmod -R u+w \"$STORE\"")
    };
    fs::set_permissions(scene.folder.join("out"), fs::Permissions::from_mode(0o777)).unwrap();
    scene.play(
        &["sh"],
        &format!(
            r#"
            run first build --store "$STORE" --source "$SOURCE"
            run second build --store "$STORE" --source "$SOURCE"
            {begin}
            run build build --store "$STORE" --source "$SOURCE"
            run rollback rollback --store "$STORE"
            run count count --json --store "$STORE" true
            run verify verify --store "$STORE"
            {end}
            chmod 000 "$STORE/generations/0000000002/data.bin"
            {begin}
            run unreadable count --store "$STORE" true
            {end}
            chmod 644 "$STORE/generations/0000000002/data.bin"
            chmod 000 "$STORE"
            {}
            run closed count --store "$STORE" true
            export AS=
            chmod 755 "$STORE"
            run after build --store "$STORE" --source "$SOURCE"
            "#,
            if is_root() { begin } else { "true" }
        ),
    );
    for command in ["build", "rollback", "unreadable", "closed"] {
        scene.said(command).refuses(3, &["Permission denied", "give the user who runs muster access"]);
    }
    assert_eq!(scene.said("count").ends_with(0).json()["generation"], 2);
    for command in ["first", "second", "verify", "after"] {
        scene.said(command).ends_with(0);
    }
}
