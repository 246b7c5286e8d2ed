//! Reading `[serve]`: a key that is not known is told with the nearest that is, and so is a value that makes no sense.

use std::fmt;
use std::path::Path;

use muster_catalog::Settings;
use muster_engine::rule::limits::Limits;
use serde::Deserialize;
use serde::de::value::Error as FieldsError;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use super::Config;
use crate::listen::Address;
use crate::priority::ONLY_WHEN_IDLE;

/// Words that are less alike than this are not proposed.
const LIKENESS_MIN: f64 = 0.75;

impl Config {
    /// Reads `[serve]` of the configuration. What is wrong is one sentence.
    pub fn read(table: toml::Table) -> Result<Self, String> {
        check_keys::<Self>(&table, "serve.")?;
        if let Some(toml::Value::Table(rules)) = table.get("rules") {
            check_keys::<Limits>(rules, "serve.rules.")?;
        }
        let config: Self = toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| {
            format!("[serve] of the configuration: {}", error.to_string().trim_end())
        })?;
        config.check()?;
        Ok(config)
    }

    /// Reads `[catalog]` of the configuration. Without an address, the catalog is a file beside the store.
    pub fn read_catalog(table: toml::Table, store: &Path) -> Result<Settings, String> {
        check_keys::<Settings>(&table, "catalog.")?;
        let is_placed = table.contains_key("url");
        let mut settings: Settings =
            toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| {
                format!("[catalog] of the configuration: {}", error.to_string().trim_end())
            })?;
        if !is_placed {
            settings.url = format!("sqlite:{}", store.with_file_name("catalog.db").display());
        }
        Ok(settings)
    }

    /// Whether every value makes sense, by itself and beside the others.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, address) in [("grpc", &self.grpc), ("http", &self.http)] {
            Address::parse(address).map_err(|what| format!("`serve.{key}` is {address:?}: {what}"))?;
        }
        if self.grpc == self.http && !self.grpc.ends_with(":0") {
            return Err(format!("`serve.grpc` and `serve.http` are both {:?}; give each its own", self.grpc));
        }
        self.check_tls()?;
        if self.heavy_nice > ONLY_WHEN_IDLE {
            return Err(format!(
                "`serve.heavy_nice` is {}, and must be 0 to {ONLY_WHEN_IDLE}",
                self.heavy_nice
            ));
        }
        let at_least_one = [
            ("follow_ms", self.follow_ms),
            ("heavy_queue", self.heavy_queue as u64),
            ("heavy_queue_per_caller", self.heavy_queue_per_caller as u64),
            ("compiling_queue", self.compiling_queue as u64),
            ("heavy_deadline_ms", self.heavy_deadline_ms),
            ("deadline_max_ms", self.deadline_max_ms),
            ("streams", self.streams as u64),
            ("stream_stall_ms", self.stream_stall_ms),
            ("segments_per_request", self.segments_per_request as u64),
            ("users_per_request", self.users_per_request as u64),
            ("request_bytes", self.request_bytes as u64),
            ("connections", self.connections as u64),
            ("compiled_rules", self.compiled_rules as u64),
        ];
        if let Some((key, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("`serve.{key}` is 0, and must be at least 1"));
        }
        if self.heavy_deadline_ms > self.deadline_max_ms {
            let (usual, most) = (self.heavy_deadline_ms, self.deadline_max_ms);
            return Err(format!(
                "`serve.heavy_deadline_ms` is {usual}, which is more than `serve.deadline_max_ms`, {most}"
            ));
        }
        Ok(())
    }

    fn check_tls(&self) -> Result<(), String> {
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(_), None, _) => {
                Err("`serve.tls_cert` is given without `serve.tls_key`; give both, or neither".to_owned())
            }
            (None, Some(_), _) => {
                Err("`serve.tls_key` is given without `serve.tls_cert`; give both, or neither".to_owned())
            }
            (None, None, Some(_)) => Err(
                "`serve.tls_client_ca` is given without `serve.tls_cert` and `serve.tls_key`; give all three"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }
}

fn check_keys<'de, T: Deserialize<'de>>(table: &toml::Table, prefix: &str) -> Result<(), String> {
    let known = fields::<T>();
    let Some(wrong) = table.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let likeness = |known: &&'static str| strsim::jaro_winkler(wrong, known);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|near| likeness(near) >= LIKENESS_MIN) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}.", known.join(", ")),
    };
    let name = format!("{prefix}{wrong}");
    let variable = name.to_uppercase().replace('.', "_");
    Err(format!("the key `{name}` (or the variable MUSTER_{variable}) is not known; {hint}"))
}

/// The fields of a struct, as serde knows them: there is no second list of them that could be forgotten.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always fails: there is nothing to read.
    let _ = T::deserialize(Fields(&mut fields));
    fields
}

/// Holds nothing, and notes which fields it was asked for.
struct Fields<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = FieldsError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldsError> {
        Err(FieldsError::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FieldsError> {
        *self.0 = fields;
        Err(FieldsError::custom("there is nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        Config::read(text.parse().unwrap())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(read(""), Ok(Config::default()));
        let some = read("grpc = 'unix:/run/x'\ntokens = 'required'\n[rules]\nrule_bytes = 10").unwrap();
        assert_eq!((some.grpc.as_str(), some.rules.rule_bytes), ("unix:/run/x", 10));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let cases = [
            (
                "grcp = 'x'",
                "`serve.grcp` (or the variable MUSTER_SERVE_GRCP) is not known; did you mean `grpc`?",
            ),
            ("tls_certificate = 'x'", "did you mean `tls_cert`?"),
            ("zzz = 1", "known are grpc, http, tokens"),
            (
                "[rules]\nrule_byte = 1",
                "`serve.rules.rule_byte` (or the variable MUSTER_SERVE_RULES_RULE_BYTE) is not known; did you mean `rule_bytes`?",
            ),
        ];
        for (text, want) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_told() {
        let cases = [
            ("grpc = '7070'", "`serve.grpc` is \"7070\": give HOST:PORT"),
            ("http = 'unix:'", "`serve.http` is \"unix:\": the path of the socket is missing"),
            ("grpc = 'a:1'\nhttp = 'a:1'", "are both \"a:1\""),
            ("tls_cert = 'c'", "`serve.tls_cert` is given without `serve.tls_key`"),
            ("tls_key = 'k'", "`serve.tls_key` is given without `serve.tls_cert`"),
            ("tls_client_ca = 'c'", "give all three"),
            ("heavy_nice = 21", "`serve.heavy_nice` is 21, and must be 0 to 20"),
            ("follow_ms = 0", "`serve.follow_ms` is 0, and must be at least 1"),
            ("connections = 0", "`serve.connections` is 0"),
            ("heavy_deadline_ms = 2\ndeadline_max_ms = 1", "more than `serve.deadline_max_ms`"),
            ("tokens = 'on'", "unknown variant `on`"),
            ("connections = 'many'", "connections"),
            ("heavy_threads = -1", "heavy_threads"),
        ];
        for (text, want) in cases {
            let error = read(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        let fine = "grpc = '127.0.0.1:0'\nhttp = '127.0.0.1:0'\nheavy_threads = 0\ncached_counts = 0\ndrain_ms = 0\nheavy_nice = 20";
        assert!(read(fine).is_ok());
    }
}
