//! `[schedule]` of the configuration file. Secrets never show in messages or logs.

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{LoadError, Result};

/// The keys of `[schedule]`.
pub(crate) const SCHEDULE_KEYS: [&str; 13] = [
    "cron",
    "time_zone",
    "retries",
    "retry_after_seconds",
    "timeout_seconds",
    "catch_up",
    "nice",
    "keep_runs",
    "webhook",
    "webhook_file",
    "webhook_header",
    "webhook_secret_env",
    "webhook_secret_file",
];

/// When builds run by themselves, and who hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ScheduleConfig {
    /// Minute, hour, day of month, month, day of week.
    pub cron: Option<String>,
    /// The zone of `cron`; the configuration's `time_zone` unless said.
    pub time_zone: Option<String>,
    /// How often a build that failed is tried again.
    pub retries: u32,
    /// The pause before the first of these; each one after doubles it, up to an hour.
    pub retry_after_seconds: u64,
    /// A build that takes longer is ended, and has failed.
    pub timeout_seconds: u64,
    /// Whether a time that passed while nobody was there is made up for at the start.
    pub catch_up: bool,
    /// By how much builds step back behind everything else: 0 not at all, 1 to 19 as nice values, 20 until nothing else wants the
    /// processor.
    pub nice: u8,
    /// So many runs are remembered.
    pub keep_runs: usize,
    /// Whom to tell of a build that failed or is held back.
    pub webhook: Option<Secret>,
    /// The file that holds the webhook's address, where that is a secret.
    pub webhook_file: Option<PathBuf>,
    /// A header that is sent along ...
    pub webhook_header: String,
    /// ... if this variable holds its value ...
    pub webhook_secret_env: Option<String>,
    /// ... or this file.
    pub webhook_secret_file: Option<PathBuf>,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            cron: None,
            time_zone: None,
            retries: 3,
            retry_after_seconds: 300,
            timeout_seconds: 12 * 3600,
            catch_up: true,
            nice: 10,
            keep_runs: 200,
            webhook: None,
            webhook_file: None,
            webhook_header: "Authorization".to_owned(),
            webhook_secret_env: None,
            webhook_secret_file: None,
        }
    }
}

/// Text that is not to be seen.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whom it is meant.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("...")
    }
}

impl ScheduleConfig {
    /// The webhook's address, from wherever it is said.
    pub(super) fn webhook_address(&self) -> Result<Option<Secret>> {
        match (&self.webhook, &self.webhook_file) {
            (Some(_), Some(_)) => Err(LoadError::Config(
                "schedule.webhook and schedule.webhook_file are both given; keep one of them.".to_owned(),
            )),
            (Some(address), None) => Ok(Some(address.clone())),
            (None, Some(file)) => read(file, "webhook_file").map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The value of the header that is sent along.
    pub(super) fn webhook_secret(&self) -> Result<Option<Secret>> {
        match (&self.webhook_secret_env, &self.webhook_secret_file) {
            (Some(_), Some(_)) => Err(LoadError::Config(
                "schedule.webhook_secret_env and schedule.webhook_secret_file are both given; keep one of them."
                    .to_owned(),
            )),
            (Some(name), None) => match std::env::var(name) {
                Ok(value) => Ok(Some(Secret::new(value))),
                Err(_) => Err(LoadError::Config(format!(
                    "schedule.webhook_secret_env names {name}, which is not set; set it or remove the key."
                ))),
            },
            (None, Some(file)) => read(file, "webhook_secret_file").map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn read(file: &std::path::Path, key: &str) -> Result<Secret> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        LoadError::Config(format!("schedule.{key} {} cannot be read: {error}.", file.display()))
    })?;
    Ok(Secret::new(text.trim()))
}
