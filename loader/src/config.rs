//! The configuration: one TOML file, then `MUSTER_*` variables, then flags.
//!
//! A key that is not known is an error that names the nearest one that is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_engine::snapshot::{Keep, RowOrder};
use serde::Deserialize;

use crate::build::DerivedColumn;
use crate::columns::ColumnOptions;
use crate::error::{LoadError, Result};
use crate::gates::{COLUMN_GATE_KEYS, FLOOR_KEYS, GATE_KEYS, GATE_VARIABLES, GateConfig};
use crate::inputs::InputConfig;
use crate::schedule::{SCHEDULE_KEYS, ScheduleConfig, Secret};
use crate::source::{ClickHouseOptions, ClickHouseSource, Compression, ParquetSource, Source, WireFormat};
use crate::write_back::{WRITE_BACK_KEYS, WriteBackConfig};

/// Keys of each part of the file.
const TOP_KEYS: [&str; 13] = [
    "store",
    "time_zone",
    "source",
    "inputs",
    "columns",
    "derived",
    "build",
    "gates",
    "keep",
    "schedule",
    "serve",
    "catalog",
    "write_back",
];
const SOURCE_KEYS: [&str; 25] = [
    "kind",
    "path",
    "url",
    "database",
    "table",
    "final",
    "query",
    "user",
    "password_env",
    "password_file",
    "ca_file",
    "compression",
    "format",
    "strict",
    "pulls",
    "range_rows",
    "retries",
    "retry_wait_ms",
    "connect_timeout_seconds",
    "first_byte_timeout_seconds",
    "stall_timeout_seconds",
    "total_timeout_seconds",
    "user_id",
    "version",
    "watermark",
];
/// Keys of an input besides those of a source.
const INPUT_KEYS: [&str; 3] = ["name", "columns", "prefix"];
const DERIVED_KEYS: [&str; 1] = ["rule"];
const COLUMN_KEYS: [&str; 3] = ["as", "skip", "type"];
const BUILD_KEYS: [&str; 3] = ["memory_mib", "allow_empty", "row_order"];
const KEEP_KEYS: [&str; 2] = ["generations", "held"];
/// Keys of `[schedule]` that a variable can give.
const SCHEDULE_VARIABLES: [&str; 3] = ["cron", "time_zone", "webhook"];

/// Everything a build can be told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The store's directory.
    pub store: PathBuf,
    /// IANA zone in which dates and literals without a zone are read.
    pub time_zone: String,
    /// Where the feature table is.
    pub source: SourceConfig,
    /// Further tables, joined by user on the first.
    pub inputs: Vec<InputConfig>,
    /// Columns that need saying something about.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// Bool columns to make from others, by name.
    pub derived: BTreeMap<String, DerivedColumn>,
    /// How a build goes about it.
    pub build: BuildConfig,
    /// By what a build is compared before it is published.
    pub gates: GateConfig,
    /// How many generations are kept.
    pub keep: Keep,
    /// When builds run by themselves.
    pub schedule: ScheduleConfig,
    /// What the server makes of it: builds neither read nor check it.
    pub serve: toml::Table,
    /// Where labels and deliveries are: builds neither read nor check it.
    pub catalog: toml::Table,
    /// Where members of labels are written to; nowhere unless given. Builds do not read it.
    pub write_back: Option<WriteBackConfig>,
}

/// Where the feature table is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SourceConfig {
    /// `parquet` or `clickhouse`.
    pub kind: String,
    /// Parquet: a file, a directory or a glob.
    pub path: Option<String>,
    /// ClickHouse: its HTTP address.
    pub url: Option<String>,
    /// ClickHouse: the database.
    pub database: Option<String>,
    /// ClickHouse: the table.
    pub table: Option<String>,
    /// ClickHouse: whether to read with `FINAL`.
    #[serde(rename = "final")]
    pub final_rows: Option<bool>,
    /// ClickHouse: a query instead of a table.
    pub query: Option<String>,
    /// ClickHouse: who reads.
    pub user: Option<String>,
    /// ClickHouse: the variable that holds the password.
    pub password_env: Option<String>,
    /// ClickHouse: the file that holds the password.
    pub password_file: Option<PathBuf>,
    /// ClickHouse: certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// ClickHouse: how what it sends is compressed.
    pub compression: Compression,
    /// ClickHouse: in which format it sends.
    pub format: WireFormat,
    /// ClickHouse: whether every row is counted by the server, too.
    pub strict: bool,
    /// ClickHouse: queries at a time.
    pub pulls: Option<u32>,
    /// ClickHouse: rows that one query asks for, about.
    pub range_rows: u64,
    /// ClickHouse: how often something transient is tried again.
    pub retries: u32,
    /// ClickHouse: how long to wait before the first time; it doubles.
    pub retry_wait_ms: u64,
    /// ClickHouse: how long connecting may take.
    pub connect_timeout_seconds: u64,
    /// ClickHouse: how long the first byte of an answer may take.
    pub first_byte_timeout_seconds: u64,
    /// ClickHouse: how long an answer may pause.
    pub stall_timeout_seconds: u64,
    /// ClickHouse: how long everything together may take.
    pub total_timeout_seconds: u64,
    /// The key column.
    pub user_id: String,
    /// The column by which the newest of several rows of one user is known; `data_update_time` if there is one.
    pub version: Option<String>,
    /// What to record as the source's freshness, instead of what the source says.
    pub watermark: Option<String>,
}

/// How a build goes about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BuildConfig {
    /// Memory for the snapshot writer, in MiB.
    pub memory_mib: u64,
    /// Whether a table without rows is published.
    pub allow_empty: bool,
    /// How rows are ordered: `"auto"`, `"none"`, or the columns to order by.
    #[serde(deserialize_with = "row_order")]
    pub row_order: RowOrder,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: "./store".into(),
            time_zone: "UTC".to_owned(),
            source: SourceConfig::default(),
            inputs: Vec::new(),
            columns: BTreeMap::new(),
            derived: BTreeMap::new(),
            build: BuildConfig::default(),
            gates: GateConfig::default(),
            keep: Keep::default(),
            schedule: ScheduleConfig::default(),
            serve: toml::Table::new(),
            catalog: toml::Table::new(),
            write_back: None,
        }
    }
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            kind: "parquet".to_owned(),
            path: None,
            url: None,
            database: None,
            table: None,
            final_rows: None,
            query: None,
            user: None,
            password_env: None,
            password_file: None,
            ca_file: None,
            compression: Compression::Auto,
            format: WireFormat::Auto,
            strict: false,
            pulls: None,
            range_rows: 1 << 18,
            retries: 4,
            retry_wait_ms: 500,
            connect_timeout_seconds: 10,
            first_byte_timeout_seconds: 300,
            stall_timeout_seconds: 60,
            total_timeout_seconds: 6 * 3600,
            user_id: "user_id".to_owned(),
            version: None,
            watermark: None,
        }
    }
}

impl Default for BuildConfig {
    fn default() -> Self {
        Self { memory_mib: 3072, allow_empty: false, row_order: RowOrder::Auto }
    }
}

impl Config {
    /// The file, if there is one, overridden by `MUSTER_*` variables (`std::env::vars()`).
    pub fn load(file: Option<&Path>, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(LoadError::io(path))?;
                let named = |error: LoadError| LoadError::Config(format!("{}: {error}", path.display()));
                Self::parse(&text).map_err(named)?
            }
        };
        config.apply_variables(variables)?;
        Ok(config)
    }

    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<Self> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| LoadError::Config(error.to_string()))?;
        check_keys(&table, "", &TOP_KEYS)?;
        let parts = [
            ("source", &SOURCE_KEYS[..]),
            ("build", &BUILD_KEYS),
            ("gates", &GATE_KEYS),
            ("keep", &KEEP_KEYS),
            ("schedule", &SCHEDULE_KEYS),
            ("write_back", &WRITE_BACK_KEYS),
        ];
        for (name, known) in parts {
            if let Some(toml::Value::Table(part)) = table.get(name) {
                check_keys(part, &format!("{name}."), known)?;
            }
        }
        check_keys_of_each(&table, "", "columns", &COLUMN_KEYS)?;
        check_keys_of_each(&table, "", "derived", &DERIVED_KEYS)?;
        if let Some(toml::Value::Table(gates)) = table.get("gates") {
            check_keys_of_each(gates, "gates.", "columns", &COLUMN_GATE_KEYS)?;
            if let Some(toml::Value::Table(floors)) = gates.get("floors") {
                check_keys(floors, "gates.floors.", &FLOOR_KEYS)?;
            }
        }
        if let Some(toml::Value::Array(inputs)) = table.get("inputs") {
            let known: Vec<&str> = INPUT_KEYS.iter().chain(&SOURCE_KEYS).copied().collect();
            for input in inputs.iter().filter_map(toml::Value::as_table) {
                check_keys(input, "inputs.", &known)?;
            }
        }
        // From the text again, so that a wrong type is reported with its line.
        toml::from_str(text).map_err(|error| LoadError::Config(error.to_string()))
    }

    /// Applies variables such as `MUSTER_STORE` or `MUSTER_SOURCE_PATH`; others are not ours.
    fn apply_variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<()> {
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("MUSTER_").map(str::to_lowercase) else { continue };
            let text = Some(value.clone());
            match key.as_str() {
                "store" => self.store = value.into(),
                "time_zone" => self.time_zone = value,
                "build_memory_mib" => self.build.memory_mib = parsed(&name, &value)?,
                "build_allow_empty" => self.build.allow_empty = parsed(&name, &value)?,
                "build_row_order" => self.build.row_order = RowOrder::parse(&value),
                "schedule_cron" => self.schedule.cron = text,
                "schedule_time_zone" => self.schedule.time_zone = text,
                "schedule_webhook" => self.schedule.webhook = Some(Secret::new(value)),
                "source_kind" => self.source.kind = value,
                "source_path" => self.source.path = text,
                "source_url" => self.source.url = text,
                "source_database" => self.source.database = text,
                "source_table" => self.source.table = text,
                "source_final" => self.source.final_rows = Some(parsed(&name, &value)?),
                "source_query" => self.source.query = text,
                "source_user" => self.source.user = text,
                "source_password_env" => self.source.password_env = text,
                "source_password_file" => self.source.password_file = Some(value.into()),
                "source_ca_file" => self.source.ca_file = Some(value.into()),
                "source_compression" => self.source.compression = parsed(&name, &value)?,
                "source_format" => self.source.format = parsed(&name, &value)?,
                "source_strict" => self.source.strict = parsed(&name, &value)?,
                "source_pulls" => self.source.pulls = Some(parsed(&name, &value)?),
                "source_range_rows" => self.source.range_rows = parsed(&name, &value)?,
                "source_retries" => self.source.retries = parsed(&name, &value)?,
                "source_retry_wait_ms" => self.source.retry_wait_ms = parsed(&name, &value)?,
                "source_connect_timeout_seconds" => {
                    self.source.connect_timeout_seconds = parsed(&name, &value)?;
                }
                "source_first_byte_timeout_seconds" => {
                    self.source.first_byte_timeout_seconds = parsed(&name, &value)?;
                }
                "source_stall_timeout_seconds" => {
                    self.source.stall_timeout_seconds = parsed(&name, &value)?;
                }
                "source_total_timeout_seconds" => {
                    self.source.total_timeout_seconds = parsed(&name, &value)?;
                }
                "source_user_id" => self.source.user_id = value,
                "source_version" => self.source.version = text,
                "source_watermark" => self.source.watermark = text,
                "gates_enabled" => self.gates.enabled = parsed(&name, &value)?,
                "gates_change_max" => self.gates.change_max = parsed(&name, &value)?,
                "gates_rows" => self.gates.rows = Some(parsed(&name, &value)?),
                "gates_schema" => self.gates.schema = parsed(&name, &value)?,
                "gates_null_rate" => self.gates.null_rate = Some(parsed(&name, &value)?),
                "gates_distinct" => self.gates.distinct = Some(parsed(&name, &value)?),
                "gates_malformed_json" => self.gates.malformed_json = Some(parsed(&name, &value)?),
                "gates_rule_counts" => self.gates.rule_counts = Some(parsed(&name, &value)?),
                "gates_rules_file" => self.gates.rules_file = Some(value.into()),
                "keep_generations" => self.keep.generations = parsed(&name, &value)?,
                "keep_held" => self.keep.held = parsed(&name, &value)?,
                // The server knows its keys itself.
                other if other.starts_with("serve_") => self.set_serving(&other["serve_".len()..], &value),
                other if other.starts_with("catalog_") => {
                    self.catalog.insert(other["catalog_".len()..].to_owned(), typed(&value));
                }
                other if other.starts_with("write_back_") => {
                    let key = &other["write_back_".len()..];
                    if !self.write_back.get_or_insert_default().set(key, &name, &value)? {
                        return Err(unknown(&name, key, &WRITE_BACK_KEYS, "the variable"));
                    }
                }
                // Typing errors in what is clearly meant for the loader must not pass silently.
                other => {
                    let parts = [
                        ("source_", &SOURCE_KEYS[..]),
                        ("gates_", &GATE_KEYS[..GATE_VARIABLES]),
                        ("keep_", &KEEP_KEYS),
                        ("schedule_", &SCHEDULE_VARIABLES),
                    ];
                    for (prefix, known) in parts {
                        if let Some(rest) = other.strip_prefix(prefix) {
                            return Err(unknown(&name, rest, known, "the variable"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets a key of `[serve]`, or of the tables in it, to what a variable says: a number or a truth value where it is one.
    fn set_serving(&mut self, key: &str, value: &str) {
        let typed = typed(value);
        let Some(key) = key.strip_prefix("rules_") else {
            self.serve.insert(key.to_owned(), typed);
            return;
        };
        let rules = self.serve.entry("rules").or_insert_with(|| toml::Value::Table(toml::Table::new()));
        // What is no table is the server's to refuse.
        if let toml::Value::Table(rules) = rules {
            rules.insert(key.to_owned(), typed);
        }
    }

    /// Applies the flag `--source parquet:GLOB` or `--source clickhouse:URL`; a bare path is Parquet.
    pub fn set_source(&mut self, flag: &str) {
        if let Some(url) = flag.strip_prefix("clickhouse:") {
            self.source.kind = "clickhouse".into();
            self.source.url = Some(url.to_owned());
        } else {
            self.source.kind = "parquet".into();
            self.source.path = Some(flag.strip_prefix("parquet:").unwrap_or(flag).to_owned());
        }
    }

    /// Opens the first table.
    pub fn open_source(&self) -> Result<Box<dyn Source>> {
        self.source.open()
    }
}

impl SourceConfig {
    /// Opens the table this names.
    pub fn open(&self) -> Result<Box<dyn Source>> {
        match self.kind.as_str() {
            "parquet" => {
                let path = self.path.as_deref().ok_or_else(|| {
                    LoadError::Config(
                        "no source: give --source parquet:GLOB, or `path` in [source].".to_owned(),
                    )
                })?;
                Ok(Box::new(ParquetSource::open(path)?))
            }
            "clickhouse" => Ok(Box::new(ClickHouseSource::open(ClickHouseOptions::new(self)?)?)),
            other => Err(LoadError::Config(format!(
                "source.kind is {other:?}; it must be \"parquet\" or \"clickhouse\"."
            ))),
        }
    }
}

fn row_order<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<RowOrder, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "\"auto\", \"none\" or a list of columns")]
    enum Written {
        Word(String),
        Columns(Vec<String>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Word(word) => RowOrder::parse(&word),
        Written::Columns(names) => RowOrder::Columns(names),
    })
}

fn parsed<T: std::str::FromStr>(name: &str, value: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|error| LoadError::Config(format!("the variable {name} is {value:?}: {error}.")))
}

fn check_keys(table: &toml::Table, prefix: &str, known: &[&str]) -> Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(unknown(&format!("{prefix}{key}"), key, known, "the key")),
    }
}

/// Checks the keys of each table in a table of tables.
fn check_keys_of_each(table: &toml::Table, prefix: &str, part: &str, known: &[&str]) -> Result<()> {
    let Some(toml::Value::Table(tables)) = table.get(part) else { return Ok(()) };
    for (name, inner) in tables {
        if let toml::Value::Table(inner) = inner {
            check_keys(inner, &format!("{prefix}{part}.{name}."), known)?;
        }
    }
    Ok(())
}

pub(crate) fn unknown(name: &str, key: &str, known: &[&str], what: &str) -> LoadError {
    let hint = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}.", known.join(", ")),
    };
    LoadError::Config(format!("{what} `{name}` is not known; {hint}"))
}

/// The candidate that `word` most likely stands for, if it is anywhere near.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(word, candidate), candidate));
    scored
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What a variable says: a number or a truth value where it is one.
fn typed(value: &str) -> toml::Value {
    match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(number), _) => toml::Value::Integer(number),
        (_, Ok(truth)) => toml::Value::Boolean(truth),
        _ => toml::Value::String(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::JsonKind;

    const FULL: &str = r#"
        store = "./elsewhere"
        time_zone = "Europe/Berlin"
        [source]
        kind = "parquet"
        path = "features/*.parquet"
        user_id = "uid"
        [columns.erc20_token_holdings]
        as = "json_map"
        [columns.active_chains]
        as = "json_array"
        [columns.data_update_time]
        skip = true
        [columns.ip]
        type = "IPv4"
        [build]
        memory_mib = 512
        row_order = ["country", "has_poh"]
        [schedule]
        cron = "30 5 * * *"
        time_zone = "Europe/Berlin"
        retries = 1
        webhook = "https://chat.example/T0/B0/secret"
    "#;

    fn no_variables() -> Vec<(String, String)> {
        Vec::new()
    }

    #[test]
    fn every_part_is_read() {
        let config = Config::parse(FULL).unwrap();
        assert_eq!(config.store, PathBuf::from("./elsewhere"));
        assert_eq!(config.source.user_id, "uid");
        assert_eq!(config.columns["erc20_token_holdings"].json, Some(JsonKind::JsonMap));
        assert_eq!(config.columns["active_chains"].json, Some(JsonKind::JsonArray));
        assert!(config.columns["data_update_time"].skip);
        assert_eq!(config.columns["ip"].ty.as_deref(), Some("IPv4"));
        assert_eq!(config.build.memory_mib, 512);
        let schedule = &config.schedule;
        assert_eq!((schedule.cron.as_deref(), schedule.retries, schedule.nice), (Some("30 5 * * *"), 1, 10));
        assert!(!format!("{config:?}").contains("B0"), "the webhook's address is a secret");
        let named = |names: &[&str]| RowOrder::Columns(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(config.build.row_order, named(&["country", "has_poh"]));
        for (text, order) in
            [("auto", RowOrder::Auto), ("none", RowOrder::Given), ("a, b", named(&["a", "b"]))]
        {
            let config = Config::parse(&format!("[build]\nrow_order = '{text}'")).unwrap();
            assert_eq!(config.build.row_order, order);
        }
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let cases = [
            ("stor = 'x'", "`stor` is not known; did you mean `store`"),
            ("[source]\nuser_ids = 'x'", "`source.user_ids` is not known; did you mean `user_id`"),
            ("[columns.a]\nskp = true", "`columns.a.skp` is not known; did you mean `skip`"),
            ("[schedule]\ncorn = 'x'", "`schedule.corn` is not known; did you mean `cron`"),
            ("[build]\nzzz = 1", "`build.zzz` is not known; known are memory_mib"),
        ];
        for (text, want) in cases {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn wrong_types_and_words_are_errors() {
        for text in [
            "store = 1",
            "[columns.a]\nas = \"json\"",
            "[columns]\na = 1",
            "[source",
            "source = 1",
            "[build]\nrow_order = 1",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn variables_override_the_file_and_flags_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.toml");
        std::fs::write(&path, FULL).unwrap();
        let variables = [("MUSTER_SOURCE_PATH", "/data"), ("MUSTER_LOG", "debug"), ("PATH", "/bin")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut config = Config::load(Some(&path), variables).unwrap();
        assert_eq!(config.source.path.as_deref(), Some("/data"));
        config.set_source("parquet:/other/*.parquet");
        assert_eq!(config.source.path.as_deref(), Some("/other/*.parquet"));
        let typo = [("MUSTER_SOURCE_PAHT".to_owned(), "/data".to_owned())];
        assert!(Config::load(None, typo).unwrap_err().to_string().contains("did you mean `path`"));
        let typo = [("MUSTER_SCHEDULE_CRN".to_owned(), "x".to_owned())];
        assert!(Config::load(None, typo).unwrap_err().to_string().contains("did you mean `cron`"));
        let number = [("MUSTER_BUILD_MEMORY_MIB".to_owned(), "lots".to_owned())];
        assert!(Config::load(None, number).unwrap_err().to_string().contains("MUSTER_BUILD_MEMORY_MIB"));
        let missing = Config::load(Some(&dir.path().join("no.toml")), no_variables());
        assert!(missing.unwrap_err().to_string().contains("no.toml"));
    }

    #[test]
    fn variables_of_the_server_are_typed_and_override_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.toml");
        std::fs::write(
            &path,
            "[serve]\ngrpc = '127.0.0.1:1'\nhttp = '127.0.0.1:2'\n[serve.rules]\nbytes = 7",
        )
        .unwrap();
        let variables = [
            ("MUSTER_SERVE_GRPC", "127.0.0.1:3"),
            ("MUSTER_SERVE_FOLLOW_MS", "20"),
            ("MUSTER_SERVE_RULES_DEPTH", "9"),
            ("MUSTER_SERVE_ANYTHING", "true"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::load(Some(&path), variables).unwrap();
        let want = "grpc = '127.0.0.1:3'\nhttp = '127.0.0.1:2'\nfollow_ms = 20\nanything = true\n\
                    [rules]\nbytes = 7\ndepth = 9";
        assert_eq!(config.serve, want.parse::<toml::Table>().unwrap());
    }

    #[test]
    fn every_variable_of_a_source_is_a_key_and_the_other_way_round() {
        for key in SOURCE_KEYS {
            let name = format!("MUSTER_SOURCE_{}", key.to_uppercase());
            // A number, a word and a truth value: one of them fits every key.
            let fits = |value: &str| Config::load(None, [(name.clone(), value.to_owned())]).is_ok();
            assert!(["7", "none", "true", "arrow"].into_iter().any(fits), "{name}");
            assert!(Config::load(None, [(format!("{name}X"), "7".to_owned())]).is_err(), "{name}X");
        }
    }

    #[test]
    fn a_source_without_an_address_says_what_to_give() {
        assert!(Config::default().open_source().err().unwrap().to_string().contains("--source parquet:GLOB"));
        let mut config = Config::default();
        config.source.kind = "clickhouse".into();
        assert!(config.open_source().err().unwrap().to_string().contains("--source clickhouse:"));
    }
}
