//! The configuration: one TOML file, then `MUSTER_*` variables, then flags.
//!
//! A key that is not known is an error that names the nearest one that is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_engine::snapshot::RowOrder;
use serde::Deserialize;

use crate::columns::ColumnOptions;
use crate::error::{LoadError, Result};
use crate::source::{ParquetSource, Source};

/// Keys of each part of the file.
const TOP_KEYS: [&str; 5] = ["store", "time_zone", "source", "columns", "build"];
const SOURCE_KEYS: [&str; 13] = [
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
    "user_id",
    "version",
    "watermark",
];
const COLUMN_KEYS: [&str; 3] = ["as", "skip", "type"];
const BUILD_KEYS: [&str; 3] = ["memory_mib", "allow_empty", "row_order"];

/// Everything a build can be told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The store's directory.
    pub store: PathBuf,
    /// IANA zone in which dates and literals without a zone are read.
    pub time_zone: String,
    /// Where the feature table is.
    pub source: SourceConfig,
    /// Columns that need saying something about.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// How a build goes about it.
    pub build: BuildConfig,
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
            columns: BTreeMap::new(),
            build: BuildConfig::default(),
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
            user_id: "user_id".to_owned(),
            version: None,
            watermark: None,
        }
    }
}

impl Default for BuildConfig {
    fn default() -> Self {
        Self { memory_mib: 2048, allow_empty: false, row_order: RowOrder::Auto }
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
        for (name, known) in [("source", &SOURCE_KEYS[..]), ("build", &BUILD_KEYS[..])] {
            if let Some(toml::Value::Table(part)) = table.get(name) {
                check_keys(part, &format!("{name}."), known)?;
            }
        }
        if let Some(toml::Value::Table(columns)) = table.get("columns") {
            for (name, column) in columns {
                if let toml::Value::Table(column) = column {
                    check_keys(column, &format!("columns.{name}."), &COLUMN_KEYS)?;
                }
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
                "source_user_id" => self.source.user_id = value,
                "source_version" => self.source.version = text,
                "source_watermark" => self.source.watermark = text,
                // Typing errors in what is clearly meant for the loader must not pass silently.
                other => {
                    if let Some(rest) = other.strip_prefix("source_") {
                        return Err(unknown(&name, rest, &SOURCE_KEYS, "the variable"));
                    }
                }
            }
        }
        Ok(())
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

    /// Opens the source this names.
    pub fn open_source(&self) -> Result<Box<dyn Source>> {
        match self.source.kind.as_str() {
            "parquet" => {
                let path = self.source.path.as_deref().ok_or_else(|| {
                    LoadError::Config("no source: give --source parquet:GLOB, or `path` in [source].".to_owned())
                })?;
                Ok(Box::new(ParquetSource::open(path)?))
            }
            "clickhouse" => Err(LoadError::Config(
                "this build of muster reads Parquet only: export the table with `SELECT * FROM ... INTO OUTFILE \
                 'features.parquet'` and give --source parquet:features.parquet."
                    .to_owned(),
            )),
            other => Err(LoadError::Config(format!("source.kind is {other:?}; it must be \"parquet\" or \"clickhouse\"."))),
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

fn unknown(name: &str, key: &str, known: &[&str], what: &str) -> LoadError {
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
        let number = [("MUSTER_BUILD_MEMORY_MIB".to_owned(), "lots".to_owned())];
        assert!(Config::load(None, number).unwrap_err().to_string().contains("MUSTER_BUILD_MEMORY_MIB"));
        let missing = Config::load(Some(&dir.path().join("no.toml")), no_variables());
        assert!(missing.unwrap_err().to_string().contains("no.toml"));
    }

    #[test]
    fn clickhouse_is_refused_with_a_way_out() {
        let mut config = Config::default();
        config.set_source("clickhouse:http://127.0.0.1:8123");
        let error = config.open_source().err().unwrap().to_string();
        assert!(error.contains("reads Parquet only"), "{error}");
        assert!(Config::default().open_source().err().unwrap().to_string().contains("--source parquet:GLOB"));
    }
}
