//! Where and with what a run is done: the facts that the figures depend on.

use std::fs;
use std::process::Command;

use crate::options::RunOptions;
use crate::results::Results;

const LOCK: &str = include_str!("../../Cargo.lock");

/// Writes down the machine, versions, the date and the command.
pub(crate) fn describe(options: &RunOptions, results: &mut Results) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    results.know("command", options.command());
    results.know("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string());
    results.know("processor", processor());
    results.know("vector instructions", vectors());
    results.know("cores", cores.to_string());
    results.know("threads", options.threads.to_string());
    results.know("memory", memory());
    results.know("kernel", read("/proc/sys/kernel/osrelease"));
    // Others at work on the machine show in every figure; so they show on the page, too.
    results.know("load when the run began", load());
    results.know("version/rustc", output(Command::new("rustc").arg("--version")));
    results.know("version/muster", env!("CARGO_PKG_VERSION"));
    for library in ["roaring", "croaring", "rayon"] {
        results.know(&format!("version/{library}"), locked(library));
    }
}

/// The same in a sentence, for pages that are made of one command.
pub(crate) fn sentence(command: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "`{command}`, {}, muster {}, {cores} cores of {} with {} ({}), Linux {}, load {} when it began.",
        jiff::Timestamp::now().strftime("%Y-%m-%d"),
        env!("CARGO_PKG_VERSION"),
        processor(),
        memory(),
        vectors(),
        read("/proc/sys/kernel/osrelease"),
        load(),
    )
}

/// The processor's name.
pub(crate) fn processor() -> String {
    field("/proc/cpuinfo", "model name")
}

fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512vpopcntdq") {
            return "AVX-512 with VPOPCNTDQ";
        }
        if std::is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    "portable"
}

fn memory() -> String {
    let kib = field("/proc/meminfo", "MemTotal");
    let kib: Option<f64> = kib.split(' ').next().and_then(|kib| kib.parse().ok());
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// How many were at work lately, in the last minute.
fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned()
}

/// The version of a dependency that this was built with.
fn locked(name: &str) -> String {
    let at = LOCK.split(&format!("name = \"{name}\"\nversion = \"")).nth(1);
    at.and_then(|rest| rest.split('"').next()).unwrap_or("unknown").to_owned()
}

/// What stands after the colon of the first line of this name.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn output(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    output.map_or_else(|| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
