//! `muster inspect`: what a store holds.

use std::io::Write;

use clap::Args;
use muster_engine::column::{Layout, ListColumn, MapColumn, ValueColumn};
use muster_engine::error::Error;
use muster_engine::snapshot::{Bitmaps, Column, Record, Snapshot, Store};
use muster_loader::gates::{Judged, Verdict};
use serde::Serialize;

use crate::arguments::StoreArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{Align, bytes, grouped, json_report, share, stdout, table, time};

/// Show a store's generations, and the schema, sizes and encodings of one of them
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    #[command(flatten)]
    store: StoreArgs,

    /// This generation instead of the one in service, also one that is held back
    #[arg(long, value_name = "GENERATION")]
    generation: Option<u64>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  muster inspect --store store
  muster inspect --store store --generation 7 --json";

/// What is said of a store.
#[derive(Debug, Serialize)]
struct Report {
    generations: Vec<u64>,
    /// Held back, with why.
    held: Vec<HeldReport>,
    current: Option<u64>,
    generation: u64,
    as_of: String,
    source_watermark: Option<String>,
    written_by: String,
    format: u32,
    rows: u64,
    bytes: u64,
    /// Of all columns.
    bitmaps: Bitmaps,
    user_id: String,
    user_id_bytes: u64,
    time_zone: String,
    /// How it came to be published or held back.
    record: Option<Record>,
    /// How the gates judged it.
    gates: Option<Verdict>,
    columns: Vec<ColumnReport>,
}

/// What is said of a generation that is held back.
#[derive(Debug, Serialize)]
struct HeldReport {
    generation: u64,
    reason: Option<String>,
}

/// What is said of a column.
#[derive(Debug, Serialize)]
struct ColumnReport {
    name: String,
    r#type: String,
    nullable: bool,
    bytes: u64,
    /// Distinct values, elements or keys.
    distinct: u64,
    /// Users who have a value.
    present: u64,
    encoding: String,
    bitmaps: Bitmaps,
}

impl Inspect {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let store = self.store.open()?;
        let snapshot = self.store.snapshot(self.generation)?;
        let report = report(&store, &snapshot)?;
        if self.json {
            json_report(&report)?;
        } else {
            print(&report)?;
        }
        Ok(Outcome::Fine)
    }
}

fn report(store: &Store, snapshot: &Snapshot) -> Result<Report, Failure> {
    let manifest = snapshot.manifest();
    let described = manifest.schema.columns.iter().zip(&manifest.columns).enumerate();
    let columns: Vec<ColumnReport> = described
        .map(|(index, (schema, entry))| {
            Ok(ColumnReport {
                name: schema.name.clone(),
                r#type: schema.ty.to_string(),
                nullable: schema.nullable,
                bytes: entry.bytes,
                distinct: entry.distinct,
                present: entry.present,
                encoding: encoding(snapshot.column(index)?),
                bitmaps: snapshot.bitmaps(index)?,
            })
        })
        .collect::<Result<_, Error>>()?;
    let mut bitmaps = Bitmaps::default();
    for column in &columns {
        bitmaps.add(&column.bitmaps);
    }
    let held = |&generation: &u64| {
        let reason = store.record(generation)?.and_then(|record| record.reason);
        Ok::<_, Error>(HeldReport { generation, reason })
    };
    let judged = Judged::read(store, manifest.generation)?;
    Ok(Report {
        held: store.held()?.iter().map(held).collect::<Result<_, _>>()?,
        record: store.record(manifest.generation)?,
        gates: judged.map(|judged| judged.verdict),
        bitmaps,
        generations: store.generations()?,
        current: store.current_generation()?,
        generation: manifest.generation,
        as_of: time(manifest.as_of),
        source_watermark: manifest.source_watermark.clone(),
        written_by: manifest.written_by.clone(),
        format: manifest.format,
        rows: manifest.rows,
        bytes: manifest.data.bytes,
        user_id: manifest.schema.user_id.clone(),
        user_id_bytes: manifest.ids.bytes,
        time_zone: manifest.schema.time_zone.clone(),
        columns,
    })
}

fn print(report: &Report) -> Result<(), Failure> {
    let mut out = stdout();
    let generations: Vec<String> = report
        .generations
        .iter()
        .map(|&g| if Some(g) == report.current { format!("{g} (in service)") } else { g.to_string() })
        .collect();
    writeln!(out, "generations    {}", generations.join(", "))?;
    for HeldReport { generation, reason } in &report.held {
        writeln!(out, "held back      {generation}: {}", reason.as_deref().unwrap_or("nobody said why"))?;
    }
    writeln!(out, "generation     {} as of {}", report.generation, report.as_of)?;
    if let Some(record) = &report.record {
        let (event, at, reason) = (record.event.name(), time(record.at), record.reason.as_deref());
        let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        writeln!(out, "record         {event} by {} on {}, {at}{why}", record.user, record.host)?;
    }
    if let Some(watermark) = &report.source_watermark {
        writeln!(out, "watermark      {watermark}")?;
    }
    writeln!(out, "written by     {}, format {}", report.written_by, report.format)?;
    writeln!(out, "users          {}", grouped(report.rows))?;
    writeln!(out, "size           {}", bytes(report.bytes))?;
    let all = &report.bitmaps;
    let [arrays, bits, runs, full] = [all.arrays, all.bits, all.runs, all.full].map(grouped);
    let (count, size) = (grouped(all.bitmaps), bytes(all.bytes));
    writeln!(
        out,
        "bitmaps        {count}, {size}; chunks: {arrays} arrays, {bits} bits, {runs} runs, {full} full"
    )?;
    writeln!(out, "time zone      {}\n", report.time_zone)?;
    let ids = [
        report.user_id.clone(),
        "UInt64".to_owned(),
        bytes(report.user_id_bytes),
        grouped(report.rows),
        share(report.rows, report.rows),
        String::new(),
        "ids in row order and back".to_owned(),
    ];
    let columns = report.columns.iter().map(|column| {
        [
            column.name.clone(),
            if column.nullable { format!("Nullable({})", column.r#type) } else { column.r#type.clone() },
            bytes(column.bytes),
            grouped(column.distinct),
            share(column.present, report.rows),
            bytes(column.bitmaps.bytes),
            column.encoding.clone(),
        ]
    });
    let rows: Vec<[String; 7]> = std::iter::once(ids).chain(columns).collect();
    let heading = [
        ("column", Align::Left),
        ("type", Align::Left),
        ("size", Align::Right),
        ("distinct", Align::Right),
        ("present", Align::Right),
        ("bitmaps", Align::Right),
        ("encoding", Align::Left),
    ];
    table(&mut out, heading, &rows)?;
    if let Some(gates) = report.gates.as_ref().filter(|gates| gates.holds()) {
        write!(out, "\n{}", gates.text(false))?;
    }
    out.flush()?;
    Ok(())
}

fn encoding(column: &Column) -> String {
    match column {
        Column::Value(column) => values(column),
        Column::List(column) => list(column),
        Column::Map(column) => map(column),
    }
}

fn values(column: &ValueColumn) -> String {
    let codes = match column.layout() {
        Layout::Bits => return "a bitmap".to_owned(),
        Layout::Dense => format!("{}-byte codes", column.code_width()),
        Layout::Sparse => format!("{}-byte codes of the present", column.code_width()),
    };
    if column.has_order() { format!("{codes}, sorted order") } else { format!("{codes}, a bitmap a value") }
}

fn list(column: &ListColumn) -> String {
    format!(
        "{} bitmaps, {} row lists",
        column.heavy(),
        (column.elements().len() as usize).saturating_sub(column.heavy())
    )
}

fn map(column: &MapColumn) -> String {
    format!("{} sparse columns", column.keys().len())
}
