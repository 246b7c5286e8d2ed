//! A disk that forgets: of what was not synced, any part may be there after a crash.
//!
//! [`Recorder`] carries out what a store does and keeps the list. [`Model`] runs the list on directories whose changes stay
//! pending until they are synced, and [`Model::write_out`] makes the tree that a crash leaves if some of the pending ones got
//! to the disk and others did not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use super::super::files::Disk;
use super::*;

/// A change, with paths relative to the store.
#[derive(Debug, Clone)]
pub(super) enum Op {
    CreateDir(PathBuf),
    Write(PathBuf, Vec<u8>),
    Append(PathBuf, Vec<u8>),
    Cut(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    SyncDir(PathBuf),
    RemoveFile(PathBuf),
    RemoveTree(PathBuf),
    /// The command has returned; this generation is in service for certain.
    Returned(u64),
}

/// Does what it is told and remembers it.
#[derive(Debug)]
pub(super) struct Recorder {
    root: PathBuf,
    pub(super) ops: Mutex<Vec<Op>>,
}

impl Recorder {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), ops: Mutex::default() }
    }

    pub(super) fn add(&self, op: Op) {
        self.ops.lock().unwrap().push(op);
    }

    fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().to_owned()
    }

    /// The snapshot writer does not write through a store; it promises that its files' content is synced.
    pub(super) fn add_files_of(&self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            self.add(Op::Write(self.inside(&path), fs::read(&path).unwrap()));
        }
    }
}

impl Files for Recorder {
    fn create_dir(&self, path: &Path) -> Result<()> {
        self.add(Op::CreateDir(self.inside(path)));
        Disk.create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.add(Op::Write(self.inside(path), bytes.to_owned()));
        Disk.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.add(Op::Append(self.inside(path), bytes.to_owned()));
        Disk.append(path, bytes)
    }

    fn cut(&self, path: &Path, bytes: u64) -> Result<()> {
        self.add(Op::Cut(self.inside(path), bytes));
        Disk.cut(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.add(Op::Rename(self.inside(from), self.inside(to)));
        Disk.rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> Result<()> {
        self.add(Op::SyncDir(self.inside(path)));
        Disk.sync_dir(path)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.add(Op::RemoveFile(self.inside(path)));
        Disk.remove_file(path)
    }

    fn remove_tree(&self, path: &Path) -> Result<()> {
        self.add(Op::RemoveTree(self.inside(path)));
        Disk.remove_tree(path)
    }
}

type Names = BTreeMap<String, usize>;

/// A change to a directory that is not synced yet.
#[derive(Debug, Clone)]
enum Pending {
    Link(String, usize),
    Unlink(String),
    Rename(String, String, usize),
}

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>),
    Dir { synced: Names, pending: Vec<Pending> },
}

/// The disk. Node 0 is the store's folder.
#[derive(Debug, Clone)]
pub(super) struct Model {
    nodes: Vec<Node>,
}

/// Which pending changes got to the disk: a bit each, in the order of directories and changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen(pub(super) u64);

fn apply<'a>(synced: &Names, changes: impl Iterator<Item = &'a Pending>) -> Names {
    let mut names = synced.clone();
    for change in changes {
        match change {
            Pending::Link(name, node) => _ = names.insert(name.clone(), *node),
            Pending::Unlink(name) => _ = names.remove(name),
            Pending::Rename(from, to, node) => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
    names
}

impl Model {
    /// Everything under a folder, all of it synced.
    pub(super) fn of(dir: &Path) -> Self {
        let mut model = Self { nodes: Vec::new() };
        model.take_in(dir);
        model
    }

    fn take_in(&mut self, path: &Path) -> usize {
        let at = self.nodes.len();
        if path.is_file() {
            self.nodes.push(Node::File(fs::read(path).unwrap()));
            return at;
        }
        self.nodes.push(Node::File(Vec::new()));
        let mut synced = Names::new();
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let node = self.take_in(&entry.path());
            synced.insert(entry.file_name().into_string().unwrap(), node);
        }
        self.nodes[at] = Node::Dir { synced, pending: Vec::new() };
        at
    }

    /// As processes see it.
    fn names(&self, dir: usize) -> Names {
        match &self.nodes[dir] {
            Node::Dir { synced, pending } => apply(synced, pending.iter()),
            Node::File(_) => panic!("a file has no names in it"),
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        path.components().try_fold(0, |dir, part| match part {
            Component::Normal(name) => self.names(dir).get(name.to_str().unwrap()).copied(),
            _ => Some(dir),
        })
    }

    fn parent(&self, path: &Path) -> (usize, String) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (self.find(path.parent().unwrap()).unwrap(), name)
    }

    fn pend(&mut self, dir: usize, change: Pending) {
        match &mut self.nodes[dir] {
            Node::Dir { pending, .. } => pending.push(change),
            Node::File(_) => panic!("a file has no names in it"),
        }
    }

    fn link(&mut self, path: &Path, node: Node) {
        let (dir, name) = self.parent(path);
        self.nodes.push(node);
        self.pend(dir, Pending::Link(name, self.nodes.len() - 1));
    }

    fn set_content(&mut self, path: &Path, bytes: Vec<u8>) {
        match self.find(path) {
            Some(node) => self.nodes[node] = Node::File(bytes),
            None => self.link(path, Node::File(bytes)),
        }
    }

    fn content(&self, path: &Path) -> Vec<u8> {
        match self.find(path).map(|node| &self.nodes[node]) {
            Some(Node::File(bytes)) => bytes.clone(),
            _ => Vec::new(),
        }
    }

    /// Carries a change out to its end.
    pub(super) fn run(&mut self, op: &Op) {
        match op {
            Op::CreateDir(path) => {
                self.link(path, Node::Dir { synced: Names::new(), pending: Vec::new() });
            }
            Op::Write(path, bytes) => self.set_content(path, bytes.clone()),
            Op::Append(path, bytes) => {
                let whole = [&self.content(path)[..], bytes].concat();
                self.set_content(path, whole);
            }
            Op::Cut(path, bytes) => {
                let mut content = self.content(path);
                content.truncate(*bytes as usize);
                self.set_content(path, content);
            }
            Op::Rename(from, to) => {
                let node = self.find(from).unwrap();
                let ((dir, from), (_, to)) = (self.parent(from), self.parent(to));
                self.pend(dir, Pending::Rename(from, to, node));
            }
            Op::SyncDir(path) => {
                let dir = self.find(path).unwrap();
                let names = self.names(dir);
                self.nodes[dir] = Node::Dir { synced: names, pending: Vec::new() };
            }
            Op::RemoveFile(path) => {
                let (dir, name) = self.parent(path);
                self.pend(dir, Pending::Unlink(name));
            }
            Op::RemoveTree(path) => {
                let tree = self.find(path).unwrap();
                for name in self.names(tree).into_keys() {
                    self.pend(tree, Pending::Unlink(name));
                }
                let (dir, name) = self.parent(path);
                self.pend(dir, Pending::Unlink(name));
            }
            Op::Returned(_) => {}
        }
    }

    /// The states in which a crash may catch a change that writes content.
    pub(super) fn halfway(&self, op: &Op) -> Vec<Self> {
        let (path, before, bytes) = match op {
            Op::Write(path, bytes) => (path, Vec::new(), bytes),
            Op::Append(path, bytes) => (path, self.content(path), bytes),
            _ => return Vec::new(),
        };
        let cut = |kept: usize| {
            let mut model = self.clone();
            model.set_content(path, [&before[..], &bytes[..kept]].concat());
            model
        };
        vec![cut(0), cut(bytes.len() / 2)]
    }

    /// How many changes are pending.
    pub(super) fn pending(&self) -> usize {
        let of = |node: &Node| if let Node::Dir { pending, .. } = node { pending.len() } else { 0 };
        self.nodes.iter().map(of).sum()
    }

    /// Makes the tree that is there after a crash.
    pub(super) fn write_out(&self, chosen: Chosen, to: &Path) {
        let mut at = 0;
        let names: Vec<Names> = self
            .nodes
            .iter()
            .map(|node| {
                let Node::Dir { synced, pending } = node else { return Names::new() };
                let kept = pending.iter().zip(at..).filter(|(_, bit)| chosen.0 >> bit & 1 == 1);
                at += pending.len();
                apply(synced, kept.map(|(change, _)| change))
            })
            .collect();
        self.write_node(0, &names, to);
    }

    fn write_node(&self, node: usize, names: &[Names], to: &Path) {
        match &self.nodes[node] {
            Node::File(bytes) => fs::write(to, bytes).unwrap(),
            Node::Dir { .. } => {
                fs::create_dir_all(to).unwrap();
                for (name, &inside) in &names[node] {
                    self.write_node(inside, names, &to.join(name));
                }
            }
        }
    }
}
