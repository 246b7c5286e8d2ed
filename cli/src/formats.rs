//! The formats that user ids are written in.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use muster_engine::error::Error;
use muster_loader::export::write_members as write_parquet;
use roaring::RoaringTreemap;

use crate::failure::Failure;
use crate::output::stdout;

/// How members are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One id a line
    Ids,
    /// CSV with one column, named as the key column
    Csv,
    /// One object a line: {"user_id":7}
    Jsonl,
    /// Parquet with one UINT64 column
    Parquet,
    /// Portable 64-bit Roaring bytes
    Roaring,
}

impl Format {
    /// Whether a terminal would show rubbish.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Parquet | Self::Roaring)
    }
}

/// Refuses to show bytes to people. To be asked before anything is computed.
pub(crate) fn refuse_terminal(out: Option<&Path>, format: Format) -> Result<(), Failure> {
    if out.is_none() && format.is_binary() && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "this format is not for a terminal; give a file with --out FILE".to_owned(),
        ));
    }
    Ok(())
}

/// Writes ids to a file, which appears when it is complete, or to standard output.
pub(crate) fn write_to(
    out: Option<&Path>,
    format: Format,
    key: &str,
    members: impl Iterator<Item = Result<Vec<u64>, Error>>,
) -> Result<(), Failure> {
    match out {
        None => write_members(format, stdout(), key, members),
        Some(path) => write_aside(path, |file| write_members(format, BufWriter::new(file), key, members)),
    }
}

/// Writes a file beside its place and moves it there once it is complete, so that nobody reads half of it.
fn write_aside(path: &Path, write: impl FnOnce(&File) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let aside = path.with_file_name(name);
    let file = File::create(&aside).map_err(|error| Failure::file("create", &aside, &error))?;
    let written = write(&file)
        .and_then(|()| file.sync_all().map_err(|error| Failure::file("write", &aside, &error)))
        .and_then(|()| fs::rename(&aside, path).map_err(|error| Failure::file("write", path, &error)));
    if written.is_err() {
        // The first error is the one to tell; a leftover that cannot be removed either changes nothing.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// Writes ids as they come; `key` is the name of the key column.
pub(crate) fn write_members(
    format: Format,
    mut out: impl Write + Send,
    key: &str,
    members: impl Iterator<Item = Result<Vec<u64>, Error>>,
) -> Result<(), Failure> {
    match format {
        Format::Ids => write_lines(out, "", "", members),
        Format::Csv => {
            writeln!(out, "{}", csv_field(key))?;
            write_lines(out, "", "", members)
        }
        Format::Jsonl => write_lines(out, &format!("{{{}:", serde_json::to_string(key)?), "}", members),
        Format::Parquet => {
            write_parquet(out, key, members)?;
            Ok(())
        }
        Format::Roaring => {
            let mut users = RoaringTreemap::new();
            for batch in members {
                users.extend(batch?);
            }
            users.optimize();
            users.serialize_into(&mut out)?;
            out.flush()?;
            Ok(())
        }
    }
}

fn write_lines(
    mut out: impl Write,
    before: &str,
    after: &str,
    members: impl Iterator<Item = Result<Vec<u64>, Error>>,
) -> Result<(), Failure> {
    for batch in members {
        for user in batch? {
            writeln!(out, "{before}{user}{after}")?;
        }
    }
    out.flush()?;
    Ok(())
}

/// A name as CSV has it: quoted where a plain one would be read as something else.
fn csv_field(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: Format, key: &str, batches: &[&[u64]]) -> Vec<u8> {
        let mut out = Vec::new();
        write_members(format, &mut out, key, batches.iter().map(|batch| Ok(batch.to_vec()))).unwrap();
        out
    }

    #[test]
    fn text_formats() {
        let text =
            |format, key| String::from_utf8(written(format, key, &[&[3, u64::MAX], &[], &[1]])).unwrap();
        assert_eq!(text(Format::Ids, "user_id"), "3\n18446744073709551615\n1\n");
        assert_eq!(text(Format::Csv, "user_id"), "user_id\n3\n18446744073709551615\n1\n");
        assert_eq!(text(Format::Csv, "a,\"b"), "\"a,\"\"b\"\n3\n18446744073709551615\n1\n");
        let json = text(Format::Jsonl, "uid");
        assert_eq!(json, "{\"uid\":3}\n{\"uid\":18446744073709551615}\n{\"uid\":1}\n");
    }

    #[test]
    fn roaring_is_portable() {
        let bytes = written(Format::Roaring, "user_id", &[&[9, 1 << 40], &[2]]);
        let users = RoaringTreemap::deserialize_from(&bytes[..]).unwrap();
        assert_eq!(users.iter().collect::<Vec<_>>(), [2, 9, 1 << 40]);
        let nobody = written(Format::Roaring, "user_id", &[]);
        assert!(RoaringTreemap::deserialize_from(&nobody[..]).unwrap().is_empty());
    }

    #[test]
    fn parquet_starts_and_ends_as_parquet_even_when_empty() {
        for batches in [&[][..], &[&[1][..], &[2, 3]]] {
            let bytes = written(Format::Parquet, "user_id", batches);
            assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
        }
    }

    #[test]
    fn a_failing_stream_fails_every_format() {
        for format in Format::value_variants() {
            let members = [Ok(vec![1]), Err(Error::input("gone"))].into_iter();
            let error = write_members(*format, Vec::new(), "user_id", members).unwrap_err();
            assert!(error.to_string().contains("gone"), "{format:?}: {error}");
        }
    }
}
