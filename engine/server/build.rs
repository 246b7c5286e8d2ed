//! Builds the console, a Vite project in `engine/console`, and makes the table of its files that the server carries.
//!
//! A machine without Node builds the server all the same: then it says at `/` what is missing. `MUSTER_CONSOLE=off` leaves the console
//! out, `MUSTER_CONSOLE=required` makes it an error not to have it. Nothing is written to the source tree but `node_modules`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, io};

/// The oldest Node that the tools of the console run on.
const NODE_OLDEST: (u32, u32) = (20, 19);
/// What the console is made of, besides what npm installs.
const SOURCES: [&str; 9] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "scripts",
    "src",
    "tsconfig.json",
    "vite.config.js",
    "vite.config.ts",
];
/// The variable that says whether there is to be a console.
const VARIABLE: &str = "MUSTER_CONSOLE";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let console = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../console");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    // A file that is not there would be one that always changes.
    for source in SOURCES.iter().map(|name| console.join(name)).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let wanted = env::var(VARIABLE).unwrap_or_default();
    let built = match wanted.as_str() {
        "off" => Err(format!("it was left out of this build ({VARIABLE}=off)").into()),
        "" | "auto" | "required" => build(&console, &out.join("console")),
        other => return Err(format!("{VARIABLE} is {other:?}; give off, auto or required").into()),
    };
    let table = match built {
        Ok(()) => table(&out.join("console"))?,
        Err(error) if wanted == "required" => return Err(error),
        Err(error) => {
            let why = one_line(&error.to_string());
            if wanted != "off" {
                println!("cargo::warning=the console is not in this build: {why}");
                look_again_when_installed();
            }
            nothing(&why)
        }
    };
    fs::write(out.join("console.rs"), table)?;
    Ok(())
}

/// Builds the console into a folder, with the compressed forms of its files.
fn build(console: &Path, to: &Path) -> Result<()> {
    let lock = console.join("package-lock.json");
    if !console.join("package.json").exists() || !lock.exists() {
        return Err("engine/console has no package.json and package-lock.json".into());
    }
    check_node()?;
    // Another build may be at it, with another target folder. Held until this one is done.
    let turn = File::open(&lock)?;
    turn.lock()?;
    if !is_installed(console, &lock) {
        let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        run(npm().args(install).current_dir(console), "npm ci")?;
    }
    let to_text = to.to_str().ok_or("the target folder's name is not UTF-8")?;
    let build =
        ["run", "build", "--silent", "--", "--outDir", to_text, "--emptyOutDir", "--logLevel", "warn"];
    run(npm().args(build).current_dir(console), "npm run build")?;
    run(Command::new("node").arg(console.join("scripts/compress.mjs")).arg(to), "compressing")
}

/// Whether what the lock file names is installed. npm writes its own copy of it last.
fn is_installed(console: &Path, lock: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|known| known.modified());
    match (changed(&console.join("node_modules/.package-lock.json")), changed(lock)) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

fn check_node() -> Result<()> {
    let (major, minor) = NODE_OLDEST;
    let wanted = format!("install Node {major}.{minor} or newer with npm, and build again");
    let mut asked = Command::new("node");
    let Ok(output) = asked.arg("--version").output() else {
        return Err(format!("node was not found; {wanted}").into());
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut parts = found.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version < NODE_OLDEST {
        return Err(format!("node is {found}; {wanted}").into());
    }
    match npm().arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(format!("npm was not found; {wanted}").into()),
    }
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let Output { status, stdout, stderr } =
        command.output().map_err(|error| format!("{what} cannot be started: {error}"))?;
    if status.success() {
        return Ok(());
    }
    let said = [stderr, stdout].map(|said| String::from_utf8_lossy(&said).trim().to_owned());
    let said = said.join("\n");
    Err(format!("{what} failed ({status}); {VARIABLE}=required shows all of what it said: {said}").into())
}

/// The beginning of a message, for a place that has one line.
fn one_line(text: &str) -> String {
    const CHARACTERS_MAX: usize = 400;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(CHARACTERS_MAX).collect()
}

/// What is missing may be installed later: any folder in which programs are looked for.
fn look_again_when_installed() {
    println!("cargo::rerun-if-env-changed=PATH");
    let path = env::var_os("PATH").unwrap_or_default();
    for folder in env::split_paths(&path).filter(|folder| folder.is_dir()) {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
}

/// The table of no files, and why.
fn nothing(why: &str) -> String {
    format!("Console {{ files: &[], missing: {why:?} }}\n")
}

/// The table of a folder's files.
fn table(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut table = "Console {\n    missing: \"\",\n    files: &[\n".to_owned();
    for path in files.iter().filter(|path| !is_form(path)) {
        let name =
            path.strip_prefix(folder)?.to_str().ok_or("a file's name is not UTF-8")?.replace('\\', "/");
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(path)?);
        writeln!(
            table,
            "        File {{ path: {name:?}, content_type: {:?}, tag: \"{:016x}\", plain: {}, brotli: {}, gzip: {} }},",
            content_type(&name),
            hasher.finish(),
            include(path)?,
            form(path, "br")?,
            form(path, "gz")?,
        )?;
    }
    table.push_str("    ],\n}\n");
    Ok(table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether a file is the compressed form of another.
fn is_form(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "br" || end == "gz")
}

fn include(path: &Path) -> Result<String> {
    let path = path.to_str().ok_or("a file's name is not UTF-8")?;
    Ok(format!("include_bytes!({path:?})"))
}

fn form(path: &Path, end: &str) -> Result<String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    let form = PathBuf::from(name);
    if form.exists() { Ok(format!("Some({})", include(&form)?)) } else { Ok("None".to_owned()) }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "jpg" | "jpeg" => "image/jpeg",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "ttf" => "font/ttf",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "webp" => "image/webp",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
