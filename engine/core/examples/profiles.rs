//! How long profiles of an audience take, column by column: values, bins and figures, as a console asks for them.
//!
//! `cargo run --release -p muster-engine --example profiles -- STORE 'RULE' COLUMN...`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_engine::execute::{Audience, Profiler, Scale};
use muster_engine::rule::ast::{Operand, Rule};
use muster_engine::rule::bind::{QueryError, Scope};
use muster_engine::rule::labels::NoLabels;
use muster_engine::rule::limits::Limits;
use muster_engine::snapshot::{OpenOptions, Snapshot, Store, Trust};

const ROUNDS: usize = 7;

/// How long something takes: the fastest and the middle one of some rounds, the first left out.
fn timed<T>(mut f: impl FnMut() -> Result<T, QueryError>) -> Result<(Duration, Duration), QueryError> {
    let mut took = Vec::with_capacity(ROUNDS);
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        black_box(f()?);
        if round > 0 {
            took.push(begun.elapsed());
        }
    }
    took.sort_unstable();
    Ok((took[0], took[ROUNDS / 2]))
}

fn ask(profiler: &Profiler<'_>, of: &Operand) -> Result<u64, QueryError> {
    let Ok(column) = profiler.column(of) else { return Ok(profiler.breakdown(of, 10)?.distinct) };
    let values = column.breakdown(10)?.distinct;
    if let Ok(histogram) = column.histogram(20, Scale::Auto) {
        return Ok(values + histogram.bins.len() as u64 + column.stats(&[0.5])?.count);
    }
    Ok(values)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let store = Store::open(std::path::Path::new(&arguments.next().ok_or("give a store's folder")?))?;
    let generation = store.current_generation()?.ok_or("the store is empty")?;
    let trusted = OpenOptions { trust: Trust::Verified };
    let snapshot = Arc::new(Snapshot::open_with(&store.generation_dir(generation), trusted)?);
    let limits = Limits::default();
    let scope = Scope { now: snapshot.as_of(), labels: &NoLabels, limits: &limits };
    let rule = Rule::parse(&arguments.next().ok_or("give a rule")?, &limits)?;
    let audience = Audience::new(&snapshot, &rule, &scope)?;
    let columns: Vec<Operand> =
        arguments.map(|name| Operand::parse(&name, &limits)).collect::<Result<_, _>>()?;
    let line = |what: &str, (fastest, middle): (Duration, Duration)| {
        println!(
            "{what:32} {:8.2} ms, at best {:8.2} ms",
            middle.as_secs_f64() * 1e3,
            fastest.as_secs_f64() * 1e3
        );
    };
    println!("{} users, {} members", snapshot.users(), audience.count());
    line("members", timed(|| audience.profiler().map(|profiler| profiler.count()))?);
    let profiler = audience.profiler()?;
    for of in &columns {
        line(&of.to_string(), timed(|| ask(&profiler, of))?);
    }
    let all = || -> Result<u64, QueryError> {
        let profiler = audience.profiler()?;
        columns.iter().map(|of| ask(&profiler, of)).sum()
    };
    line("all of these", timed(all)?);
    Ok(())
}
