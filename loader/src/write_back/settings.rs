//! `[write_back]` in the configuration: which labels go where, and how patiently.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use crate::config::SourceConfig;
use crate::error::{LoadError, Result};
use crate::source::ClickHouseOptions;

/// Keys of `[write_back]`.
pub(crate) const WRITE_BACK_KEYS: [&str; 15] = [
    "url",
    "database",
    "table",
    "user",
    "password_env",
    "password_file",
    "ca_file",
    "form",
    "labels",
    "retries",
    "retry_wait_ms",
    "connect_timeout_seconds",
    "first_byte_timeout_seconds",
    "stall_timeout_seconds",
    "total_timeout_seconds",
];

/// What a table has of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A row for each member.
    #[default]
    Rows,
    /// One row with all members as a state of `groupBitmap`.
    Bitmap,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "rows" => Ok(Self::Rows),
            "bitmap" => Ok(Self::Bitmap),
            _ => Err("it must be rows or bitmap".to_owned()),
        }
    }
}

/// Which labels are written to which table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct WriteBackConfig {
    /// The server's HTTP address.
    pub url: Option<String>,
    /// The database; the user's own if none.
    pub database: Option<String>,
    /// The table; `label_user_mapping` for rows and `label_user_bitmap` for bitmaps unless named.
    pub table: Option<String>,
    /// Who writes.
    pub user: Option<String>,
    /// The variable that holds the password.
    pub password_env: Option<String>,
    /// The file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What the table has of a label.
    pub form: Form,
    /// The names of the labels.
    pub labels: Vec<String>,
    /// How often something transient is tried again.
    pub retries: u32,
    /// How long to wait before the first time; it doubles.
    pub retry_wait_ms: u64,
    /// How long connecting may take.
    pub connect_timeout_seconds: u64,
    /// How long the answer to a statement, or to the end of an insert, may take.
    pub first_byte_timeout_seconds: u64,
    /// How long the server may take nothing of what is sent.
    pub stall_timeout_seconds: u64,
    /// How long everything together may take.
    pub total_timeout_seconds: u64,
}

impl Default for WriteBackConfig {
    fn default() -> Self {
        let source = SourceConfig::default();
        Self {
            url: None,
            database: None,
            table: None,
            user: None,
            password_env: None,
            password_file: None,
            ca_file: None,
            form: Form::Rows,
            labels: Vec::new(),
            retries: source.retries,
            retry_wait_ms: source.retry_wait_ms,
            connect_timeout_seconds: source.connect_timeout_seconds,
            first_byte_timeout_seconds: source.first_byte_timeout_seconds,
            stall_timeout_seconds: source.stall_timeout_seconds,
            total_timeout_seconds: 3600,
        }
    }
}

impl WriteBackConfig {
    /// Sets one key from the text of a variable. Whether there is such a key.
    pub(crate) fn set(&mut self, key: &str, variable: &str, value: &str) -> Result<bool> {
        let text = || Some(value.to_owned());
        match key {
            "url" => self.url = text(),
            "database" => self.database = text(),
            "table" => self.table = text(),
            "user" => self.user = text(),
            "password_env" => self.password_env = text(),
            "password_file" => self.password_file = Some(value.into()),
            "ca_file" => self.ca_file = Some(value.into()),
            "form" => self.form = parsed(variable, value)?,
            "labels" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                self.labels = names.map(str::to_owned).collect();
            }
            "retries" => self.retries = parsed(variable, value)?,
            "retry_wait_ms" => self.retry_wait_ms = parsed(variable, value)?,
            "connect_timeout_seconds" => self.connect_timeout_seconds = parsed(variable, value)?,
            "first_byte_timeout_seconds" => self.first_byte_timeout_seconds = parsed(variable, value)?,
            "stall_timeout_seconds" => self.stall_timeout_seconds = parsed(variable, value)?,
            "total_timeout_seconds" => self.total_timeout_seconds = parsed(variable, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How to reach the table. Reads the password from where it is kept.
    pub(super) fn options(&self) -> Result<ClickHouseOptions> {
        if self.url.is_none() {
            let what = "no ClickHouse server to write labels to: give `url` in [write_back].";
            return Err(LoadError::Config(what.to_owned()));
        }
        if self.password_env.is_some() && self.password_file.is_some() {
            let what = "both `password_env` and `password_file` are set in [write_back]; remove one.";
            return Err(LoadError::Config(what.to_owned()));
        }
        let mut twice = std::collections::HashSet::new();
        if let Some(name) = self.labels.iter().find(|name| !twice.insert(name.as_str())) {
            let what = format!("`labels` in [write_back] names `{name}` twice; remove one.");
            return Err(LoadError::Config(what));
        }
        let table = match self.form {
            Form::Rows => "label_user_mapping",
            Form::Bitmap => "label_user_bitmap",
        };
        ClickHouseOptions::new(&SourceConfig {
            kind: "clickhouse".to_owned(),
            url: self.url.clone(),
            database: self.database.clone(),
            table: Some(self.table.clone().unwrap_or_else(|| table.to_owned())),
            user: self.user.clone(),
            password_env: self.password_env.clone(),
            password_file: self.password_file.clone(),
            ca_file: self.ca_file.clone(),
            retries: self.retries,
            retry_wait_ms: self.retry_wait_ms,
            connect_timeout_seconds: self.connect_timeout_seconds,
            first_byte_timeout_seconds: self.first_byte_timeout_seconds,
            stall_timeout_seconds: self.stall_timeout_seconds,
            total_timeout_seconds: self.total_timeout_seconds,
            ..SourceConfig::default()
        })
    }
}

fn parsed<T: FromStr>(variable: &str, value: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    value
        .parse()
        .map_err(|error| LoadError::Config(format!("the variable {variable} is {value:?}: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_section_is_read_and_is_none_where_it_is_not() {
        assert_eq!(Config::parse("").unwrap().write_back, None);
        let text = "[write_back]\nurl = 'http://h:8123'\nform = 'bitmap'\nlabels = ['kyc', 'whales']";
        let config = Config::parse(text).unwrap().write_back.unwrap();
        assert_eq!((config.form, config.labels.len(), config.retries), (Form::Bitmap, 2, 4));
        assert_eq!(config.options().unwrap().rows.after_from(), "`label_user_bitmap`");
        for (text, want) in [
            ("[write_back]\nurls = 'x'", "did you mean `url`"),
            ("[write_back]\nform = 'row'", "form"),
            ("[write_back]\nlabels = 'kyc'", "labels"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn every_key_has_a_variable_and_every_variable_a_key() {
        for key in WRITE_BACK_KEYS {
            let name = format!("MUSTER_WRITE_BACK_{}", key.to_uppercase());
            let fits = |value: &str| Config::load(None, [(name.clone(), value.to_owned())]).is_ok();
            assert!(["7", "rows"].into_iter().any(fits), "{name}");
            assert!(Config::load(None, [(format!("{name}X"), "7".to_owned())]).is_err(), "{name}X");
        }
        let labels = ("MUSTER_WRITE_BACK_LABELS".to_owned(), "kyc, big spenders".to_owned());
        let config = Config::load(None, [labels]).unwrap().write_back.unwrap();
        assert_eq!(config.labels, ["kyc", "big spenders"]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let mut config = WriteBackConfig::default();
        assert!(config.options().unwrap_err().to_string().contains("`url` in [write_back]"));
        config.url = Some("http://h:1".into());
        config.labels = vec!["a".into(), "a".into()];
        assert!(config.options().unwrap_err().to_string().contains("`a` twice"));
        config.labels.clear();
        (config.password_env, config.password_file) = (Some("X".into()), Some("y".into()));
        assert!(config.options().unwrap_err().to_string().contains("[write_back]; remove one"));
    }
}
