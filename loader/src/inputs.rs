//! The tables that a build reads: `[source]`, and each of `[[inputs]]`, joined by user on the first.

use serde::Deserialize;

use crate::build::Input;
use crate::config::{Config, SourceConfig};
use crate::error::{LoadError, Result};
use crate::source::Source;

/// What the configuration calls `[source]` where several tables are told apart.
const FIRST: &str = "source";

/// A further table, joined by user on the first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InputConfig {
    /// What to call it.
    pub name: String,
    /// The columns to take; all unless given.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// Put before the names of its columns.
    #[serde(default)]
    pub prefix: String,
    /// Where it is.
    #[serde(flatten)]
    pub source: SourceConfig,
}

/// Tables that are open.
pub struct OpenInputs<'a> {
    config: &'a Config,
    sources: Vec<Box<dyn Source>>,
}

impl std::fmt::Debug for OpenInputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sources: Vec<String> = self.sources.iter().map(|source| source.description()).collect();
        f.debug_struct("OpenInputs").field("sources", &sources).finish_non_exhaustive()
    }
}

impl Config {
    /// Opens every table that a build reads.
    pub fn open_inputs(&self) -> Result<OpenInputs<'_>> {
        let mut sources = vec![self.open_source()?];
        let mut names = vec![FIRST];
        for input in &self.inputs {
            if input.name.is_empty() || names.contains(&input.name.as_str()) {
                return Err(LoadError::Config(format!(
                    "each of [[inputs]] needs a name of its own, and {:?} is not.",
                    input.name
                )));
            }
            names.push(&input.name);
            let named = |error: LoadError| LoadError::Source(format!("input `{}`: {error}", input.name));
            sources.push(input.source.open().map_err(named)?);
        }
        Ok(OpenInputs { config: self, sources })
    }
}

impl OpenInputs<'_> {
    /// In the order of the configuration.
    pub fn inputs(&self) -> Vec<Input<'_>> {
        let first = Input {
            name: FIRST,
            source: &*self.sources[0],
            user_id: &self.config.source.user_id,
            version: self.config.source.version.as_deref(),
            columns: None,
            prefix: "",
        };
        let others = self.config.inputs.iter().zip(&self.sources[1..]);
        let others = others.map(|(input, source)| Input {
            name: &input.name,
            source: &**source,
            user_id: &input.source.user_id,
            version: input.source.version.as_deref(),
            columns: input.columns.as_deref(),
            prefix: &input.prefix,
        });
        std::iter::once(first).chain(others).collect()
    }
}
